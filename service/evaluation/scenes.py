"""The game's scenes: one context, two faces that could have been in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.evaluation.portraits import Pixels, Portrait
from service.faces.detection import Detection
from service.faces.layout import PlacedFace

APART = 3
"""Portraits to a scene."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Two photos that differ inside one mask only.

    Attributes:
        face: the mask and where it lies.
        one: (H, W, 3) uint8.
        other: (H, W, 3) uint8.
    """

    face: PlacedFace
    one: Portrait = field(repr=False)
    other: Portrait = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownFace:
    """A detector that is told the answer: the game grants the adversary the geometry."""

    face: PlacedFace

    def __call__(self, rgb: NDArray[np.uint8], min_confidence: float) -> list[Detection]:
        """See ``faces.detection.Detector``."""
        left, top, right, bottom = map(float, self.face.box)
        return [Detection((left, top, right, bottom), self.face.confidence, self.face.landmarks.astype(np.float64))]


def scenes(portraits: Sequence[Portrait], count: int) -> Iterator[Scene]:
    """``count`` scenes, from portraits taken three by three, round and round."""
    total = len(portraits)
    for i in range(count):
        context, one, other = (portraits[(APART * i + j) % total] for j in range(APART))
        face = context.faces[context.main]
        yield Scene(face, *(with_face(context, face, giver) for giver in (one, other)))


def with_face(context: Portrait, face: PlacedFace, giver: Portrait) -> Portrait:
    """The context's photo with the giver's main face under the mask."""
    alone = Portrait(context.name, context.pixels.copy(), (face,))
    given = giver.faces[giver.main]
    shift = np.array(given.origin) - np.array(face.origin)
    rows, columns = np.nonzero(alone.owner == 0)
    alone.pixels[rows, columns] = _at(giver.pixels, columns + shift[0], rows + shift[1])
    return alone


def _at(pixels: Pixels, x: NDArray[np.intp], y: NDArray[np.intp]) -> Pixels:
    """Pixels at coordinates, the nearest where those leave the image."""
    return pixels[np.clip(y, 0, pixels.shape[0] - 1), np.clip(x, 0, pixels.shape[1] - 1)]
