"""The ellipse over a face and its blocks."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.lattice import Lattice
from service.faces.masks import Coverage, Ellipse, block_bitmap, cells_of, face_ellipse
from tests.faces.people import detected

coverages: st.SearchStrategy[Coverage] = st.sampled_from(["face", "head"])
ellipses = st.builds(
    Ellipse, st.floats(-10, 74), st.floats(-10, 74), st.floats(0.5, 60), st.floats(0.5, 60), st.floats(-1.1, 1.1)
)


def over(width: float, height: float, roll: float, coverage: Coverage = "face") -> Ellipse:
    face = detected(50, 60, width, height, roll)
    return face_ellipse(face.box, face.landmarks, coverage)


@given(st.floats(2, 300), st.floats(2, 300), coverages)
def test_an_upright_face_is_covered_to_the_edges_of_its_box(width: float, height: float, coverage: Coverage) -> None:
    xs = np.array([50.0, 50 - width / 2, 50 + width / 2, 50, 50])
    ys = np.array([60.0, 60, 60, 60 - height / 2, 60 + height / 2])
    assert over(width, height, 0, coverage).contains(xs, ys).all()


@given(st.floats(2, 300), st.floats(0.7, 1.6), st.floats(-90, 90))
def test_a_head_holds_its_face(width: float, ratio: float, roll: float) -> None:
    face, head = over(width, width * ratio, roll), over(width, width * ratio, roll, "head")
    turn = np.linspace(0, 2 * np.pi, 100)
    along, across = face.half_width * np.cos(turn), face.half_height * np.sin(turn)
    c, s = math.cos(face.angle), math.sin(face.angle)
    assert head.contains(face.x + c * along - s * across, face.y + s * along + c * across).all()


@pytest.mark.parametrize(
    ("roll", "expected"), [(0, 0), (25, 25), (-40, -40), (65, 60), (-66, -60), (75, 0), (173, -7), (-150, 30)]
)
def test_it_turns_with_the_eyes_as_far_as_they_tell(roll: float, expected: float) -> None:
    assert math.degrees(over(100, 100, roll).angle) == pytest.approx(expected, abs=1e-9)


@given(ellipses)
def test_the_hull_touches_the_ellipse(ellipse: Ellipse) -> None:
    left, top, right, bottom = ellipse.bounds()
    turn = np.linspace(0, 2 * np.pi, 4001)
    along, across = ellipse.half_width * np.cos(turn), ellipse.half_height * np.sin(turn)
    c, s = math.cos(ellipse.angle), math.sin(ellipse.angle)
    xs, ys = ellipse.x + c * along - s * across, ellipse.y + s * along + c * across
    assert [xs.min(), ys.min(), xs.max(), ys.max()] == pytest.approx([left, top, right, bottom], abs=1e-3)


@given(ellipses, st.floats(-50, 50), st.floats(-50, 50))
def test_moving_takes_the_points_along(ellipse: Ellipse, x: float, y: float) -> None:
    moved = ellipse.moved(x, y)
    points = np.random.default_rng(4).uniform(-80, 120, (2, 200))
    before, after = ellipse.contains(*points), moved.contains(points[0] - x, points[1] - y)
    assert (before != after).sum() == 0


@given(ellipses, st.integers(64, 200))
def test_blocks_hold_the_pixels_of_the_ellipse_and_no_more_than_they_must(ellipse: Ellipse, side: int) -> None:
    lattice = Lattice(64, side)
    bitmap = block_bitmap(ellipse, lattice)
    assert bitmap.shape == (16, 16)
    centres = np.arange(side) + 0.5
    inside = ellipse.contains(centres[None, :], centres[:, None])
    mask = lattice.spread(cells_of(bitmap))
    assert not (inside & ~mask).any()
    wider = replace(ellipse, half_width=ellipse.half_width + 3, half_height=ellipse.half_height + 3)
    around = wider.contains(centres[None, :], centres[:, None])
    for rows in np.split(np.arange(side), lattice.edges[4:-1:4]):
        for columns in np.split(np.arange(side), lattice.edges[4:-1:4]):
            block = np.ix_(rows, columns)
            assert not mask[block].any() or around[block].any()


@given(st.floats(8, 56), st.floats(8, 56))
def test_no_ellipse_is_too_small_for_a_block(x: float, y: float) -> None:
    assert block_bitmap(Ellipse(x, y, 1e-3, 1e-3, 0.0), Lattice(64, 64)).sum() == 1


@pytest.mark.parametrize("coverage", ["face", "head"])
@pytest.mark.parametrize("roll", [0, 20, -35])
def test_a_face_on_its_head_is_covered_as_the_upright_one(coverage: Coverage, roll: float) -> None:
    upright, turned = over(100, 140, roll, coverage), over(100, 140, roll + 180, coverage)
    assert turned.angle == pytest.approx(upright.angle)
    # Half a turn around the middle of the box, (50, 60).
    assert (turned.x, turned.y) == pytest.approx((100 - upright.x, 120 - upright.y))


def test_cells_are_blocks_of_four() -> None:
    bitmap = np.zeros((4, 4), np.bool_)
    bitmap[1, 3] = True
    cells = cells_of(bitmap)
    assert cells.shape == (16, 16) and cells.sum() == 16 and cells[4:8, 12:16].all()
