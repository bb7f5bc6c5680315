"""The time-symmetric implicit midpoint solver: stepping back undoes stepping forward.

| here    | meaning                                                              |
|---------|----------------------------------------------------------------------|
| ``phi`` | half the rotation angle of one step, (pi / 2)(b - a) / 2             |
| ``m``   | the state at the middle of the step, the fixed point                 |
| ``K``   | network evaluations per step; fixed, so that time says nothing       |

The midpoint satisfies m = (x_a + sin(phi) v(m, t_mid)) / cos(phi) and the step ends at
x_b = cos(phi) m + sin(phi) v(m, t_mid), which is 2 cos(phi) m - x_a. Exchanging a and b changes
the sign of phi and gives the same equations with x_a and x_b exchanged (Hairer, Lubich & Wanner
2006, Geometric Numerical Integration, V.1: the implicit midpoint rule is symmetric).
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.schedule import cos_sin

Progress = Callable[[], object]
"""Called after each network evaluation."""


def integrate(
    denoiser: Denoiser, x: Tensor, context: Context, times: Tensor, evaluations: int, progress: Progress | None = None
) -> Tensor:
    """Carry x from ``times[0]`` to ``times[-1]`` along the probability-flow ODE.

    Args:
        x: (B, 3, R, R) float64, zero outside ``context.generate``.
        times: (N + 1,) float64, increasing (towards the latent) or decreasing (towards the face).
        evaluations: K.

    Returns:
        (B, 3, R, R) float64. N K + 1 network evaluations are spent.
    """
    done = progress or (lambda: None)
    v = denoiser(x, times[0].expand(len(x)), context)
    done()
    for a, b in pairwise(times):
        x, v = implicit_step(denoiser, x, v, context, a, b, evaluations, done)
    return x


def implicit_step(
    denoiser: Denoiser,
    x_a: Tensor,
    v: Tensor,
    context: Context,
    a: Tensor,
    b: Tensor,
    evaluations: int,
    done: Progress,
) -> tuple[Tensor, Tensor]:
    """One step from time ``a`` to ``b``, starting from the last ``v``; returns x_b and v at the midpoint.

    The fixed point is iterated with Anderson acceleration of depth 1 (Walker & Ni 2011, eq. 2.1),
    each face by itself.
    """
    cos, sin = cos_sin((b - a) / 2)
    t_mid = ((a + b) / 2).expand(len(x_a))
    m = (x_a + sin * v) / cos
    previous: tuple[Tensor, Tensor] | None = None
    for _ in range(evaluations):
        image = (x_a + sin * denoiser(m, t_mid, context)) / cos
        done()
        residual = image - m
        m = image if previous is None else _mixed(image, residual, *previous)
        previous = image, residual
    return 2 * cos * m - x_a, (cos * m - x_a) / sin


def _mixed(image: Tensor, residual: Tensor, last_image: Tensor, last_residual: Tensor) -> Tensor:
    change = residual - last_residual
    scale = (change * change).sum(dim=(1, 2, 3), keepdim=True)
    gain = (residual * change).sum(dim=(1, 2, 3), keepdim=True) / scale.clamp_min(torch.finfo(scale.dtype).tiny)
    return image - gain.clamp(-2, 2) * (image - last_image)
