"""From photos with faces to training examples on the R-grid, augmented, on the bank's device.

Every example is drawn from a generator on the CPU, so that a run repeats itself on any device.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool2d, grid_sample, max_pool2d

from service.core.bands import BLOCK
from service.core.context import Context, landmark_map
from service.training.bank import LARGEST_FILL, LEVELS, PhotoBank

_LARGE_FILLS = (0.35, LARGEST_FILL)  # part of the crop's side that the longer side of the box fills
_SMALL_FILLS = (0.12, 0.35)  # faces of few pixels: a crop is never smaller than R pixels
_SMALL_PART = 0.25
_HEAD_FILL = 0.6  # a head's mask needs more room
_MOST_CELLS = 1.25  # per pixel: examples of less would teach blur
_HEAD_PART = 0.15  # examples with the larger mask
_ALL_PART = 0.10  # examples where every cell is generated: the paper's unconditioned scheme
_HIDDEN_PART = 0.10  # examples where something else (another face) hides part of the context
_MIRRORED_PART = 0.5  # examples that show a mirror image where the photo ends, instead of unknown cells
_NO_LANDMARKS_PART = 0.10
_GROW_PART = 0.30  # examples whose mask is grown, as coding blocks grow it
_GREY_PART = 0.04
_OFFSET = 0.01  # of the crop's centre, standard deviation in sides
_CONTRAST = 0.15  # standard deviation of the logarithm of the gamma
_TINT = 0.03  # of the logarithm of each colour's gain


def sample_batch(bank: PhotoBank, indices: Tensor, resolution: int, rng: Generator) -> tuple[Tensor, Context]:
    """Draw one augmented example of each photo: crop, flip, mask, hide, recolour.

    Args:
        bank: of the photos.
        indices: (B,) int64.
        resolution: R.
        rng: on the CPU.

    Returns:
        (B, 3, R, R) float32 clean pixels in [-1, 1], and their context; both on the bank's device.
    """
    dice = _Dice(len(indices), rng, bank.device)
    indices = indices.to(bank.device)
    head = dice.chance(_HEAD_PART)
    ellipse = bank.ellipses[indices, head.long()]
    loose = _surrounded(ellipse, bank.extents[indices])
    side = bank.longer[indices] / _fills(dice, head, loose, bank.longer[indices] / resolution)
    centre = ellipse[:, :2] + dice.normal(2) * _OFFSET * side[:, None]
    grid = _Grid(centre, side, resolution, dice.chance(0.5))

    pixels = _recoloured(_cut(bank, indices, grid), dice)
    inside = _inside(bank.extents[indices], grid)
    generate = torch.where(_wide(dice.chance(_ALL_PART)), True, _grown(_blocks(ellipse, grid), dice)) & inside
    # Where the photo cuts the face, its mirror image would show what is to be drawn.
    seen = inside | _wide(loose & dice.chance(_MIRRORED_PART))
    visible = seen & ~generate & ~_hidden(dice, resolution)
    shown = _wide(~dice.chance(_NO_LANDMARKS_PART))
    heat = landmark_map(_in_cells(bank.points[indices], grid).double(), resolution) * shown
    return pixels, Context(pixels * visible, generate, visible, heat)


class _Dice:
    """Random numbers for each of a batch."""

    def __init__(self, count: int, rng: Generator, device: torch.device) -> None:
        self._count, self._rng, self._device = count, rng, device

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(self._count, *shape, generator=self._rng).to(self._device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self._count, *shape, generator=self._rng).to(self._device)

    def chance(self, part: float) -> Tensor:
        """(B,) bool."""
        return self.uniform() < part


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the R-grid of each example lies, in the bank's pixels; some are mirrored."""

    centre: Tensor
    side: Tensor
    resolution: int
    mirrored: Tensor

    def positions(self, fineness: int = 1) -> tuple[Tensor, Tensor]:
        """Centres of cells that are ``fineness`` times finer: x (B, 1, R f) and y (B, R f, 1)."""
        count = self.resolution * fineness
        steps = (torch.arange(count, device=self.side.device) + 0.5) / count - 0.5
        direction = torch.where(self.mirrored, -1.0, 1.0)
        x = self.centre[:, :1] + (self.side * direction)[:, None] * steps
        y = self.centre[:, 1:] + self.side[:, None] * steps
        return x[:, None, :], y[:, :, None]


def _surrounded(ellipse: Tensor, extents: Tensor) -> Tensor:
    """(B,) bool: whether the photo shows all of the mask's upright hull."""
    x, y, half_width, half_height = ellipse[:, :4].unbind(dim=1)
    left, top, right, bottom = extents.unbind(dim=1)
    return (x - half_width >= left) & (x + half_width <= right) & (y - half_height >= top) & (y + half_height <= bottom)


def _fills(dice: _Dice, head: Tensor, loose: Tensor, most: Tensor) -> Tensor:
    """(B,) part of the side that the box fills, mostly large."""
    low, high = _LARGE_FILLS
    # The larger of two numbers: only a face smaller than the grid leaves much of its crop empty.
    large = low + (high - low) * dice.uniform(2).amax(dim=1)
    low, high = _SMALL_FILLS
    small = low * (high / low) ** dice.uniform()
    # A tight photo shows nothing around a small face.
    fill = torch.where(loose & dice.chance(_SMALL_PART), small, large)
    fill = torch.minimum(fill, most * _MOST_CELLS)
    return torch.where(head, fill.clamp(max=_HEAD_FILL), fill)


def _cut(bank: PhotoBank, indices: Tensor, grid: _Grid) -> Tensor:
    """(B, 3, R, R) in [-1, 1]: two by two samples a cell, from the window whose scale fits."""
    width = bank.windows[0].shape[-1]
    level = torch.ceil(torch.log2(grid.side / width)).clamp(0, LEVELS - 1)
    x, y = (2 * at / (width * 2.0 ** level[:, None, None]) for at in grid.positions(fineness=2))
    places = torch.stack(torch.broadcast_tensors(x, y), dim=-1)  # type: ignore[no-untyped-call]
    fine = torch.empty(len(indices), 3, *places.shape[1:3], device=bank.device)
    for number, windows in enumerate(bank.windows):
        chosen = level == number
        source = windows[indices[chosen]].float()
        fine[chosen] = grid_sample(source, places[chosen], padding_mode="reflection", align_corners=False)
    return avg_pool2d(fine, 2) / 127.5 - 1


def _recoloured(pixels: Tensor, dice: _Dice) -> Tensor:
    """Gamma, tint, and now and then no colour at all."""
    unit = ((pixels + 1) / 2).clamp(0, 1)
    grey = unit.mean(dim=1, keepdim=True).expand_as(unit)
    unit = torch.where(_wide(dice.chance(_GREY_PART)), grey, unit * torch.exp(_TINT * dice.normal(3, 1, 1)))
    gamma = torch.exp(_CONTRAST * dice.normal(1, 1, 1))
    return unit.clamp(1e-6, 1) ** gamma * 2 - 1


def _inside(extents: Tensor, grid: _Grid) -> Tensor:
    """(B, 1, R, R) bool: cells whose centre the photo shows."""
    x, y = grid.positions()
    left, top, right, bottom = (edge[:, None, None] for edge in extents.unbind(dim=1))
    return (((x >= left) & (x < right)) & ((y >= top) & (y < bottom)))[:, None]


def _blocks(ellipse: Tensor, grid: _Grid) -> Tensor:
    """(B, 1, R / BLOCK, R / BLOCK) float: blocks with a cell centre in the ellipse, almost those of ``faces.masks``."""
    x, y = grid.positions()
    centre_x, centre_y, half_width, half_height, angle = (part[:, None, None] for part in ellipse.unbind(dim=1))
    cos, sin = torch.cos(angle), torch.sin(angle)
    along = (cos * (x - centre_x) + sin * (y - centre_y)) / half_width
    across = (cos * (y - centre_y) - sin * (x - centre_x)) / half_height
    return max_pool2d((along**2 + across**2 <= 1).float()[:, None], BLOCK)


def _grown(blocks: Tensor, dice: _Dice) -> Tensor:
    """(B, 1, R, R) bool: some masks one block wider, some a cell or two."""
    wider = torch.where(_wide(dice.chance(_GROW_PART)), max_pool2d(blocks, 3, 1, 1), blocks)
    cells = wider.repeat_interleave(BLOCK, dim=2).repeat_interleave(BLOCK, dim=3)
    rim = torch.where(_wide(dice.chance(0.5)), max_pool2d(cells, 3, 1, 1), max_pool2d(cells, 5, 1, 2))
    return torch.where(_wide(dice.chance(_GROW_PART)), rim, cells) > 0


def _hidden(dice: _Dice, resolution: int) -> Tensor:
    """(B, 1, R, R) bool: an ellipse of blocks somewhere, in some examples."""
    side = resolution // BLOCK
    at = (torch.arange(side) + 0.5) / side
    centre, half = dice.uniform(2), dice.uniform(2) * 0.35
    at = at.to(centre.device)
    x = (at[None, None, :] - centre[:, :1, None]) / half[:, :1, None]
    y = (at[None, :, None] - centre[:, 1:, None]) / half[:, 1:, None]
    blocks = ((x**2 + y**2 <= 1) & dice.chance(_HIDDEN_PART)[:, None, None])[:, None]
    return blocks.repeat_interleave(BLOCK, dim=2).repeat_interleave(BLOCK, dim=3)


def _in_cells(points: Tensor, grid: _Grid) -> Tensor:
    """(B, 5, 2) landmarks in cells of the grid."""
    offset = points - grid.centre[:, None, :]
    direction = torch.where(grid.mirrored, -1.0, 1.0)[:, None]
    offset = torch.stack((offset[..., 0] * direction, offset[..., 1]), dim=-1)
    return (offset / grid.side[:, None, None] + 0.5) * grid.resolution


def _wide(flags: Tensor) -> Tensor:
    return flags[:, None, None, None]
