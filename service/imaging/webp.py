"""WebP: RIFF chunks in and out (RFC 9649), pixels through libwebp."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import ImageDamaged, MultiFrame, RecordDamaged
from service.imaging.limits import MAX_XMP, Limits, check_icc, few_chunks
from service.imaging.metadata import orientation_of
from service.imaging.picture import CodingGrid, Extras, Stored
from service.imaging.raster import open_as, rgb_and_alpha, save_as
from service.imaging.record_parts import check_record

_RECORD = b"VSRD"
_ICC_FLAG, _ALPHA_FLAG, _EXIF_FLAG, _XMP_FLAG, _ANIMATION_FLAG = (0x20, 0x10, 0x08, 0x04, 0x02)
_QUALITY = 90
_LOSSLESS_EFFORT = 75

Chunks = list[tuple[bytes, bytes]]


def read_webp(data: bytes, limits: Limits) -> Stored:
    """Decode a still WebP, lossy or lossless.

    Raises:
        MultiFrame: it is animated.
        ImageDamaged, ImageTooLarge, RecordDamaged: as named.
    """
    chunks = list(few_chunks(_chunks(data)))
    kinds = [kind for kind, _ in chunks]
    flags = chunks[0][1][0] if kinds[:1] == [b"VP8X"] and chunks[0][1] else 0
    if flags & _ANIMATION_FLAG or b"ANIM" in kinds or b"ANMF" in kinds:
        raise MultiFrame("the file holds an animation; send a single image")
    records = [body for kind, body in chunks if kind == _RECORD]
    if len(records) > 1:
        raise RecordDamaged("the image holds more than one record")
    image_kind, bitstream = _bitstream(chunks)
    width, height, coded_alpha = _dimensions(image_kind, bitstream)
    limits.check_size(width, height)
    has_alpha = coded_alpha or b"ALPH" in kinds or bool(flags & _ALPHA_FLAG)
    image = open_as(_minimal(chunks, width, height), "WEBP")
    pixels, alpha = rgb_and_alpha(image, has_alpha)
    exif, xmp, icc = (_first(chunks, kind) for kind in (b"EXIF", b"XMP ", b"ICCP"))
    if exif is not None:
        exif = exif.removeprefix(b"Exif\0\0")
    return Stored(
        pixels=pixels,
        alpha=alpha,
        format="webp",
        orientation=orientation_of(exif),
        icc=None if icc is None else check_icc(icc),
        exif=exif,
        xmp=None if xmp is None else xmp[:MAX_XMP],
        grid=CodingGrid(16, 16, bleed=8) if image_kind == b"VP8 " else None,
        record=check_record(records[0]) if records else None,
    )


def write_webp(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None, lossless: bool, extras: Extras) -> bytes:
    """Encode 8-bit pixels; lossless keeps the colours of transparent pixels too."""
    quality = _LOSSLESS_EFFORT if lossless else _QUALITY
    options: dict[str, Any] = {"lossless": lossless, "quality": quality, "alpha_quality": 100, "exact": True}
    plain = save_as(pixels, alpha, "WEBP", **options)
    image = [(kind, body) for kind, body in _chunks(plain) if kind in (b"ALPH", b"VP8 ", b"VP8L")]
    height, width = pixels.shape[:2]
    return _riff([*_front(extras, width, height, alpha is not None), *image, *_back(extras)])


def _front(extras: Extras, width: int, height: int, has_alpha: bool) -> Iterator[tuple[bytes, bytes]]:
    flags = (
        (_ALPHA_FLAG if has_alpha else 0)
        | (_ICC_FLAG if extras.icc is not None else 0)
        | (_EXIF_FLAG if extras.exif is not None else 0)
        | (_XMP_FLAG if extras.xmp is not None else 0)
    )
    yield b"VP8X", _extended(flags, width, height)
    if extras.icc is not None:
        yield b"ICCP", extras.icc


def _back(extras: Extras) -> Iterator[tuple[bytes, bytes]]:
    for kind, body in ((b"EXIF", extras.exif), (b"XMP ", extras.xmp), (_RECORD, extras.record)):
        if body is not None:
            yield kind, body


def _extended(flags: int, width: int, height: int) -> bytes:
    """Body of the VP8X chunk: flags, reserved, canvas width and height less one (24 bits each)."""
    return struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def _riff(chunks: Chunks) -> bytes:
    body = b"".join(
        piece
        for kind, content in chunks
        for piece in (kind, struct.pack("<I", len(content)), content, b"\0" * (len(content) % 2))
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of the chunks inside the RIFF; what follows it is ignored."""
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise ImageDamaged("the WebP is truncated")
    at = 12
    while at + 8 <= end:
        kind, size = struct.unpack_from("<4sI", data, at)
        if at + 8 + size > end:
            raise ImageDamaged("the WebP is truncated or corrupt")
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _first(chunks: Chunks, kind: bytes) -> bytes | None:
    return next((body for found, body in chunks if found == kind), None)


def _bitstream(chunks: Chunks) -> tuple[bytes, bytes]:
    found = [(kind, body) for kind, body in chunks if kind in (b"VP8 ", b"VP8L")]
    if len(found) != 1:
        raise ImageDamaged("the WebP does not hold exactly one image")
    return found[0]


def _dimensions(kind: bytes, bitstream: bytes) -> tuple[int, int, bool]:
    """Width, height and whether alpha is coded inside (RFC 6386 section 9.1, RFC 9649 section 3.4)."""
    if len(bitstream) < 10:
        raise ImageDamaged("the WebP is truncated")
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", bitstream, 1)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    width, height = struct.unpack_from("<HH", bitstream, 6)
    return width & 0x3FFF, height & 0x3FFF, False


def _minimal(chunks: Chunks, width: int, height: int) -> bytes:
    """The file with nothing but its image, for the decoder."""
    image = [(kind, body) for kind, body in chunks if kind in (b"ALPH", b"VP8 ", b"VP8L")]
    if len(image) > 1:
        image.insert(0, (b"VP8X", _extended(_ALPHA_FLAG, width, height)))
    return _riff(image)
