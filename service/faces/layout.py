"""Integer geometry: where each face's crop lies and which pixels each face owns.

Everything here is computed from integers that the record carries, so that recovery sees the same
cells. Ownership is by pixel: a lossy input's coding blocks are taken whole (a block that straddles
the mask would give its hidden pixels away), and overlapping faces share no pixel. A face's cell is
the mean over the pixels the face owns in it, however many.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.core.bands import BLOCK
from service.core.lattice import Lattice
from service.faces.detection import Detection
from service.faces.masks import Coverage, block_bitmap, border_ellipses, cells_of, face_ellipse

NO_FACE = -1
"""In an owner map: of no face."""
_FILL = 0.8  # largest part of a crop's side that the longer side of the box may fill
_MARGIN = BLOCK  # cells between a mask and the edge of its crop: at the edge the network draws badly
_GROWTH = 64  # a crop that is too small grows by this part of its side

CodingBlocks = tuple[int, int, int, int, int]
"""Width and height of the coding blocks of an input that is lossy, or was, and x, y where the first block
starts (<= 0), and how many pixels beyond a block its samples, or blocks of an earlier file, reach."""


@dataclass(frozen=True, slots=True)
class PlacedFace:
    """A face and its crop.

    Attributes:
        box: left, top, right, bottom in pixels; may leave the image.
        confidence: of the detection, in [0, 1].
        landmarks: (5, 2) int32 x, y in pixels.
        side: of the crop in pixels, at least R.
        origin: x, y of the crop's first pixel; may be negative.
        bitmap: (R / 4, R / 4) bool, the mask blocks.
    """

    box: tuple[int, int, int, int]
    confidence: float
    landmarks: NDArray[np.int32]
    side: int
    origin: tuple[int, int]
    bitmap: NDArray[np.bool_]

    @property
    def resolution(self) -> int:
        """R."""
        return len(self.bitmap) * BLOCK

    @property
    def scale(self) -> float:
        """Pixels per cell, at least 1."""
        return self.side / self.resolution

    @property
    def lattice(self) -> Lattice:
        """The cells of the crop."""
        return Lattice(self.resolution, self.side)

    def cell_landmarks(self) -> NDArray[np.float64]:
        """(5, 2) landmarks in cells of the crop."""
        return np.asarray((self.landmarks + 0.5 - np.array(self.origin)) / self.scale, np.float64)


def place(
    detection: Detection, coverage: Coverage, resolution: int, size: tuple[int, int], coding_grid: CodingBlocks | None
) -> PlacedFace:
    """Lay the smallest crop over a face that shows its whole mask with some surroundings on every side.

    Args:
        detection: the face.
        resolution: R.
        size: height and width of the image.
        coding_grid: coding blocks of an input that is lossy, or was.
    """
    left, top, right, bottom = (round(edge) for edge in detection.box)
    # Rounding may leave nothing of a box.
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    landmarks = np.rint(detection.landmarks).astype(np.int32)
    box = (left, top, right, bottom)
    ellipse = face_ellipse(box, landmarks.astype(np.float64), coverage)
    ellipses = [ellipse, *border_ellipses(ellipse, box, size)]
    side = max(resolution, math.ceil(max(right - left, bottom - top) / _FILL))
    while True:
        origin = (math.floor(ellipse.x - side / 2 + 0.5), math.floor(ellipse.y - side / 2 + 0.5))
        lattice = Lattice(resolution, side)
        bitmap = np.any([block_bitmap(each.moved(*origin), lattice) for each in ellipses], axis=0)
        face = PlacedFace(box, detection.confidence, landmarks, side, origin, bitmap)
        if _has_room(face, size, coding_grid):
            return face
        side += max(1, side // _GROWTH)


def owner_map(
    faces: Iterable[PlacedFace], size: tuple[int, int], coding_grid: CodingBlocks | None
) -> NDArray[np.int16]:
    """Which face replaces which pixel.

    A pixel two masks claim goes to the face with the finer scale, then to the first; pixels that only
    a coding block adds come after all blocks of the bitmaps.

    Returns:
        (H, W) int16: index of the face, or NO_FACE.
    """
    owner = np.full(size, NO_FACE, np.int16)
    order = sorted(enumerate(faces), key=lambda item: (item[1].side, item[0]))
    claims = [(index, _Region.of(face)) for index, face in order]
    for index, region in claims:
        region.claim(owner, index)
    if coding_grid is not None:
        for index, region in claims:
            region.closed(coding_grid).claim(owner, index)
    return owner


@dataclass(frozen=True, slots=True)
class _Region:
    """A mask somewhere in the plane of the image."""

    x: int
    y: int
    mask: NDArray[np.bool_]

    @classmethod
    def of(cls, face: PlacedFace) -> "_Region":
        return cls(*face.origin, face.lattice.spread(cells_of(face.bitmap)))

    def closed(self, coding_grid: CodingBlocks) -> "_Region":
        """Grown to whole coding blocks, and to what they reach beyond themselves."""
        width, height, x0, y0, bleed = coding_grid
        before_x, before_y = (self.x - x0) % width, (self.y - y0) % height
        rows, columns = self.mask.shape
        after_x, after_y = -(columns + before_x) % width, -(rows + before_y) % height
        padded = np.pad(self.mask, ((before_y, after_y), (before_x, after_x)))
        blocks = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width).any(axis=(1, 3))
        whole = np.pad(blocks.repeat(height, axis=0).repeat(width, axis=1), bleed)
        reach = np.ones((2 * bleed + 1, 2 * bleed + 1), np.uint8)
        reached = cv2.dilate(whole.astype(np.uint8), reach).astype(np.bool_)
        return _Region(self.x - before_x - bleed, self.y - before_y - bleed, reached)

    def clipped(self, size: tuple[int, int]) -> "_Region":
        left, top = max(0, self.x), max(0, self.y)
        bottom, right = self.y + self.mask.shape[0], self.x + self.mask.shape[1]
        rows = slice(top - self.y, max(top, min(size[0], bottom)) - self.y)
        columns = slice(left - self.x, max(left, min(size[1], right)) - self.x)
        return _Region(left, top, self.mask[rows, columns])

    def claim(self, owner: NDArray[np.int16], index: int) -> None:
        part = self.clipped((owner.shape[0], owner.shape[1]))
        rows, columns = part.mask.shape
        view = owner[part.y : part.y + rows, part.x : part.x + columns]
        view[part.mask & (view == NO_FACE)] = index


def _has_room(face: PlacedFace, size: tuple[int, int], coding_grid: CodingBlocks | None) -> bool:
    """Whether the pixels of the image that the face takes stay away from the edges of its crop."""
    width, height, x0, y0, bleed = coding_grid or (1, 1, 0, 0, 0)
    blocks, margin = face.lattice.edges[::BLOCK], math.ceil(_MARGIN * face.scale)

    def fits(taken: NDArray[np.bool_], start: int, length: int, block: int, first: int) -> bool:
        used = np.flatnonzero(taken)
        low = (start + blocks[used[0]] - first) // block * block + first - bleed
        high = -((first - start - blocks[used[-1] + 1]) // block) * block + first + bleed
        low, high = np.clip(low, 0, length), np.clip(high, 0, length)
        return bool(low >= high or (low >= start + margin and high <= start + face.side - margin))

    across, along = np.asarray(face.bitmap.any(axis=0)), np.asarray(face.bitmap.any(axis=1))
    return fits(across, face.origin[0], size[1], width, x0) and fits(along, face.origin[1], size[0], height, y0)
