"""Hostile files: one clear error, decided before anything is decoded."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from service.errors import (
    AlphaUnsupported,
    BadInput,
    DepthUnsupported,
    ImageDamaged,
    ImageTooLarge,
    MultiFrame,
    RecordDamaged,
    RecordTooLarge,
    UnsupportedFormat,
)
from service.imaging import Limits, decode, encode
from tests.imaging.sample_images import (
    SAMPLES,
    chunk,
    noise,
    picture,
    raw_png,
    riff,
    riff_chunk,
    saved,
    segment,
    smooth,
    with_segments,
)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"%PDF-1.7", b"GIF89a" + b"\0" * 40, b"\0\0\0\x20ftypavif" + b"\0" * 40]
)
def test_other_files_are_unsupported(data):
    with pytest.raises(UnsupportedFormat):
        decode(data)


def test_rare_kinds_are_unsupported():
    jpeg = SAMPLES["jpeg"]
    frame = jpeg.index(b"\xff\xc0")
    for data in (
        jpeg[:frame] + b"\xff\xc3" + jpeg[frame + 2 :],
        jpeg[: frame + 4] + b"\x0c" + jpeg[frame + 5 :],
        saved(smooth(48, 40), "TIFF", compression="jpeg"),
        saved(Image.fromarray(smooth(48, 40)).convert("F"), "TIFF"),
    ):
        with pytest.raises(UnsupportedFormat):
            decode(data)


@pytest.mark.parametrize("plugin", ["PNG", "WEBP", "TIFF", "GIF"])
def test_several_frames(plugin):
    frames = [Image.fromarray(noise(16, 16, seed=seed)) for seed in range(3)]
    with pytest.raises(MultiFrame):
        decode(saved(frames[0], plugin, save_all=True, append_images=frames[1:], loop=0))


@pytest.mark.parametrize("name", SAMPLES)
def test_limits_come_from_the_header(name):
    data = SAMPLES[name]
    size = decode(data).pixels[..., 0].size
    assert decode(data, Limits(max_bytes=len(data), max_pixels=size)).pixels[..., 0].size == size
    with pytest.raises(ImageTooLarge):
        decode(data, Limits(max_bytes=len(data) - 1))
    with pytest.raises(ImageTooLarge):
        decode(data, Limits(max_pixels=size - 1))


def bombs() -> dict[str, bytes]:
    """Small files that would cost at least 400 MB if their declarations were believed."""
    zeros = zlib.compress(bytes(400_000_000), 9)
    row = [noise(1, 8, channels=3).tobytes()]
    tiff = tifffile_bomb(zeros)
    jpeg = bytearray(SAMPLES["jpeg"])
    struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, 60_000, 60_000)
    return {
        "profile": raw_png(8, 1, 8, 2, row, chunk(b"iCCP", b"x\0\0" + zeros)),
        "text": raw_png(8, 1, 8, 2, row, chunk(b"zTXt", b"Comment\0\0" + zeros)),
        "xmp": raw_png(8, 1, 8, 2, row, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros)),
        "header": raw_png(60_000, 60_000, 8, 2, row),
        "header-16": raw_png(60_000, 60_000, 16, 2, row),
        "pixels": b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zeros)
        + chunk(b"IEND", b""),
        "tiff": tiff,
        "jpeg": bytes(jpeg),
        "webp": riff(riff_chunk(b"VP8L", b"\x2f" + b"\xff" * 3 + b"\x0f" + bytes(40))),
        "bmp": SAMPLES["bmp"][:18] + struct.pack("<ii", 60_000, 60_000) + SAMPLES["bmp"][26:],
    }


def tifffile_bomb(zeros: bytes) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, noise(8, 8), photometric="rgb", compression="zlib", metadata=None)
    with tifffile.TiffFile(io.BytesIO(buffer.getvalue())) as file:
        offset = file.pages[0].tags["StripOffsets"].valueoffset
        size = file.pages[0].tags["StripByteCounts"].valueoffset
    data = bytearray(buffer.getvalue())
    struct.pack_into("<I", data, offset, len(data))
    struct.pack_into("<I", data, size, len(zeros))
    return bytes(data) + zeros


def test_bombs_cost_little():
    for name, data in bombs().items():
        tracemalloc.start()
        try:
            decode(data)
        except BadInput:
            assert name not in ("text", "xmp")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20 << 20, name


def test_tiff_strips_that_share_their_bytes_are_refused():
    """A few bytes named by many strips would be copied once for each."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, noise(64, 40), photometric="rgb", rowsperstrip=1, metadata=None)
    data = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        sizes = file.pages[0].tags["StripByteCounts"]
        offsets = file.pages[0].tags["StripOffsets"].valueoffset
    struct.pack_into("<64I", data, offsets, *[8] * 64)
    width = sizes.valuebytecount // 64
    struct.pack_into("<64" + {2: "H", 4: "I"}[width], data, sizes.valueoffset, *[len(data) - 8] * 64)
    with pytest.raises(ImageDamaged):
        decode(bytes(data))


def test_too_many_jpeg_scans_are_refused():
    jpeg = SAMPLES["progressive"]
    scan = jpeg.rindex(b"\xff\xda")
    with pytest.raises(UnsupportedFormat):
        decode(jpeg[:scan] + jpeg[scan:-2] * 80 + b"\xff\xd9")


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("size", [1, 65_523, 65_524, 200_000, 5_000_001])
def test_records_of_every_size_come_back(format, size):
    record = np.random.default_rng(size).bytes(size)
    data = encode(picture(smooth(16, 24)), format=format, record=record, metadata="strip")
    assert decode(data).record == record
    again = encode(decode(data), format=format, record=None, metadata="keep-safe")
    assert decode(again).record is None and len(again) < 3000


def test_incomplete_records_are_damaged():
    plain = saved(smooth(16, 24), "JPEG")
    parts = [segment(0xEF, b"VISARD\0" + struct.pack(">HH", i, 3) + b"part%d" % i) for i in range(3)]
    assert decode(with_segments(plain, *parts)).record == b"part0part1part2"
    for broken in (
        parts[:2],
        parts[1:],
        parts[::-1],
        [parts[0], *parts],
        [parts[0], parts[2]],
        [segment(0xEF, b"VISARD\0")],
    ):
        with pytest.raises(RecordDamaged):
            decode(with_segments(plain, *broken))
    webp = SAMPLES["webp"]
    with pytest.raises(RecordDamaged):
        decode(riff(webp[12:], riff_chunk(b"VSRD", b"one"), riff_chunk(b"VSRD", b"two")))
    row = [noise(1, 8, channels=3).tobytes()]
    with pytest.raises(RecordDamaged):
        decode(raw_png(8, 1, 8, 2, row, chunk(b"viSR", struct.pack(">HH", 0, 2) + b"half")))


def test_what_an_output_format_cannot_hold_is_bad_input():
    wide = picture(noise(8, 8, dtype=np.uint16))
    see_through = picture(noise(8, 8), np.full((8, 8), 254, np.uint8))
    opaque = picture(noise(8, 8), np.full((8, 8), 255, np.uint8))
    for format in ("jpeg", "webp"):
        with pytest.raises(DepthUnsupported):
            encode(wide, format=format, record=None, metadata="strip")
    with pytest.raises(AlphaUnsupported):
        encode(see_through, format="jpeg", record=None, metadata="strip")
    assert decode(encode(opaque, format="jpeg", record=None, metadata="strip")).alpha is None
    with pytest.raises(RecordTooLarge):
        encode(opaque, format="png", record=bytes((32 << 20) + 1), metadata="strip")
    with pytest.raises(ImageTooLarge):
        encode(picture(np.zeros((1, 16_384, 3), np.uint8)), format="webp", record=None, metadata="strip")
    with pytest.raises(ImageTooLarge):
        encode(picture(np.zeros((1, 65_501, 3), np.uint8)), format="jpeg", record=None, metadata="strip")
