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

from collections.abc import Callable, Generator
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.schedule import cos_sin

T = TypeVar("T")

Progress = Callable[[], object]
"""Called after each network evaluation."""

_DAMPING = 1e-10
_SILENT = 1e-200  # a face that does not change at all is not to be divided by

Walk = Generator[tuple[Tensor, Tensor], Tensor, T]
"""A generator that pauses at each network evaluation: yields x (B, 3, R, R) and t (B,), and receives v.

Nothing else happens in between, so walks may be carried on side by side, put aside and resumed.
"""


def drive(walk: Walk[T], denoiser: Denoiser, context: Context, progress: Progress | None = None) -> T:
    """Carry one walk to its end, and return what it returns."""
    v: Tensor | None = None
    while True:
        try:
            # A generator that has not begun takes nothing but None.
            x, t = next(walk) if v is None else walk.send(v)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        v = denoiser(x, t, context)
        if progress is not None:
            progress()


def integrate(denoiser: Denoiser, x: Tensor, context: Context, times: Tensor, evaluations: int) -> Tensor:
    """Carry x from ``times[0]`` to ``times[-1]``: ``flow``, driven by one network; see there."""
    return drive(flow(x, times, evaluations), denoiser, context)


def flow(x: Tensor, times: Tensor, evaluations: int) -> Walk[Tensor]:
    """Walk from ``times[0]`` to ``times[-1]`` along the probability-flow ODE.

    Args:
        x: (B, 3, R, R) float64, zero outside the cells that are generated.
        times: (N + 1,) float64, increasing (towards the latent) or decreasing (towards the face).
        evaluations: K.

    Returns:
        (B, 3, R, R) float64. N K + 1 network evaluations are asked for.
    """
    v = yield x, times[0].expand(len(x))
    for a, b in pairwise(times):
        x, v = yield from implicit_step(x, v, a, b, evaluations)
    return x


def implicit_step(x_a: Tensor, v: Tensor, a: Tensor, b: Tensor, evaluations: int) -> Walk[tuple[Tensor, Tensor]]:
    """One step from time ``a`` to ``b``, starting from the last ``v``; returns x_b and v at the midpoint.

    The fixed point is iterated with Anderson acceleration over all evaluations of the step (Walker & Ni 2011, eq. 2.1),
    each face by itself.
    """
    cos, sin = cos_sin((b - a) / 2)
    t_mid = ((a + b) / 2).expand(len(x_a))
    m = (x_a + sin * v) / cos
    images: list[Tensor] = []
    residuals: list[Tensor] = []
    for _ in range(evaluations):
        images.append((x_a + sin * (yield m, t_mid)) / cos)
        residuals.append(images[-1] - m)
        m = _mixed(images, residuals)
    return 2 * cos * m - x_a, (cos * m - x_a) / sin


def _mixed(images: list[Tensor], residuals: list[Tensor]) -> Tensor:
    """Anderson mixing: combine the images so that the combined residual is smallest, assuming residuals are linear."""
    image, residual = images[-1], residuals[-1]
    if len(images) == 1:
        return image
    changes = torch.stack([(residual - earlier).flatten(1) for earlier in residuals[:-1]], dim=1)
    gram = changes @ changes.transpose(1, 2)
    size = gram.diagonal(dim1=1, dim2=2).mean(dim=1).clamp_min(_SILENT)
    # Changes that say almost the same must not be told apart by their rounding.
    damped = gram + _DAMPING * size[:, None, None] * torch.eye(len(images) - 1, dtype=gram.dtype, device=gram.device)
    gains: Tensor = torch.linalg.solve_ex(damped, changes @ residual.flatten(1)[:, :, None])[0]
    moves = torch.stack([(image - earlier).flatten(1) for earlier in images[:-1]], dim=1)
    step: Tensor = (gains.transpose(1, 2) @ moves).reshape(image.shape)
    return image - step
