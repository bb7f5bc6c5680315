"""Broken files: a picture or one clear error, and never another exception."""

import random
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from service.errors import (
    BadInput,
    ImageDamaged,
    RecordDamaged,
)
from service.imaging import Limits, Picture, decode
from tests.imaging.sample_images import (
    SAMPLES,
    noise,
    raw_png,
    saved,
)


@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_files_are_damaged(name):
    data = SAMPLES[name]
    for keep in (len(data) // 2, len(data) * 9 // 10, len(data) - 1):
        if name == "tiff" and keep == len(data) - 1:
            continue  # Pillow pads the end of its file with a byte that nothing needs.
        with pytest.raises((ImageDamaged, RecordDamaged)):
            decode(data[:keep])


@pytest.mark.parametrize("name", SAMPLES)
def test_random_damage_gives_a_picture_or_bad_input(name):
    data, rng = SAMPLES[name], random.Random(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(150):
            broken = bytearray(data[: rng.choice((len(data), rng.randrange(len(data))))])
            for _ in range(rng.randrange(1, 4)):
                # Headers decide most, so half of the damage goes there.
                at = rng.randrange(min(len(broken), rng.choice((64, len(data)))) or 1)
                if at < len(broken):
                    broken[at] ^= 1 << rng.randrange(8)
            try:
                found = decode(bytes(broken), Limits(max_pixels=1 << 20))
            except BadInput:
                continue
            assert isinstance(found, Picture) and found.pixels.shape[2] == 3


def with_valid_checksums(png: bytearray) -> bytes:
    """Repair every chunk checksum, so that damage reaches the decoders."""
    at = 8
    while at + 12 <= len(png):
        length = struct.unpack_from(">I", png, at)[0]
        if at + 12 + length > len(png):
            break
        struct.pack_into(">I", png, at + 8 + length, zlib.crc32(png[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(png)


@pytest.mark.parametrize("name", ["png", "png16"])
def test_damage_behind_valid_checksums(name):
    rng = random.Random(name)
    for _ in range(150):
        broken = bytearray(SAMPLES[name])
        broken[rng.randrange(16, rng.choice((60, len(broken))))] ^= 1 << rng.randrange(8)
        try:
            decode(with_valid_checksums(broken), Limits(max_pixels=1 << 20))
        except BadInput:
            continue


def test_16_bit_png_with_too_little_image_data_is_damaged():
    rows = [row.astype(">u2").tobytes() for row in noise(6, 5, dtype=np.uint16)]
    assert decode(raw_png(5, 6, 16, 2, rows)).pixels.shape == (6, 5, 3)
    for missing in (1, 4):
        with pytest.raises(ImageDamaged):
            decode(raw_png(5, 6, 16, 2, rows[:-missing]))


def adam7(pixels: np.ndarray) -> list[bytes]:
    """The rows of the seven passes of an interlaced PNG (W3C PNG, section 8.1)."""
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    passes = [pixels[y::dy, x::dx] for x, y, dx, dy in steps]
    return [row.tobytes() for part in passes if part.size for row in part]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 2), (5, 9), (8, 8), (13, 17)])
def test_png_with_too_little_image_data_is_damaged(height, width):
    pixels = noise(height, width)
    plain = raw_png(width, height, 8, 2, [row.tobytes() for row in pixels])
    interlaced = bytearray(raw_png(width, height, 8, 2, adam7(pixels)))
    interlaced[28] = 1
    for data in (plain, with_valid_checksums(interlaced)):
        assert np.array_equal(decode(data).pixels, pixels)
        for declared in (17, 21):  # one more column, one more row
            larger = bytearray(data)
            larger[declared + 2] += 1
            with pytest.raises(ImageDamaged):
                decode(with_valid_checksums(larger))


@pytest.mark.parametrize("width", [349_525, 349_526, 699_050])
def test_png_data_of_about_one_piece_is_counted_to_its_end(width):
    rows = [bytes(3 * width)]
    assert decode(raw_png(width, 1, 8, 2, rows)).pixels.shape == (1, width, 3)
    with pytest.raises(ImageDamaged):
        decode(raw_png(width, 1, 8, 2, [rows[0][:-1]]))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_rows_are_counted_in_whole_bytes(bits):
    rows = [bytes(-(-13 * bits // 8))] * 5
    assert decode(raw_png(13, 5, bits, 0, rows)).pixels.shape == (5, 13, 3)
    with pytest.raises(ImageDamaged):
        decode(raw_png(13, 5, bits, 0, [*rows[:4], rows[4][:-1]]))


@pytest.mark.parametrize("name", ["jpeg", "progressive"])
def test_jpeg_with_too_little_image_data_is_damaged(name):
    data = bytearray(SAMPLES[name])
    struct.pack_into(">HH", data, max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5, 9000, 9000)
    with pytest.raises(ImageDamaged):
        decode(bytes(data))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}, {"quality": 1}])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_the_emptiest_jpeg_has_enough_image_data(options, mode):
    grey = Image.new(mode, (1000, 1000))
    assert decode(saved(grey, "JPEG", optimize=True, **options)).pixels.shape == (1000, 1000, 3)
