"""The variance-preserving cosine path and the time grids the solver walks.

| here       | literature                                                        |
|------------|-------------------------------------------------------------------|
| ``x_t``    | cos(pi t / 2) x_0 + sin(pi t / 2) eps, t in [0, 1]                |
| ``v``      | cos(pi t / 2) eps - sin(pi t / 2) x_0 (Salimans & Ho 2022, app. D) |
| ``times``  | t_0 = times[0] < ... < times[N] = t_1                              |

With this path the probability-flow ODE is a rotation: dx/dt = (pi / 2) v.
"""

import math
from typing import Literal

import torch
from torch import Tensor

GridKind = Literal["square", "late"]
"""``square``: g(u) = u^2.  ``late``: g(u) = 1 - (1 - u^2)^1.7, finer near t_1."""


def cos_sin(t: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise amplitudes at times ``t`` in [0, 1], same shape as ``t``."""
    angle = t * (math.pi / 2)
    return torch.cos(angle), torch.sin(angle)


def time_grid(steps: int, t0: float, t1: float, kind: GridKind) -> Tensor:
    """Return the ``steps + 1`` increasing times from ``t0`` to ``t1``, float64.

    Raises:
        ValueError: the times are not 0 <= t0 < t1 < 1, or ``steps`` < 1.
    """
    if not (0 <= t0 < t1 < 1) or steps < 1:
        raise ValueError("a time grid needs 0 <= t0 < t1 < 1 and at least one step")
    u = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    g = u**2 if kind == "square" else 1 - (1 - u**2) ** 1.7
    return t0 + (t1 - t0) * g
