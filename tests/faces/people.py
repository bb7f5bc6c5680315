"""Detections of faces that nobody has, and a picture of a face in the public domain."""

import math

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import data

from service.faces.detection import Detection
from service.faces.layout import CodingBlocks

# left eye, right eye, nose, left and right mouth corner, in units of the box around its centre
_FEATURES = np.array([[-0.2, -0.1], [0.2, -0.1], [0.0, 0.1], [-0.15, 0.25], [0.15, 0.25]])
ASTRONAUT_FACE = (181.5, 58.2, 269.9, 177.8)


def detected(x: float, y: float, width: float, height: float, roll: float = 0.0) -> Detection:
    """A face whose box is centred at x, y; ``roll`` in degrees."""
    c, s = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    features = (_FEATURES * [width, height]) @ np.array([[c, s], [-s, c]]) + [x, y]
    return Detection((x - width / 2, y - height / 2, x + width / 2, y + height / 2), 0.9, features)


@st.composite
def detections(draw: st.DrawFn, size: tuple[int, int]) -> Detection:
    """A face of 2 to 300 pixels whose centre is in an image of ``size``, cut by the border or not."""
    width = draw(st.one_of(st.floats(2, 40), st.floats(20, 300)))
    return detected(
        draw(st.floats(0, size[1])),
        draw(st.floats(0, size[0])),
        width,
        width * draw(st.floats(0.7, 1.6)),
        draw(st.floats(-90, 90)),
    )


coding_grids: st.SearchStrategy[CodingBlocks | None] = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from([8, 16, 32]), st.sampled_from([8, 16]), st.integers(-7, 0), st.integers(-7, 0), st.just(0)
    ),
)


def astronaut() -> NDArray[np.uint8]:
    """(512, 512, 3): one face, at ``ASTRONAUT_FACE``."""
    return np.asarray(data.astronaut(), np.uint8)


def shared_part(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union of two boxes."""
    sides = (min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]))
    inner = max(0.0, sides[0]) * max(0.0, sides[1])
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)
