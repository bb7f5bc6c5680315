"""What a recovery needs besides pixels and key."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from service.core.bands import BLOCK
from service.core.schedule import GridKind
from service.core.transform import Scheme
from service.custodian import Custodian
from service.tenancy import SealPolicy

LANDMARKS = 5
BANDS = 4
THUMBNAIL_BYTES = 64
NONCE_BYTES = 16
DIGEST_BYTES = 32
CONFIDENCE_STEPS = 65535


@dataclass(frozen=True, slots=True, eq=False)
class FaceRecord:
    """One anonymized face.

    Attributes:
        box: left, top, right, bottom in image px; may lie outside the image.
        confidence: of the detector, in [0, 1]; kept to 1 / 65535.
        draw: which of its strangers is shown, from 0; each has a latent key of its own.
        side: of the crop in image px, at least R.
        origin: x, y of the crop in image px; may be negative.
        landmarks: (5, 2) int32 x, y in image px.
        bitmap: (R / 4, R / 4) bool, the blocks that were generated.
        norms: of the four coefficient groups, float64.
        overflow: what the pixels could not hold, padded by the maker to one length for all faces of a record.
        thumbnail: 64 bytes, perceptual summary of the face.

    Raises:
        ValueError: a field has another shape, length or range.
    """

    box: tuple[int, int, int, int]
    confidence: float
    draw: int
    side: int
    origin: tuple[int, int]
    landmarks: NDArray[np.int32] = field(repr=False)
    bitmap: NDArray[np.bool_] = field(repr=False)
    norms: tuple[float, float, float, float] = field(repr=False)
    overflow: bytes = field(repr=False)
    thumbnail: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _require(len(self.box) == 4 and len(self.origin) == 2, "a box has four numbers, an origin two")
        _require(0 <= self.confidence <= 1, "a confidence lies in [0, 1]")
        _require(0 <= self.draw < 256, "the number of a draw has 8 bits")
        _require(self.landmarks.shape == (LANDMARKS, 2), "landmarks are (5, 2)")
        _require(self.landmarks.dtype == np.int32, "landmarks are int32")
        _require(self.bitmap.dtype == np.bool_, "a bitmap is bool")
        _require(len(self.norms) == BANDS, "a face has four norms")
        _require(len(self.thumbnail) == THUMBNAIL_BYTES, "a thumbnail has 64 bytes")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Record:
    """One anonymized image.

    Attributes:
        id: names the record.
        nonce: 16 random bytes, fresh for this image.
        custodian: who holds the tenant's master key.
        key_version: of that key.
        scheme: the keyed transform.
        bundle_digest: of the weights, 32 bytes.
        resolution: R, cells per side.
        steps: N, solver steps per direction.
        evaluations: K, network evaluations per step.
        grid: spacing of the times.
        t0: time of the pixels.
        t1: time of the latent.
        taus: norm of the scaled latent per square root of a coefficient: coarse, middle, fine, leftover.
        depth: bits per sample of the anonymized image, 8 or 16.
        image_depth: bits per sample of the original.
        width: of the image, px.
        height: of the image, px.
        coding_grid: of a lossy input, or of the JPEG that it was before: width and height of its blocks, x and y of
            the first one, and how many pixels a block reaches beyond itself.
        lossy: whether the output format loses pixels.
        pixels_digest: SHA-256 of the anonymized image.
        image_digest: SHA-256 of the original image.
        sealed: where the exact pixels are.
        faces: in the order of the detector.

    Raises:
        ValueError: a field has another shape, length or range.
    """

    id: UUID
    nonce: bytes
    custodian: Custodian
    key_version: int
    scheme: Scheme
    bundle_digest: bytes
    resolution: int
    steps: int
    evaluations: int
    grid: GridKind
    t0: float
    t1: float
    taus: tuple[float, float, float, float]
    depth: Literal[8, 16]
    image_depth: Literal[8, 16]
    width: int
    height: int
    coding_grid: tuple[int, int, int, int, int] | None
    lossy: bool
    pixels_digest: bytes
    image_digest: bytes = field(repr=False)
    sealed: SealPolicy
    faces: tuple[FaceRecord, ...]

    def __post_init__(self) -> None:
        _require(len(self.nonce) == NONCE_BYTES, "a nonce has 16 bytes")
        _require(0 <= self.key_version < 2**32, "a key version has 32 bits")
        for digest in (self.bundle_digest, self.pixels_digest, self.image_digest):
            _require(len(digest) == DIGEST_BYTES, "a digest has 32 bytes")
        _require({self.depth, self.image_depth} <= {8, 16}, "a depth is 8 or 16")
        _require(self.resolution > 0 and self.resolution % BLOCK == 0, "the resolution is a multiple of 4")
        side = self.resolution // BLOCK
        _require(all(face.side >= self.resolution for face in self.faces), "a crop has a pixel for every cell")
        _require(all(face.bitmap.shape == (side, side) for face in self.faces), "a bitmap is (R / 4, R / 4)")
        _require(len({len(face.overflow) for face in self.faces}) <= 1, "overflows of a record have one length")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
