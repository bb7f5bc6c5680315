"""Verification and identification by distance: thresholds, rates with their intervals, curves."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.evaluation.figures import Array, Rate, wilson

_ROWS = 512


class BoundedRate(Rate):
    """A rate with its 95 % interval (Wilson 1927).

    Attributes:
        low, high: of the interval; 0 and 1 when nothing was counted.
    """

    low: float
    high: float

    @classmethod
    def counted(cls, outcomes: Iterable[bool]) -> Self:
        """Count the true ones."""
        seen = [bool(outcome) for outcome in outcomes]
        low, high = wilson(sum(seen), len(seen))
        return cls(hits=sum(seen), of=len(seen), low=low, high=high)

    @property
    def value(self) -> float:
        """Hits per trial; NaN when nothing was counted."""
        return self.hits / self.of if self.of else math.nan

    def __str__(self) -> str:
        if not self.of:
            return "none"
        return f"{self.value:.3f} (95 %: {self.low:.3f} to {self.high:.3f}; {self.hits}/{self.of})"


def interval_over_shares(shares: Sequence[float], trials: int) -> tuple[float, float]:
    """95 % interval of the mean of shares, each of as many ``trials`` that may depend on each other.

    Wilson's, for the effective number of trials (Korn & Graubard 1998): as many independent ones as would spread the
    mean as much; all of them at most, and one for each share where the shares do not spread at all.
    """
    mean, count = float(np.mean(shares)), len(shares)
    variance = float(np.var(shares, ddof=1)) / count if count > 1 else 0.0
    worth = min(mean * (1 - mean) / variance, count * trials) if variance else count
    return wilson(mean * worth, worth)


def impostor_distances(embeddings: Array, people: Sequence[str]) -> Array:
    """Distances of all pairs of different people, ascending.

    Args:
        embeddings: (n, D).
        people: n names.
    """
    return np.sort(np.concatenate([np.zeros(0), *_cross_identity(embeddings, people)]))


def _cross_identity(embeddings: Array, people: Sequence[str]) -> Iterator[Array]:
    names = np.asarray(people)
    for start in range(0, len(embeddings), _ROWS):
        rows = slice(start, start + _ROWS)
        later = np.arange(len(names)) > np.arange(len(names))[rows, None]
        yield distances(embeddings[rows], embeddings)[later & (names[rows, None] != names)]


def distances(some: Array, others: Array) -> Array:
    """(n, m) Euclidean distances of (n, D) to (m, D)."""
    squares = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float64)


def threshold(impostors: Array, far: float) -> float:
    """The distance below which at most a share ``far`` of the impostors lies; a match is strictly below.

    Args:
        impostors: (n,) ascending, not empty.
    """
    return float(impostors[min(math.floor(far * len(impostors)), len(impostors) - 1)])


def accepted(genuine: Iterable[float], limit: float) -> BoundedRate:
    """How many distances are matches at a threshold: the TAR, when they are of one person each."""
    return BoundedRate.counted(distance < limit for distance in genuine)


def rank_one(probes: Array, names: Sequence[str], gallery: Array, people: Sequence[str]) -> BoundedRate:
    """How often the nearest of a gallery is the probe's person.

    Args:
        probes: (n, D).
        names: who the probes are.
        gallery: (m, D).
        people: who is in the gallery.
    """
    if not len(probes):
        return BoundedRate.counted([])
    nearest = distances(probes, gallery).argmin(axis=1)
    return BoundedRate.counted(people[i] == name for i, name in zip(nearest, names, strict=True))


def roc(genuine: Sequence[float], impostors: Array, rates: NDArray[np.float64]) -> list[float]:
    """TAR at each of the false accept rates; of no genuine pairs, NaN."""
    if not len(genuine):
        return [math.nan] * len(rates)
    values = np.asarray(genuine)
    return [float((values < threshold(impostors, far)).mean()) for far in rates]
