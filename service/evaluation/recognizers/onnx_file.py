"""Recognizers that come as ONNX files: ArcFace (Deng et al. 2019), AdaFace (Kim et al. 2022) and their like."""

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from service.errors import EvaluationUnavailable
from service.evaluation.recognizers.recognizer import Embedding, aligned

ChannelOrder = Literal["rgb", "bgr"]
"""What the network was trained on: ArcFace on RGB, AdaFace on BGR."""

_SIDE = 112
# The landmarks all of them are trained on.
_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_HALF = 127.5


class OnnxRecognizer:
    """A network from (1, 3, 112, 112) in [-1, 1] to (1, D), run by OpenCV; embeddings have norm one.

    Raises:
        EvaluationUnavailable: the file is no network OpenCV can run.
    """

    def __init__(self, path: Path, order: ChannelOrder = "rgb") -> None:
        self.name = path.stem
        self._order = order
        try:
            self._network = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error:
            raise EvaluationUnavailable("the recognizer's ONNX file cannot be loaded") from None

    def __call__(self, rgb: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> Embedding:
        """See ``Recognizer``."""
        chip = aligned(rgb, landmarks, _TEMPLATE, _SIDE).astype(np.float32) / _HALF - 1
        if self._order == "bgr":
            chip = chip[..., ::-1]
        self._network.setInput(np.ascontiguousarray(chip.transpose(2, 0, 1)[None]))
        embedding = np.asarray(self._network.forward(), np.float64).ravel()
        return embedding / max(float(np.linalg.norm(embedding)), np.finfo(np.float64).tiny)
