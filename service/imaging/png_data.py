"""How much image data a PNG has to hold, and whether it does (W3C PNG, third edition, sections 7.2, 8.1 and 10).

Pillow takes missing rows for black ones, so that a hundred bytes would pass for a hundred megapixels.
"""

import zlib
from collections.abc import Iterable

from service.errors import ImageDamaged

# Of each pass: first column and row, distance of columns and rows.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_AT_ONCE = 1 << 20


def data_size(width: int, height: int, bits: int, interlaced: bool) -> int:
    """Bytes of the filtered rows of an image.

    Args:
        bits: of a pixel.
    """
    if not interlaced:
        return _rows(width, height, bits)
    passes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in _ADAM7)
    return sum(_rows(columns, rows, bits) for columns, rows in passes if columns > 0 and rows > 0)


def require_data(parts: Iterable[bytes], size: int) -> None:
    """Inflate the image data, keeping none of it.

    Args:
        parts: bodies of the IDAT chunks.
        size: bytes there must be; there may be more.

    Raises:
        ImageDamaged: there are fewer.
        zlib.error: it is no zlib stream.
    """
    inflater, found = zlib.decompressobj(), 0
    for part in parts:
        rest = part
        # Output may still be due when the input has been taken in: only nothing is the end.
        while found < size and (out := inflater.decompress(rest, _AT_ONCE)):
            found += len(out)
            rest = inflater.unconsumed_tail
    if found < size:
        raise ImageDamaged("the PNG lacks image data")


def _rows(width: int, height: int, bits: int) -> int:
    # Each row begins with the number of its filter.
    return height * (1 + -(-width * bits // 8))
