"""Finding faces of every size in images of every size, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.faces.detection import Box, Detection, Detector, visible
from service.faces.masks import NEAR_EDGE, face_ellipse

DEFAULT_CONFIDENCE = 0.35
TILE = 1024
"""Side in pixels of what the detector sees at once."""
SAME = 0.5
"""Intersection over union of two boxes above which they show the same face."""
_OVERLAP = 192
_MOST = 10_000  # finds whose overlaps are looked at
_SAME_PART = 0.6  # of what was seen of a cut face, in a whole one


def find_faces(
    rgb: NDArray[np.uint8], detector: Detector, min_confidence: float = DEFAULT_CONFIDENCE
) -> list[Detection]:
    """Faces of an (H, W, 3) uint8 image, best first; of more than 10,000 finds the best.

    Images larger than a tile are seen twice: whole but shrunk, for the large faces, and in
    overlapping full-size tiles, for the small ones. Half a face at a tile's edge lies inside the
    whole face that the next tile or the shrunk image shows, and is dropped for it.
    """
    height, width = rgb.shape[:2]
    if max(height, width) <= TILE:
        # The detector takes every face once: finds that overlap are different faces.
        return _best_first(detector(rgb, min_confidence))
    found = [_Find(face, visible(face.box, (height, width)), False) for face in _shrunk(rgb, detector, min_confidence)]
    for top, left in _tile_corners(height, width):
        tile = (left, top, min(left + TILE, width), min(top + TILE, height))
        faces = detector(rgb[top : tile[3], left : tile[2]], min_confidence)
        found += [_Find.of(_moved(face, left, top), tile, (height, width)) for face in faces]
    best = sorted(found, key=lambda find: -find.face.confidence)[:_MOST]
    return _best_first(_distinct(best))


def united(finds: list[list[Detection]]) -> list[Detection]:
    """Faces found in several looks of one image, best first; one that an earlier look shows is not named again."""
    faces: list[Detection] = []
    for found in finds:
        boxes = np.array([face.box for face in faces]).reshape(-1, 4)
        faces += [face for face in found if not _same(np.array(face.box), boxes).any()]
    return _best_first(faces)


def _same(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) which of (N, 4) boxes are so near to one that both show one face."""
    shared = _shared(box, boxes)
    return np.asarray(shared > SAME * (_areas(box) + _areas(boxes) - shared))


def _best_first(faces: list[Detection]) -> list[Detection]:
    return sorted(faces, key=lambda face: -face.confidence)


@dataclass(frozen=True, slots=True)
class _Find:
    """A face that one pass found.

    Attributes:
        face: in the image.
        seen: what the pass saw of its box.
        cut: whether it reaches an edge of a tile beyond which the image goes on.
    """

    face: Detection
    seen: Box
    cut: bool

    @classmethod
    def of(cls, face: Detection, tile: Box, size: tuple[int, int]) -> "_Find":
        (left, top, right, bottom), (x0, y0, x1, y1) = face.box, tile
        near_x, near_y = NEAR_EDGE * (right - left), NEAR_EDGE * (bottom - top)
        before = left - near_x <= x0 > 0 or top - near_y <= y0 > 0
        after = right + near_x >= x1 < size[1] or bottom + near_y >= y1 < size[0]
        return cls(face, (max(left, x0), max(top, y0), min(right, x1), min(bottom, y1)), before or after)


def _shrunk(rgb: NDArray[np.uint8], detector: Detector, min_confidence: float) -> list[Detection]:
    factor = max(rgb.shape[:2]) / TILE
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


def _distinct(found: list[_Find]) -> list[Detection]:
    """One of the finds of every face: whole before cut, the largest first, so that nothing of it stays uncovered.

    Different faces overlap too, and the mask of one may leave half of the other visible. So a whole find is dropped
    only for one that is almost the same or hides it; what is cut, for one that holds most of what was seen of it.
    """
    found = sorted(found, key=lambda find: (find.cut, -_areas(np.array(find.face.box)).item()))
    boxes = np.array([find.face.box for find in found]).reshape(-1, 4)
    seen = np.array([find.seen for find in found]).reshape(-1, 4)
    cut = np.array([find.cut for find in found], np.bool_)
    left = np.ones(len(found), np.bool_)
    for i, find in enumerate(found):
        if left[i]:
            # Few are near: time must not grow with the square of all there are.
            meets = (boxes[i + 1 :, :2] < boxes[i, 2:]) & (boxes[i + 1 :, 2:] > boxes[i, :2])
            near = i + 1 + np.flatnonzero(left[i + 1 :] & meets.all(axis=1))
            part = (not find.cut) & (_shared(boxes[i], seen[near]) > _SAME_PART * _areas(seen[near]))
            left[near] = ~(_same(boxes[i], boxes[near]) | np.where(cut[near], part, _hidden(find.face, seen[near])))
    return [find.face for find, stays in zip(found, left, strict=True) if stays]


def _hidden(face: Detection, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the face's mask holds the middles of all sides of a box; (N, 4) to (N,)."""
    x0, y0, x1, y1 = boxes.T
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    mask = face_ellipse(face.box, face.landmarks, "face")
    return np.asarray(mask.contains(np.stack((x0, x, x1, x)), np.stack((y, y0, y, y1))).all(axis=0))


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1))


def _shared(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas of the intersections."""
    corners = (np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:]))
    return _areas(np.concatenate(corners, axis=1))
