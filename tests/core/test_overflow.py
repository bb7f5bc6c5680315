"""The overflow list: one length, the largest kept, half a step of error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.overflow import capacity, excess, pack, unpack
from tests.core.shapes import seeds

R = 16
tops = st.sampled_from([255, 65535])


def beyond_at(seed: int, count: int, largest: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    beyond = np.zeros(3 * R * R)
    beyond[rng.permutation(beyond.size)[:count]] = rng.uniform(-largest, largest, count)
    return beyond.reshape(R, R, 3)


@given(seeds, st.integers(0, capacity(R)), tops)
def test_a_list_that_fits_comes_back_to_half_a_step(seed: int, count: int, top: int) -> None:
    beyond = beyond_at(seed, count, 0.5 * top)
    back = unpack(pack(beyond, top), R, top)
    assert np.abs(back - beyond).max() <= 0.5 * top / (255 * 256) * (1 + 1e-9)


@given(seeds, st.integers(0, 3 * R * R), tops, st.sampled_from([0.0, 1e-4, 0.1, 0.5, 40.0]))
def test_its_length_says_nothing(seed: int, count: int, top: int, largest: float) -> None:
    assert len(pack(beyond_at(seed, count, largest * top), top)) == 6 * capacity(R)


@given(seeds, tops)
def test_too_many_keep_the_largest(seed: int, top: int) -> None:
    beyond = beyond_at(seed, 3 * R * R, 0.4 * top)
    back = unpack(pack(beyond, top), R, top)
    kept = back != 0
    assert kept.sum() == capacity(R)
    assert np.abs(beyond[kept]).min() >= np.abs(beyond[~kept]).max() - top / (255 * 256)
    assert np.abs(back - beyond)[kept].max() <= 0.5 * top / (255 * 256) * (1 + 1e-9)


@given(seeds, tops)
def test_what_no_entry_can_hold_is_held_as_far_as_possible(seed: int, top: int) -> None:
    beyond = beyond_at(seed, 5, 0.1) + 0
    beyond[3, 4, 1], beyond[5, 6, 2] = 10.0 * top, -10.0 * top
    back = unpack(pack(beyond, top), R, top)
    assert back[3, 4, 1] == pytest.approx(top / 2, rel=0.01)
    assert back[5, 6, 2] == pytest.approx(-top / 2, rel=0.01)


@given(st.binary(max_size=6 * capacity(R) + 12))
def test_what_is_no_list_is_a_fault(data: bytes) -> None:
    if len(data) != 6 * capacity(R):
        with pytest.raises(ValueError):  # noqa: PT011  (numpy has its own words for half an entry)
            unpack(data, R, 255)


def test_an_index_outside_the_grid_is_a_fault() -> None:
    data = bytearray(pack(np.zeros((R, R, 3)), 255))
    data[:4] = (3 * R * R).to_bytes(4, "big")
    with pytest.raises(ValueError, match="does not fit"):
        unpack(bytes(data), R, 255)


@given(seeds, tops)
def test_excess_is_what_clipping_takes(seed: int, top: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-top, 2 * top, (R, R, 3))
    counts = rng.integers(0, 3, (R, R))
    beyond = excess(values, counts, top)
    assert np.allclose((values - beyond)[counts > 0], np.clip(values, 0, top)[counts > 0], rtol=0, atol=1e-9)
    assert (beyond[counts == 0] == 0).all()
