"""The strangers of one image: drawn, looked at, and drawn anew where nobody would see a face."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from service.core import overflow
from service.core.resample import quantized
from service.core.scheme import model_to_levels
from service.core.transform import Norms
from service.errors import EngineBusy, EngineUnavailable
from service.faces.crops import FaceView, paste_face
from service.faces.detection import Box
from service.imaging import Picture

DRAWS = 6
"""How often a face is drawn at most; the last stranger stays whatever it looks like.

An image is drawn once more altogether, or one of its faces five times: a crowd of blurs must not cost six crowds.
"""

Draw = Callable[[Sequence[int], int], Sequence[tuple[Tensor, Norms]]]
"""Carries the faces of these indices to strangers, (3, R, R) each; the number of the draw, from 0, chooses the keys."""

Look = Callable[[Picture, Sequence[Box]], Sequence[bool]]
"""Says of each box whether a picture shows a face there."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """What a face became.

    Attributes:
        draw: the number of the draw it is from.
        norms: what ``recover`` needs.
        overflow: what its pixels could not hold.
    """

    draw: int
    norms: Norms = field(repr=False)
    overflow: bytes = field(repr=False)


def draw_strangers(
    blank: Picture, views: Sequence[FaceView], plain: Sequence[bool], draw: Draw, look: Look
) -> tuple[Picture, list[Stranger]]:
    """Put a stranger over every face; one that is not found where the face was is drawn again, with another key.

    The number of the accepted draw reveals only that a face was detected in it. With a random rotation the draws are
    independent of the original, so choosing among them reveals nothing about it.

    Args:
        blank: the picture to draw on.
        views: of its faces.
        plain: of each face whether it was found itself; who was not, need not be found as a stranger.
    """
    shown = replace(blank, pixels=blank.pixels.copy(), record=None)
    strangers: dict[int, Stranger] = {}
    left: Sequence[int] = range(len(views))
    again = max(DRAWS - 1, len(views))
    for number in range(DRAWS):
        drawn = _drawn(draw, left, number)
        if not drawn:
            break
        for i, (x, norms) in zip(left, drawn, strict=True):
            strangers[i] = Stranger(number, norms, _put(shown.pixels, views[i], x))
        sought = [i for i in left if plain[i]]
        found = look(shown, [views[i].face.box for i in sought])
        left = [i for i, there in zip(sought, found, strict=True) if not there][:again]
        again -= len(left)
        if not left:
            break
    return shown, [strangers[i] for i in range(len(views))]


def _drawn(draw: Draw, wanted: Sequence[int], number: int) -> Sequence[tuple[Tensor, Norms]]:
    try:
        return draw(wanted, number)
    except (EngineBusy, EngineUnavailable):
        if number == 0:
            raise
        # There is a stranger already, if a bad one.
        return []


def _put(pixels: NDArray[np.uint8 | np.uint16], view: FaceView, x: Tensor) -> bytes:
    """Paste a stranger; returns what the pixels could not hold."""
    levels, counts = model_to_levels(x, view.top), view.inside.counts
    paste_face(pixels, view, quantized(levels, counts, view.top))
    return overflow.pack(overflow.excess(levels, counts, view.top), view.top)
