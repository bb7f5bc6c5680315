"""The measures behind the tables, on cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.figures import EQUAL_DB, Rate, Spread, auc, auc_interval, psnr

FOUR = np.array([1.0, 2.0, 3.0, 4.0])
HIGH = np.array([False, False, True, True])


def test_psnr_of_one_level_everywhere_is_48_db() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert psnr(black, black + 1) == pytest.approx(20 * np.log10(255))
    assert psnr(black, black + 255) == 0
    assert psnr(black, black) == EQUAL_DB


def test_psnr_does_not_wrap_around() -> None:
    assert psnr(np.uint8([0]), np.uint8([255])) == psnr(np.uint8([255]), np.uint8([0])) == 0


def test_auc_of_known_orders() -> None:
    assert auc(FOUR, HIGH) == 1
    assert auc(-FOUR, HIGH) == 0
    assert auc(np.ones(4), HIGH) == 0.5
    assert auc(np.array([1.0, 3.0, 2.0, 4.0]), HIGH) == 0.75


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_share_of_ordered_pairs(items: list[tuple[int, bool]]) -> None:
    positives = [score for score, label in items if label]
    negatives = [score for score, label in items if not label]
    if not positives or not negatives:
        return
    pairs = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    scores, labels = (np.array(column) for column in zip(*items, strict=True))
    assert auc(scores, labels) == pytest.approx(np.mean(pairs))


def test_auc_interval_covers_chance_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    labels = np.arange(80) % 2 == 0
    covered = 0
    for _ in range(300):
        low, high = auc_interval(auc(rng.normal(size=80), labels), 40, 40)
        covered += low <= 0.5 <= high
    assert 0.91 <= covered / 300 <= 0.99


def test_rates_and_spreads_are_printed_with_their_counts() -> None:
    assert str(Rate.counted([True, False, True, True])) == "3/4 (75.0 %, 95 %: 30.1-95.4)"
    assert str(Spread.over([30.0, 50.0, 40.0])) == "median 40.0, worst 30.0 (n = 3)"
    assert str(Rate.counted([])) == "0/0"
    assert str(Spread.over([])) == "none"
