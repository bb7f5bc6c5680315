"""Where crops lie and who owns which pixel: no pixel of a face is left over."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.faces.detection import Detection
from service.faces.layout import NO_FACE, CodingBlocks, PlacedFace, owner_map, place
from service.faces.masks import Coverage, cells_of, face_ellipse
from tests.faces.people import coding_grids, detected, detections

SIZE = (210, 270)
R = 64
coverages: st.SearchStrategy[Coverage] = st.sampled_from(["face", "head"])


def mask_of(face: PlacedFace, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W) bool: the face's blocks, drawn pixel by pixel."""
    cells = cells_of(face.bitmap)
    row, column = (cells_at(face, np.arange(n) - start) for n, start in zip(size, reversed(face.origin), strict=True))
    inside = ((row >= 0) & (row < face.resolution))[:, None] & ((column >= 0) & (column < face.resolution))
    clipped = (np.clip(index, 0, face.resolution - 1) for index in (row, column))
    return cells[np.ix_(*clipped)] & inside


def cells_at(face: PlacedFace, pixels: np.ndarray) -> np.ndarray:
    """The cells that pixels of the crop's axis lie in; R or more, or negative, outside of it."""
    return np.searchsorted(face.lattice.edges, pixels, side="right") - 1


def coding_blocks(owner: np.ndarray, grid: CodingBlocks) -> list[np.ndarray]:
    width, height, x0, y0, _ = grid
    return [
        owner[max(0, y) : y + height, max(0, x) : x + width]
        for y in range(y0, owner.shape[0], height)
        for x in range(x0, owner.shape[1], width)
        if y + height > 0 and x + width > 0
    ]


@given(detections(SIZE), coverages, coding_grids)
def test_the_mask_covers_the_ellipse(face: Detection, coverage: Coverage, grid: CodingBlocks | None) -> None:
    placed = place(face, coverage, R, SIZE, grid)
    whole = face_ellipse(placed.box, placed.landmarks.astype(float), coverage)
    # A pixel whose centre is on the edge to the last bit lies inside or outside, as the crop's origin rounds it.
    ellipse = replace(whole, half_width=whole.half_width * (1 - 1e-9), half_height=whole.half_height * (1 - 1e-9))
    mask = mask_of(placed)
    inside = ellipse.contains(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0])[:, None] + 0.5)
    assert not (inside & ~mask).any()


@given(detections(SIZE), coverages, coding_grids)
def test_the_crop_shows_surroundings_on_every_side(
    face: Detection, coverage: Coverage, grid: CodingBlocks | None
) -> None:
    placed = place(face, coverage, R, SIZE, grid)
    owned = np.argwhere(owner_map([placed], SIZE, grid) == 0)[:, ::-1] - placed.origin
    assert len(owned)
    margin = 4 * placed.scale
    assert owned.min() >= margin and owned.max() < placed.side - margin


def test_a_crop_is_no_larger_than_it_must_be() -> None:
    # 124 pixels high, 140 with their ellipse, 162 in whole coding blocks with the pixel they reach beyond.
    points = np.array([[107.0, 124.0], [151.0, 124.0], [129.0, 147.0], [113.0, 170.0], [145.0, 170.0]])
    face, grid = Detection((80.0, 73.0, 173.0, 197.0), 0.9, points), (16, 16, 0, 0, 1)
    placed = place(face, "face", 160, (250, 250), grid)
    assert 162 + 8 <= placed.side <= 162 + 32
    assert place(face, "face", 160, (250, 250), None).side == 160


@given(detections(SIZE), coverages)
def test_crops_grow_with_their_faces_and_not_in_leaps(face: Detection, coverage: Coverage) -> None:
    placed = place(face, coverage, R, SIZE, None)
    assert placed.resolution == R and placed.side >= R
    ellipse = face_ellipse(placed.box, placed.landmarks.astype(float), coverage)
    left, top, right, bottom = ellipse.bounds()
    # What is added at a border is not turned.
    longer = max(right - left, bottom - top, 2 * ellipse.half_width, 2 * ellipse.half_height)
    # A block of the mask and the margin on either side, the largest fill, and a step of growth.
    assert placed.side <= max(R, 1.2 * longer, longer / (1 - 16.5 / R) + 2) * (1 + 1 / 64) + 2


@pytest.mark.parametrize(("width", "resolution"), [(2, 64), (40, 64), (52, 64), (1500, 64), (3900, 128)])
def test_tiny_and_huge_faces_have_a_crop(width: int, resolution: int) -> None:
    placed = place(detected(2000.5, 2000.5, width, width), "face", resolution, (4000, 6000), None)
    assert (placed.side == resolution) == (width <= 40)
    area = placed.bitmap.sum() * (4 * placed.scale) ** 2
    assert area >= math.pi / 4 * 1.08 * 1.12 * width**2
    assert np.abs(np.add(placed.origin, placed.side / 2) - [2000, 2000]).max() <= 0.02 * width + 1


@pytest.mark.parametrize(("x", "width", "height"), [(100, 0, 0), (100, 0.3, 20), (SIZE[1], 0, 30)])
def test_a_box_without_area_is_a_pixel_wide(x: float, width: float, height: float) -> None:
    placed = place(detected(x, 50, width, height), "face", R, SIZE, None)
    assert placed.box[0] < placed.box[2] and placed.box[1] < placed.box[3]
    assert placed.bitmap.any()


@given(detections(SIZE))
def test_landmarks_keep_their_place_in_the_crop(face: Detection) -> None:
    placed = place(face, "face", R, SIZE, None)
    back = placed.cell_landmarks() * placed.scale + placed.origin
    assert np.abs(back - face.landmarks).max() <= 1


crowds = st.lists(detections(SIZE), min_size=1, max_size=5)


@given(crowds, coverages, coding_grids)
def test_every_pixel_of_every_mask_has_an_owner(
    crowd: list[Detection], coverage: Coverage, grid: CodingBlocks | None
) -> None:
    placed = [place(face, coverage, R, SIZE, grid) for face in crowd]
    owner = owner_map(placed, SIZE, grid)
    union = np.any([mask_of(face) for face in placed], axis=0)
    assert (owner[union] != NO_FACE).all()
    if grid is None:
        assert (owner[~union] == NO_FACE).all()
    for index, face in enumerate(placed):
        owned = np.argwhere(owner == index)[:, ::-1] - face.origin
        assert ((owned >= 0) & (owned < face.side)).all()
        if grid is None:
            assert not ((owner == index) & ~mask_of(face)).any()


@given(crowds, coverages, coding_grids.filter(bool))
def test_no_coding_block_straddles(crowd: list[Detection], coverage: Coverage, grid: CodingBlocks) -> None:
    owner = owner_map([place(face, coverage, R, SIZE, grid) for face in crowd], SIZE, grid)
    for block in coding_blocks(owner != NO_FACE, grid):
        assert block.all() or not block.any()


@given(detections(SIZE), coding_grids.filter(bool))
def test_only_blocks_that_the_mask_touches_are_added(face: Detection, grid: CodingBlocks) -> None:
    placed = place(face, "face", R, SIZE, grid)
    # What of the mask lies outside the image counts too: a decoder fills those pixels of the block.
    width, height, x0, y0, _ = grid
    wide = mask_of(
        PlacedFace(
            placed.box,
            placed.confidence,
            placed.landmarks,
            placed.side,
            (placed.origin[0] - x0 + 10 * width, placed.origin[1] - y0 + 10 * height),
            placed.bitmap,
        ),
        (SIZE[0] + 30 * height, SIZE[1] + 30 * width),
    )
    owner = np.pad(owner_map([placed], SIZE, grid), ((10 * height - y0, 0), (10 * width - x0, 0)), constant_values=-1)
    for y, x in np.unique(np.argwhere(owner == 0) // [height, width], axis=0):
        assert wide[y * height : (y + 1) * height, x * width : (x + 1) * width].any()


@given(st.lists(detections(SIZE), min_size=2, max_size=3), coding_grids)
def test_what_is_owned_does_not_depend_on_the_order(crowd: list[Detection], grid: CodingBlocks | None) -> None:
    placed = [place(face, "face", R, SIZE, grid) for face in crowd]
    first = owner_map(placed, SIZE, grid)
    for order in permutations(range(len(placed))):
        other = owner_map([placed[i] for i in order], SIZE, grid)
        assert np.array_equal(other == NO_FACE, first == NO_FACE)
        if len({face.side for face in placed}) == len(placed):
            assert np.array_equal(np.array([*order, NO_FACE])[other], first)


def test_the_finer_face_owns_what_two_masks_claim() -> None:
    large = place(detected(120, 100, 150, 150), "face", R, SIZE, None)
    small = place(detected(120, 100, 30, 30), "face", R, SIZE, None)
    owner = owner_map([large, small], SIZE, None)
    assert (owner[mask_of(small)] == 1).all()
    assert (owner[mask_of(large) & ~mask_of(small)] == 0).all()


def test_of_equal_faces_the_first_owns() -> None:
    faces = [place(detected(x, 100, 40, 40), "face", R, SIZE, None) for x in (100, 115)]
    owner = owner_map(faces, SIZE, None)
    assert (owner[mask_of(faces[0])] == 0).all()
    assert (owner[mask_of(faces[1]) & ~mask_of(faces[0])] == 1).all()


def test_a_mask_comes_before_what_coding_blocks_add() -> None:
    grid = (16, 16, 0, 0, 0)
    fine = place(detected(60, 100, 20, 20), "face", R, SIZE, grid)
    coarse = place(detected(137, 100, 120, 120), "face", R, SIZE, grid)
    owner = owner_map([fine, coarse], SIZE, grid)
    assert (owner == 0).sum() > mask_of(fine).sum()
    assert (owner[mask_of(coarse) & ~mask_of(fine)] == 1).all()


def test_no_faces_own_nothing() -> None:
    assert (owner_map([], (7, 9), (8, 8, 0, 0)) == np.full((7, 9), NO_FACE)).all()


def test_a_face_outside_the_image_owns_nothing() -> None:
    for x, y in ((-400, 50), (700, 50), (50, -400), (50, 700)):
        assert (owner_map([place(detected(x, y, 60, 60), "face", R, SIZE, None)], SIZE, None) == NO_FACE).all()


@given(detections(SIZE), coding_grids.filter(bool), st.integers(1, 8))
def test_what_blocks_reach_beyond_themselves_is_replaced_too(face: Detection, grid: CodingBlocks, bleed: int) -> None:
    reaching = (*grid[:4], bleed)
    placed = place(face, "face", R, SIZE, reaching)
    without = owner_map([placed], SIZE, grid) != NO_FACE
    owner = owner_map([placed], SIZE, reaching) != NO_FACE
    for down, right in ((bleed, 0), (-bleed, 0), (0, bleed), (0, -bleed), (bleed, bleed), (-bleed, -bleed)):
        rows, columns = np.nonzero(without)
        rows, columns = rows + down, columns + right
        inside = (rows >= 0) & (rows < SIZE[0]) & (columns >= 0) & (columns < SIZE[1])
        assert owner[rows[inside], columns[inside]].all()
    assert owner.sum() >= without.sum()
