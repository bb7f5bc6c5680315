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


def samples(picture: Picture, where: NDArray[np.bool_]) -> NDArray[np.generic]:
    """(n, 3), or (n, 4) with alpha: all that the picture holds there."""
    if picture.alpha is None:
        return picture.pixels[where]
    return np.concatenate([picture.pixels[where], picture.alpha[where][:, None]], axis=1)


def with_samples(picture: Picture, where: NDArray[np.bool_], values: NDArray[np.generic]) -> Picture:
    """The inverse; a picture that has no alpha any more takes none."""
    pixels, alpha = picture.pixels.copy(), picture.alpha
    pixels[where] = values[:, :3]
    if alpha is not None and values.shape[1] > 3:
        alpha = alpha.copy()
        alpha[where] = values[:, 3]
    return replace(picture, pixels=pixels, alpha=alpha)


def opaque(picture: Picture, where: NDArray[np.bool_]) -> Picture:
    """Nothing is seen through there: transparency, too, can draw a face."""
    if picture.alpha is None:
        return picture
    alpha = np.where(where, np.iinfo(picture.alpha.dtype).max, picture.alpha)
    return replace(picture, alpha=alpha.astype(picture.alpha.dtype))


def is_lossy(picture: Picture, output: OutputFormat) -> bool:
    """Whether writing ``picture`` as ``output`` changes pixels."""
    if output == "webp":
        return picture.format != "webp" or picture.grid is not None
    return output == "jpeg"


def _converted(samples: NDArray[np.generic], depth: Literal[8, 16]) -> NDArray[np.generic]:
    if depth == 16:
        return samples.astype(np.uint16) * np.uint16(_WIDEN)
    return ((samples.astype(np.uint32) + _WIDEN // 2) // _WIDEN).astype(np.uint8)
