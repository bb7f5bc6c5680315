"""Is there still a face where one was?"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from service.faces.detection import Box, Detection, Detector
from service.faces.search import SAME, TILE, find_faces

_WINDOW = 3  # times the longer side of a box
_LEAST = 256  # pixels


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def shows(found: Sequence[Detection], box: Box) -> bool:
    """Whether one of the faces is the one that the box holds."""
    return any(iou(face.box, box) > SAME for face in found)


def look_again(rgb: NDArray[np.uint8], boxes: Sequence[Box], detector: Detector, min_confidence: float) -> list[bool]:
    """Whether a face is found in each box of an (H, W, 3) image; a large image is not searched as a whole for that."""
    if not boxes:
        return []
    if max(rgb.shape[:2]) <= TILE:
        found = find_faces(rgb, detector, min_confidence)
        return [shows(found, box) for box in boxes]
    return [_shown_in_window(rgb, box, detector, min_confidence) for box in boxes]


def _shown_in_window(rgb: NDArray[np.uint8], box: Box, detector: Detector, min_confidence: float) -> bool:
    """Look once, at the surroundings alone: shrunk to a tile, if the face is large."""
    reach = max(_WINDOW * max(box[2] - box[0], box[3] - box[1]), _LEAST) / 2
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = max(0, round(x - reach)), max(0, round(y - reach))
    window = rgb[top : max(0, round(y + reach)), left : max(0, round(x + reach))]
    if not window.size:
        return False
    height, width = window.shape[:2]
    shrink = min(1.0, TILE / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    if size != (width, height):
        window = np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA), np.uint8)
    across, down = size[0] / width, size[1] / height
    seen = ((box[0] - left) * across, (box[1] - top) * down, (box[2] - left) * across, (box[3] - top) * down)
    return shows(detector(window, min_confidence), seen)
