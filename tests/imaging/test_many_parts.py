"""Files of very many parts: each part is cheap to write, and must be as cheap to read."""

import zlib

import numpy as np
import pytest

from service.errors import ImageDamaged, ImageTooLarge
from service.imaging import decode
from service.imaging.limits import MAX_CHUNKS
from tests.imaging.sample_images import (
    chunk,
    icc_profile,
    noise,
    raw_png,
    riff,
    riff_chunk,
    saved,
    segment,
    smooth,
    with_segments,
)

PIXELS = noise(1, 8)
ROWS = [PIXELS.tobytes()]


def icc_segment(number: int, total: int, body: bytes) -> bytes:
    return segment(0xE2, b"ICC_PROFILE\0" + bytes((number, total)) + body)


def test_a_jpeg_holds_at_most_255_profile_chunks():
    plain = saved(smooth(16, 24), "JPEG")
    profile = icc_profile()
    pieces = [*(profile[at : at + 2] for at in range(0, 508, 2)), profile[508:]]
    chunks = [icc_segment(number, 255, piece) for number, piece in enumerate(pieces, start=1)]
    assert len(chunks) == 255 and decode(with_segments(plain, *chunks)).icc == profile
    with pytest.raises(ImageTooLarge):
        decode(with_segments(plain, *chunks, segment(0xE2, b"ICC_PROFILE\0")))


def test_a_jpeg_holds_so_many_tables_as_its_scans_may_need():
    plain, empty = saved(PIXELS, "JPEG"), segment(0xC4, b"")
    before = decode(plain)
    assert np.array_equal(decode(with_segments(plain, *[empty] * 900)).pixels, before.pixels)
    with pytest.raises(ImageTooLarge):
        decode(with_segments(plain, *[empty] * 1024))


def test_empty_profile_chunks_count_too():
    plain, empty = saved(smooth(16, 24), "JPEG"), segment(0xE2, b"ICC_PROFILE\0")
    assert decode(with_segments(plain, *[empty] * 255)).icc is None
    with pytest.raises(ImageTooLarge):
        decode(with_segments(plain, *[empty] * 256))


def xmp_chunk(packet: bytes) -> bytes:
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packet)


def test_only_the_first_xmp_packet_of_a_png_is_inflated():
    too_long = zlib.compress(bytes((1 << 20) + 1))
    panorama = zlib.compress(b'GPano:ProjectionType="equirectangular"')
    assert decode(raw_png(8, 1, 8, 2, ROWS, xmp_chunk(panorama))).panorama
    for second in (panorama, b"not a zlib stream"):
        for first in (too_long, zlib.compress(b"")):
            found = decode(raw_png(8, 1, 8, 2, ROWS, xmp_chunk(first), xmp_chunk(second)))
            assert found.panorama == () and np.array_equal(found.pixels, PIXELS)


@pytest.mark.parametrize("kind", [b"IDAT", b"tRNS", b"viSR", b"prVT"])
def test_a_png_of_too_many_chunks_is_damaged(kind):
    empty = chunk(kind, b"")
    with pytest.raises(ImageDamaged, match="too many chunks"):
        decode(raw_png(8, 1, 8, 2, ROWS, empty * MAX_CHUNKS))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_of_many_chunks_is_read(depth):
    pixels = noise(1, 8, dtype=np.uint8 if depth == 8 else np.uint16)
    rows = [pixels.astype(f">u{depth // 8}").tobytes()]
    # IHDR, one IDAT and IEND are the others.
    found = decode(raw_png(8, 1, depth, 2, rows, chunk(b"IDAT", b"") * (MAX_CHUNKS - 3)))
    assert np.array_equal(found.pixels, pixels)


@pytest.mark.parametrize("kind", [b"ALPH", b"VSRD", b"JUNK"])
def test_a_webp_of_too_many_chunks_is_damaged(kind):
    image = saved(smooth(16, 24), "WEBP")[12:]
    with pytest.raises(ImageDamaged, match="too many chunks"):
        decode(riff(image, riff_chunk(kind, b"") * MAX_CHUNKS))


def test_a_webp_of_many_chunks_is_read():
    plain = saved(smooth(16, 24), "WEBP")
    found = decode(riff(plain[12:], riff_chunk(b"JUNK", b"") * (MAX_CHUNKS - 1)))
    assert np.array_equal(found.pixels, decode(plain).pixels)
