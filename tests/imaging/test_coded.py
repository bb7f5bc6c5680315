"""The blocks of a JPEG are found in its decoded pixels, and none in pixels that never were one."""

import io
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from skimage import data

from service.imaging import CodingGrid, Picture, coding_grid_of, decode, whole_blocks_of
from service.imaging.orientation import orient, orient_grid
from tests.imaging.sample_images import noise, saved, smooth

SIDES = {0: (8, 8), 1: (16, 8), 2: (16, 16)}
ANY_START = CodingGrid(1, 1, bleed=7)


def photo(side: int = 128) -> np.ndarray:
    """Part of a photo that never was a JPEG."""
    return data.astronaut()[30 : 30 + side, 90 : 90 + side]


def through_jpeg(pixels: np.ndarray, quality: int, subsampling: int = 2, mode: str = "RGB") -> np.ndarray:
    file = saved(Image.fromarray(pixels).convert(mode), "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def cut_grid(subsampling: int, x: int, y: int) -> CodingGrid:
    """Of a JPEG without its first x columns and y rows."""
    width, height = SIDES[subsampling]
    return CodingGrid(width, height, -(x % width), -(y % height), bleed=1)


def starts(grid: CodingGrid | None) -> tuple[int, int] | None:
    """Where luma's blocks start."""
    return None if grid is None or grid.width == 1 else (grid.x0 % 8, grid.y0 % 8)


QUALITIES, OFFSETS, SUBSAMPLINGS, TURNS = st.integers(30, 98), st.integers(0, 15), st.integers(0, 2), st.integers(1, 8)


@given(QUALITIES, OFFSETS, OFFSETS, SUBSAMPLINGS, TURNS)
def test_blocks_are_found_wherever_they_start_and_however_they_are_turned(quality, x, y, subsampling, turn):
    cut = through_jpeg(photo(), quality, subsampling)[y:, x:]
    found = coding_grid_of(orient(cut, turn))
    expected = orient_grid(cut_grid(subsampling, x, y), cut.shape[1], cut.shape[0], turn)
    assert starts(found) == starts(expected)
    if quality <= 95:
        assert found == expected


def test_blocks_of_chroma_are_found_where_a_decoder_repeats_samples():
    sides = photo().shape[:2]
    y, cb, cr = Image.fromarray(photo()).convert("YCbCr").split()
    halves = (plane.resize((sides[1] // 2, sides[0] // 2), Image.Resampling.BOX) for plane in (cb, cr))
    coded = [Image.open(io.BytesIO(saved(plane, "JPEG", quality=75))) for plane in (y, *halves)]
    whole = Image.merge("YCbCr", [plane.resize(sides[::-1], Image.Resampling.NEAREST) for plane in coded])
    assert coding_grid_of(np.asarray(whole.convert("RGB"))[11:, 6:]) == cut_grid(2, 6, 11)


@given(QUALITIES, OFFSETS, OFFSETS)
def test_blocks_without_colour_are_found(quality, x, y):
    grey = through_jpeg(photo(), quality, mode="L")[y:, x:]
    assert coding_grid_of(grey) == CodingGrid(8, 8, -(x % 8), -(y % 8), bleed=1)


@given(st.integers(30, 94), OFFSETS, OFFSETS, st.floats(1, 2), st.integers(0, 40))
def test_blocks_are_found_beside_burnt_out_and_blank_parts_and_in_noise(quality, x, y, contrast, grain):
    rough = photo(192) + np.random.default_rng(0).normal(0, grain, (192, 192, 3))
    burnt = np.clip((rough - 100) * contrast + 128, 0, 255).astype(np.uint8)
    burnt[:, :50] = 255
    found = coding_grid_of(through_jpeg(burnt, quality)[y:, x:])
    # In heavy noise a second start may look as likely: masks reach as far as a block of either may.
    assert found == ANY_START or starts(found) == starts(cut_grid(2, x, y))


def test_where_a_part_of_one_is_pasted_onto_a_page_it_is_looked_for_around_the_boxes():
    page = np.full((3000, 3000, 3), 255, np.uint8)
    page[1501:1701, 1003:1203] = through_jpeg(photo(200), 90)
    assert coding_grid_of(page, [(1060.0, 1540.0, 1140.0, 1650.0)]) == CodingGrid(16, 16, -5, -3, bleed=1)
    # Plain parts say nothing, but cost nothing either: without boxes it is found here too.
    assert coding_grid_of(page) == CodingGrid(16, 16, -5, -3, bleed=1)


def test_of_several_jpegs_the_one_around_the_boxes_counts():
    one, other = through_jpeg(photo(240), 85, 0), through_jpeg(photo(240)[:, ::-1], 85, 0)[5:235, 3:]
    collage = np.full((240, 480, 3), 255, np.uint8)
    collage[:, :240], collage[:230, 240:477] = one, other
    assert coding_grid_of(collage, [(60.0, 60.0, 120.0, 120.0)]) == CodingGrid(8, 8, bleed=1)
    assert coding_grid_of(collage, [(380.0, 60.0, 440.0, 120.0)]) == CodingGrid(8, 8, -3, -5, bleed=1)
    assert coding_grid_of(collage, [(60.0, 60.0, 120.0, 120.0), (380.0, 60.0, 440.0, 120.0)]) == ANY_START
    assert coding_grid_of(collage) == ANY_START


def test_of_several_jpegs_that_of_a_small_face_beside_a_large_one_counts():
    """Around the large face are 24 times as many tiles as around the small one."""
    collage = np.full((1200, 1500, 3), 255, np.uint8)
    collage[:, :1200] = through_jpeg(resized(photo(240), 1200), 85, 0)
    collage[100:335, 1220:1457] = through_jpeg(photo(240)[:, ::-1], 85, 0)[5:, 3:]
    large, small = (300.0, 150.0, 800.0, 750.0), (1300.0, 150.0, 1400.0, 270.0)
    assert coding_grid_of(collage, [large]) == CodingGrid(8, 8, bleed=1)
    assert coding_grid_of(collage, [large, small]) == coding_grid_of(collage, [small, large]) == ANY_START


def text() -> np.ndarray:
    page = Image.new("RGB", (400, 300), "white")
    for line in range(22):
        ImageDraw.Draw(page).text(
            (10, 13 * line), "Who reads this reads in vain, for it is only a line " * 2, fill="black"
        )
    return np.asarray(page)


def resized(pixels: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))


@pytest.mark.parametrize(
    "pixels",
    [
        photo(),
        data.coffee()[:250, :250],
        resized(through_jpeg(photo(250), 75), 180),
        resized(through_jpeg(photo(250), 75), 350),
        noise(200, 200),
        smooth(200, 300),
        np.full((200, 200, 3), 77, np.uint8),
        text(),
    ],
    ids=["photo", "coffee", "smaller", "larger", "noise", "gradient", "plain", "text"],
)
def test_nothing_is_found_in_what_never_was_a_jpeg_or_was_resized_since(pixels):
    assert coding_grid_of(pixels) is None


@given(st.integers(1, 40), st.integers(1, 40))
def test_small_pictures_are_no_fault(height, width):
    coding_grid_of(through_jpeg(photo(), 75)[:height, :width], [(-9.0, -9.0, 99.0, 99.0), (500.0, 500.0, 600.0, 600.0)])


@pytest.mark.parametrize("step", [257, 256])
def test_samples_of_8_bits_widened_to_16_are_seen_and_others_left_as_they_are(step):
    wide = through_jpeg(photo(), 75)[3:, 5:].astype(np.uint16) * step
    assert coding_grid_of(wide) == whole_blocks_of(Picture(wide, None, "png")) == CodingGrid(16, 16, -5, -3, bleed=1)
    assert coding_grid_of(wide // 2) is None


def read_again(pixels: np.ndarray, kind: str, quality: int, subsampling: int = 2) -> Picture:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return decode(saved(image, kind, quality=quality, subsampling=subsampling))


@pytest.mark.parametrize(("first", "second", "bleed"), [(0, 0, 7), (2, 0, 15), (0, 2, 15), (2, 2, 15)])
@pytest.mark.parametrize("quality", [98, 100])
def test_of_a_jpeg_cropped_and_saved_again_the_first_blocks_are_reached(quality, first, second, bleed):
    picture = read_again(through_jpeg(photo(200), 85, first)[6:, 1:], "JPEG", quality, second)
    reached = whole_blocks_of(picture)
    # Chroma of several JPEGs may look larger than it is.
    assert reached in (CodingGrid(*SIDES[second], bleed=bleed), CodingGrid(*SIDES[second], bleed=15))


def test_and_of_one_saved_again_as_webp():
    picture = read_again(through_jpeg(photo(200), 85)[5:, 3:], "WEBP", 100)
    assert whole_blocks_of(picture) == CodingGrid(16, 16, bleed=15)


def test_of_a_jpeg_saved_again_whole_the_larger_blocks_count():
    picture = read_again(through_jpeg(photo(200), 85, 2), "JPEG", 100, 0)
    assert picture.grid == CodingGrid(8, 8)
    assert whole_blocks_of(picture) == CodingGrid(16, 16, bleed=1)


def test_chroma_blocks_are_reached_where_luma_blocks_are_the_same():
    picture = read_again(through_jpeg(photo(200), 85)[8:, 8:], "JPEG", 100)
    assert whole_blocks_of(picture) == CodingGrid(16, 16, bleed=15)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket", "camera", "brick", "hubble_deep_field", "text"])
def test_an_ordinary_jpeg_or_webp_keeps_its_grid(name):
    image = Image.fromarray(getattr(data, name)()[:300, :300]).convert("RGB")
    for quality in (75, 90, 95):
        for subsampling in (0, 2):
            picture = read_again(np.asarray(image), "JPEG", quality, subsampling)
            assert whole_blocks_of(picture) == picture.grid == CodingGrid(*SIDES[subsampling], bleed=subsampling // 2)
        picture = read_again(np.asarray(image), "WEBP", quality)
        assert whole_blocks_of(picture) == picture.grid == CodingGrid(16, 16, bleed=8)


@given(QUALITIES.filter(lambda quality: quality <= 95), SUBSAMPLINGS, TURNS)
def test_a_jpeg_that_is_turned_keeps_its_grid(quality, subsampling, turn):
    file = read_again(photo(125), "JPEG", quality, subsampling)
    own = orient_grid(CodingGrid(*SIDES[subsampling], bleed=1), 125, 125, turn)
    assert whole_blocks_of(replace(file, pixels=orient(file.pixels, turn), grid=own)) == own


def test_a_large_picture_costs_little_memory_and_gives_the_same_answer_each_time():
    large = np.tile(through_jpeg(photo(), 90), (31, 47, 1))[3:, 5:]
    tracemalloc.start()
    try:
        answers = {coding_grid_of(large) for _ in range(2)}
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answers == {CodingGrid(16, 16, -5, -3, bleed=1)}
    assert peak < 16 * 2**20
