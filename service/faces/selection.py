"""Who is replaced: the caller may spare faces, choose some, and add what the detector missed."""

from collections.abc import Sequence

import numpy as np

from service.errors import SelectionInvalid
from service.faces.detection import MAX_ASPECT, Box, Detection, visible

_MIN_SIDE = 4.0  # pixels; nothing smaller is a face
_MAX_SIDE = 10_000.0  # pixels; memory grows with the square
_MOST_CROPS = 4  # times the image: what the squares around extra boxes may hold together

# Where eyes, nose and mouth corners lie in an average CenterFace box, as parts of width and height.
_AVERAGE_LANDMARKS = np.array([[0.32, 0.40], [0.68, 0.40], [0.50, 0.60], [0.36, 0.78], [0.64, 0.78]])


def select(
    found: Sequence[Detection], size: tuple[int, int], *, keep: Sequence[Box], only: Sequence[Box], extra: Sequence[Box]
) -> list[Detection]:
    """The faces to replace.

    Args:
        found: what the detector found.
        size: height and width of the image.
        keep: faces whose centre, of what the image shows of them, lies in one of these boxes stay visible.
        only: if given, all other faces stay visible too.
        extra: boxes that are replaced although nothing was found there.

    Raises:
        SelectionInvalid: a box has no area or leaves the image, one of ``extra`` is too thin or too long, or they
            overlap too much, or one of ``only`` holds no face: a face somebody meant to hide must never stay visible
            in silence.
    """
    for box in (*keep, *only, *extra):
        _check(box, size)
    for box in extra:
        _check_extra(box)
    _check_together(extra, size)
    for box in only:
        if not any(_holds(box, face, size) for face in found):
            raise SelectionInvalid("no face was found in one of the boxes of 'only'; use 'extra' to hide it anyway")
    chosen = [face for face in found if not only or any(_holds(box, face, size) for box in only)]
    hidden = [face for face in chosen if not any(_holds(box, face, size) for box in keep)]
    return [*hidden, *(_added(box) for box in extra)]


def _check(box: Box, size: tuple[int, int]) -> None:
    left, top, right, bottom = box
    inside = left >= 0 and top >= 0 and right <= size[1] and bottom <= size[0]
    if not inside or not (right - left >= _MIN_SIDE and bottom - top >= _MIN_SIDE):
        raise SelectionInvalid(
            "a box is [left, top, right, bottom] in pixels, inside the image, 4 pixels a side at least"
        )


def _check_extra(box: Box) -> None:
    sides = (box[2] - box[0], box[3] - box[1])
    if max(sides) > min(_MAX_SIDE, MAX_ASPECT * min(sides)):
        raise SelectionInvalid(
            f"a box of 'extra' is at most {MAX_ASPECT} times as long as wide, and {_MAX_SIDE:.0f} pixels long"
        )


def _check_together(extra: Sequence[Box], size: tuple[int, int]) -> None:
    """Every box is cropped by itself: many large ones of one place would cost without end. One may always be."""
    squares = [max(box[2] - box[0], box[3] - box[1]) ** 2 for box in extra]
    if len(extra) > 1 and sum(squares) > _MOST_CROPS * size[0] * size[1]:
        raise SelectionInvalid("the boxes of 'extra' are too large for being so many")


def _holds(box: Box, face: Detection, size: tuple[int, int]) -> bool:
    left, top, right, bottom = visible(face.box, size)
    x, y = (left + right) / 2, (top + bottom) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _added(box: Box) -> Detection:
    corner = np.array(box[:2])
    return Detection(box, 1.0, corner + _AVERAGE_LANDMARKS * (np.array(box[2:]) - corner))
