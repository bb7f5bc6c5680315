"""Untrusted bytes to a picture: the only way in."""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2

from service.errors import ImageDamaged, MultiFrame, UnsupportedFormat
from service.imaging.bmp import read_bmp
from service.imaging.icc import plain_profile
from service.imaging.jpeg import read_jpeg
from service.imaging.limits import Limits
from service.imaging.metadata import panorama_of
from service.imaging.orientation import orient, orient_grid
from service.imaging.picture import Picture, Stored
from service.imaging.png import SIGNATURE, read_png
from service.imaging.tiff import read_tiff
from service.imaging.webp import read_webp

_READERS: tuple[tuple[bytes, Callable[[bytes, Limits], Stored]], ...] = (
    (b"\xff\xd8\xff", read_jpeg),
    (SIGNATURE, read_png),
    (b"II*\0", read_tiff),
    (b"MM\0*", read_tiff),
    (b"BM", read_bmp),
)
# What Pillow, OpenCV, zlib and our own parsing of fixed structures raise on corrupt input.
_FOREIGN = (
    OSError,
    SyntaxError,
    ValueError,
    ArithmeticError,
    LookupError,
    EOFError,
    TypeError,
    AttributeError,
    struct.error,
    zlib.error,
    cv2.error,
)


def decode(data: bytes, limits: Limits = Limits()) -> Picture:
    """Decode an image file: one still image in RGB, 8 or 16 bits, orientation applied.

    Raises:
        UnsupportedFormat: the bytes are none of JPEG, PNG, WebP, TIFF and BMP, or a rare kind of one.
        ImageDamaged: they are truncated or corrupt.
        ImageTooLarge: bytes or declared pixels are over ``limits`` (decided before decoding).
        MultiFrame: an animation or a file of several pages.
        RecordDamaged: the Visard record in the file is incomplete.
    """
    limits.check_bytes(len(data))
    reader = _reader_of(data)
    with _foreign_errors():
        stored = reader(data, limits)
    return _oriented(stored)


def _reader_of(data: bytes) -> Callable[[bytes, Limits], Stored]:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return read_webp
    for magic, reader in _READERS:
        if data.startswith(magic):
            return reader
    # Animated GIFs announce their looping near the start.
    if data.startswith(b"GIF8") and b"NETSCAPE2.0" in data[:4096]:
        raise MultiFrame("the file holds an animation; send a single image as JPEG, PNG, WebP, TIFF or BMP")
    raise UnsupportedFormat("not a supported image: JPEG, PNG, WebP, TIFF and BMP are")


@contextmanager
def _foreign_errors() -> Iterator[None]:
    try:
        yield
    except _FOREIGN as error:
        raise ImageDamaged("the image is truncated or corrupt") from error


def _oriented(stored: Stored) -> Picture:
    height, width = stored.pixels.shape[:2]
    turn = stored.orientation
    return Picture(
        pixels=orient(stored.pixels, turn),
        alpha=None if stored.alpha is None else orient(stored.alpha, turn),
        format=stored.format,
        icc=None if stored.icc is None else plain_profile(stored.icc),
        exif=stored.exif,
        grid=None if stored.grid is None else orient_grid(stored.grid, width, height, turn),
        jpeg=stored.jpeg,
        record=stored.record,
        panorama=panorama_of(stored.xmp),
    )
