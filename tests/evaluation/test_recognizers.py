"""Recognizers see faces turned upright, and tell people apart."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.data import astronaut, lfw_subset

from service.errors import EvaluationUnavailable
from service.evaluation.recognizers import DlibRecognizer, OnnxRecognizer, dlib_resnet
from service.evaluation.recognizers.recognizer import aligned, similarity
from service.faces.detection import CenterFaceDetector
from tests.evaluation.onnx_models import channel_means

TEMPLATE = dlib_resnet._TEMPLATE


@pytest.fixture(scope="module")
def face() -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    rgb = np.ascontiguousarray(astronaut()[:260, 90:350])
    return rgb, CenterFaceDetector()(rgb, 0.5)[0].landmarks


def turned(rgb: NDArray[np.uint8], landmarks: NDArray[np.float64], degrees: float, scale: float) -> tuple:
    turn = cv2.getRotationMatrix2D((130, 90), degrees, scale)
    turn[:, 2] += 60
    moved = np.asarray(cv2.warpAffine(rgb, turn, (480, 480), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    return moved, landmarks @ turn[:, :2].T + turn[:, 2]


def test_similarity_undoes_a_turn_a_scale_and_a_shift() -> None:
    turn = cv2.getRotationMatrix2D((30, 90), 33, 1.7)
    moved = TEMPLATE @ turn[:, :2].T + turn[:, 2]
    back = similarity(moved, TEMPLATE)
    np.testing.assert_allclose(moved @ back[:, :2].T + back[:, 2], TEMPLATE, atol=1e-9)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.0])
def test_an_aligned_face_is_the_same_however_it_was_turned(face: tuple, scale: float) -> None:
    plain = aligned(*face, TEMPLATE, 150)[25:125, 25:125].astype(float)
    other = aligned(*turned(*face, 20, scale), TEMPLATE, 150)[25:125, 25:125].astype(float)
    assert np.corrcoef(plain.ravel(), other.ravel())[0, 1] > 0.95


def test_shrinking_reads_every_pixel() -> None:
    stripes = np.zeros((1500, 1500, 3), np.uint8)
    stripes[:, ::2] = 255
    chip = aligned(stripes, TEMPLATE * 10, TEMPLATE, 150)
    assert np.abs(chip[10:-10, 10:-10].astype(float) - 127.5).max() < 12


def test_dlib_knows_a_face_again_and_tells_others_apart(face: tuple) -> None:
    recognizer = DlibRecognizer()
    known, again = recognizer(*face), recognizer(*turned(*face, -15, 1.4))
    assert known.shape == (128,) and np.linalg.norm(known - again) < 0.4
    faces = [cv2.resize((f * 255).astype(np.uint8), (150, 150)) for f in lfw_subset()[:2]]
    others = [recognizer(cv2.cvtColor(f, cv2.COLOR_GRAY2RGB), TEMPLATE) for f in faces]
    assert min(np.linalg.norm(known - other) for other in others) > 0.6


def test_what_is_not_installed_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlib_resnet, "find_spec", lambda name: None)
    with pytest.raises(EvaluationUnavailable, match="eval"):
        DlibRecognizer()


def test_an_onnx_network_sees_normalized_pixels_in_its_order_of_channels(tmp_path: Path) -> None:
    (tmp_path / "means.onnx").write_bytes(channel_means(112))
    colour = np.full((112, 112, 3), [255, 127, 0], np.uint8)
    landmarks = TEMPLATE * 112 / 150
    expected = np.array([1, -0.5 / 127.5, -1])
    expected /= np.linalg.norm(expected)
    rgb, bgr = (OnnxRecognizer(tmp_path / "means.onnx", order) for order in ("rgb", "bgr"))
    np.testing.assert_allclose(rgb(colour, landmarks), expected, atol=1e-5)
    np.testing.assert_allclose(bgr(colour, landmarks), expected[::-1], atol=1e-5)
    assert rgb.name == "means"


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(EvaluationUnavailable):
        OnnxRecognizer(tmp_path / "broken.onnx")
