"""Pixels that were a JPEG once, in a file that does not say so, or says it of another JPEG.

Decoding leaves the lattice of the quantization in the pixels, and a block of which a part is hidden can be completed
from the rest of it: with 7 of 8 columns visible, rounding to that lattice finds the eighth in 97 % of blocks.

Where the blocks begin is voted for, as in Nikoukhah et al., ZERO: a local JPEG grid origin detector (CVPR workshops
2019): the 8x8 window, of the 64 that hold a pixel, with the most DCT coefficients that are nought is the pixel's block.
Pixels never coded, or resized since, vote for every start alike.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from service.imaging.picture import CodingGrid, Picture

Box = tuple[float, float, float, float]
Plane = NDArray[np.floating[Any]]
Votes = NDArray[np.int64]

_BLOCK = 8
_STARTS = _BLOCK**2
# A multiple of the largest block: starts within a tile are starts within the image.
_TILE = 64
# Around the pixels of a tile: all windows that hold one, and no pixel votes without all of its windows.
_AROUND = 2 * (_BLOCK - 1)
_LUMA_TILES = 24
_CHROMA_TILES = 8
# What rounding to bytes leaves of a nought, with a standard deviation of 0.3 in luma, and of 0.4 in chroma whose
# steps are larger.
_LUMA_NOUGHT = 0.5
_CHROMA_NOUGHT = 1.0
# Photos never coded reach 7, decoded JPEGs of quality 98 exceed 100 at 110 x 110 pixels. What repeats every 8 pixels,
# as lines of text may, exceeds 10 too: its masks become a little larger than they must be.
_SURPRISE = 10.0
# From the steps of samples of 8 bits to those of 16, where white stays white, or where bits are only moved.
_WIDENINGS = (257, 256)
# VP8 codes luma in blocks of 4 x 4, whose starts are mostly four of 8 x 8.
_VP8_BLOCK = 4
_ANY_START = CodingGrid(1, 1, bleed=_BLOCK - 1)
# A sample of two pixels, and of one on each side, where decoding interpolated as libjpeg does, or repeated samples.
_INVERSES = ((-0.25, 0.75, 0.75, -0.25), (0.0, 0.5, 0.5, 0.0))
_SAMPLINGS = ((1, 1, _INVERSES[0]), *((*steps, how) for steps in ((2, 1), (1, 2), (2, 2)) for how in _INVERSES))

# Y, Cb and Cr of RGB (ITU-T T.871, section 7).
_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


def _waves() -> NDArray[np.float32]:
    """(64, 63): the 8x8 DCT without its constant (ITU-T T.81, section A.3.3)."""
    at = np.arange(_BLOCK)
    wave = np.cos((2 * at + 1) * at[:, None] * math.pi / (2 * _BLOCK)) / 2
    wave[0] /= math.sqrt(2)
    return np.kron(wave, wave)[1:].T.astype(np.float32)


_WAVES = _waves()


def whole_blocks_of(picture: Picture, near: Sequence[Box] = ()) -> CodingGrid | None:
    """The blocks of a picture that are replaced whole: its file's, and those of a JPEG that its pixels were before.

    Where a JPEG was cropped and saved again, its first blocks are found while the steps of the second file are smaller
    than those of the first by far: in JPEGs of quality 98 and more, and in WebP of quality 100. The grid is the file's
    then, and reaches as far as a first block may, as where several JPEGs were put together.

    In WebP starts are not looked for that are multiples of 4 from its own: luma's blocks there reach no further than
    what its loop filter may smooth.

    Args:
        picture: of any format.
        near: boxes around which blocks are looked for before they are looked for everywhere.
    """
    own = picture.grid
    tiles, starts = _seen(picture.pixels, near)
    if own is None:
        return _grid_at(starts, tiles)
    step = _VP8_BLOCK if picture.format == "webp" else _BLOCK
    others = [(x, y) for x, y in starts if (x - own.x0) % step or (y - own.y0) % step]
    if others:
        return _reaching(own, _grid_at(others, tiles))
    before = _grid_at(starts, tiles) if picture.format == "jpeg" else None
    if before is None or _consists_of(own, before):
        return own
    if _consists_of(before, own):
        return replace(before, bleed=max(own.bleed, before.bleed))
    return _reaching(own, before)


def coding_grid_of(pixels: NDArray[Any], near: Sequence[Box] = ()) -> CodingGrid | None:
    """Where the coding blocks of a JPEG lie whose decoded pixels these are.

    Found at qualities up to 98, and mostly at 99, in pictures of 100 x 100 pixels and more; from 32 x 32 on, and
    above 94 where much is burnt out or noise, mostly; not at 100, where every step is 1. If blocks of several JPEGs
    are found, as in a collage, the grid reaches as far as a block may that the mask touches, whatever its start.
    Chroma's blocks are larger where it has fewer samples, and half of one gives the colours of the other half in a
    third of the cases: the grid is theirs. If theirs are not found, there is little colour, or a decoder that neither
    repeats samples nor interpolates them as libjpeg does.

    Lossy WebP is not looked for: its blocks hold differences from their neighbours, not colours, and its loop filter
    blurs them. Mostly it looks like several JPEGs here, as it consists of 4x4 blocks.

    Args:
        pixels: (H, W, 3) RGB; of uint16 those parts that are samples of 8 bits, widened.
        near: boxes around which blocks are looked for before they are looked for everywhere.
    """
    tiles, starts = _seen(pixels, near)
    return _grid_at(starts, tiles)


def _seen(pixels: NDArray[Any], near: Sequence[Box]) -> tuple[list[Plane], list[tuple[int, int]]]:
    """Tiles, and the starts of luma's blocks in them."""
    height, width = pixels.shape[:2]
    tiles: list[Plane] = []
    for boxes in (near, ((0.0, 0.0, float(width), float(height)),)):
        tiles = list(islice(_tiles(pixels, boxes), _LUMA_TILES))
        starts = _starts(_counted((np.rint(tile[..., 0]) for tile in tiles), _LUMA_NOUGHT))
        if starts:
            return tiles, starts
    return tiles, []


def _grid_at(starts: Sequence[tuple[int, int]], tiles: Sequence[Plane]) -> CodingGrid | None:
    if not starts:
        return None
    return _ANY_START if len(starts) > 1 else _with_chroma(tiles[:_CHROMA_TILES], *starts[0])


def _reaching(own: CodingGrid, before: CodingGrid | None) -> CodingGrid:
    """The own grid, as far as a block of either size may reach beyond a pixel."""
    sides = [side for grid in (own, before or own) for side in (grid.width, grid.height)]
    return replace(own, bleed=max(own.bleed, _ANY_START.bleed, *(side - 1 for side in sides)))


def _consists_of(large: CodingGrid, small: CodingGrid) -> bool:
    """Whether every block of one grid is made of whole blocks of the other."""
    across = large.width % small.width or (large.x0 - small.x0) % small.width
    return not (across or large.height % small.height or (large.y0 - small.y0) % small.height)


def _tiles(pixels: NDArray[Any], boxes: Sequence[Box]) -> Iterator[Plane]:
    """YCbCr of the tiles on and around the boxes, of each box in turn; always in the same order.

    Left out are plain ones, and those that do not consist of 8-bit samples.
    """
    drawn = np.zeros([-(-max(side - _AROUND, 0) // _TILE) for side in pixels.shape[:2]], np.bool_)
    # In turn, since a large face has many tiles, and one beside it, of another JPEG, few.
    turns = deque(_tiles_around(box, pixels, drawn) for box in boxes)
    while turns:
        tile = next(turns[0], None)
        if tile is None:
            turns.popleft()
        else:
            yield tile
            turns.rotate(-1)


def _tiles_around(box: Box, pixels: NDArray[Any], drawn: NDArray[np.bool_]) -> Iterator[Plane]:
    """Those of one box that are not ``drawn``, which is (rows, columns) of tiles and kept up to date."""
    left, top, right, bottom = box
    grow_x, grow_y = (right - left) / 2, (bottom - top) / 2
    wanted = np.zeros_like(drawn)
    wanted[_span(top - grow_y, bottom + grow_y), _span(left - grow_x, right + grow_x)] = True
    side = _TILE + _AROUND
    for row, column in np.random.default_rng(0).permutation(np.argwhere(wanted)):
        if drawn[row, column]:
            continue
        drawn[row, column] = True
        y, x = row * _TILE, column * _TILE
        tile = pixels[y : y + side, x : x + side]
        if (narrow := _narrow(tile)) is not None and narrow.min() < narrow.max():
            yield narrow @ _YCC.T


def _narrow(tile: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Its samples of 8 bits, which may have been widened; None if it has others."""
    if tile.dtype == np.uint8:
        return tile
    for step in _WIDENINGS:
        # One row tells most images of 16 bits, which are looked through whole.
        if not (tile[0] % step).any() and not (tile % step).any():
            return (tile // step).astype(np.uint8)
    return None


def _span(low: float, high: float) -> slice:
    return slice(max(0, math.floor(low / _TILE)), max(0, math.ceil(high / _TILE)))


def _with_chroma(tiles: Sequence[Plane], x: int, y: int) -> CodingGrid:
    """The grid of luma's blocks, which start at x, y, or that of chroma's if they are larger."""
    best, grid = 0.0, _grid(_BLOCK, _BLOCK, x, y)
    for across, down, inverse in _SAMPLINGS:
        # Where two pixels are of one sample, and there are others before them.
        first_x, first_y = (x % 2 + 2) * (across - 1), (y % 2 + 2) * (down - 1)
        planes = (
            _sampled(_sampled(tile[..., channel], 1, across, first_x, inverse), 0, down, first_y, inverse)
            for tile in tiles
            for channel in (1, 2)
        )
        votes = _counted(planes, _CHROMA_NOUGHT)
        most, total = int(votes.argmax()), int(votes.sum())
        start_x, start_y = first_x + most % _BLOCK * across, first_y + most // _BLOCK * down
        over_luma = (start_x - x) % _BLOCK == (start_y - y) % _BLOCK == 0
        if over_luma and votes[most] > best * total and _surprise(int(votes[most]), total) > _SURPRISE:
            best, grid = votes[most] / total, _grid(_BLOCK * across, _BLOCK * down, start_x, start_y)
    return grid


def _grid(width: int, height: int, x: int, y: int) -> CodingGrid:
    return CodingGrid(width, height, -(-x % width), -(-y % height), bleed=1)


def _sampled(plane: Plane, axis: int, step: int, first: int, inverse: Sequence[float]) -> Plane:
    """Chroma as it was coded, where a sample is of ``step`` pixels along the axis."""
    if step == 1:
        return plane
    parts = [np.moveaxis(plane, axis, 0)[first + i :: step] for i in (-1, 0, 1, 2)]
    whole = len(parts[-1])
    samples = np.tensordot(inverse, np.stack([part[:whole] for part in parts]), axes=1)
    return np.moveaxis(samples.astype(np.float32), 0, axis)


def _counted(planes: Iterable[Plane], nought: float) -> Votes:
    return sum((_votes(plane, nought) for plane in planes), np.zeros(_STARTS, np.int64))


def _votes(plane: Plane, nought: float) -> Votes:
    """(64,): how many pixels of a plane vote for each start y * 8 + x."""
    rows, columns = (side - _AROUND for side in plane.shape)
    if min(rows, columns) < 1:
        return np.zeros(_STARTS, np.int64)
    windows = sliding_window_view(plane, (_BLOCK, _BLOCK)).reshape(-1, _STARTS)
    noughts = np.count_nonzero(np.abs(windows @ _WAVES) < nought, axis=1).astype(np.uint8)
    noughts = noughts.reshape(rows + _BLOCK - 1, columns + _BLOCK - 1)
    around = sliding_window_view(noughts, (_BLOCK, _BLOCK)).reshape(rows, columns, _STARTS)
    # Where several windows have the most, as in plain parts, the pixel votes for none.
    alone = np.count_nonzero(around == around.max(axis=2, keepdims=True), axis=2) == 1
    down, right = np.divmod(around.argmax(axis=2), _BLOCK)
    y, x = np.ogrid[:rows, :columns]
    return np.bincount(((y + down) % _BLOCK * _BLOCK + (x + right) % _BLOCK)[alone], minlength=_STARTS)


def _starts(votes: Votes) -> list[tuple[int, int]]:
    """x, y in [0, 8) of the starts that have more votes than chance gives."""
    total = int(votes.sum())
    found = (start for start, count in enumerate(votes.tolist()) if _surprise(count, total) > _SURPRISE)
    return [(start % _BLOCK, start // _BLOCK) for start in found]


def _surprise(count: int, total: int) -> float:
    """How little chance gives one start so many of all votes: Chernoff's bound, its logarithm negated.

    Pixels vote as those around them do: a block of them has one vote.
    """
    if count * _STARTS <= total:
        return 0.0
    share = count / total
    others = (1 - share) * math.log((1 - share) * _STARTS / (_STARTS - 1)) if count < total else 0.0
    return total / _STARTS * (share * math.log(share * _STARTS) + others)
