"""R x R cells over a square of pixels: what the model sees of a crop."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Lattice:
    """Cells of whole pixels, as even as can be: cell i spans the pixels from floor(i side / R) on.

    Every pixel belongs to one cell, so that pixels and cells turn into each other without loss, whatever the side.

    Attributes:
        resolution: R.
        side: of the square in pixels, at least R.
    """

    resolution: int
    side: int

    @property
    def pitch(self) -> int:
        """k, the pixels that the widest cell has along a side: ceil(side / R)."""
        return -(-self.side // self.resolution)

    @property
    def edges(self) -> NDArray[np.int64]:
        """(R + 1,) first pixel of each cell, and the end of the last one."""
        return np.arange(self.resolution + 1, dtype=np.int64) * self.side // self.resolution

    def tiles(self, crop: NDArray[_T]) -> NDArray[_T]:
        """(side, side, ...) as (R, R, k^2, ...), the pixels of each cell together; zeros where a cell has fewer."""
        rest, k = crop.shape[2:], self.pitch
        wide = np.zeros((self.resolution * k, self.resolution * k, *rest), crop.dtype)
        wide[self._places()] = crop
        split = wide.reshape(self.resolution, k, self.resolution, k, *rest)
        return split.swapaxes(1, 2).reshape(self.resolution, self.resolution, k * k, *rest)

    def untiled(self, cells: NDArray[_T]) -> NDArray[_T]:
        """Invert ``tiles``."""
        rest, k = cells.shape[3:], self.pitch
        split = cells.reshape(self.resolution, self.resolution, k, k, *rest)
        wide = split.swapaxes(1, 2).reshape(self.resolution * k, self.resolution * k, *rest)
        return wide[self._places()]

    def spread(self, cells: NDArray[_T]) -> NDArray[_T]:
        """(R, R, ...) as (side, side, ...): every pixel the value of its cell."""
        widths = np.diff(self.edges)
        return cells.repeat(widths, axis=0).repeat(widths, axis=1)

    def bilinear(self) -> NDArray[np.float64]:
        """(side, R) matrix that interpolates between the middles of the cells; the edges are repeated."""
        middles = (self.edges[:-1] + self.edges[1:]) / 2
        pixels = np.arange(self.side) + 0.5
        return np.stack([np.interp(pixels, middles, row) for row in np.eye(self.resolution)], axis=1)

    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where rows and columns of pixels lie when every cell is given k of them."""
        edges = self.edges
        cells = np.repeat(np.arange(self.resolution), np.diff(edges))
        along = cells * self.pitch + np.arange(self.side) - edges[cells]
        rows, columns = np.ix_(along, along)
        return rows, columns
