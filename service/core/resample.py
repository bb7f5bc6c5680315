"""Pixels to cells by k x k means, and back to pixels whose means are the cells again.

Integer sums make it exact: a cell of n owned pixels holds a multiple of 1 / n levels, so a face at
k > 1 carries more precision through an 8-bit file than the file's own levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


def tiles(crop: NDArray[np.generic], k: int) -> NDArray[np.generic]:
    """View (k R, k R, ...) as (R, R, k^2, ...), the pixels of each cell together."""
    rows, columns, *rest = crop.shape
    split = crop.reshape(rows // k, k, columns // k, k, *rest)
    return split.swapaxes(1, 2).reshape(rows // k, columns // k, k * k, *rest)


def untiled(cells: NDArray[np.generic], k: int) -> NDArray[np.generic]:
    """Invert ``tiles``."""
    rows, columns, _, *rest = cells.shape
    split = cells.reshape(rows, columns, k, k, *rest)
    return split.swapaxes(1, 2).reshape(rows * k, columns * k, *rest)


def down(crop: NDArray[np.integer], counted: NDArray[np.bool_], k: int) -> Cells:
    """Mean of the counted pixels of each cell.

    Args:
        crop: (k R, k R, 3) uint8 or uint16.
        counted: (k R, k R) bool.
    """
    weights = tiles(counted, k)
    counts = weights.sum(axis=2)
    sums = (tiles(crop, k) * weights[..., None]).sum(axis=2, dtype=np.int64)
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


def up(values: Array, owned: NDArray[np.bool_], around: Cells, k: int, top: int) -> NDArray[np.int64]:
    """Pixels whose mean over the owned pixels of each cell is exactly the quantized value.

    Args:
        values: (R, R, 3) quantized levels (see ``quantized``).
        owned: (k R, k R) bool, the pixels that are replaced.
        around: the cells of the surroundings, for a smooth transition.
        k: pixels per cell side.
        top: largest level, 255 or 65535.

    Returns:
        (k R, k R, 3) int64 in [0, top], meaningful where ``owned``.
    """
    weights = tiles(owned, k)
    counts = weights.sum(axis=2)
    chosen = counts > 0
    smooth = _interpolated(values, counts, around, k, owned)
    sums = np.rint(values[chosen] * counts[chosen][:, None]).astype(np.int64)
    cells = np.zeros((*chosen.shape, k * k, 3), np.int64)
    cells[chosen] = _with_sums(tiles(smooth, k)[chosen], weights[chosen], sums, top)
    return untiled(cells, k)


def _interpolated(values: Array, counts: NDArray[np.int64], around: Cells, k: int, owned: NDArray[np.bool_]) -> Array:
    """A smooth picture whose cell means approach the values (iterated back-projection, Irani & Peleg 1991)."""
    inside = (counts > 0)[..., None]
    known = inside | (around.counts > 0)[..., None]
    grid = np.where(inside, values, around.values)
    smooth = _bilinear(grid * known, k) / np.maximum(_bilinear(known.astype(np.float64), k), 1e-9)
    if k == 1:
        return smooth
    for _ in range(_SMOOTHING_ROUNDS):
        weights = tiles(owned, k)[..., None]
        means = (tiles(smooth, k) * weights).sum(axis=2) / np.maximum(counts, 1)[..., None]
        smooth = smooth + _bilinear(np.where(inside, values - means, 0.0), k)
    return smooth


def _bilinear(grid: Array, k: int) -> Array:
    """(R, R, C) to (k R, k R, C), edges repeated."""
    return _stretched(_stretched(grid, k, 0), k, 1)


def _stretched(grid: Array, k: int, axis: int) -> Array:
    size = grid.shape[axis]
    at = np.clip((np.arange(size * k) + 0.5) / k - 0.5, 0, size - 1)
    low = np.floor(at).astype(np.intp)
    high = np.minimum(low + 1, size - 1)
    shape = [1] * grid.ndim
    shape[axis] = -1
    part = (at - low).reshape(shape)
    return grid.take(low, axis) * (1 - part) + grid.take(high, axis) * part


def _with_sums(wanted: Array, weights: NDArray[np.bool_], sums: NDArray[np.int64], top: int) -> NDArray[np.int64]:
    """Integers in [0, top] close to ``wanted`` whose weighted sums are exactly ``sums``.

    Args:
        wanted: (M, k^2, 3).
        weights: (M, k^2) bool, at least one true per row.
        sums: (M, 3), each within [0, top * weights].
    """
    use = weights[..., None]
    shifted = np.clip(wanted + _shift(wanted, use, sums, top), 0, top)
    whole = np.floor(shifted)
    missing = sums - np.where(use, whole, 0).sum(axis=1).astype(np.int64)
    # One more level for the pixels that lost most to rounding down, and only where there is room.
    loss = np.where(use & (whole < top), shifted - whole, -1.0)
    rank = np.argsort(np.argsort(-loss, axis=1, kind="stable"), axis=1, kind="stable")
    return whole.astype(np.int64) + (rank < missing[:, None])


def _shift(wanted: Array, use: NDArray[np.bool_], sums: NDArray[np.int64], top: int) -> Array:
    """The (M, 1, 3) offset after which the clipped pixels have the sums, found by bisection."""
    low = np.full((len(wanted), 1, 3), -float(top)) - np.abs(wanted).max(initial=0)
    high = -low
    target = sums[:, None]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        total = np.where(use, np.clip(wanted + middle, 0, top), 0).sum(axis=1, keepdims=True)
        low = np.where(total <= target, middle, low)
        high = np.where(total <= target, high, middle)
    return low
