"""Cells over pixels: every pixel has one cell, and cells are as even as whole pixels allow."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.core.lattice import Lattice
from tests.core.shapes import seeds

lattices = st.integers(1, 40).flatmap(lambda r: st.builds(Lattice, st.just(r), st.integers(r, 5 * r)))


@given(lattices)
def test_cells_cover_the_crop_and_differ_by_a_pixel_at_most(lattice: Lattice) -> None:
    edges = lattice.edges
    assert edges[0] == 0 and edges[-1] == lattice.side and len(edges) == lattice.resolution + 1
    widths = np.diff(edges)
    assert widths.min() >= 1 and widths.max() == lattice.pitch
    assert widths.max() - widths.min() <= 1
    assert np.abs(edges - np.arange(len(edges)) * lattice.side / lattice.resolution).max() < 1


@given(lattices, seeds)
def test_untiled_inverts_tiles(lattice: Lattice, seed: int) -> None:
    crop = np.random.default_rng(seed).integers(1, 256, (lattice.side, lattice.side, 3))
    cells = lattice.tiles(crop)
    assert cells.shape == (lattice.resolution, lattice.resolution, lattice.pitch**2, 3)
    assert np.array_equal(lattice.untiled(cells), crop)
    assert np.count_nonzero(cells) == crop.size


@given(lattices, seeds)
def test_spread_gives_every_pixel_the_value_of_its_cell(lattice: Lattice, seed: int) -> None:
    values = np.random.default_rng(seed).random((lattice.resolution, lattice.resolution))
    wide = lattice.spread(values)
    edges = lattice.edges
    for row, column in np.random.default_rng(seed).integers(0, lattice.resolution, (5, 2)):
        assert (wide[edges[row] : edges[row + 1], edges[column] : edges[column + 1]] == values[row, column]).all()
    tiles = lattice.tiles(wide)
    assert ((tiles == values[..., None]) | (tiles == 0)).all()


@given(lattices)
def test_interpolation_keeps_slopes_between_the_outer_cells(lattice: Lattice) -> None:
    middles = (lattice.edges[:-1] + lattice.edges[1:]) / 2
    pixels = np.arange(lattice.side) + 0.5
    assert np.allclose(lattice.bilinear() @ middles, np.clip(pixels, middles[0], middles[-1]))
