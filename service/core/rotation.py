"""A keyed orthogonal transform of a vector: sign flips, permutations and 45-degree rotations.

For keystreams that are truly random it approaches a Haar-distributed rotation: after
ceil(log2 n) + 8 rounds a sparse vector is no longer told from one rotated at random.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from service.core.keystream import Keystream

_EXTRA_ROUNDS = 8
_HALF = math.sqrt(0.5)

Vector = NDArray[np.float64]


def rotate(vector: Vector, stream: Keystream) -> Vector:
    """Rotate an (n,) vector with the next words of ``stream``; its norm is kept."""
    *rounds, last = _rounds(len(vector), stream)
    for signs, order in rounds:
        vector = _turn((vector * signs)[order], _HALF)
    signs, order = last
    return (vector * signs)[order]


def rotate_back(vector: Vector, stream: Keystream) -> Vector:
    """Invert ``rotate``, given a stream at the same position."""
    *rounds, last = _rounds(len(vector), stream)
    vector = _unpermuted(vector, *last)
    for signs, order in reversed(rounds):
        vector = _unpermuted(_turn(vector, -_HALF), signs, order)
    return vector


def flip_signs(vector: Vector, stream: Keystream) -> Vector:
    """Multiply by a keyed +-1 vector, the published scheme; it is its own inverse."""
    return vector * stream.signs(len(vector))


def _rounds(count: int, stream: Keystream) -> Iterator[tuple[Vector, NDArray[np.intp]]]:
    for _ in range(math.ceil(math.log2(max(count, 1))) + _EXTRA_ROUNDS + 1):
        yield stream.signs(count), stream.permutation(count)


def _unpermuted(vector: Vector, signs: Vector, order: NDArray[np.intp]) -> Vector:
    out = np.empty_like(vector)
    out[order] = vector
    return out * signs


def _turn(vector: Vector, sine: float) -> Vector:
    """Rotate the pairs (i, i + n // 2) by +-45 degrees; an odd last element stays."""
    half = len(vector) // 2
    first, second = vector[:half], vector[half : 2 * half]
    out = vector.copy()
    out[:half] = _HALF * first - sine * second
    out[half : 2 * half] = sine * first + _HALF * second
    return out
