"""What an untrusted file may cost, decided from its headers before anything is decoded."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.errors import ImageDamaged, ImageTooLarge

MAX_ICC = 4 << 20
MAX_XMP = 1 << 20
MAX_SIDE = 1 << 20
"""No format here is read beyond this side, whatever the pixel limit: row buffers stay small."""
MAX_CHUNKS = 100_000
"""No real file of chunks comes near: encoders cut image data into pieces of some kilobytes or more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on an input file.

    Attributes:
        max_bytes: of the file.
        max_pixels: width times height.
    """

    max_bytes: int = 64 << 20
    max_pixels: int = 100_000_000

    def check_bytes(self, size: int) -> None:
        """Raise ImageTooLarge when a file of ``size`` bytes is over the limit."""
        if size > self.max_bytes:
            raise ImageTooLarge(f"the file has {size} bytes, the limit (VISARD_MAX_UPLOAD_BYTES) is {self.max_bytes}")

    def check_result(self, size: int) -> None:
        """Raise ImageTooLarge when a result of ``size`` bytes would not be read again, and so never recovered."""
        if size > self.max_bytes:
            raise ImageTooLarge(
                f"a result of {size} bytes could not be recovered, the limit (VISARD_MAX_UPLOAD_BYTES) is "
                f"{self.max_bytes}: ask for JPEG, or for 8 bits"
            )

    def check_size(self, width: int, height: int) -> None:
        """Check what a header declares.

        Raises:
            ImageDamaged: a side is zero or negative.
            ImageTooLarge: there are too many pixels.
        """
        if width < 1 or height < 1:
            raise ImageDamaged("the image has no pixels")
        if width * height > self.max_pixels or max(width, height) > MAX_SIDE:
            raise ImageTooLarge(f"the image has {width} x {height} pixels, the limit is {self.max_pixels} in all")


def check_icc(profile: bytes) -> bytes:
    """Return ``profile``; raise ImageTooLarge when it is longer than ``MAX_ICC``."""
    if len(profile) > MAX_ICC:
        raise ImageTooLarge("the colour profile in the image is too large")
    return profile


def few_chunks(chunks: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Pass on kinds and bodies: even an empty chunk costs more memory than it takes in the file.

    Raises:
        ImageDamaged: there are more than ``MAX_CHUNKS``.
    """
    for count, chunk in enumerate(chunks, start=1):
        if count > MAX_CHUNKS:
            raise ImageDamaged("the image is cut into too many chunks")
        yield chunk


def inflate(data: bytes, limit: int) -> bytes | None:
    """Inflate a zlib stream; None when it would give more than ``limit`` bytes.

    Raises:
        zlib.error: it is not a zlib stream.
    """
    inflater = zlib.decompressobj()
    out = inflater.decompress(data, limit + 1)
    return None if len(out) > limit else out
