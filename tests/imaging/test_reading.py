"""Every input kind gives the right RGB pixels, alpha, coding grid; orientation is applied to all of them."""

import io
import struct

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.imaging import decode, format_for
from tests.imaging.sample_images import (
    chunk,
    first_scans,
    icc_profile,
    noise,
    raw_png,
    riff,
    riff_chunk,
    saved,
    smooth,
)


def as_rgb(image: Image.Image, mode: str = "RGB") -> np.ndarray:
    return np.asarray(image.convert(mode))


@pytest.mark.parametrize(
    ("plugin", "mode"),
    [
        *((plugin, mode) for plugin in ("PNG", "TIFF") for mode in ("1", "L", "P", "RGB", "LA", "RGBA")),
        *(("BMP", mode) for mode in ("1", "L", "P", "RGB")),
    ],
)
def test_8_bit_modes(plugin, mode):
    has_alpha = mode in ("LA", "RGBA")
    image = Image.fromarray(noise(21, 34, channels=4 if has_alpha else 3)).convert(mode)

    found = decode(saved(image, plugin))

    assert np.array_equal(found.pixels, as_rgb(image)) and found.pixels.dtype == np.uint8
    if has_alpha:
        assert np.array_equal(found.alpha, as_rgb(image, "RGBA")[..., 3])
    else:
        assert found.alpha is None
    assert found.format == plugin.lower() and found.grid is None and found.jpeg is None


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_modes(mode, progressive):
    image = Image.fromarray(smooth(40, 56)).convert(mode)
    found = decode(saved(image, "JPEG", quality=95, subsampling=0, progressive=progressive))
    assert found.format == "jpeg" and (found.jpeg is None) == (mode == "CMYK")
    assert np.abs(found.pixels.astype(int) - as_rgb(image)).max() < 24


def test_profiles_of_other_colour_spaces_are_dropped():
    image = Image.fromarray(smooth(40, 56)).convert("CMYK")
    assert decode(saved(image, "JPEG", icc_profile=icc_profile(b"CMYK"))).icc is None
    assert decode(saved(smooth(40, 56), "JPEG", icc_profile=icc_profile())).icc == icc_profile()


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_grey_png_key_becomes_alpha(depth):
    top = (1 << depth) - 1
    values = [value % (top + 1) for value in range(16)]
    packed = int("".join(f"{value:0{depth}b}" for value in values), 2).to_bytes(2 * depth, "big")
    found = decode(raw_png(16, 1, depth, 0, [packed], chunk(b"tRNS", struct.pack(">H", 1))))
    assert found.pixels[0, :, 0].tolist() == [value * 255 // top for value in values]
    assert found.alpha[0].tolist() == [0 if value == 1 else 255 for value in values]


def test_palette_png_with_transparency():
    image = Image.fromarray(noise(5, 9)).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    found = decode(saved(image, "PNG", transparency=bytes([0, 40, 80, 120, 160, 200, 240, 255])))
    assert np.array_equal(found.alpha, np.asarray(image) * 40 - (np.asarray(image) == 7) * np.uint8(25))


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png(colour, channels):
    samples = noise(7, 11, dtype=np.uint16, channels=channels)
    rows = [row.astype(">u2").tobytes() for row in samples]
    key = chunk(b"tRNS", samples[2, 3].astype(">u2").tobytes())

    found = decode(raw_png(11, 7, 16, colour, rows, *([key] if colour in (0, 2) else [])))

    count = 3 if channels > 2 else 1
    assert found.pixels.dtype == np.uint16
    assert np.array_equal(found.pixels, np.broadcast_to(samples[..., :count], (7, 11, 3)))
    if colour in (0, 2):
        assert found.alpha[2, 3] == 0 and np.count_nonzero(found.alpha) == 76
    else:
        assert np.array_equal(found.alpha, samples[..., -1])


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff_compressions(compression):
    pixels = smooth(70, 33)
    assert np.array_equal(decode(saved(pixels, "TIFF", compression=compression)).pixels, pixels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"rowsperstrip": 4, "compression": "zlib", "predictor": True},
        {"tile": (16, 32)},
        {"tile": (32, 16), "compression": "zlib", "predictor": True},
        {"planarconfig": "separate", "compression": "zlib"},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_layouts(dtype, layout, channels, order):
    samples = noise(64, 45, dtype=dtype, channels=channels)
    separate = "planarconfig" in layout and channels > 1
    options = {name: value for name, value in layout.items() if channels > 1 or name != "planarconfig"}
    shaped = samples[..., 0] if channels == 1 else np.moveaxis(samples, 2, 0) if separate else samples
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        shaped,
        byteorder=order,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig=options.pop("planarconfig", "contig" if channels > 1 else None),
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        metadata=None,
        **options,
    )

    found = decode(buffer.getvalue())

    colours = 3 if channels > 2 else 1
    assert found.pixels.dtype == dtype
    assert np.array_equal(found.pixels, np.broadcast_to(samples[..., :colours], (64, 45, 3)))
    assert (found.alpha is None) if channels in (1, 3) else np.array_equal(found.alpha, samples[..., -1])


def test_16_bit_lzw_tiff_with_differences():
    pixels = noise(40, 30, dtype=np.uint16)
    done, data = cv2.imencode(".tiff", pixels[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    assert done and np.array_equal(decode(data.tobytes()).pixels, pixels)


def test_inverted_and_premultiplied_tiff():
    grey = noise(9, 8, channels=1)[..., 0]
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, grey, photometric="miniswhite", metadata=None)
    assert np.array_equal(decode(buffer.getvalue()).pixels[..., 0], 255 - grey)

    plain = np.full((9, 8, 4), (200, 100, 50, 128), np.uint8)
    plain[..., :3] = np.round(plain[..., :3] * (128 / 255))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, plain, photometric="rgb", extrasamples=["assocalpha"], metadata=None)
    assert np.abs(decode(buffer.getvalue()).pixels[0, 0].astype(int) - (200, 100, 50)).max() <= 1


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("channels", [3, 4])
def test_webp(lossless, channels):
    samples = np.dstack((smooth(40, 56), noise(40, 56, channels=1)))[..., :channels]
    found = decode(saved(samples, "WEBP", lossless=lossless, exact=True, quality=95))
    assert np.abs(found.pixels.astype(int) - samples[..., :3]).max() <= (0 if lossless else 40)
    assert (found.alpha is None) if channels == 3 else np.array_equal(found.alpha, samples[..., 3])
    assert (found.grid is None) == lossless


def exif_with_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()[6:]


def in_file(pixels: np.ndarray, plugin: str, orientation: int) -> bytes:
    exif = b"Exif\0\0" + exif_with_orientation(orientation)
    if plugin == "TIFF":
        return saved(pixels, plugin, tiffinfo={0x0112: orientation})
    if plugin == "PNG16":
        wide = (pixels.astype(np.uint16) * 257).astype(">u2")
        rows = [row.tobytes() for row in wide]
        return raw_png(pixels.shape[1], pixels.shape[0], 16, 2, rows, chunk(b"eXIf", exif[6:]))
    return saved(pixels, plugin, exif=exif, **({"lossless": True} if plugin == "WEBP" else {}))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("plugin", ["PNG", "PNG16", "TIFF", "WEBP"])
def test_orientation_is_applied(plugin, orientation):
    pixels = noise(5, 8)
    found = decode(in_file(pixels, plugin, orientation)).pixels
    if plugin == "PNG16":
        found = (found // 257).astype(np.uint8)

    # Pillow's own reading of the standard, from another code path.
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
    image = Image.fromarray(pixels)
    expected = image if orientation == 1 else image.transpose(Image.Transpose(turns[orientation]))
    assert np.array_equal(found, np.asarray(expected))


@given(st.integers(9, 60), st.integers(9, 60), st.integers(1, 8), st.integers(0, 2))
def test_coding_grid_follows_orientation(height, width, orientation, subsampling):
    """Each whole block of the oriented image is flat where the stored blocks were made flat."""
    block_w, block_h = {0: (8, 8), 1: (16, 8), 2: (16, 16)}[subsampling]
    values = noise(height // block_h + 1, width // block_w + 1, channels=1, seed=height * 61 + width)
    pixels = values.repeat(block_h, 0).repeat(block_w, 1)[:height, :width].repeat(3, 2)
    data = saved(np.ascontiguousarray(pixels), "JPEG", quality=100, subsampling=subsampling)
    exif = b"Exif\0\0" + exif_with_orientation(orientation)
    found = decode(data[:2] + struct.pack(">HH", 0xFFE1, len(exif) + 2) + exif + data[2:])

    grid = found.grid
    assert -grid.width < grid.x0 <= 0 and -grid.height < grid.y0 <= 0
    for top in range(grid.y0, found.pixels.shape[0], grid.height):
        for left in range(grid.x0, found.pixels.shape[1], grid.width):
            rows, columns = slice(max(top, 0), top + grid.height), slice(max(left, 0), left + grid.width)
            assert np.ptp(found.pixels[rows, columns, 0].astype(int)) <= 4


@given(st.integers(0, 2), st.integers(60, 95), st.integers(0, 1000))
def test_nothing_of_a_jpeg_block_reaches_beyond_its_bleed(subsampling, quality, seed):
    """Change one block of the photo, and only the block and ``bleed`` pixels around it change in the file."""
    block_w, block_h = {0: (8, 8), 1: (16, 8), 2: (16, 16)}[subsampling]
    pixels = noise(5 * block_h, 5 * block_w, seed=seed)
    other = pixels.copy()
    other[2 * block_h : 3 * block_h, 2 * block_w : 3 * block_w] = noise(block_h, block_w, seed=seed + 1)
    first, second = (decode(saved(p, "JPEG", quality=quality, subsampling=subsampling)) for p in (pixels, other))
    bleed = first.grid.bleed
    changed = (first.pixels != second.pixels).any(axis=-1)
    changed[2 * block_h - bleed : 3 * block_h + bleed, 2 * block_w - bleed : 3 * block_w + bleed] = False
    assert not changed.any()


@given(st.integers(0, 2), st.integers(1, 10), st.integers(60, 95), st.integers(0, 1000))
def test_nothing_of_a_block_reaches_beyond_its_bleed_in_a_progressive_jpeg_either(subsampling, scans, quality, seed):
    """Decoders smooth over blocks whose coefficients are not all there."""
    block_w, block_h = {0: (8, 8), 1: (16, 8), 2: (16, 16)}[subsampling]
    pixels = smooth(11 * block_h, 11 * block_w)
    other = pixels.copy()
    other[5 * block_h : 6 * block_h, 5 * block_w : 6 * block_w] = noise(block_h, block_w, seed=seed)
    options = {"quality": quality, "subsampling": subsampling, "progressive": True}
    whole = [saved(p, "JPEG", **options) for p in (pixels, other)]
    first, second = (decode(first_scans(data, scans)) for data in whole)
    bleed = first.grid.bleed
    changed = (first.pixels != second.pixels).any(axis=-1)
    changed[5 * block_h - bleed : 6 * block_h + bleed, 5 * block_w - bleed : 6 * block_w + bleed] = False
    assert changed.shape[0] > block_h + 2 * bleed and not changed.any()
    assert decode(whole[0]).grid.bleed <= 1


def test_bmp_with_an_alpha_mask():
    samples = noise(3, 5, channels=4)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 5, -3, 1, 32, 3, 60, 0, 0, 0, 0) + masks + b"\0" * 52
    body = np.ascontiguousarray(samples[..., [2, 1, 0, 3]]).tobytes()
    data = b"BM" + struct.pack("<IHHI", 14 + len(header) + len(body), 0, 0, 14 + len(header)) + header + body
    found = decode(data)
    assert np.array_equal(found.pixels, samples[..., :3]) and np.array_equal(found.alpha, samples[..., 3])


def test_webp_canvas_alpha_flag_without_coded_alpha_still_gives_alpha():
    plain = saved(smooth(16, 16), "WEBP", lossless=True)
    body = riff_chunk(b"VP8X", bytes([0x10, 0, 0, 0, 15, 0, 0, 15, 0, 0]))
    found = decode(riff(body, plain[12:]))
    assert (found.alpha == 255).all()


def test_output_format_for_same():
    assert [format_for(source, "same") for source in ("png", "jpeg", "webp", "tiff", "bmp")] == [
        *("png", "jpeg", "webp", "tiff", "png")
    ]
    assert format_for("bmp", "webp") == "webp"
