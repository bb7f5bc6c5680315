"""dlib's ResNet (King 2017; 128 dimensions, metric learning), from the package ``face_recognition_models``."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.errors import EvaluationUnavailable
from service.evaluation.recognizers.recognizer import Embedding, aligned

_MODEL = Path("models", "dlib_face_recognition_resnet_model_v1.dat")
_SIDE = 150
# Where CenterFace's landmarks lie in dlib's own chips: medians over 290 LFW photos, made symmetric. Chips cut so
# verify as well as those cut by dlib's landmarks (TAR 0.933 both at FAR 1e-3, 150 pairs).
_TEMPLATE = np.array([[47.3, 46.9], [102.7, 46.9], [75.0, 79.0], [51.6, 103.5], [98.4, 103.5]])


class DlibRecognizer:
    """Needs the extra ``eval``.

    Raises:
        EvaluationUnavailable: the library or its model is not installed.
    """

    name = "dlib ResNet"

    def __init__(self) -> None:
        model = _model_file()
        try:
            import dlib
        except ImportError:
            raise _missing() from None
        self._network = dlib.face_recognition_model_v1(str(model))

    def __call__(self, rgb: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> Embedding:
        """See ``Recognizer``."""
        return np.array(self._network.compute_face_descriptor(aligned(rgb, landmarks, _TEMPLATE, _SIDE)))


def _model_file() -> Path:
    """Found without importing the package, which imports what setuptools no longer has."""
    found = find_spec("face_recognition_models")
    for folder in (found.submodule_search_locations or []) if found else []:
        if (Path(folder) / _MODEL).is_file():
            return Path(folder) / _MODEL
    raise _missing()


def _missing() -> EvaluationUnavailable:
    return EvaluationUnavailable("dlib's recognizer is not installed: pip install 'visard[eval]'")
