"""The hash by which an image is known, whatever file it is in."""

import hashlib
import struct

from service.imaging.picture import Picture

_ROWS = 256


def pixels_digest(picture: Picture) -> bytes:
    """SHA-256 over a tag, height, width, bit depth, has-alpha (u32 big endian each), pixels, alpha.

    Samples are big endian in C order. Two files with the same pixels have the same digest.
    """
    pixels, alpha = picture.pixels, picture.alpha
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(b"visard-pixels-1")
    digest.update(struct.pack(">4I", height, width, pixels.dtype.itemsize * 8, alpha is not None))
    big_endian = pixels.dtype.newbyteorder(">")
    for plane in (pixels,) if alpha is None else (pixels, alpha):
        # By bands of rows: the swapped copy of a large 16-bit image need not exist as a whole.
        for top in range(0, height, _ROWS):
            digest.update(plane[top : top + _ROWS].astype(big_endian).tobytes())
    return digest.digest()
