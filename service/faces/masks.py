"""The ellipse that covers a face, and its rounding to whole blocks of the R-grid."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.core.bands import BLOCK

Coverage = Literal["face", "head"]

# (half width / w, half height / h, upward shift / h) of the ellipse, in units of the box.
_PROPORTIONS: dict[Coverage, tuple[float, float, float]] = {
    "face": (0.54, 0.56, 0.02),
    "head": (0.80, 0.80, 0.12),
}
# A nearly vertical "eye line" is a profile view, whose direction says nothing about roll.
_MIN_EYE_DISTANCE = 0.15
_MAX_ROLL = math.radians(60)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """A rotated ellipse; lengths in the unit of the box it was made from, angle in radians."""

    x: float
    y: float
    half_width: float
    half_height: float
    angle: float

    def contains(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of the points lie inside; ``x`` and ``y`` broadcast against each other."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        along = (c * (x - self.x) + s * (y - self.y)) / self.half_width
        across = (c * (y - self.y) - s * (x - self.x)) / self.half_height
        return along**2 + across**2 <= 1

    def scaled(self, origin_x: float, origin_y: float, scale: float) -> "Ellipse":
        """The ellipse after subtracting the origin and dividing lengths by ``scale``."""
        return Ellipse(
            (self.x - origin_x) / scale,
            (self.y - origin_y) / scale,
            self.half_width / scale,
            self.half_height / scale,
            self.angle,
        )

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the axis-aligned hull."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        dx = math.hypot(self.half_width * c, self.half_height * s)
        dy = math.hypot(self.half_width * s, self.half_height * c)
        return self.x - dx, self.y - dy, self.x + dx, self.y + dy


def face_ellipse(
    box: tuple[float, float, float, float],
    landmarks: NDArray[np.float64],
    coverage: Coverage,
) -> Ellipse:
    """The ellipse over a face.

    Args:
        box: left, top, right, bottom.
        landmarks: (5, 2) x, y of left eye, right eye, nose, left and right mouth corner.
        coverage: ``face``, or ``head`` to take hair and ears along.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    half_w, half_h, up = _PROPORTIONS[coverage]
    eye_x, eye_y = landmarks[1] - landmarks[0]
    roll = math.atan2(eye_y, eye_x) if abs(eye_x) >= _MIN_EYE_DISTANCE * width else 0.0
    return Ellipse(
        x=(left + right) / 2,
        y=(top + bottom) / 2 - up * height,
        half_width=half_w * width,
        half_height=half_h * height,
        angle=max(-_MAX_ROLL, min(_MAX_ROLL, roll)),
    )


def block_bitmap(ellipse: Ellipse, resolution: int) -> NDArray[np.bool_]:
    """Blocks of the R-grid that hold at least one cell centre of the ellipse, or its middle.

    Args:
        ellipse: in R-grid cells.
        resolution: R, a multiple of BLOCK.

    Returns:
        (R / BLOCK, R / BLOCK) bool.
    """
    centres = np.arange(resolution, dtype=np.float64) + 0.5
    cells = ellipse.contains(centres[None, :], centres[:, None])
    side = resolution // BLOCK
    blocks = np.asarray(cells.reshape(side, BLOCK, side, BLOCK).any(axis=(1, 3)))
    row, column = math.floor(ellipse.y / BLOCK), math.floor(ellipse.x / BLOCK)
    # The smallest ellipses lie between the centres.
    if 0 <= row < side and 0 <= column < side:
        blocks[row, column] = True
    return blocks


def cells_of(bitmap: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Expand a block bitmap to (R, R) cells."""
    return bitmap.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
