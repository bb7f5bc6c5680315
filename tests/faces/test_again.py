"""Finding the same face again, in the whole of a small image or around it in a large one."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.faces.again import iou, look_again, shows
from service.faces.detection import CenterFaceDetector, Detection
from service.faces.search import DEFAULT_CONFIDENCE
from tests.faces.people import ASTRONAUT_FACE, astronaut, detected

_LARGE = (2600, 2200)


def test_iou() -> None:
    square = (0.0, 0.0, 2.0, 2.0)
    assert iou(square, square) == 1
    assert iou(square, (1.0, 0.0, 3.0, 2.0)) == pytest.approx(1 / 3)
    assert iou(square, (5.0, 5.0, 6.0, 6.0)) == 0


def test_a_face_is_the_same_where_half_of_both_boxes_is_shared() -> None:
    found = [detected(300, 300, 50, 50), detected(100, 100, 40, 60)]
    assert shows(found, (80, 70, 120, 130))
    assert not shows(found, (100, 70, 140, 130))
    assert not shows([], (80, 70, 120, 130))


@pytest.mark.parametrize("corner", [(0, 0), (1500, 1000), (2088, 1688)])
def test_in_a_large_image_a_face_is_found_wherever_it_is(corner: tuple[int, int]) -> None:
    face = astronaut()
    image = np.full((*_LARGE, 3), 90, np.uint8)
    image[corner[0] : corner[0] + 512, corner[1] : corner[1] + 512] = face
    left, top, right, bottom = ASTRONAUT_FACE
    here = (left + corner[1], top + corner[0], right + corner[1], bottom + corner[0])
    elsewhere = (here[0] + 150, here[1] + 200, here[2] + 150, here[3] + 200)
    assert look_again(image, [here, elsewhere], CenterFaceDetector(), DEFAULT_CONFIDENCE) == [True, False]


def test_a_face_larger_than_what_the_detector_sees_at_once() -> None:
    scale = 1500 / (ASTRONAUT_FACE[3] - ASTRONAUT_FACE[1])
    image = np.asarray(cv2.resize(astronaut()[0:220, 80:370], None, fx=scale, fy=scale), np.uint8)
    left, top, right, bottom = (
        (edge - start) * scale for edge, start in zip(ASTRONAUT_FACE, (80, 0, 80, 0), strict=True)
    )
    here, beside = (left, top, right, bottom), (left - 900, top, right - 900, bottom)
    assert look_again(image, [here, beside], CenterFaceDetector(), DEFAULT_CONFIDENCE) == [True, False]


def test_a_large_image_is_not_searched_as_a_whole() -> None:
    seen: list[tuple[int, ...]] = []

    def detector(rgb: NDArray[np.uint8], _: float) -> list[Detection]:
        seen.append(rgb.shape[:2])
        return []

    image = np.zeros((*_LARGE, 3), np.uint8)
    assert look_again(image, [(1000, 1000, 1100, 1150), (2300, 2300, 2400, 2400)], detector, 0.3) == [False, False]
    assert seen == [(450, 450)]
    assert look_again(image, [], detector, 0.3) == []
