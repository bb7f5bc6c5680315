"""Images and files made for the tests of this room."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.imaging import Picture, encode


def noise(height: int, width: int, *, dtype: type = np.uint8, channels: int = 3, seed: int = 0) -> NDArray[Any]:
    """Random samples (H, W, channels): no coder can lose a bit of them unseen."""
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, (height, width, channels), dtype=dtype, endpoint=True)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """A colour gradient (H, W, 3): different in every corner, kept well by lossy coders."""
    y, x = np.mgrid[:height, :width]
    planes = (x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), (x + y) * 255 / max(width + height - 2, 1))
    return np.stack(planes, axis=2).astype(np.uint8)


def picture(pixels: NDArray[Any], alpha: NDArray[Any] | None = None, **fields: Any) -> Picture:
    """A picture that came from nowhere."""
    return Picture(pixels=pixels, alpha=alpha, format=fields.pop("format", "png"), **fields)


def saved(image: Image.Image | NDArray[Any], plugin: str, **options: Any) -> bytes:
    """What Pillow writes."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, plugin, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(width: int, height: int, depth: int, colour: int, rows: list[bytes], *extra: bytes) -> bytes:
    """A PNG of unfiltered rows, for kinds that Pillow does not write; ``extra`` chunks before the image data."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = (chunk(b"IHDR", header), *extra, chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def segment(marker: int, payload: bytes) -> bytes:
    """A JPEG marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments inserted behind SOI."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def first_scans(jpeg: bytes, count: int) -> bytes:
    """A progressive JPEG whose later scans are missing."""
    starts = [at for at in range(len(jpeg)) if jpeg[at : at + 2] == b"\xff\xda"]
    return jpeg if count >= len(starts) else jpeg[: starts[count]] + b"\xff\xd9"


def riff_chunk(kind: bytes, body: bytes) -> bytes:
    """A RIFF chunk."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    """A WebP of ready chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunks(webp: bytes) -> dict[bytes, bytes]:
    """The chunks of a WebP by kind, sizes and padding asserted."""
    assert struct.unpack_from("<I", webp, 4)[0] == len(webp) - 8
    found, at = {}, 12
    while at < len(webp):
        kind, size = struct.unpack_from("<4sI", webp, at)
        found[kind] = webp[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    assert at == len(webp)
    return found


def icc_profile(
    space: bytes = b"RGB ", more: bytes = b"", foreign: dict[bytes, bytes] | None = None, between: bytes = b""
) -> bytes:
    """An ICC profile of a white point and a curve.

    Args:
        more: a table.
        foreign: further tags.
        between: what stands before each tag's data, and belongs to none.
    """
    curve = b"curv" + bytes(4) + struct.pack(">I", 250) + bytes(range(250)) * 2
    tags = {b"wtpt": b"XYZ " + bytes(range(16)), b"rTRC": curve, **({b"A2B0": more} if more else {}), **(foreign or {})}
    at, table, data = 132 + 12 * len(tags), b"", b""
    for signature, body in tags.items():
        data += between
        table += struct.pack(">4sII", signature, at + len(data), len(body))
        data += body
    header = struct.pack(">12x4s4s12x4s88x", space, b"XYZ ", b"acsp")
    rest = header + struct.pack(">I", len(tags)) + table + data
    return struct.pack(">I", 4 + len(rest)) + rest


def _png16() -> bytes:
    return encode(picture(noise(24, 24, dtype=np.uint16)), format="png", record=b"r" * 50, metadata="strip")


def _tiff16() -> bytes:
    return encode(picture(noise(24, 24, dtype=np.uint16)), format="tiff", record=b"r" * 50, metadata="strip")


SAMPLES = {
    "jpeg": saved(smooth(48, 40), "JPEG", icc_profile=icc_profile(), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    "progressive": saved(smooth(48, 40), "JPEG", progressive=True),
    "png": saved(noise(24, 24), "PNG", icc_profile=icc_profile()),
    "png16": _png16(),
    "webp": saved(smooth(48, 40), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    "webp-lossless": saved(noise(24, 24, channels=4), "WEBP", lossless=True),
    "tiff": saved(smooth(48, 40), "TIFF", compression="tiff_lzw"),
    "tiff-plain": saved(smooth(48, 40), "TIFF"),
    "tiff16": _tiff16(),
    "bmp": saved(smooth(48, 40), "BMP"),
}
