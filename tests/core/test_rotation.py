"""The rotation: orthogonal, inverted exactly, and unrelated under another key."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.keystream import Keystream
from service.core.rotation import flip_signs, rotate, rotate_back
from tests.core.shapes import keys, seeds

sizes = st.integers(0, 200)


def vectors(size: int, seed: int, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, size))


@given(sizes, seeds, keys)
def test_it_is_inverted(size: int, seed: int, key: bytes) -> None:
    (vector,) = vectors(size, seed)
    back = rotate_back(rotate(vector, Keystream(key)), Keystream(key))
    assert np.abs(back - vector).max(initial=0) < 1e-13


@given(sizes, seeds, keys)
def test_it_keeps_norms_and_inner_products(size: int, seed: int, key: bytes) -> None:
    a, b = vectors(size, seed, 2)
    turned = [rotate(vector, Keystream(key)) for vector in (a, b)]
    assert turned[0] @ turned[1] == pytest.approx(a @ b, abs=1e-11)
    assert np.linalg.norm(turned[0]) == pytest.approx(np.linalg.norm(a), abs=1e-12)


@given(st.integers(1, 40), keys)
def test_it_is_one_linear_map(size: int, key: bytes) -> None:
    matrix = np.stack([rotate(row, Keystream(key)) for row in np.eye(size)])
    assert np.abs(matrix @ matrix.T - np.eye(size)).max() < 1e-13
    (vector,) = vectors(size, 3)
    assert np.abs(vector @ matrix - rotate(vector, Keystream(key))).max() < 1e-12


@given(seeds, keys, st.integers(0, 255))
def test_one_bit_of_the_key_gives_an_unrelated_rotation(seed: int, key: bytes, bit: int) -> None:
    (vector,) = vectors(2000, seed)
    other = (int.from_bytes(key, "big") ^ (1 << bit)).to_bytes(32, "big")
    turned = rotate(vector, Keystream(key))
    for unrelated in (rotate(vector, Keystream(other)), vector):
        assert abs(np.corrcoef(turned, unrelated)[0, 1]) < 0.18
    wrong = rotate_back(turned, Keystream(other))
    assert abs(np.corrcoef(wrong, vector)[0, 1]) < 0.18


def test_a_single_spike_spreads_like_a_gaussian() -> None:
    size = 1024
    spike = np.zeros(size)
    spike[7] = np.sqrt(size)
    turned = np.stack([rotate(spike, Keystream(bytes([i]) * 32)) for i in range(40)])
    # Four rounds fewer already miss these: a moment of 3.1, and 0.30 instead of 0.38 within half a deviation.
    assert np.mean(turned**4) == pytest.approx(3, abs=0.08)
    assert np.mean(turned**6) == pytest.approx(15, abs=1)
    assert np.mean(turned) == pytest.approx(0, abs=0.02)
    for limit, part in ((0.1, 0.0797), (0.5, 0.3829), (1, 0.6827), (2, 0.9545)):
        assert np.mean(np.abs(turned) < limit) == pytest.approx(part, abs=0.03)
    fourth_moments = np.mean(turned**4, axis=1)
    assert fourth_moments.min() > 2.6 and fourth_moments.max() < 3.5


@given(sizes, seeds, keys)
def test_flipping_signs_is_its_own_inverse(size: int, seed: int, key: bytes) -> None:
    (vector,) = vectors(size, seed)
    flipped = flip_signs(vector, Keystream(key))
    assert np.array_equal(np.abs(flipped), np.abs(vector))
    assert np.array_equal(flip_signs(flipped, Keystream(key)), vector)
