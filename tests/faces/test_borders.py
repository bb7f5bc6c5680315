"""Faces that the border of the image cuts: what is left of them is covered."""

import numpy as np
import pytest
from numpy.typing import NDArray

from service.faces.detection import CenterFaceDetector
from service.faces.layout import NO_FACE, PlacedFace, owner_map, place
from service.faces.masks import Coverage, Ellipse, face_ellipse
from service.faces.search import find_faces
from tests.faces.people import ASTRONAUT_FACE, astronaut, detected

LEFT, TOP, RIGHT, BOTTOM = map(round, ASTRONAUT_FACE)


def faces_of(photo: NDArray[np.uint8]) -> list[PlacedFace]:
    size = (photo.shape[0], photo.shape[1])
    return [place(face, "face", 160, size, None) for face in find_faces(photo, CenterFaceDetector())]


@pytest.mark.parametrize(
    "shown",
    [
        np.s_[:, : (LEFT + RIGHT) // 2],
        np.s_[:, : RIGHT - (RIGHT - LEFT) // 3],
        np.s_[:, LEFT + (RIGHT - LEFT) // 3 :],
        np.s_[: (TOP + BOTTOM) // 2],
        np.s_[TOP + (BOTTOM - TOP) // 3 :],
    ],
    ids=["right half", "right third", "left third", "lower half", "upper third"],
)
def test_what_the_border_leaves_of_a_face_is_covered(shown: tuple[slice, ...] | slice) -> None:
    (face,) = faces_of(astronaut())
    ellipse = face_ellipse(face.box, face.landmarks.astype(float), "face")
    whole = ellipse.contains(np.arange(512)[None, :] + 0.5, np.arange(512)[:, None] + 0.5)[shown]
    part = np.ascontiguousarray(astronaut()[shown])
    owner = owner_map(faces_of(part), whole.shape, None)
    assert (whole & (owner == NO_FACE)).sum() < 0.03 * whole.sum()


@pytest.mark.parametrize("coverage", ["face", "head"])
@pytest.mark.parametrize("cut", [0.05, 0.1, 0.3, 0.5, 0.8])
def test_a_box_that_ends_at_a_border_hides_the_face_that_goes_on(coverage: Coverage, cut: float) -> None:
    whole = Ellipse(150, 150, 40, 55, 0).contains(np.arange(300)[None, :] + 0.5, np.arange(300)[:, None] + 0.5)
    end_x, end_y = round(190 - 80 * cut), round(205 - 110 * cut)
    for right, bottom, width, height in ((end_x, 205, end_x, 300), (190, end_y, 300, end_y), (end_x, end_y) * 2):
        seen = detected((110 + right) / 2, (95 + bottom) / 2, right - 110, bottom - 95)
        size = (height, width)
        owner = owner_map([place(seen, coverage, 64, size, None)], size, None)
        assert not (whole[:height, :width] & (owner == NO_FACE)).any()


def test_a_face_away_from_the_borders_has_its_ellipse_alone() -> None:
    face = detected(150, 150, 80, 110)
    small, large = (place(face, "face", 64, size, None) for size in ((220, 220), (1000, 1000)))
    assert np.array_equal(small.bitmap, large.bitmap)
