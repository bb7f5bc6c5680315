"""Pixels to cells and back: means come back exactly, whatever the mask and the values."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.core.lattice import Lattice
from service.core.resample import Cells, down, quantized, up
from tests.core.shapes import seeds

R = 8


@dataclass
class Scene:
    """A crop with owned pixels, and what its cells should become."""

    lattice: Lattice
    top: int
    crop: NDArray[np.integer]
    owned: NDArray[np.bool_]
    wanted: NDArray[np.float64]

    @property
    def counts(self) -> NDArray[np.int64]:
        return self.lattice.tiles(self.owned).sum(axis=2)

    @property
    def around(self) -> Cells:
        free = ~self.lattice.tiles(self.owned).any(axis=2)
        return down(self.crop, self.lattice.spread(free), self.lattice)

    def up(self) -> NDArray[np.uint16]:
        return up(quantized(self.wanted, self.counts, self.top), self.owned, self.around, self.lattice, self.top)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    rng = np.random.default_rng(draw(seeds))
    lattice, top = draw(lattices), draw(st.sampled_from([255, 65535]))
    crop = rng.integers(0, top + 1, (lattice.side, lattice.side, 3)).astype(np.uint8 if top == 255 else np.uint16)
    owned = lattice.spread(rng.random((R, R))) < draw(st.sampled_from([0.1, 0.7, 1]))
    owned &= rng.random(owned.shape) < draw(st.sampled_from([0.05, 0.6, 1]))
    wanted = rng.uniform(-draw(reach), top + draw(reach), (R, R, 3))
    return Scene(lattice, top, crop, owned, wanted)


lattices = st.builds(Lattice, st.just(R), st.one_of(st.integers(R, 6 * R), st.integers(1, 6).map(lambda k: k * R)))
reach = st.sampled_from([-100, 0, 1e4, 1e9])


@given(scenes())
def test_the_means_come_back_exactly(scene: Scene) -> None:
    pixels = scene.up()
    assert pixels.dtype == np.uint16 and pixels.max() <= scene.top
    target = quantized(scene.wanted, scene.counts, scene.top)
    cells = down(pixels.astype(scene.crop.dtype), scene.owned, scene.lattice)
    assert np.array_equal(cells.counts, scene.counts)
    assert np.array_equal(cells.values, target)


@pytest.mark.parametrize("level", [-1e9, -1.0, 0.0, 255.0, 256.0, 1e9])
def test_cells_at_and_beyond_the_limits_are_flat(level: float) -> None:
    crop = np.random.default_rng(2).integers(0, 256, (4 * R, 4 * R, 3), np.uint8)
    owned = np.zeros((4 * R, 4 * R), np.bool_)
    owned[3:17, 9:30] = True
    pixels = Scene(Lattice(R, 4 * R), 255, crop, owned, np.full((R, R, 3), level)).up()
    assert (pixels[owned] == np.clip(level, 0, 255)).all()


def test_half_the_pixels_carry_a_half_level() -> None:
    owned = np.ones((2 * R, 2 * R), np.bool_)
    pixels = Scene(Lattice(R, 2 * R), 255, np.zeros((2 * R, 2 * R, 3), np.uint8), owned, np.full((R, R, 3), 99.5)).up()
    assert set(np.unique(pixels)) == {99, 100}
    assert (Lattice(R, 2 * R).tiles(pixels).sum(axis=2) == 398).all()


def test_one_owned_pixel_is_the_cell() -> None:
    owned = np.zeros((3 * R, 3 * R), np.bool_)
    owned[7, 8] = True
    crop = np.full((3 * R, 3 * R, 3), 10, np.uint8)
    pixels = Scene(Lattice(R, 3 * R), 255, crop, owned, np.full((R, R, 3), 199.6)).up()
    assert (pixels[7, 8] == 200).all()


@pytest.mark.parametrize("side", [2 * R, 5 * R, R + 1, R + 3, 2 * R - 1, 3 * R + 5])
def test_a_slope_stays_smooth(side: int) -> None:
    lattice = Lattice(R, side)
    slope = np.linspace(40, 200, side)[None, :, None] * np.ones((side, 1, 3))
    crop = np.rint(slope).astype(np.uint8)
    owned = np.zeros((side, side), np.bool_)
    first, left, right, last = lattice.edges[[1, 2, 6, 7]]
    owned[first:last, left:right] = True
    wanted = down(crop, owned, lattice).values
    pixels = Scene(lattice, 255, crop, owned, wanted).up()
    assert np.abs(pixels - slope)[owned].max() < 3


@given(scenes())
def test_quantized_is_nearest_and_stays(scene: Scene) -> None:
    counts = scene.counts
    once = quantized(scene.wanted, counts, scene.top)
    assert (once[counts == 0] == 0).all()
    assert np.array_equal(quantized(once, counts, scene.top), once)
    error = np.abs(once - np.clip(scene.wanted, 0, scene.top))[counts > 0]
    assert (error <= 0.5 / counts[counts > 0][:, None] + 1e-9).all()
    sums = once * counts[..., None]
    assert np.abs(sums - np.rint(sums)).max() < 1e-6


@given(scenes())
def test_down_is_the_mean_of_the_counted_pixels(scene: Scene) -> None:
    cells = down(scene.crop, scene.owned, scene.lattice)
    edges = scene.lattice.edges
    for row, column in np.ndindex(R, R):
        window = np.s_[edges[row] : edges[row + 1], edges[column] : edges[column + 1]]
        counted = scene.crop[window][scene.owned[window]]
        assert cells.counts[row, column] == len(counted)
        expected = counted.mean(axis=0, dtype=np.float64) if len(counted) else np.zeros(3)
        assert np.allclose(cells.values[row, column], expected, rtol=1e-13, atol=0)
