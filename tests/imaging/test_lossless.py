"""Pixels and alpha come back exactly from lossless output, whatever their size, depth and metadata."""

import hashlib
import io

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.imaging import decode, encode, pixels_digest
from tests.imaging.sample_images import icc_profile, noise, picture, saved, smooth

SIDES = st.integers(1, 70)


@given(SIDES, SIDES, st.sampled_from([np.uint8, np.uint16]), st.booleans(), st.sampled_from(["png", "tiff"]), SIDES)
def test_png_and_tiff_keep_every_sample(height, width, dtype, has_alpha, format, record_size):
    samples = noise(height, width, dtype=dtype, channels=4)
    given_picture = picture(samples[..., :3].copy(), samples[..., 3].copy() if has_alpha else None, icc=icc_profile())
    record = bytes(range(record_size))

    back = decode(encode(given_picture, format=format, record=record, metadata="strip"))

    assert back.pixels.dtype == dtype and np.array_equal(back.pixels, given_picture.pixels)
    assert (back.alpha is None) == (not has_alpha)
    assert not has_alpha or (back.alpha.dtype == dtype and np.array_equal(back.alpha, given_picture.alpha))
    assert (back.format, back.grid, back.icc, back.record) == (format, None, icc_profile(), record)
    assert pixels_digest(back) == pixels_digest(given_picture)


@pytest.mark.parametrize("alpha", [None, 255, "noise"])
def test_lossless_webp_stays_lossless_with_hidden_colours(alpha):
    samples = noise(33, 47, channels=4)
    plane = None if alpha is None else samples[..., 3].copy() if alpha == "noise" else np.full((33, 47), 255, np.uint8)
    if alpha == "noise":
        plane[:10] = 0
    source = picture(samples[..., :3].copy(), plane, format="webp")

    back = decode(encode(source, format="webp", record=b"r", metadata="strip"))

    assert back.grid is None and pixels_digest(back) == pixels_digest(source)


def test_other_readers_agree_about_our_16_bit_files():
    pixels, alpha = noise(20, 300, dtype=np.uint16), noise(20, 300, dtype=np.uint16, channels=1)[..., 0]
    source = picture(pixels, alpha, icc=icc_profile())

    tiff = tifffile.imread(io.BytesIO(encode(source, format="tiff", record=b"record", metadata="strip")))
    png = encode(source, format="png", record=b"record", metadata="strip")
    bgra = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)

    assert np.array_equal(tiff, np.dstack((pixels, alpha)))
    assert np.array_equal(bgra, np.dstack((pixels[..., ::-1], alpha)))


@pytest.mark.parametrize("format", ["png", "tiff", "webp", "jpeg"])
def test_other_readers_open_our_8_bit_files_with_a_record_inside(format):
    pixels = smooth(40, 56)
    data = encode(picture(pixels, icc=icc_profile()), format=format, record=b"x" * 100_001, metadata="strip")

    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == icc_profile()
        assert np.abs(np.asarray(image).astype(int) - pixels).max() <= (0 if format in ("png", "tiff") else 24)


def test_lossy_output_decodes_the_same_each_time():
    for format in ("jpeg", "webp"):
        data = [encode(picture(smooth(40, 56)), format=format, record=None, metadata="strip") for _ in range(2)]
        assert data[0] == data[1]
        assert pixels_digest(decode(data[0])) == pixels_digest(decode(data[1]))


def test_webp_from_other_input_is_lossy_with_exact_alpha():
    alpha = noise(40, 56, channels=1)[..., 0]
    back = decode(encode(picture(smooth(40, 56), alpha), format="webp", record=None, metadata="strip"))
    assert (back.grid.width, back.grid.height) == (16, 16) and np.array_equal(back.alpha, alpha)


def test_digest_covers_shape_depth_and_alpha():
    flat = np.zeros((4, 6, 3), np.uint8)
    variants = [
        picture(flat),
        picture(flat.reshape(6, 4, 3)),
        picture(flat.astype(np.uint16)),
        picture(flat, np.zeros((4, 6), np.uint8)),
        picture(flat + np.uint8(1)),
    ]
    assert len({pixels_digest(variant) for variant in variants}) == len(variants)


def test_digest_is_the_documented_one():
    head = bytes.fromhex("00000001 00000002 00000010 00000000")
    expected = hashlib.sha256(b"visard-pixels-1" + head + bytes(range(1, 13))).digest()
    pixels = np.array([[[0x0102, 0x0304, 0x0506], [0x0708, 0x090A, 0x0B0C]]], np.uint16)
    assert pixels_digest(picture(pixels)) == expected

    head = bytes.fromhex("00000001 00000001 00000008 00000001")
    expected = hashlib.sha256(b"visard-pixels-1" + head + bytes([1, 2, 3, 4])).digest()
    assert pixels_digest(picture(np.uint8([[[1, 2, 3]]]), np.uint8([[4]]))) == expected


def test_jpeg_keeps_tables_and_subsampling():
    for quality, subsampling, progressive in ((63, 2, True), (88, 1, False), (97, 0, False)):
        data = saved(smooth(64, 80), "JPEG", quality=quality, subsampling=subsampling, progressive=progressive)
        source = decode(data)
        again = encode(source, format="jpeg", record=None, metadata="strip")
        before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(again))
        assert before.quantization == after.quantization
        assert [layer[1:3] for layer in before.layer] == [layer[1:3] for layer in after.layer]
        side = {0: (8, 8), 1: (16, 8), 2: (16, 16)}[subsampling]
        assert (source.grid.width, source.grid.height) == side


def test_jpeg_from_other_input_is_fine_and_not_subsampled():
    data = encode(picture(smooth(40, 56)), format="jpeg", record=None, metadata="strip")
    grid = decode(data).grid
    assert (grid.width, grid.height) == (8, 8)
    assert Image.open(io.BytesIO(data)).quantization[0][0] <= 2
