"""The ellipse that covers a face, and its rounding to whole blocks of the R-grid."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.core.bands import BLOCK
from service.core.lattice import Lattice
from service.faces.detection import Box

Coverage = Literal["face", "head"]

# (half width / w, half height / h, upward shift / h) of the ellipse, in units of the box.
_PROPORTIONS: dict[Coverage, tuple[float, float, float]] = {
    "face": (0.54, 0.56, 0.02),
    "head": (0.80, 0.80, 0.12),
}
NEAR_EDGE = 0.05
"""Of a box's side: a face whose box comes as near as this to the edge of what the detector saw may go on beyond."""
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

    def moved(self, origin_x: float, origin_y: float) -> "Ellipse":
        """The ellipse after subtracting the origin."""
        return replace(self, x=self.x - origin_x, y=self.y - origin_y)

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the axis-aligned hull."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        dx = math.hypot(self.half_width * c, self.half_height * s)
        dy = math.hypot(self.half_width * s, self.half_height * c)
        return self.x - dx, self.y - dy, self.x + dx, self.y + dy


def face_ellipse(
    box: Box,
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
    # An ellipse turned by half a turn is the same one: the eyes of a face that stands on its head tell its roll too.
    roll = math.atan(eye_y / eye_x) if abs(eye_x) >= _MIN_EYE_DISTANCE * width else 0.0
    if landmarks[3:, 1].mean() < landmarks[:2, 1].mean():
        up = -up
    return Ellipse(
        x=(left + right) / 2,
        y=(top + bottom) / 2 - up * height,
        half_width=half_w * width,
        half_height=half_h * height,
        angle=max(-_MAX_ROLL, min(_MAX_ROLL, roll)),
    )


def border_ellipses(ellipse: Ellipse, box: Box, size: tuple[int, int]) -> list[Ellipse]:
    """What a face's mask has besides its ellipse where the face reaches the border of the image.

    A detector's box ends near the border even if the face goes on: the ellipse would round off what is there.
    These end where the ellipse does, and are as wide at the border as in its middle.

    Args:
        ellipse: over the face.
        box: left, top, right, bottom of the face.
        size: height and width of the image.
    """
    left, top, right, bottom = box
    own_x, own_y = (ellipse.x, ellipse.half_width), (ellipse.y, ellipse.half_height)
    across, along = _mirrored(*own_x, left, right, size[1]), _mirrored(*own_y, top, bottom, size[0])
    pairs = {(x, y) for x in (own_x, across) for y in (own_y, along)} - {(own_x, own_y)}
    return [Ellipse(x, y, half_width, half_height, 0.0) for (x, half_width), (y, half_height) in sorted(pairs)]


def _mirrored(middle: float, half: float, start: float, end: float, length: int) -> tuple[float, float]:
    """Middle and half width together with the mirror image in a border that the box comes near."""
    near = NEAR_EDGE * (end - start)
    low, high = middle - half, middle + half
    lowest = min(low, -high) if start <= near else low
    highest = max(high, 2 * length - low) if end >= length - near else high
    return (middle, half) if (lowest, highest) == (low, high) else ((lowest + highest) / 2, (highest - lowest) / 2)


def block_bitmap(ellipse: Ellipse, lattice: Lattice) -> NDArray[np.bool_]:
    """Blocks of a crop's cells that reach into the ellipse: all that hold the centre of a pixel of it, or its middle.

    Args:
        ellipse: in pixels of the crop.
        lattice: the cells of the crop; R is a multiple of BLOCK.

    Returns:
        (R / BLOCK, R / BLOCK) bool.
    """
    lines = lattice.edges[::BLOCK].astype(np.float64)
    x, y = lines - ellipse.x, (lines - ellipse.y)[:, None]
    c, s = math.cos(ellipse.angle), math.sin(ellipse.angle)
    # The inside is where xx x^2 + 2 xy x y + yy y^2 <= 1.
    xx = (c / ellipse.half_width) ** 2 + (s / ellipse.half_height) ** 2
    yy = (s / ellipse.half_width) ** 2 + (c / ellipse.half_height) ** 2
    xy = c * s * (ellipse.half_width**-2 - ellipse.half_height**-2)

    def inside(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.asarray(xx * x**2 + 2 * xy * x * y + yy * y**2 <= 1)

    blocks = (x[:-1] <= 0) & (x[1:] > 0) & (y[:-1] <= 0) & (y[1:] > 0)
    # A block reaches into it where an edge of its rectangle of pixel centres does, at the edge's nearest point.
    (left, right), (top, bottom) = ((lower[:-1] + 0.5, lower[1:] - 0.5) for lower in (x, y))
    for edge in (left, right):
        blocks |= inside(edge, np.clip(-xy / yy * edge, top, bottom))
    for edge in (top, bottom):
        blocks |= inside(np.clip(-xy / xx * edge, left, right), edge)
    return np.asarray(blocks)


def cells_of(bitmap: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Expand a block bitmap to (R, R) cells."""
    return bitmap.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
