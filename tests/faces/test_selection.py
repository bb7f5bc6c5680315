"""Boxes that are added by hand."""

import pytest

from service.errors import SelectionInvalid
from service.faces.selection import select

SIZE = (3_500, 28_000)


@pytest.mark.parametrize("box", [(0, 0, 4, 33), (0, 0, 3_300, 400), (0, 0, 10_001, 3_500), (0, 0, 28_000, 3_500)])
def test_a_box_whose_crop_would_be_far_larger_than_itself_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(SelectionInvalid, match="'extra' is at most 8 times as long"):
        select([], SIZE, keep=(), only=(), extra=(box,))
    assert select([], SIZE, keep=(box,), only=(), extra=()) == []


@pytest.mark.parametrize("box", [(0, 0, 4, 32), (0, 0, 3_200, 400), (0, 0, 10_000, 3_500)])
def test_a_box_of_a_face_is_taken(box: tuple[float, float, float, float]) -> None:
    (face,) = select([], SIZE, keep=(), only=(), extra=(box,))
    assert face.box == box


def test_boxes_cost_no_more_together_than_a_few_images() -> None:
    whole, panorama = (0.0, 0.0, 1000.0, 1000.0), (0.0, 0.0, 800.0, 100.0)
    assert len(select([], (1000, 1000), keep=(), only=(), extra=(whole,) * 4)) == 4
    with pytest.raises(SelectionInvalid, match="too large for being so many"):
        select([], (1000, 1000), keep=(), only=(), extra=(whole,) * 5)
    assert len(select([], (100, 800), keep=(), only=(), extra=(panorama,))) == 1
