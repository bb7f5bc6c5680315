"""TIFF out: deflated strips with horizontal differences, and a private tag for the record."""

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.imaging import tiff_tags as tags
from service.imaging.ifd import BYTE, UNDEFINED, Tag, build_tiff
from service.imaging.metadata import safe_tags
from service.imaging.picture import Extras

_STRIP_BYTES = 1 << 18
_COMPRESSION = 6


def write_tiff(pixels: NDArray[Any], alpha: NDArray[Any] | None, extras: Extras) -> bytes:
    """Encode (H, W, 3) uint8 or uint16 pixels and (H, W) alpha losslessly."""
    height, width = pixels.shape[:2]
    channels = 3 if alpha is None else 4
    rows = max(1, _STRIP_BYTES // (width * channels * pixels.dtype.itemsize))
    image = [
        Tag.longs(tags.WIDTH, width),
        Tag.longs(tags.HEIGHT, height),
        Tag.shorts(tags.BITS, *[pixels.dtype.itemsize * 8] * channels),
        Tag.shorts(tags.COMPRESSION, tags.DEFLATE),
        Tag.shorts(tags.PHOTOMETRIC, tags.RGB),
        Tag.shorts(tags.SAMPLES, channels),
        Tag.longs(tags.ROWS_PER_STRIP, rows),
        Tag.shorts(tags.PREDICTOR, tags.HORIZONTAL_DIFFERENCES),
    ]
    if alpha is not None:
        image.append(Tag.shorts(tags.EXTRA_SAMPLES, tags.PLAIN_ALPHA))
    first, camera, place = safe_tags(extras.exif)
    return build_tiff(
        [*image, *first, *_blocks(extras)],
        exif=camera,
        gps=place,
        segments=[_strip(pixels, alpha, top, top + rows) for top in range(0, height, rows)],
    )


def _blocks(extras: Extras) -> Iterator[Tag]:
    if extras.xmp is not None:
        yield Tag(tags.XMP, BYTE, extras.xmp)
    if extras.icc is not None:
        yield Tag(tags.ICC, UNDEFINED, extras.icc)
    if extras.record is not None:
        yield Tag(tags.RECORD, UNDEFINED, extras.record)


def _strip(pixels: NDArray[Any], alpha: NDArray[Any] | None, top: int, bottom: int) -> bytes:
    band = pixels[top:bottom]
    if alpha is not None:
        band = np.dstack((band, alpha[top:bottom]))
    # Unsigned differences wrap around, and so do the sums that undo them.
    differences = np.diff(band, axis=1, prepend=np.zeros_like(band[:, :1]))
    return zlib.compress(differences.astype(band.dtype.newbyteorder("<")).tobytes(), _COMPRESSION)
