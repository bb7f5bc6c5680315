"""KID on features whose distance is known."""

import numpy as np
import pytest

from service.evaluation.kid import measure_kid


def drawn(count: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (count, 16))


def test_two_samples_of_one_distribution_are_at_zero_within_the_interval() -> None:
    values = [measure_kid(drawn(60, seed=2 * i), drawn(80, seed=2 * i + 1), seed=0) for i in range(40)]
    assert np.mean([kid.low <= 0 <= kid.high for kid in values if kid]) > 0.8
    assert np.mean([kid.value for kid in values if kid]) == pytest.approx(0, abs=0.01)


def test_distance_grows_with_the_shift() -> None:
    near, far = (measure_kid(drawn(80, shift), drawn(80, seed=1), seed=0) for shift in (0.3, 1.0))
    assert near is not None and far is not None
    assert 0 < near.low < near.value < near.high < far.low


def test_the_estimate_is_the_unbiased_one_of_the_paper() -> None:
    some, others = drawn(5, 0.5), drawn(6, seed=1)
    kid = measure_kid(some, others, seed=0)
    mean, scale = others.mean(axis=0), others.std(axis=0)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return ((x - mean) / scale @ ((y - mean) / scale) / 16 + 1) ** 3

    within = np.mean([kernel(x, y) for i, x in enumerate(some) for j, y in enumerate(some) if i != j])
    within += np.mean([kernel(x, y) for i, x in enumerate(others) for j, y in enumerate(others) if i != j])
    between = np.mean([kernel(x, y) for x in some for y in others])
    assert kid is not None and kid.value == pytest.approx(within - 2 * between)


def test_too_few_faces_give_no_figure() -> None:
    assert measure_kid(drawn(3), drawn(50), seed=0) is None
    assert measure_kid(drawn(50), drawn(3), seed=0) is None


def test_features_that_never_change_say_nothing() -> None:
    constant = np.hstack([drawn(20), np.ones((20, 3))]), np.hstack([drawn(20, seed=1), np.ones((20, 3))])
    kid = measure_kid(*constant, seed=0)
    assert kid is not None and abs(kid.value) < 1
