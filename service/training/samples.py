"""From a photo with a face to one training example on the R-grid, with all augmentation."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.core.bands import BLOCK
from service.core.context import Context, landmark_map
from service.faces.masks import Coverage, block_bitmap, cells_of, face_ellipse
from service.training.faceset import FaceSet

_FILL = (0.35, 0.80)  # part of the crop's side that the longer side of the box fills
_HEAD_PART = 0.15  # examples with the larger mask
_ALL_PART = 0.10  # examples where every cell is generated: the paper's unconditioned scheme
_HIDDEN_PART = 0.10  # examples where something else (another face) hides part of the context
_NO_LANDMARKS_PART = 0.10
_GROW_PART = 0.30  # examples whose mask is grown, as JPEG's blocks grow it


@dataclass(frozen=True, slots=True)
class Example:
    """One face on the R-grid.

    Attributes:
        pixels: (R, R, 3) float32 in [-1, 1], zero outside the photo.
        generate: (R, R) bool.
        visible: (R, R) bool.
        points: (5, 2) float64 landmarks in cells; NaN where they are dropped.
    """

    pixels: NDArray[np.float32]
    generate: NDArray[np.bool_]
    visible: NDArray[np.bool_]
    points: NDArray[np.float64]


def sample_batch(
    faces: FaceSet, indices: NDArray[np.int64], resolution: int, rng: np.random.Generator
) -> tuple[Tensor, Context]:
    """Draw one augmented example of each photo.

    Returns:
        (B, 3, R, R) float32 clean pixels in [-1, 1], and their context.
    """
    return collate([sample_example(faces, int(i), resolution, rng) for i in indices], resolution)


def collate(examples: list[Example], resolution: int) -> tuple[Tensor, Context]:
    """Stack examples into clean pixels (B, 3, R, R) float32 and a ``Context``."""
    pixels = torch.from_numpy(np.stack([e.pixels for e in examples])).permute(0, 3, 1, 2)
    generate = torch.from_numpy(np.stack([e.generate for e in examples]))[:, None]
    visible = torch.from_numpy(np.stack([e.visible for e in examples]))[:, None]
    points = torch.from_numpy(np.stack([e.points for e in examples]))
    heat = torch.nan_to_num(landmark_map(points, resolution))
    return pixels.contiguous(), Context(pixels * visible, generate, visible, heat)


def sample_example(faces: FaceSet, index: int, resolution: int, rng: np.random.Generator) -> Example:
    """Crop, flip, mask and hide at random."""
    box, points = faces.boxes[index], faces.landmarks[index]
    side, origin = _random_crop(box, rng)
    scale = side / resolution
    crop, inside = _cut(faces.pixels(index), origin, side, resolution)
    coverage: Coverage = "head" if rng.random() < _HEAD_PART else "face"
    ellipse = face_ellipse(tuple(box), points, coverage).scaled(float(origin[0]), float(origin[1]), scale)
    bitmap = block_bitmap(ellipse, resolution)
    if rng.random() < _GROW_PART:
        bitmap = _grow(bitmap, rng)
    generate = inside.copy() if rng.random() < _ALL_PART else cells_of(bitmap) & inside
    visible = inside & ~generate & ~_hidden(resolution, rng)
    cell_points = (points - origin) / scale
    if rng.random() < _NO_LANDMARKS_PART:
        cell_points = np.full_like(cell_points, np.nan)
    example = Example(crop, generate, visible, cell_points)
    return _mirrored(example, resolution) if rng.random() < 0.5 else example


def _random_crop(box: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, NDArray[np.float64]]:
    width, height = box[2] - box[0], box[3] - box[1]
    # More of the large fills: a face at k > 1 always fills more than 40 %.
    fill = _FILL[0] + (_FILL[1] - _FILL[0]) * rng.beta(2.0, 1.2)
    side = max(width, height) / fill
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2 + rng.normal(0, 0.015, 2) * side
    return side, centre - side / 2


def _cut(
    pixels: NDArray[np.uint8], origin: NDArray[np.float64], side: float, resolution: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    height, width = pixels.shape[:2]
    scale = side / resolution
    # Sample on a grid k times finer and box-average it, as the service does.
    k = max(1, round(scale))
    fine = resolution * k
    to_photo = np.array(
        [[side / fine, 0, origin[0] + side / fine / 2 - 0.5], [0, side / fine, origin[1] + side / fine / 2 - 0.5]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(pixels, to_photo, (fine, fine), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    crop = warped.reshape(resolution, k, resolution, k, 3).mean(axis=(1, 3), dtype=np.float32) / 127.5 - 1
    centres = (np.arange(resolution) + 0.5) * scale
    x, y = origin[0] + centres, origin[1] + centres
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None, :]
    return crop * inside[..., None], inside


def _grow(bitmap: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    kernel = np.ones(rng.integers(1, 4, 2), np.uint8)
    return cv2.dilate(bitmap.astype(np.uint8), kernel).astype(bool)


def _hidden(resolution: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    hidden = np.zeros((resolution // BLOCK, resolution // BLOCK), np.uint8)
    if rng.random() < _HIDDEN_PART:
        x, y, a, b = rng.uniform(0, 1, 4) * [1, 1, 0.3, 0.4] * (resolution // BLOCK)
        cv2.ellipse(hidden, (int(x), int(y)), (int(a), int(b)), 0, 0, 360, 1, -1)
    return cells_of(hidden.astype(bool))


def _mirrored(example: Example, resolution: int) -> Example:
    points = example.points[[1, 0, 2, 4, 3]].copy()
    points[:, 0] = resolution - points[:, 0]
    return Example(
        np.ascontiguousarray(example.pixels[:, ::-1]),
        np.ascontiguousarray(example.generate[:, ::-1]),
        np.ascontiguousarray(example.visible[:, ::-1]),
        points,
    )
