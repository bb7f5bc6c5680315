"""Anonymize one image: decode, detect, derive, replace, record, store, encode."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from service.core.scheme import Plan, levels_to_model
from service.core.solver import Progress
from service.core.transform import Norms, Scheme
from service.engine import FaceTask
from service.errors import AlreadyAnonymized, NoFaces, TooManyFaces
from service.faces.again import look_again, shows
from service.faces.crops import FaceView, thumbnail, view_face
from service.faces.detection import Box, Detection
from service.faces.layout import NO_FACE, PlacedFace
from service.faces.masks import Coverage
from service.faces.search import DEFAULT_CONFIDENCE
from service.faces.selection import select
from service.imaging import (
    MetadataPolicy,
    OutputFormat,
    Picture,
    decode,
    encode,
    format_for,
    pixels_digest,
    require_fits,
)
from service.operations.custody import plan_for
from service.operations.detect import checked
from service.operations.finding import faces_in
from service.operations.keeping import NewImage, chosen_policy, written
from service.operations.laying import NewScene, laid
from service.operations.parts import Parts, Studio
from service.operations.phases import timed
from service.operations.picture import as_bytes, is_lossy, opaque, samples, with_depth
from service.operations.strangers import Stranger, draw_strangers
from service.records.record import FaceRecord, Record
from service.records.store import StoredRecord
from service.tenancy import SealPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class AnonymizeRequest:
    """What the caller chose.

    Attributes:
        tenant: whose key drives the faces; from the caller's credentials.
        format: of the output; ``same`` keeps the input's (BMP becomes PNG).
        depth: bits per sample of the output; None keeps the input's.
        seal: where the exact faces are kept; None for what the tenant has chosen.
        coverage: ``face``, or ``head`` to replace hair and ears too.
        metadata: what survives of the input's.
        no_faces: what to do with an image without faces.
        again: whether to anonymize an image that was anonymized before.
        min_confidence: of the detector.
        keep: faces whose centre lies in one of these boxes stay visible.
        only: if given, all other faces stay visible too.
        extra: boxes to replace although nothing was found there.
        scheme: of the keyed transform; other than the default for comparison only.
    """

    tenant: str
    format: Literal["same"] | OutputFormat = "same"
    depth: Literal[8, 16] | None = None
    seal: SealPolicy | None = None
    coverage: Coverage = "face"
    metadata: MetadataPolicy = "strip"
    no_faces: Literal["error", "pass"] = "error"
    again: bool = False
    min_confidence: float = DEFAULT_CONFIDENCE
    keep: tuple[Box, ...] = ()
    only: tuple[Box, ...] = ()
    extra: tuple[Box, ...] = ()
    scheme: Scheme = "band-rotation"


@dataclass(frozen=True, slots=True)
class Anonymized:
    """The answer.

    Attributes:
        data: the image file.
        format: of the file.
        record: id of the record; None when there was no face, or the tenant wants none.
        faces: the faces that were replaced.
    """

    data: bytes
    format: OutputFormat
    record: UUID | None
    faces: tuple[PlacedFace, ...]


def anonymize(data: bytes, request: AnonymizeRequest, parts: Parts, progress: Progress | None = None) -> Anonymized:
    """Replace every face of an image; the record is stored before the image is handed out.

    Raises:
        BadInput: the image cannot be read, holds no face, or cannot be written as asked.
        AlreadyAnonymized: and ``again`` was not given.
        PolicyForbids: a seal was asked for by an irreversible tenant.
        Refused, Unavailable: the tenant's key, or the database, does not answer as needed.
    """
    tenant = request.tenant
    policy = chosen_policy(parts.tenants.policy_of(tenant), request.seal)
    drawn = draw(
        data,
        request,
        parts,
        begin=lambda: NewImage.begin(tenant, policy, parts.keys),
        known=lambda digest: parts.records.by_pixels(tenant, digest) is not None,
        progress=progress,
    )
    if drawn.stored is not None:
        parts.records.add(drawn.stored)
    return drawn.answer


@dataclass(frozen=True, slots=True)
class Drawn:
    """An answer that must not be handed out yet.

    Attributes:
        answer: for later.
        stored: what has to be stored before; None if there is nothing.
        source: digest of the pixels that came in.
    """

    answer: Anonymized
    stored: StoredRecord | None
    source: bytes


def draw(
    data: bytes,
    request: AnonymizeRequest,
    studio: Studio,
    *,
    begin: Callable[[], NewImage],
    known: Callable[[bytes], bool],
    progress: Progress | None = None,
) -> Drawn:
    """Replace every face of an image, and store nothing.

    Args:
        begin: gives the keys, once they are needed.
        known: whether an image with these pixels was anonymized for the tenant before.

    Raises:
        BadInput: the image cannot be read, holds no face, or cannot be written as asked.
        AlreadyAnonymized: and ``again`` was not given.
        Refused, Unavailable: as ``begin``, ``known`` and the engine do.
    """
    with timed(studio.observer, "decode"):
        picture = decode(data, studio.limits)
    source = pixels_digest(picture)
    if not request.again and (picture.record is not None or known(source)):
        raise already_anonymized()
    output = format_for(picture.format, request.format)
    target = with_depth(picture, request.depth or _natural_depth(picture, output))
    found = _found(picture, request, studio)
    scene = laid(_chosen(found, picture, request, studio), picture, request.coverage, studio.bundles)
    if not scene.faces:
        if request.no_faces == "error":
            raise NoFaces("no face to replace was found in the image")
        with timed(studio.observer, "encode"):
            file = encode(target, format=output, record=None, metadata=request.metadata)
        return Drawn(Anonymized(file, output, None, ()), None, source)
    with timed(studio.observer, "key"):
        new = begin()
    plain = tuple(shows(found, face.box) for face in scene.faces)
    job = _Job(picture, source, target, output, scene, plain, request, new)
    return _draw_scene(job, studio, progress)


def already_anonymized() -> AlreadyAnonymized:
    """The refusal."""
    return AlreadyAnonymized("the image is already anonymized; ask for it to be done again if that is meant")


@dataclass(frozen=True, slots=True)
class _Job:
    """An image whose faces are to be replaced.

    Attributes:
        picture: as it came in.
        source: digest of its pixels.
        target: the same at the depth of the output.
        output: format of the file.
        scene: the faces.
        plain: of each of them whether the detector found it.
        request: what the caller chose.
        new: the keys.
    """

    picture: Picture
    source: bytes
    target: Picture
    output: OutputFormat
    scene: NewScene
    plain: tuple[bool, ...]
    request: AnonymizeRequest
    new: NewImage

    @property
    def lossy(self) -> bool:
        """Whether the file will not hold the pixels as they are made."""
        return is_lossy(self.target, self.output)

    @property
    def depth(self) -> Literal[8, 16]:
        """Bits per sample of the output."""
        return _depth(self.target.pixels)

    @property
    def plan(self) -> Plan:
        """How the faces are carried."""
        numerics = self.scene.bundle.manifest.numerics
        return plan_for(numerics, self.request.scheme, lossy=self.lossy, depth=self.depth)

    def encoded(self, anonymized: Picture, record: bytes | None) -> bytes:
        """The file."""
        return encode(anonymized, format=self.output, record=record, metadata=self.request.metadata)

    def answer(self, file: bytes, record: UUID | None) -> Anonymized:
        """What the caller gets."""
        return Anonymized(file, self.output, record, self.scene.faces)


def _draw_scene(job: _Job, studio: Studio, progress: Progress | None) -> Drawn:
    anonymized, strangers = _with_strangers(job, studio, progress)
    if job.new.policy.irreversible:
        with timed(studio.observer, "encode"):
            file = job.encoded(anonymized, None)
        return Drawn(job.answer(file, None), None, job.source)
    with timed(studio.observer, "encode"):
        # As a reader of the file will see it.
        shown = decode(job.encoded(anonymized, None), studio.limits) if job.lossy else anonymized
    record = _record(job, shown, strangers)
    embedded, stored = written(record, samples(job.picture, job.scene.owner != NO_FACE), job.new)
    with timed(studio.observer, "encode"):
        file = job.encoded(anonymized, embedded)
    studio.limits.check_result(len(file))
    return Drawn(job.answer(file, record.id), stored, job.source)


def _with_strangers(job: _Job, studio: Studio, progress: Progress | None) -> tuple[Picture, list[Stranger]]:
    scene, plan = job.scene, job.plan
    views = [view_face(job.target.pixels, scene.owner, i, face) for i, face in enumerate(scene.faces)]

    def carry(wanted: Sequence[int], draw: int) -> list[tuple[Tensor, Norms]]:
        keys = job.new.keys.latents(plan.scheme, scene.bundle.digest, [draw] * len(views))
        tasks = [FaceTask(_inside(views[i]), views[i].context(), keys[i]) for i in wanted]
        return studio.engine.anonymize(scene.bundle.digest, plan, tasks, progress)

    def look(shown: Picture, boxes: Sequence[Box]) -> list[bool]:
        with timed(studio.observer, "detect"):
            least = min(job.request.min_confidence, DEFAULT_CONFIDENCE)
            return look_again(as_bytes(shown.pixels), boxes, studio.detector, least)

    blank = opaque(job.target, scene.owner != NO_FACE)
    require_fits(blank, job.output)
    return draw_strangers(blank, views, job.plain, carry, look)


def _record(job: _Job, shown: Picture, strangers: Sequence[Stranger]) -> Record:
    """What recovery needs.

    Args:
        shown: the anonymized image as a reader of its file sees it.
        strangers: of each face.
    """
    scene, new = job.scene, job.new
    return Record(
        id=new.record,
        nonce=new.nonce,
        custodian=new.custodian,
        key_version=new.key_version,
        bundle_digest=scene.bundle.digest,
        resolution=scene.bundle.manifest.numerics.resolution,
        **asdict(job.plan),
        depth=job.depth,
        image_depth=_depth(job.picture.pixels),
        width=job.target.pixels.shape[1],
        height=job.target.pixels.shape[0],
        coding_grid=scene.coding_grid,
        lossy=job.lossy,
        pixels_digest=pixels_digest(shown),
        image_digest=job.source,
        sealed=new.policy.seal,
        faces=tuple(_face_record(face, stranger, shown) for face, stranger in zip(scene.faces, strangers, strict=True)),
    )


def _found(picture: Picture, request: AnonymizeRequest, studio: Studio) -> list[Detection]:
    with timed(studio.observer, "detect"):
        return faces_in(picture, studio.detector, checked(request.min_confidence))


def _chosen(found: list[Detection], picture: Picture, request: AnonymizeRequest, studio: Studio) -> list[Detection]:
    size = (picture.pixels.shape[0], picture.pixels.shape[1])
    chosen = select(found, size, keep=request.keep, only=request.only, extra=request.extra)
    if studio.max_faces is not None and len(chosen) > studio.max_faces:
        raise TooManyFaces(f"{len(chosen)} faces are to be replaced, the limit of one image is {studio.max_faces}")
    return chosen


def _natural_depth(picture: Picture, output: OutputFormat) -> Literal[8, 16]:
    return 8 if output in ("jpeg", "webp") else _depth(picture.pixels)


def _depth(pixels: NDArray[np.generic]) -> Literal[8, 16]:
    return 16 if pixels.dtype == np.uint16 else 8


def _inside(view: FaceView) -> Tensor:
    return levels_to_model(view.inside.values, view.top)


def _face_record(face: PlacedFace, stranger: Stranger, shown: Picture) -> FaceRecord:
    return FaceRecord(
        box=face.box,
        confidence=face.confidence,
        draw=stranger.draw,
        side=face.side,
        origin=face.origin,
        landmarks=face.landmarks,
        bitmap=face.bitmap,
        norms=stranger.norms,
        overflow=stranger.overflow,
        thumbnail=thumbnail(shown.pixels, face),
    )
