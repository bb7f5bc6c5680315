"""The plaintext of a record's body. Its length follows from face count, resolution and overflow length alone.

All numbers are big endian. Floats that recovery depends on are IEEE float64.
"""

import struct
from collections.abc import Iterable
from typing import Final, TypeVar
from uuid import UUID

import numpy as np

from service.core.bands import BLOCK
from service.core.schedule import GridKind
from service.core.transform import Scheme
from service.custodian import Custodian
from service.errors import RecordDamaged
from service.records.record import CONFIDENCE_STEPS, LANDMARKS, FaceRecord, Record
from service.tenancy import SealPolicy

_T = TypeVar("_T")

# The place in the tuple is the code on the wire: append, never reorder.
_SCHEMES: Final[tuple[Scheme, ...]] = ("band-rotation", "rotation", "signflip")
_SEALS: Final[tuple[SealPolicy, ...]] = ("record", "embed", "off")
_GRIDS: Final[tuple[GridKind, ...]] = ("square", "late")

# scheme, seal, grid, depth, depth of the original, lossy, has coding grid | R, N, K, faces | overflow length
# | t0, t1, four tau | width, height | coding grid | digests of bundle, anonymized pixels, original
_IMAGE = struct.Struct(">BBBBB?? 4H I 6d 2I 5i 32s32s32s")
# box, origin | side, confidence, draw | norms | thumbnail
_FACE = struct.Struct(">6i I H B 4d 64s")
_LANDMARKS = np.dtype(">i4")


def pack_body(record: Record) -> bytes:
    """Everything of ``record`` that is not in the clear header.

    Raises:
        ValueError: a number does not fit its field.
    """
    overflow_bytes = len(record.faces[0].overflow) if record.faces else 0
    try:
        head = _IMAGE.pack(
            _SCHEMES.index(record.scheme),
            _SEALS.index(record.sealed),
            _GRIDS.index(record.grid),
            record.depth,
            record.image_depth,
            record.lossy,
            record.coding_grid is not None,
            record.resolution,
            record.steps,
            record.evaluations,
            len(record.faces),
            overflow_bytes,
            record.t0,
            record.t1,
            *record.taus,
            record.width,
            record.height,
            *(record.coding_grid or (0, 0, 0, 0, 0)),
            record.bundle_digest,
            record.pixels_digest,
            record.image_digest,
        )
        return head + b"".join(_pack_face(face) for face in record.faces)
    except struct.error as error:
        raise ValueError("a number of the record does not fit its field") from error


def unpack_body(data: bytes, *, record_id: UUID, nonce: bytes, custodian: Custodian, key_version: int) -> Record:
    """The record whose body is ``data``; the rest comes from the clear header.

    Raises:
        RecordDamaged: it is no body. As bodies are authenticated first, its maker was at fault.
    """
    try:
        return _unpack(data, record_id, nonce, custodian, key_version)
    except (struct.error, ValueError, IndexError) as error:
        raise RecordDamaged("the record cannot be read") from error


def _unpack(data: bytes, record_id: UUID, nonce: bytes, custodian: Custodian, key_version: int) -> Record:
    scheme, sealed, grid, depth, image_depth, lossy, has_grid, resolution, *more = _IMAGE.unpack_from(data)
    steps, evaluations, faces, overflow_bytes, *rest = more
    t0, t1, coarse, middle, fine, leftover, *more = rest
    width, height, *coding_grid, bundle_digest, pixels_digest, image_digest = more
    size = _face_bytes(resolution, overflow_bytes)
    if len(data) != _IMAGE.size + faces * size:
        raise ValueError("the length of the body does not match its face count")
    starts = range(_IMAGE.size, len(data), size)
    return Record(
        id=record_id,
        nonce=nonce,
        custodian=custodian,
        key_version=key_version,
        scheme=_SCHEMES[scheme],
        bundle_digest=bundle_digest,
        resolution=resolution,
        steps=steps,
        evaluations=evaluations,
        grid=_GRIDS[grid],
        t0=t0,
        t1=t1,
        taus=(coarse, middle, fine, leftover),
        depth=depth,
        image_depth=image_depth,
        width=width,
        height=height,
        coding_grid=_five(coding_grid) if has_grid else None,
        lossy=lossy,
        pixels_digest=pixels_digest,
        image_digest=image_digest,
        sealed=_SEALS[sealed],
        faces=tuple(_unpack_face(data[start : start + size], resolution) for start in starts),
    )


def _face_bytes(resolution: int, overflow_bytes: int) -> int:
    return _FACE.size + LANDMARKS * 2 * _LANDMARKS.itemsize + _bitmap_bytes(resolution) + overflow_bytes


def _bitmap_bytes(resolution: int) -> int:
    return -(-((resolution // BLOCK) ** 2) // 8)


def _pack_face(face: FaceRecord) -> bytes:
    confidence = round(face.confidence * CONFIDENCE_STEPS)
    numbers = _FACE.pack(*face.box, *face.origin, face.side, confidence, face.draw, *face.norms, face.thumbnail)
    return b"".join(
        (numbers, face.landmarks.astype(_LANDMARKS).tobytes(), np.packbits(face.bitmap).tobytes(), face.overflow)
    )


def _unpack_face(data: bytes, resolution: int) -> FaceRecord:
    numbers = _FACE.unpack_from(data)
    landmarks = np.frombuffer(data, _LANDMARKS, LANDMARKS * 2, _FACE.size)
    bitmap_at = _FACE.size + landmarks.nbytes
    overflow_at = bitmap_at + _bitmap_bytes(resolution)
    side = resolution // BLOCK
    bits = np.unpackbits(np.frombuffer(data[bitmap_at:overflow_at], np.uint8), count=side * side)
    return FaceRecord(
        box=_four(numbers[:4]),
        confidence=numbers[7] / CONFIDENCE_STEPS,
        draw=numbers[8],
        side=numbers[6],
        origin=numbers[4:6],
        landmarks=landmarks.reshape(LANDMARKS, 2).astype(np.int32),
        bitmap=bits.reshape(side, side).astype(np.bool_),
        norms=_four(numbers[9:13]),
        overflow=data[overflow_at:],
        thumbnail=numbers[13],
    )


def _four(values: Iterable[_T]) -> tuple[_T, _T, _T, _T]:
    a, b, c, d = values
    return a, b, c, d


def _five(values: Iterable[_T]) -> tuple[_T, _T, _T, _T, _T]:
    a, b, c, d, e = values
    return a, b, c, d, e
