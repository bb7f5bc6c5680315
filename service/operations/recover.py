"""Recover one image. Nothing is attempted before the intent is in the audit log."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

import numpy as np

from service.audit.entry import Outcome, RecoveryAttempt, Result
from service.core.solver import Progress
from service.errors import (
    BadInput,
    KeyDestroyed,
    KeyHeldElsewhere,
    KeyVersionUnknown,
    RecordMismatch,
    RecordRefused,
    RecordUnknown,
    Refused,
    SelectionInvalid,
    Unavailable,
)
from service.faces.layout import NOBODY
from service.imaging import OutputFormat, Picture, decode, encode, pixels_digest
from service.operations.custody import RecordKeys
from service.operations.evidence import Binding, bind, drawn_from
from service.operations.parts import Parts
from service.operations.picture import with_depth
from service.operations.restore import Scene, generative
from service.records.codec import Header, read_header, read_record
from service.records.record import Record
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
    """

    data: bytes
    format: OutputFormat
    record: UUID
    attempt: UUID
    fidelity: Fidelity
    verified: Verified
    faces: int


def recover(data: bytes, request: RecoverRequest, parts: Parts, progress: Progress | None = None) -> Recovered:
    """Give the originals back, between a committed intent and a committed outcome.

    Raises:
        AuditUnavailable: the intent, or the outcome, could not be committed; nothing is handed out.
        BadInput: the image or the reason cannot be processed.
        RecordUnknown, RecordRefused, RecordMismatch, KeyDestroyed, BundleUnknown: it is refused.
    """
    attempt = RecoveryAttempt(
        id=uuid4(),
        tenant=request.tenant,
        subject=request.subject,
        reason=request.reason,
        case=request.case,
        record=request.record,
        image_digest=hashlib.sha256(data).digest(),
        request=request.request,
        client=request.client,
        time=datetime.now(UTC),
    )
    parts.audit.intend(attempt)
    trail = _Trail()
    try:
        answer = _recover(data, request, parts, progress, trail, attempt.id)
    except BaseException as error:
        result, detail = _verdict(error)
        parts.audit.conclude(trail.outcome(attempt.id, result, detail))
        raise
    parts.audit.conclude(trail.outcome(attempt.id, Result.GRANTED, "recovered", answer.fidelity))
    return answer


@dataclass(slots=True)
class _Trail:
    """What became known on the way, for the outcome."""

    record: UUID | None = None
    key_version: int | None = None

    def outcome(self, attempt: UUID, result: Result, detail: str, fidelity: str | None = None) -> Outcome:
        return Outcome(
            attempt=attempt,
            time=datetime.now(UTC),
            result=result,
            detail=detail,
            record=self.record,
            key_version=self.key_version,
            fidelity=fidelity,
        )


def _verdict(error: BaseException) -> tuple[Result, str]:
    kinds: tuple[tuple[type[BaseException], Result], ...] = (
        (BadInput, Result.INVALID),
        (Refused, Result.DENIED),
        (Unavailable, Result.FAILED),
    )
    for kind, result in kinds:
        if isinstance(error, kind):
            return result, _code(error)
    return Result.FAILED, "fault"


def _code(error: BaseException) -> str:
    """``RecordMismatch`` to ``record-mismatch``."""
    name = type(error).__name__
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).strip("-")


@dataclass(frozen=True, slots=True)
class _Found:
    """A record that was opened, and what it came with."""

    record: Record
    keys: RecordKeys = field(repr=False)
    seal: bytes | None = field(repr=False)
    secret: bytes | None = field(repr=False)


def _recover(
    data: bytes, request: RecoverRequest, parts: Parts, progress: Progress | None, trail: _Trail, attempt: UUID
) -> Recovered:
    picture = decode(data, parts.limits)
    found = _open_record(picture, request, parts, trail)
    record = found.record
    # A PNG of an 8-bit record saved again at 16 bits holds the same pixels.
    shown = with_depth(picture, record.depth)
    binding = bind(shown, record)
    scene = Scene.of(record, shown)
    wanted = _wanted(request.faces, len(record.faces))
    sealed = request.fidelity == "best" and found.seal is not None
    if sealed:
        restored = _exact(shown, scene, found, wanted, binding, parts, progress)
    else:
        latents = found.keys.latents(record.scheme, record.bundle_digest, len(record.faces))
        restored = generative(shown, scene, record, wanted, latents, parts.engine, progress)
    restored = with_depth(restored, record.image_depth)
    whole = pixels_digest(restored) == record.image_digest
    return Recovered(
        data=encode(replace(restored, record=None), format=request.format, record=None, metadata="keep-safe"),
        format=request.format,
        record=record.id,
        attempt=attempt,
        fidelity="exact" if sealed else "generative",
        verified="image" if whole else "faces" if sealed else "none",
        faces=len(wanted),
    )


def _wanted(faces: tuple[int, ...] | None, count: int) -> list[int]:
    if faces is None:
        return list(range(count))
    if not faces or not set(faces) <= set(range(count)):
        raise SelectionInvalid(f"the image has {count} faces; choose indices from 0 to {count - 1}")
    return sorted(set(faces))


def _open_record(picture: Picture, request: RecoverRequest, parts: Parts, trail: _Trail) -> _Found:
    """Find the record by id, in the file, or by the hash of the pixels; the id asked for comes first."""
    embedded = picture.record
    header = None if embedded is None else read_header(embedded)
    if request.record is not None and (header is None or header.id != request.record):
        embedded, header = None, None
    wanted = request.record or (header.id if header else None)
    if wanted is not None:
        stored = parts.records.by_id(request.tenant, wanted)
    else:
        stored = parts.records.by_pixels(request.tenant, pixels_digest(picture))
    data = embedded or (stored.record if stored else None)
    if data is None:
        raise RecordUnknown("no record of this image was found")
    header = read_header(data)
    trail.record, trail.key_version = header.id, header.key_version
    keys = _record_keys(header, request.tenant, parts, owned=stored is not None)
    record, embedded_seal = read_record(data, body_key=keys.body, mac_key=keys.mac)
    if embedded_seal is not None:
        return _Found(record, keys, embedded_seal, None)
    return _Found(record, keys, stored.seal if stored else None, stored.secret if stored else None)


def _record_keys(header: Header, tenant: str, parts: Parts, *, owned: bool) -> RecordKeys:
    """The keys of a record; ``owned`` if the database says that it is this tenant's."""
    if header.custodian != parts.keys.custodian:
        raise KeyHeldElsewhere("the key of this image is held by another custodian than the one in use")
    try:
        return RecordKeys.derive(parts.keys, tenant, header.key_version, header.nonce)
    except KeyDestroyed as error:
        if owned:
            raise
        # It may as well be another tenant's, of whose keys nothing may be said.
        raise KeyVersionUnknown("this tenant has no usable key of this version") from error


def _exact(
    shown: Picture,
    scene: Scene,
    found: _Found,
    wanted: list[int],
    binding: Binding,
    parts: Parts,
    progress: Progress | None,
) -> Picture:
    """Put the sealed pixels back, after proof that this image was made from them."""
    record = found.record
    raw = open_seal(found.seal or b"", found.keys.seal(found.secret), record.id)
    owned = scene.owner != NOBODY
    kind = np.dtype(np.uint16 if record.image_depth == 16 else np.uint8)
    samples = np.frombuffer(raw, kind.newbyteorder(">"))
    if samples.size != 3 * int(owned.sum()):
        raise RecordRefused("the sealed pixels do not fit the image")
    restored = with_depth(shown, record.image_depth)
    pixels = restored.pixels.copy()
    chosen = np.isin(scene.owner[owned], wanted)
    pixels[np.isin(scene.owner, wanted)] = samples.reshape(-1, 3)[chosen]
    restored = replace(restored, pixels=pixels)
    if binding is Binding.SIMILAR:
        latents = found.keys.latents(record.scheme, record.bundle_digest, len(record.faces))
        if not drawn_from(restored, shown, scene, record, wanted, latents, parts.engine, progress):
            raise RecordMismatch("the faces in the image were changed since they were made")
    return restored
