"""What an image is once it has left its file: pixels, and what its file said about them."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Format = Literal["png", "jpeg", "webp", "tiff", "bmp"]
OutputFormat = Literal["png", "jpeg", "webp", "tiff"]
MetadataPolicy = Literal["strip", "keep-safe"]
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class CodingGrid:
    """Blocks of a lossy input, or of a JPEG that any input was before, in oriented pixel coordinates.

    Samples of different blocks are coded apart, but decoders smooth a little across block edges: JPEG
    by chroma upsampling, one pixel, and across two units where a progressive file is not whole; WebP
    also by its loop filter (RFC 6386, section 15). A WebP block is besides predicted from its neighbours,
    so that the visible ones next to a face may repeat its outermost pixels.

    Attributes:
        width: of a block in pixels (JPEG: one MCU; WebP: one macroblock).
        height: of a block in pixels.
        x0: where the first block column starts, in (-width, 0]; not 0 when orientation flips an
            image whose width is no multiple of the block's.
        y0: the same for the first block row.
        bleed: how many pixels beyond a block a decoder may let its samples reach, or blocks of an earlier JPEG may.
    """

    width: int
    height: int
    x0: int = 0
    y0: int = 0
    bleed: int = 0


@dataclass(frozen=True, slots=True)
class JpegCoding:
    """How a JPEG was quantized.

    Attributes:
        tables: one table of 64 numbers in natural (row by row) order for each of Y, Cb and Cr.
        subsampling: 0 for 4:4:4 and what cannot be written again (4:4:0, 4:1:1), 1 for 4:2:2, 2 for 4:2:0.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: Literal[0, 1, 2]


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    Attributes:
        pixels: (H, W, 3) uint8 or uint16 RGB, EXIF orientation applied, C order.
        alpha: (H, W) of the same dtype, not premultiplied, or None.
        format: of the file it came from.
        icc: RGB colour profile.
        exif: EXIF payload (a TIFF structure) of the file. May hold a thumbnail of the original: a
            source for the allow-list, never written as it is.
        grid: of the input's own coding; None when that is lossless. Says nothing of what its pixels were before.
        jpeg: of JPEG input only.
        record: the Visard record found in the file.
        panorama: GPano properties of the file, allow-listed, by name.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None
    format: Format
    icc: bytes | None = None
    exif: bytes | None = None
    grid: CodingGrid | None = None
    jpeg: JpegCoding | None = None
    record: bytes | None = None
    panorama: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """An image as its file stores it, before orientation; attributes as in ``Picture``.

    Attributes:
        orientation: EXIF orientation, 1 to 8.
        xmp: XMP packet of the file.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None
    format: Format
    orientation: int = 1
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    grid: CodingGrid | None = None
    jpeg: JpegCoding | None = None
    record: bytes | None = None


@dataclass(frozen=True, slots=True)
class Extras:
    """What an output file carries beside pixels; every part is freshly made except the ICC profile."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    record: bytes | None = None


def format_for(source: Format, requested: Literal["same"] | OutputFormat) -> OutputFormat:
    """The output format of a request; ``same`` keeps the input's, except that BMP becomes PNG."""
    if requested != "same":
        return requested
    return "png" if source == "bmp" else source
