"""All training photos decoded once, as windows around their faces that a device can sample from."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from service.faces.masks import Coverage, face_ellipse
from service.training.faceset import FaceSet

COVERAGES: tuple[Coverage, ...] = ("face", "head")
LEVELS = 3
"""Windows per photo: each shows twice the width of the one before, at half its scale."""
LARGEST_FILL = 0.8  # of the crop's side, by the longer side of the box; as ``faces.layout`` places it
_WINDOW = 1.6  # side of a window in units of R
_WORKERS = 4  # photos decoded at a time


@dataclass(frozen=True, slots=True)
class PhotoBank:
    """N photos with one face each; lengths in pixels of the finest window, measured from the box's centre.

    A face larger than the model can show at k = 1 is shrunk until it fits: finer pixels are never sampled.

    Attributes:
        windows: LEVELS tensors (N, 3, W, W) uint8; what lies outside a photo mirrors the inside.
        extents: (N, 4) float32, left, top, right, bottom of the photo.
        longer: (N,) float32, longer side of the box.
        ellipses: (N, 2, 5) float32 x, y, half width, half height, angle; by ``COVERAGES``.
        points: (N, 5, 2) float32 landmarks.
    """

    windows: tuple[Tensor, ...]
    extents: Tensor
    longer: Tensor
    ellipses: Tensor
    points: Tensor

    @property
    def device(self) -> torch.device:
        """Where examples are made."""
        return self.extents.device


def load_bank(faces: FaceSet, resolution: int, device: torch.device) -> PhotoBank:
    """Decode every photo of a face set; takes about 23 R^2 bytes a photo.

    Args:
        resolution: R.
        device: where the bank lives.
    """
    side = 2 * round(_WINDOW * resolution / 2)
    windows = [torch.empty(len(faces), 3, side, side, dtype=torch.uint8, device=device) for _ in range(LEVELS)]
    rows = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        portraits = pool.map(lambda index: _Portrait.of(faces, index, resolution, side), range(len(faces)))
        for index, portrait in enumerate(_bar(portraits, len(faces))):
            for level, window in enumerate(portrait.windows):
                windows[level][index] = torch.from_numpy(window).permute(2, 0, 1)
            rows.append(portrait)
    return PhotoBank(
        tuple(windows),
        _stacked((row.extent for row in rows), device),
        _stacked((row.longer for row in rows), device),
        _stacked((row.ellipses for row in rows), device),
        _stacked((row.points for row in rows), device),
    )


@dataclass(frozen=True, slots=True)
class _Portrait:
    windows: list[NDArray[np.uint8]]
    extent: NDArray[np.float64]
    longer: float
    ellipses: NDArray[np.float64]
    points: NDArray[np.float64]

    @classmethod
    def of(cls, faces: FaceSet, index: int, resolution: int, side: int) -> "_Portrait":
        pixels, box = faces.pixels(index), faces.boxes[index]
        height, width = pixels.shape[:2]
        longer = float(max(box[2] - box[0], box[3] - box[1]))
        scale = min(1.0, LARGEST_FILL * resolution / longer)
        centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
        points = (faces.landmarks[index] - centre) * scale
        moved = (np.asarray(box) - np.tile(centre, 2)) * scale
        ellipses = [face_ellipse(tuple(moved.tolist()), points, coverage) for coverage in COVERAGES]
        return cls(
            windows=[_window(pixels, centre, scale / 2**level, side) for level in range(LEVELS)],
            extent=(np.array([0, 0, width, height]) - np.tile(centre, 2)) * scale,
            longer=longer * scale,
            ellipses=np.array([[e.x, e.y, e.half_width, e.half_height, e.angle] for e in ellipses]),
            points=points,
        )


def _window(pixels: NDArray[np.uint8], centre: NDArray[np.float64], scale: float, side: int) -> NDArray[np.uint8]:
    """(side, side, 3): the photo at ``scale``, its point ``centre`` in the middle."""
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    stretch = np.array([size[0] / pixels.shape[1], size[1] / pixels.shape[0]])
    shift = side / 2 - centre * stretch
    moved = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    window = cv2.warpAffine(small, moved, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(window, np.uint8)


def _stacked(rows: Iterable[NDArray[np.float64] | float], device: torch.device) -> Tensor:
    return torch.tensor(np.array(list(rows)), dtype=torch.float32, device=device)


def _bar(portraits: Iterable[_Portrait], total: int) -> Iterable[_Portrait]:
    return tqdm(portraits, total=total, desc="decoding photos", unit=" photos", leave=False, disable=None)
