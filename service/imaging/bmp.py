"""BMP: the header checked here, pixels through Pillow."""

import struct

from service.errors import UnsupportedFormat
from service.imaging.limits import Limits
from service.imaging.picture import Stored
from service.imaging.raster import open_as, rgb_and_alpha

_CORE_HEADER = 12
# Uncompressed, run lengths of 8 and 4 bits, bit fields, bit fields with alpha.
_COMPRESSIONS = (0, 1, 2, 3, 6)


def read_bmp(data: bytes, limits: Limits) -> Stored:
    """Decode a BMP.

    Raises:
        UnsupportedFormat, ImageDamaged, ImageTooLarge: as named.
    """
    header_size = struct.unpack_from("<I", data, 14)[0]
    if header_size == _CORE_HEADER:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height, _, _, compression = struct.unpack_from("<iiHHI", data, 18)
        if compression not in _COMPRESSIONS:
            raise UnsupportedFormat("this kind of BMP is not supported")
    limits.check_size(width, abs(height))
    image = open_as(data, "BMP")
    pixels, alpha = rgb_and_alpha(image, has_alpha=image.mode == "RGBA")
    return Stored(pixels=pixels, alpha=alpha, format="bmp")
