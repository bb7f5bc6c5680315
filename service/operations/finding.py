"""Finding every face that somebody may see in a picture, whatever a viewer lays it over."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from service.faces.detection import Detection, Detector
from service.faces.search import find_faces, united
from service.imaging import Picture
from service.operations.picture import as_bytes

_BACKGROUNDS = (255, 0)
_ROWS = 256


def faces_in(picture: Picture, detector: Detector, min_confidence: float) -> list[Detection]:
    """Faces of a picture, best first.

    Where it is transparent, a face may show only on a light background, only on a dark one, or only to who ignores
    transparency.
    """
    return united([find_faces(look, detector, min_confidence) for look in _looks(picture)])


def _looks(picture: Picture) -> Iterator[NDArray[np.uint8]]:
    pixels = as_bytes(picture.pixels)
    yield pixels
    if picture.alpha is not None:
        alpha = as_bytes(picture.alpha)
        if int(alpha.min()) < 255:
            for background in _BACKGROUNDS:
                yield _over(pixels, alpha, background)


def _over(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8], background: int) -> NDArray[np.uint8]:
    """(H, W, 3), by bands of rows: what is in between needs twice the memory."""
    shown = np.empty_like(pixels)
    for top in range(0, len(pixels), _ROWS):
        rows = slice(top, top + _ROWS)
        share = alpha[rows, :, None].astype(np.uint16)
        shown[rows] = (pixels[rows] * share + background * (255 - share) + 127) // 255
    return shown
