"""Kernel distance between two sets of features (KID, Binkowski et al. 2018, arXiv 1801.01401).

The kernel is the paper's, (x . y / D + 1)^3. The features are not: they are named beside every figure,
and each is first brought to mean 0 and deviation 1 over the reference.
"""

import numpy as np

from service.evaluation.figures import Z95, Array, Figures

_HALVINGS = 100


class Kid(Figures):
    """An estimate; nothing of it can be compared across features or reference sets.

    Attributes:
        value: unbiased, may be negative.
        low, high: 95 % interval from random halves of both sets.
        faces: in the set.
        reference: faces it was compared with.
    """

    value: float
    low: float
    high: float
    faces: int
    reference: int

    def __str__(self) -> str:
        return f"{self.value:.3f} (95 %: {self.low:.3f} to {self.high:.3f}; {self.faces} against {self.reference})"


def measure_kid(features: Array, reference: Array, seed: int) -> Kid | None:
    """KID of (n, D) against (m, D); None below four faces in either.

    The interval is a half-sample jackknife: the deviation of estimates from halves drawn without
    replacement is that of the whole estimate (Shao & Wu 1989).
    """
    if min(len(features), len(reference)) < 4:
        return None
    mean, scale = reference.mean(axis=0), np.maximum(reference.std(axis=0), np.finfo(np.float64).eps)
    joint = (np.concatenate([features, reference]) - mean) / scale
    kernel = (joint @ joint.T / joint.shape[1] + 1) ** 3
    count, total = len(features), len(joint)
    value = _unbiased(kernel, np.arange(count), np.arange(count, total))
    rng = np.random.default_rng(seed)
    halves = [
        _unbiased(
            kernel,
            rng.choice(count, count // 2, replace=False),
            count + rng.choice(total - count, (total - count) // 2, replace=False),
        )
        for _ in range(_HALVINGS)
    ]
    half = Z95 * float(np.std(halves))
    return Kid(value=value, low=value - half, high=value + half, faces=count, reference=total - count)


def _unbiased(kernel: Array, some: np.ndarray, others: np.ndarray) -> float:
    """Squared maximum mean discrepancy (Gretton et al. 2012, eq. 3)."""
    within = [_mean_of_pairs(kernel[np.ix_(side, side)]) for side in (some, others)]
    return float(sum(within) - 2 * kernel[np.ix_(some, others)].mean())


def _mean_of_pairs(kernel: Array) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))
