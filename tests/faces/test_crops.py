"""Cutting faces out and pasting strangers in: nothing else changes, and what is read is what was written."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.core.resample import quantized
from service.faces.crops import FaceView, paste_face, thumbnail, view_face
from service.faces.layout import NO_FACE, CodingBlocks, PlacedFace, owner_map, place
from tests.faces.people import coding_grids, detected, detections

SIZE = (150, 190)
R = 32


@dataclass
class Scene:
    pixels: NDArray[np.uint8 | np.uint16]
    faces: list[PlacedFace]
    owner: NDArray[np.int16]
    rng: np.random.Generator

    def views(self) -> list[FaceView]:
        return [view_face(self.pixels, self.owner, i, face) for i, face in enumerate(self.faces)]

    def paste(self) -> list[NDArray[np.float64]]:
        """Replace every face by noise that reaches beyond the levels; returns what was pasted."""
        pasted = []
        for view in self.views():
            wanted = self.rng.uniform(-0.2, 1.2, (R, R, 3)) * view.top
            values = quantized(wanted, view.inside.counts, view.top)
            paste_face(self.pixels, view, values)
            pasted.append(values)
        return pasted


def scene_of(detected_faces: list, grid: CodingBlocks | None = None, dtype: type = np.uint8, seed: int = 0) -> Scene:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (*SIZE, 3)).astype(dtype)
    faces = [place(face, "face", R, SIZE, grid) for face in detected_faces]
    return Scene(pixels, faces, owner_map(faces, SIZE, grid), rng)


scenes = st.builds(
    scene_of,
    st.lists(detections(SIZE), min_size=1, max_size=4),
    coding_grids,
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(0, 2**32 - 1),
)


@given(scenes)
def test_pasted_values_are_read_back_exactly(scene: Scene) -> None:
    pasted = scene.paste()
    for view, values in zip(scene.views(), pasted, strict=True):
        assert np.array_equal(view.inside.values, values)


@given(scenes)
def test_pixels_nobody_owns_stay(scene: Scene) -> None:
    before = scene.pixels.copy()
    scene.paste()
    assert np.array_equal(scene.pixels[scene.owner == NO_FACE], before[scene.owner == NO_FACE])


@given(scenes)
def test_both_directions_see_the_same_context(scene: Scene) -> None:
    before = [view.context() for view in scene.views()]
    scene.paste()
    for then, view in zip(before, scene.views(), strict=True):
        now = view.context()
        for plane in ("known", "generate", "visible", "landmarks"):
            assert torch.equal(getattr(then, plane), getattr(now, plane))


def any_in_cell(pixels: NDArray[np.bool_], view: FaceView) -> NDArray[np.bool_]:
    """(side, side) to (R, R): whether any pixel of the cell is true."""
    starts = view.face.lattice.edges[:-1]
    return np.logical_or.reduceat(np.logical_or.reduceat(pixels, starts, axis=0), starts, axis=1)


@given(scenes)
def test_cells_are_generated_visible_or_unknown(scene: Scene) -> None:
    padding = max(face.side for face in scene.faces) + max(SIZE)
    owner = np.pad(scene.owner, padding, constant_values=-2)
    for index, view in enumerate(scene.views()):
        (x, y), side = view.face.origin, view.face.side
        seen = owner[y + padding : y + padding + side, x + padding : x + padding + side]
        context = view.context()
        generate, visible = context.generate[0, 0].numpy(), context.visible[0, 0].numpy()
        assert np.array_equal(generate, any_in_cell(seen == index, view))
        assert np.array_equal(visible, ~any_in_cell(seen >= 0, view) & any_in_cell(seen == NO_FACE, view))
        assert not context.known[0][:, ~torch.from_numpy(visible)].any()
        assert context.known.abs().max() <= 1


def test_one_pixel_of_another_face_hides_a_cell() -> None:
    scene = scene_of([detected(90, 70, 100, 100)])
    (view,) = scene.views()
    visible = view.context().visible[0, 0]
    row, column = (int(index) for index in torch.nonzero(visible)[0])
    edges, (x, y) = view.face.lattice.edges, view.face.origin
    scene.owner[y + edges[row + 1] - 1, x + edges[column]] = 7
    (hidden,) = scene.views()
    assert torch.nonzero(hidden.context().visible[0, 0] != visible).tolist() == [[row, column]]


def test_cells_show_the_mean_of_the_pixels_in_the_image() -> None:
    scene = scene_of([detected(4, 70, 60, 60)])
    (view,) = scene.views()
    (x, y), edges = view.face.origin, view.face.lattice.edges
    column = int(np.searchsorted(edges, -x, side="right")) - 1
    assert x < 0 and edges[column] < -x < edges[column + 1]
    known = view.context().known[0, :, 0, column].numpy()
    mean = scene.pixels[y : y + edges[1], 0 : x + edges[column + 1]].mean(axis=(0, 1))
    assert known == pytest.approx(mean / 127.5 - 1, abs=1e-6)


def test_a_face_that_others_cover_sees_nothing_to_generate() -> None:
    twin = detected(90, 70, 40, 40)
    scene = scene_of([twin, twin])
    before = scene.pixels.copy()
    covered = scene.views()[1]
    assert not covered.context().generate.any()
    paste_face(scene.pixels, covered, np.zeros((R, R, 3)))
    assert np.array_equal(scene.pixels, before)


@given(scenes)
def test_a_thumbnail_is_sixty_four_bytes(scene: Scene) -> None:
    for face in scene.faces:
        assert len(thumbnail(scene.pixels, face)) == 64


def distance(a: bytes, b: bytes) -> float:
    return float(np.abs(np.subtract(*(np.frombuffer(t, np.uint8).astype(float) for t in (a, b)))).mean())


def picture(turn: float) -> NDArray[np.uint8]:
    """Broad waves, as faces are."""
    y, x = np.indices(SIZE)
    waves = np.sin(x / 17 + turn) + np.cos(y / 13 - 2 * turn)
    return np.rint(127 + 60 * waves[..., None] * [1, 0.9, 0.8]).astype(np.uint8)


def test_thumbnails_tell_pictures_apart_but_not_noise() -> None:
    face = place(detected(90, 70, 100, 100), "face", R, SIZE, None)
    one = picture(0)
    noisy = np.clip(one + np.random.default_rng(1).normal(0, 10, one.shape), 0, 255).astype(np.uint8)
    assert thumbnail(one, face) == thumbnail(one.copy(), face)
    assert distance(thumbnail(one, face), thumbnail(noisy, face)) < 2
    assert distance(thumbnail(one, face), thumbnail(one.astype(np.uint16) * 257, face)) == 0
    for turn in (0.7, 1.5, 3):
        assert distance(thumbnail(one, face), thumbnail(picture(turn), face)) > 20
