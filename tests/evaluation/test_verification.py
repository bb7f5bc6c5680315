"""Rates, thresholds and curves on cases whose answers are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.figures import wilson
from service.evaluation.verification import (
    BoundedRate,
    accepted,
    distances,
    impostor_distances,
    interval_over_shares,
    rank_one,
    roc,
    threshold,
)

PEOPLE = [f"person {i // 4}" for i in range(200)]


def perfect() -> np.ndarray:
    """Every person a point of their own, all of their photos on it."""
    return np.eye(50).repeat(4, axis=0)


def random(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(200, 64))


def genuine(embeddings: np.ndarray) -> np.ndarray:
    return np.array([np.linalg.norm(embeddings[i] - embeddings[i + 1]) for i in range(0, 200, 4)])


def test_all_cross_identity_pairs_and_no_others_are_impostors() -> None:
    found = impostor_distances(random(), PEOPLE)
    embeddings = random()
    one_by_one = [
        np.linalg.norm(embeddings[i] - embeddings[j])
        for i in range(200)
        for j in range(i + 1, 200)
        if PEOPLE[i] != PEOPLE[j]
    ]
    np.testing.assert_allclose(found, np.sort(one_by_one), rtol=1e-9)


def test_a_perfect_recognizer_accepts_all_of_one_person_and_nobody_else() -> None:
    impostors = impostor_distances(perfect(), PEOPLE)
    for far in (1e-2, 1e-3):
        assert accepted(genuine(perfect()), threshold(impostors, far)).value == 1
    assert rank_one(perfect(), PEOPLE, np.eye(50), [f"person {i}" for i in range(50)]).value == 1


def test_a_random_recognizer_accepts_as_often_as_it_errs() -> None:
    impostors = impostor_distances(random(), PEOPLE)
    rate = accepted(impostor_distances(random(1), PEOPLE), threshold(impostors, 0.1))
    assert rate.low < 0.1 < rate.high or rate.value == pytest.approx(0.1, abs=0.02)
    found = rank_one(random(2), PEOPLE, random(3)[::4], PEOPLE[::4])
    assert found.low < 1 / 50 < found.high


def test_identical_images_match_at_any_threshold_that_impostors_leave() -> None:
    same = distances(random()[:9], random()[:9]).diagonal()
    np.testing.assert_allclose(same, 0, atol=1e-6)
    assert accepted(same, threshold(impostor_distances(random(), PEOPLE), 0)).value == 1


@given(st.lists(st.floats(0, 2), min_size=1, max_size=80), st.floats(0, 1))
def test_no_more_than_far_of_the_impostors_match(values: list[float], far: float) -> None:
    impostors = np.sort(np.array(values))
    assert (impostors < threshold(impostors, far)).sum() <= far * len(impostors)


def test_a_threshold_uses_what_the_far_allows() -> None:
    impostors = np.arange(1000) / 1000
    assert (impostors < threshold(impostors, 1e-2)).sum() == 10
    assert (impostors < threshold(impostors, 1e-3)).sum() == 1


def test_wilson_interval_is_the_published_one() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0, 1)


def test_an_interval_over_shares_covers_their_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    for spread in (0.5, 20.0):
        covered = 0
        for _ in range(400):
            shares = rng.binomial(25, rng.beta(spread, spread, 40)) / 25
            low, high = interval_over_shares(shares.tolist(), 25)
            covered += low <= 0.5 <= high
        assert 0.92 <= covered / 400 <= 0.98


def test_shares_that_do_not_spread_count_once_each() -> None:
    assert interval_over_shares([1.0] * 20, 25) == wilson(20, 20)
    assert interval_over_shares([0.4], 25) == wilson(0.4, 1)
    # Never narrower than if all trials were independent.
    assert interval_over_shares([0.48, 0.52, 0.48, 0.52], 25) == wilson(50, 100)


def test_a_rate_says_what_it_was_counted_from() -> None:
    assert str(BoundedRate.counted([True, False])) == "0.500 (95 %: 0.095 to 0.905; 1/2)"
    assert str(BoundedRate.counted([])) == "none" and math.isnan(BoundedRate.counted([]).value)


def test_a_curve_rises_from_none_to_all() -> None:
    impostors = impostor_distances(random(), PEOPLE)
    curve = roc(genuine(random()).tolist(), impostors, np.array([0.0, 0.5, 1.0]))
    assert curve == sorted(curve) and curve[0] < 0.2 < curve[-1]
    assert roc(genuine(perfect()).tolist(), impostor_distances(perfect(), PEOPLE), np.array([1e-3])) == [1.0]
