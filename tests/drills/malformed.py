"""Uploads that are wrong in every way there is; none of them shows a face."""

import gzip
import io
import itertools
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from tests.imaging.sample_images import chunk, icc_profile, noise, raw_png, riff, riff_chunk, saved, segment, smooth

_SIZE = (48, 40)
_WHOLE = {
    "jpeg": saved(smooth(*_SIZE), "JPEG", icc_profile=icc_profile()),
    "progressive": saved(smooth(*_SIZE), "JPEG", progressive=True),
    "png": saved(smooth(*_SIZE), "PNG"),
    "webp": saved(smooth(*_SIZE), "WEBP"),
    "tiff": saved(smooth(*_SIZE), "TIFF", compression="tiff_lzw"),
    "bmp": saved(smooth(*_SIZE), "BMP"),
}
_ZEROS = zlib.compress(bytes(100 << 20), 9)


def malformed(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """``count`` files with a word for what is wrong with each: every kind in turn, the random ones ever anew."""
    rng = random.Random(seed)
    fixed = itertools.cycle([*_bombs(), *_strips(), *_other_types(), *_empty(), *_recursive()])
    makers: list[Callable[[], tuple[str, bytes]]] = [
        lambda: _truncated(rng),
        lambda: _flipped(rng),
        lambda: next(fixed),
    ]
    for make in itertools.islice(itertools.cycle(makers), count):
        yield make()


def _truncated(rng: random.Random) -> tuple[str, bytes]:
    name, data = rng.choice(list(_WHOLE.items()))
    return f"truncated {name}", data[: rng.randrange(len(data))]


def _flipped(rng: random.Random) -> tuple[str, bytes]:
    name, data = rng.choice(list(_WHOLE.items()))
    broken = bytearray(data)
    for _ in range(rng.randrange(1, 9)):
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return f"flipped {name}", bytes(broken)


def _bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that promise or unfold to a hundred megabytes and more."""
    row = [noise(1, 8).tobytes()]
    pixels = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) + chunk(b"IDAT", _ZEROS) + chunk(b"IEND", b"")
    jpeg = bytearray(_WHOLE["jpeg"])
    struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, 65_500, 65_500)
    yield "bomb: PNG pixels", b"\x89PNG\r\n\x1a\n" + pixels
    yield "bomb: PNG header", raw_png(1 << 30, 1 << 30, 8, 2, row)
    yield "bomb: PNG profile", raw_png(8, 1, 8, 2, row, chunk(b"iCCP", b"x\0\0" + _ZEROS))
    yield "bomb: PNG text", raw_png(8, 1, 8, 2, row, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + _ZEROS))
    yield "bomb: JPEG header", bytes(jpeg)
    yield "bomb: WebP header", riff(riff_chunk(b"VP8L", b"\x2f" + b"\xff" * 3 + b"\x0f" + bytes(40)))
    yield "bomb: BMP header", _WHOLE["bmp"][:18] + struct.pack("<ii", 60_000, 60_000) + _WHOLE["bmp"][26:]
    yield "bomb: TIFF strip", _tiff([(256, 60_000), (257, 60_000), (273, 8), (279, 1 << 31)])


def _strips() -> Iterator[tuple[str, bytes]]:
    """Images of one row or column, 64k pixels long: whole ones, and ones that only say so."""
    for plugin, shape in (("PNG", (1, 65_535, 3)), ("TIFF", (65_536, 1, 3)), ("BMP", (1, 65_536, 3))):
        yield f"strip: {plugin} {shape}", saved(np.full(shape, 120, np.uint8), plugin)
    yield "strip: JPEG", saved(np.full((1, 65_500, 3), 120, np.uint8), "JPEG")
    yield "strip: empty PNG", raw_png(65_535, 1, 8, 2, [])
    yield "strip: many rows", raw_png(65_535, 1500, 8, 2, [bytes(65_535 * 3)])


def _other_types() -> Iterator[tuple[str, bytes]]:
    """Files of other kinds, and one kind that calls itself another."""
    frames = [Image.fromarray(noise(8, 8, seed=seed)) for seed in range(3)]
    for plugin in ("GIF", "WEBP", "TIFF", "PNG"):
        yield f"animated {plugin}", saved(frames[0], plugin, save_all=True, append_images=frames[1:])
    for plugin in ("GIF", "PPM", "ICO", "TGA", "PDF", "JPEG2000"):
        yield f"a {plugin}", saved(smooth(*_SIZE), plugin)
    for name, magic in (("AVIF", b"\0\0\0\x20ftypavif"), ("ELF", b"\x7fELF"), ("JSON", b'{"image": 1}')):
        yield f"an {name}", magic + bytes(200)
    for name, data in _WHOLE.items():
        yield f"PNG in front of {name}", b"\x89PNG\r\n\x1a\n" + data


def _empty() -> Iterator[tuple[str, bytes]]:
    for size in (0, 1, 8, 1000, 1 << 20):
        yield f"{size} zero bytes", bytes(size)
    for magic in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"BM", b"RIFF\0\0\0\0WEBP"):
        yield f"zeros behind {magic!r}", magic + bytes(5000)


def _recursive() -> Iterator[tuple[str, bytes]]:
    """What leads back to itself, or into itself for long."""
    yield "TIFF: the next directory is this one", _tiff([(256, 8), (257, 8)], following=8)
    for tag, name in ((330, "sub-directory"), (34665, "EXIF directory"), (34853, "GPS directory")):
        yield f"TIFF: its {name} is itself", _tiff([(256, 8), (257, 8), (tag, 8)])
        exif = b"Exif\0\0" + _tiff([(tag, 8)], following=8)
        yield f"JPEG: its {name} is itself", _WHOLE["jpeg"][:2] + segment(0xE1, exif) + _WHOLE["jpeg"][2:]
    for depth in (10, 1000):
        webp = b""
        for _ in range(depth):
            webp = riff(webp)
        yield f"RIFF in RIFF, {depth} deep", webp
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    xml = f'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY l0 "ha">{laughs}]><svg>&l11;</svg>'.encode()
    yield "SVG: a billion laughs", xml
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xml)
    yield "JPEG: a billion laughs", _WHOLE["jpeg"][:2] + xmp + _WHOLE["jpeg"][2:]
    yield "SVG: nested", b"<svg>" * 20_000
    packed = bytes(1 << 20)
    for _ in range(5):
        packed = gzip.compress(packed, mtime=0)
    yield "gzip in gzip", packed
    yield "ZIP in ZIP", _zip(_zip(_zip(bytes(1 << 20))))


def _tiff(tags: list[tuple[int, int]], following: int = 0) -> bytes:
    """A TIFF of one directory, at offset 8, of LONG values."""
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + fields + struct.pack("<I", following)


def _zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.png", data)
    return out.getvalue()
