"""What is said of a face found again, on moves whose size is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.latents import measure_latents
from service.evaluation.utility import UtilityFigures, likeness, same_face
from service.faces.detection import Detection
from service.faces.layout import PlacedFace, place

POINTS = np.array([[40.0, 50.0], [80.0, 50.0], [60.0, 70.0], [45.0, 95.0], [75.0, 95.0]])


def detection(shift: float = 0.0, points: np.ndarray = POINTS, confidence: float = 0.8) -> Detection:
    return Detection((20 + shift, 20.0, 100 + shift, 120.0), confidence, points + np.array([shift, 0]))


@pytest.fixture(scope="module")
def face() -> PlacedFace:
    return place(detection(), "face", 128, (160, 160), None)


def test_a_face_that_stayed_is_wholly_alike(face: PlacedFace) -> None:
    same = likeness(face, detection(confidence=0.6))
    assert (same.before, same.confidence, same.box, same.landmarks, same.yaw, same.mask) == (0.8, 0.6, 1, 0, 0, 1)
    assert same.roll == pytest.approx(0)


def test_a_move_is_measured_in_distances_between_the_eyes(face: PlacedFace) -> None:
    moved = likeness(face, detection(8))
    assert moved.landmarks == pytest.approx(8 / 40) and moved.box == pytest.approx(72 / 88)
    assert moved.yaw == pytest.approx(0) and moved.mask is not None and 0.6 < moved.mask < 0.95


def test_a_nose_that_moved_is_a_turn_and_a_tilted_eye_line_a_roll(face: PlacedFace) -> None:
    nose = POINTS.copy()
    nose[2, 0] += 10
    assert likeness(face, detection(points=nose)).yaw == pytest.approx(10 / 40)
    tilted = POINTS.copy()
    tilted[1, 1] += 40
    assert likeness(face, detection(points=tilted)).roll == pytest.approx(45)


@given(st.floats(-200, 200))
def test_only_what_lies_over_the_face_is_the_face(shift: float) -> None:
    face = place(detection(), "face", 128, (160, 160), None)
    overlap = max(0.0, 80 - abs(shift)) / (80 + min(80.0, abs(shift)))
    found = same_face(face, [detection(300), detection(shift)])
    assert (found is not None) == (overlap > 0.5)


def test_faces_not_found_count_in_the_rate_and_nowhere_else(face: PlacedFace) -> None:
    assert same_face(face, []) is None
    figures = UtilityFigures.over([likeness(face, None), likeness(face, detection(8))])
    assert (figures.detected.hits, figures.detected.of) == (1, 2)
    assert figures.confidence.count == 2 and figures.confidence.median == pytest.approx(0.4)
    assert figures.box.count == figures.mask.count == 1


def test_normal_latents_have_deviation_one_and_kurtosis_three_in_every_band() -> None:
    mask = np.zeros((32, 32), np.bool_)
    mask[4:28, 6:28] = True
    latents = np.random.default_rng(1).normal(size=(40, 3, 32, 32)) * mask
    figures = measure_latents((latent, mask) for latent in latents)
    assert list(figures) == ["coarse", "middle", "fine", "leftover", "all"]
    for band in figures.values():
        assert band.deviation.count == 40
        assert band.deviation.median == pytest.approx(1, abs=0.05)
        assert band.kurtosis.median == pytest.approx(3, abs=0.3)
    scaled = measure_latents([(3 * latents[0], mask)])["fine"]
    assert scaled.deviation.median == pytest.approx(3, abs=0.3)
    assert scaled.kurtosis.median == pytest.approx(3, abs=0.5)
