"""EXIF orientation: how stored rows and columns become what people see (Exif 2.32, section 4.6.4)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.imaging.picture import CodingGrid

# orientation: (swap the axes first, then mirror left-right, then mirror top-bottom)
_STEPS: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def orient(plane: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn a stored (H, W, ...) array into the oriented one, C order, copied only when something moves."""
    swap, mirror_x, mirror_y = _STEPS[orientation]
    if swap:
        plane = plane.swapaxes(0, 1)
    if mirror_x:
        plane = plane[:, ::-1]
    if mirror_y:
        plane = plane[::-1]
    return np.ascontiguousarray(plane)


def orient_grid(grid: CodingGrid, width: int, height: int, orientation: int) -> CodingGrid:
    """The coding grid after orientation of an image stored with ``width`` x ``height`` pixels."""
    swap, mirror_x, mirror_y = _STEPS[orientation]
    block_w, block_h, x0, y0 = grid.width, grid.height, grid.x0, grid.y0
    if swap:
        width, height, block_w, block_h, x0, y0 = (height, width, block_h, block_w, y0, x0)
    if mirror_x:
        x0 = _mirrored(width - x0, block_w)
    if mirror_y:
        y0 = _mirrored(height - y0, block_h)
    return CodingGrid(block_w, block_h, x0, y0, grid.bleed)


def _mirrored(extent: int, block: int) -> int:
    """Start, in (-block, 0], of a grid of blocks whose last boundary the mirror puts ``extent`` away."""
    return -(-extent % block)
