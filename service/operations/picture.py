"""Small conversions of decoded pictures that both verbs need."""

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.imaging import OutputFormat, Picture

_WIDEN = 257  # 65535 / 255


def with_depth(picture: Picture, depth: Literal[8, 16]) -> Picture:
    """The picture at 8 or 16 bits per sample; 8 to 16 and back is exact."""
    if (picture.pixels.dtype == np.uint16) == (depth == 16):
        return picture
    alpha = None if picture.alpha is None else _converted(picture.alpha, depth)
    return replace(picture, pixels=_converted(picture.pixels, depth), alpha=alpha)


def as_bytes(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Pixels at 8 bits, for the detector."""
    return np.asarray(pixels if pixels.dtype == np.uint8 else _converted(pixels, 8), np.uint8)


def is_lossy(picture: Picture, output: OutputFormat) -> bool:
    """Whether writing ``picture`` as ``output`` changes pixels."""
    if output == "webp":
        return picture.format != "webp" or picture.grid is not None
    return output == "jpeg"


def _converted(samples: NDArray[np.generic], depth: Literal[8, 16]) -> NDArray[np.generic]:
    if depth == 16:
        return samples.astype(np.uint16) * np.uint16(_WIDEN)
    return ((samples.astype(np.uint32) + _WIDEN // 2) // _WIDEN).astype(np.uint8)
