"""What a report is made of: rates with their counts, spreads, and the two measures behind most of them."""

import math
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

EQUAL_DB = 120.0
"""PSNR reported for equal pixels."""
Z95 = 1.959964
"""Standard deviations on either side of the mean that hold 95 % of a normal distribution."""

Array = NDArray[np.float64]


class Figures(BaseModel):
    """Base of every part of a report."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rate(Figures):
    """How many of how many."""

    hits: int
    of: int

    @classmethod
    def counted(cls, outcomes: Iterable[bool]) -> Self:
        """Count the true ones."""
        seen = list(outcomes)
        return cls(hits=sum(seen), of=len(seen))

    def __str__(self) -> str:
        if not self.of:
            return "0/0"
        low, high = wilson(self.hits, self.of)
        return f"{self.hits}/{self.of} ({100 * self.hits / self.of:.1f} %, 95 %: {100 * low:.1f}-{100 * high:.1f})"


def wilson(hits: float, of: float) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    share, z2 = hits / of, Z95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2)) / (1 + z2 / of)
    return max(0.0, middle - half), min(1.0, middle + half)


class Spread(Figures):
    """Median and worst of values where larger is better; None when there are none."""

    median: float | None
    worst: float | None
    count: int

    @classmethod
    def over(cls, values: Iterable[float]) -> Self:
        """Summarize ``values``."""
        seen = list(values)
        if not seen:
            return cls(median=None, worst=None, count=0)
        return cls(median=float(np.median(seen)), worst=min(seen), count=len(seen))

    def __str__(self) -> str:
        if self.median is None or self.worst is None:
            return "none"
        return f"median {self.median:.1f}, worst {self.worst:.1f} (n = {self.count})"


class Distribution(Figures):
    """Median and the middle nine tenths of values; None when there are none."""

    median: float | None
    low: float | None
    high: float | None
    count: int

    @classmethod
    def over(cls, values: Iterable[float]) -> Self:
        """Summarize ``values``."""
        seen = list(values)
        if not seen:
            return cls(median=None, low=None, high=None, count=0)
        low, median, high = (float(value) for value in np.percentile(seen, [5, 50, 95]))
        return cls(median=median, low=low, high=high, count=len(seen))

    def __str__(self) -> str:
        if self.median is None or self.low is None or self.high is None:
            return "none"
        return f"{self.median:.3f} (90 %: {self.low:.3f} to {self.high:.3f}; n = {self.count})"


def psnr(one: NDArray[Any], other: NDArray[Any], top: int = 255) -> float:
    """Peak signal-to-noise ratio in dB, at most ``EQUAL_DB``.

    Args:
        one, other: of one shape, in [0, top].
    """
    error = float(np.mean((one.astype(np.float64) - other) ** 2)) / top**2 if one.size else 0.0
    return EQUAL_DB if error == 0 else min(EQUAL_DB, -10 * math.log10(error))


def auc(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the chance that a positive scores higher than a negative, ties counted half.

    Args:
        scores: (n,).
        positive: (n,), with both values present.
    """
    _, rank, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - (counts - 1) / 2)[rank]
    hits = int(positive.sum())
    return float((middle[positive].sum() - hits * (hits + 1) / 2) / (hits * (len(scores) - hits)))


def auc_interval(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """95 % interval of an AUC (Hanley & McNeil 1982, eq. 1)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    half = Z95 * math.sqrt(max(variance, 0.0) / (positives * negatives))
    return max(0.0, area - half), min(1.0, area + half)
