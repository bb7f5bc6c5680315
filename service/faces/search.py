"""Finding faces of every size in images of every size, in bounded memory."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from service.faces.detection import Detection, Detector

DEFAULT_CONFIDENCE = 0.35
TILE = 1024
"""Side in pixels of what the detector sees at once."""
_OVERLAP = 192
_SAME_FACE = 0.45  # intersection over the smaller box, above which two finds are one face


def find_faces(
    rgb: NDArray[np.uint8], detector: Detector, min_confidence: float = DEFAULT_CONFIDENCE
) -> list[Detection]:
    """Faces of an (H, W, 3) uint8 image, best first.

    Images larger than a tile are seen twice: whole but shrunk, for the large faces, and in
    overlapping full-size tiles, for the small ones. Half a face at a tile's edge lies inside the
    whole face that the next tile or the shrunk image shows, and is dropped for it.
    """
    found = _shrunk(rgb, detector, min_confidence)
    if max(rgb.shape[:2]) > TILE:
        for top, left in _tile_corners(rgb.shape[0], rgb.shape[1]):
            tile = rgb[top : top + TILE, left : left + TILE]
            found += [_moved(face, left, top) for face in detector(tile, min_confidence)]
    return _distinct(found)


def _shrunk(rgb: NDArray[np.uint8], detector: Detector, min_confidence: float) -> list[Detection]:
    factor = max(rgb.shape[:2]) / TILE
    if factor <= 1:
        return detector(rgb, min_confidence)
    size = (max(1, round(rgb.shape[1] / factor)), max(1, round(rgb.shape[0] / factor)))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    stretch = np.array([rgb.shape[1] / size[0], rgb.shape[0] / size[1]])
    return [_stretched(face, stretch) for face in detector(small, min_confidence)]


def _tile_corners(height: int, width: int) -> Iterator[tuple[int, int]]:
    for top in _starts(height):
        for left in _starts(width):
            yield top, left


def _starts(length: int) -> list[int]:
    if length <= TILE:
        return [0]
    count = -(-(length - _OVERLAP) // (TILE - _OVERLAP))
    return [round(i * (length - TILE) / (count - 1)) for i in range(count)]


def _moved(face: Detection, left: int, top: int) -> Detection:
    x0, y0, x1, y1 = face.box
    box = (x0 + left, y0 + top, x1 + left, y1 + top)
    return Detection(box, face.confidence, face.landmarks + np.array([left, top]))


def _stretched(face: Detection, stretch: NDArray[np.float64]) -> Detection:
    x0, y0, x1, y1 = face.box
    box = (x0 * stretch[0], y0 * stretch[1], x1 * stretch[0], y1 * stretch[1])
    return Detection(box, face.confidence, face.landmarks * stretch)


def _distinct(found: list[Detection]) -> list[Detection]:
    """Keep of every group of finds of one face the largest, so that nothing of it stays uncovered."""
    kept: list[Detection] = []
    for face in sorted(found, key=lambda f: -_area(f.box)):
        if all(_shared(face.box, other.box) < _SAME_FACE for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda f: -f.confidence)


def _area(box: tuple[float, float, float, float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _shared(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    overlap = (max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    return _area(overlap) / max(min(_area(a), _area(b)), 1e-9)
