"""The protocol of recognizers, and the alignment they share."""

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[np.float64]
"""(D,); two are compared by their Euclidean distance, and nearer means more alike."""


class Recognizer(Protocol):
    """Maps a face to a point; faces of one person lie near each other."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    def __call__(self, rgb: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> Embedding:
        """Embed one face.

        Args:
            rgb: (H, W, 3), the whole image.
            landmarks: (5, 2) x, y of left eye, right eye, nose, left and right mouth corner.
        """
        ...


def aligned(
    rgb: NDArray[np.uint8], landmarks: NDArray[np.float64], template: NDArray[np.float64], side: int
) -> NDArray[np.uint8]:
    """Cut a face out, turned and scaled so that its landmarks lie near those of ``template``.

    Returns:
        (side, side, 3) uint8; what lies outside the image repeats its border.
    """
    points = landmarks
    turn = similarity(points, template)
    # Bilinear sampling skips pixels when it shrinks by more than two.
    while np.hypot(turn[0, 0], turn[1, 0]) < 0.5 and min(rgb.shape[:2]) > 1:
        stretch = np.array([max(1, rgb.shape[1] // 2) / rgb.shape[1], max(1, rgb.shape[0] // 2) / rgb.shape[0]])
        size = (max(1, rgb.shape[1] // 2), max(1, rgb.shape[0] // 2))
        rgb, points = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8), points * stretch
        turn = similarity(points, template)
    chip = cv2.warpAffine(rgb, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(chip, np.uint8)


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) turn, uniform scale and shift that carries points nearest to others, in least squares.

    Args:
        source, target: (n, 2), not all points of ``source`` equal.
    """
    from_centre, to_centre = source.mean(axis=0), target.mean(axis=0)
    a, b = source - from_centre, target - to_centre
    norm = max(float((a**2).sum()), np.finfo(np.float64).tiny)
    cos = float((a * b).sum()) / norm
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / norm
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.hstack([turn, (to_centre - turn @ from_centre)[:, None]])
