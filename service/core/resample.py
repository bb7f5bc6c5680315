"""Pixels to cells by their means, and back to pixels whose means are the cells again.

Integer sums make it exact: a cell of n owned pixels holds a multiple of 1 / n levels, so a face larger
than the grid carries more precision through an 8-bit file than the file's own levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.core.lattice import Lattice

Array = NDArray[np.float64]

_SMOOTHING_ROUNDS = 4
_BISECTIONS = 40


@dataclass(frozen=True, slots=True)
class Cells:
    """A crop on the R-grid.

    Attributes:
        values: (R, R, 3) float64, mean level of the counted pixels; zero where none are.
        counts: (R, R) int64, how many pixels were counted.
    """

    values: Array
    counts: NDArray[np.int64]


def down(crop: NDArray[np.integer], counted: NDArray[np.bool_], lattice: Lattice) -> Cells:
    """Mean of the counted pixels of each cell.

    Args:
        crop: (side, side, 3) uint8 or uint16.
        counted: (side, side) bool.
        lattice: the cells of the crop.
    """
    weights = lattice.tiles(counted)
    counts = weights.sum(axis=2)
    sums = (lattice.tiles(crop) * weights[..., None]).sum(axis=2, dtype=np.int64)
    return Cells(sums / np.maximum(counts, 1)[..., None], counts)


def quantized(values: Array, counts: NDArray[np.int64], top: int) -> Array:
    """The nearest cell means that pixels of 0 to ``top`` can have: multiples of 1 / count.

    Args:
        values: (R, R, 3) levels, of any size.
        counts: (R, R) pixels per cell; cells of none become zero.
    """
    weights = np.maximum(counts, 1)[..., None]
    sums = np.clip(np.rint(values * weights), 0, top * weights)
    return np.where(counts[..., None] > 0, sums / weights, 0.0)


def up(values: Array, owned: NDArray[np.bool_], around: Cells, lattice: Lattice, top: int) -> NDArray[np.uint16]:
    """Pixels whose mean over the owned pixels of each cell is exactly the quantized value.

    Args:
        values: (R, R, 3) quantized levels (see ``quantized``).
        owned: (side, side) bool, the pixels that are replaced.
        around: the cells of the surroundings, for a smooth transition.
        lattice: the cells of the crop.
        top: largest level, 255 or 65535.

    Returns:
        (side, side, 3) uint16 in [0, top], meaningful where ``owned``.
    """
    use = lattice.tiles(owned)
    counts = use.sum(axis=2)
    chosen = counts > 0
    known = chosen | (around.counts > 0)
    cells = np.zeros((*use.shape, 3), np.uint16)
    # One channel at a time: a face may fill a large photograph.
    for channel in range(3):
        plane = np.where(chosen, values[..., channel], around.values[..., channel])
        wanted = _interpolated(plane, known, use, counts, lattice)[chosen]
        sums = np.rint(plane[chosen] * counts[chosen]).astype(np.int64)
        cells[chosen, :, channel] = _with_sums(wanted, use[chosen], sums, top)
    return lattice.untiled(cells)


def _interpolated(
    plane: Array, known: NDArray[np.bool_], use: NDArray[np.bool_], counts: NDArray[np.int64], lattice: Lattice
) -> Array:
    """A smooth picture whose cell means approach the values (iterated back-projection, Irani & Peleg 1991).

    Args:
        plane: (R, R), zero outside ``known``.
        use: (R, R, k^2) bool.

    Returns:
        (R, R, k^2), see ``Lattice.tiles``.
    """
    rise = lattice.bilinear()
    smooth: Array = (rise @ plane @ rise.T) / np.maximum(rise @ known.astype(np.float64) @ rise.T, 1e-9)
    if lattice.pitch == 1:
        return lattice.tiles(smooth)
    for _ in range(_SMOOTHING_ROUNDS):
        means = np.where(use, lattice.tiles(smooth), 0).sum(axis=2) / np.maximum(counts, 1)
        smooth += rise @ np.where(counts > 0, plane - means, 0.0) @ rise.T
    return lattice.tiles(smooth)


def _with_sums(wanted: Array, use: NDArray[np.bool_], sums: NDArray[np.int64], top: int) -> NDArray[np.int64]:
    """Integers in [0, top] close to ``wanted`` whose sums over the used ones are exactly ``sums``.

    Args:
        wanted: (M, k^2).
        use: (M, k^2) bool, at least one true per row.
        sums: (M,), each within [0, top] times the used ones of the row.
    """
    lacking = sums - np.where(use, wanted, 0).sum(axis=1)
    shifted = wanted + (lacking / use.sum(axis=1))[:, None]
    clips = (use & ((shifted < 0) | (shifted > top))).any(axis=1)
    shifted[clips] = wanted[clips] + _shift(wanted[clips], use[clips], sums[clips], top)
    shifted = np.clip(shifted, 0, top)
    whole: Array = np.floor(shifted)
    missing = sums - np.where(use, whole, 0).sum(axis=1).astype(np.int64)
    # One more level for the pixels that lost most to rounding down: they are below ``top``, and enough.
    order = np.argsort(np.where(use, whole - shifted, 1.0), axis=1, kind="stable")
    more = np.empty_like(use)
    np.put_along_axis(more, order, np.arange(use.shape[1]) < missing[:, None], axis=1)
    return whole.astype(np.int64) + more


def _shift(wanted: Array, use: NDArray[np.bool_], sums: NDArray[np.int64], top: int) -> Array:
    """The (M, 1) offset after which the clipped pixels have the sums, found by bisection."""
    low: Array = np.full((len(wanted), 1), -float(top)) - np.abs(wanted).max(initial=0)
    high = -low
    target = sums[:, None]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        total = np.where(use, np.clip(wanted + middle, 0, top), 0).sum(axis=1, keepdims=True)
        low = np.where(total <= target, middle, low)
        high = np.where(total <= target, high, middle)
    return low
