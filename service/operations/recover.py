"""Recover one image. Nothing is attempted before the intent is in the audit log."""

import hashlib
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

import numpy as np

from service.audit.entry import RecoveryAttempt, Result
from service.core.solver import Progress
from service.errors import RecordMismatch, RecordRefused, Refused, SelectionInvalid
from service.faces.layout import NO_FACE
from service.imaging import OutputFormat, Picture, decode, encode, pixels_digest
from service.operations.evidence import Binding, bind, drawn_from
from service.operations.foreign import notices_of
from service.operations.opening import Found, open_record
from service.operations.parts import Parts
from service.operations.phases import timed
from service.operations.picture import with_depth, with_samples
from service.operations.presence import require_caller
from service.operations.restore import Scene, generative
from service.operations.trail import Trail
from service.operations.verdict import verdict
from service.plain_text import loggable, validated_text
from service.records.seal import open_seal

Fidelity = Literal["exact", "generative"]
Verified = Literal["image", "faces", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverRequest:
    """What the caller asked for, and on whose behalf.

    Attributes:
        tenant: whose records may be opened; from the caller's credentials.
        subject: who asks.
        reason: why; goes into the audit log.
        case: the file or ticket it belongs to.
        record: id of the record, when the image has lost its metadata.
        faces: indices of the faces to bring back; None for all.
        fidelity: ``best`` gives the exact pixels where they are sealed.
        format: of the output.
        request: id of the request, for the log.
        client: address of the caller, for the log.
    """

    tenant: str
    subject: str
    reason: str
    case: str | None = None
    record: UUID | None = None
    faces: tuple[int, ...] | None = None
    fidelity: Literal["best", "generative"] = "best"
    format: Literal["png", "tiff"] = "png"
    request: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class Recovered:
    """The answer.

    Attributes:
        data: the image file, lossless.
        format: of the file.
        record: id of the record used.
        attempt: id of the audit entries.
        fidelity: ``exact``, or ``generative`` from pixels, key and record alone.
        verified: ``image``: the whole image is the original, bit by bit; ``faces``: the faces are;
            ``none``: nothing could be proved.
        faces: how many faces came back.
        confidence: in generative faces, see ``restore.generative``; None for exact ones, which are certain.
    """

    data: bytes
    format: OutputFormat
    record: UUID
    attempt: UUID
    fidelity: Fidelity
    verified: Verified
    faces: int
    confidence: float | None


def recover(
    data: bytes,
    request: RecoverRequest,
    parts: Parts,
    progress: Progress | None = None,
    gone: threading.Event | None = None,
) -> Recovered:
    """Give the originals back, between a committed intent and a committed outcome.

    Args:
        gone: set once nobody waits for the answer any more.

    Raises:
        CallerGone: nobody waits any more, and nothing is handed out.
        AuditUnavailable: the intent, or the outcome, could not be committed; nothing is handed out.
        BadInput: the image, the reason or the case cannot be processed.
        RecordUnknown, RecordRefused, RecordErased, RecordMismatch, ApprovalMissing, KeyDestroyed, KeyHeldElsewhere,
            KeysForbidden, BundleUnknown: it is refused.
    """
    attempt = RecoveryAttempt(
        id=uuid4(),
        tenant=request.tenant,
        subject=request.subject,
        reason=loggable(request.reason),
        case=None if request.case is None else loggable(request.case),
        record=request.record,
        image_digest=hashlib.sha256(data).digest(),
        request=request.request,
        client=request.client,
        time=datetime.now(UTC),
    )
    parts.audit.intend(attempt)
    trail = Trail()
    try:
        require_caller(gone)
        with parts.audit.holding(attempt):
            answer = _recover(data, request, parts, progress, trail, attempt)
            require_caller(gone)
    except BaseException as error:
        _give_back(trail, attempt, parts)
        outcome = trail.outcome(attempt.id, *verdict(error))
        if isinstance(error, Refused):
            for rest in parts.audit.conclude_denied(outcome, notices_of(trail.denied(attempt), parts)):
                parts.afterwards(rest)
        else:
            parts.audit.conclude(outcome)
        raise
    try:
        parts.audit.conclude(trail.outcome(attempt.id, Result.GRANTED, "recovered", answer.fidelity))
    except BaseException:
        _give_back(trail, attempt, parts)
        raise
    return answer


def _give_back(trail: Trail, attempt: RecoveryAttempt, parts: Parts) -> None:
    """Nothing is handed out: an approval that was claimed, or may have been, counts again.

    It comes before the outcome. An attempt that cannot give it back ends as interrupted, which gives it back too.
    """
    if trail.approval is not None or trail.unsure:
        parts.approvals.release(attempt.id)


def _recover(
    data: bytes,
    request: RecoverRequest,
    parts: Parts,
    progress: Progress | None,
    trail: Trail,
    attempt: RecoveryAttempt,
) -> Recovered:
    validated_text(request.reason)
    if request.case is not None:
        validated_text(request.case, "case")
    with timed(parts.observer, "decode"):
        picture = trail.picture = decode(data, parts.limits)
    found = open_record(picture, attempt, parts, trail)
    record = found.record
    # A PNG of an 8-bit record saved again at 16 bits holds the same pixels.
    shown = with_depth(picture, record.depth)
    binding = bind(shown, record)
    scene = Scene.of(record, shown)
    wanted = _wanted(request.faces, len(record.faces))
    sealed = request.fidelity == "best" and found.seal is not None
    confidence = None
    if sealed:
        restored = _exact(shown, scene, found, wanted, binding, parts, progress)
    else:
        latents = found.keys.latents_of(record)
        restored, confidence = generative(shown, scene, record, wanted, latents, parts.engine, progress)
    restored = with_depth(restored, record.image_depth)
    whole = pixels_digest(restored) == record.image_digest
    with timed(parts.observer, "encode"):
        file = encode(replace(restored, record=None), format=request.format, record=None, metadata="keep-safe")
    return Recovered(
        data=file,
        format=request.format,
        record=record.id,
        attempt=attempt.id,
        fidelity="exact" if sealed else "generative",
        verified="image" if whole else "faces" if sealed else "none",
        faces=len(wanted),
        confidence=confidence,
    )


def _wanted(faces: tuple[int, ...] | None, count: int) -> list[int]:
    if faces is None:
        return list(range(count))
    if not faces or not set(faces) <= set(range(count)):
        raise SelectionInvalid(f"the image has {count} faces; choose indices from 0 to {count - 1}")
    return sorted(set(faces))


def _exact(
    shown: Picture,
    scene: Scene,
    found: Found,
    wanted: list[int],
    binding: Binding,
    parts: Parts,
    progress: Progress | None,
) -> Picture:
    """Put the sealed pixels back, after proof that this image was made from them."""
    record = found.record
    raw = open_seal(found.seal or b"", found.keys.seal(found.secret), record.id)
    owned = scene.owner != NO_FACE
    kind = np.dtype(np.uint16 if record.image_depth == 16 else np.uint8)
    values, count = np.frombuffer(raw, kind.newbyteorder(">")), int(owned.sum())
    if values.size not in (3 * count, 4 * count):
        raise RecordRefused("the sealed pixels do not fit the image")
    chosen = values.reshape(count, -1)[np.isin(scene.owner[owned], wanted)]
    restored = with_samples(with_depth(shown, record.image_depth), np.isin(scene.owner, wanted), chosen)
    if binding is Binding.SIMILAR:
        latents = found.keys.latents_of(record)
        if not drawn_from(restored, shown, scene, record, wanted, latents, parts.engine, progress):
            raise RecordMismatch("the faces in the image were changed since they were made")
    return restored
