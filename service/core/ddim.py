"""Explicit DDIM (Song et al. 2021, eq. 12), the solver of the published scheme: for looks and comparisons.

Its inversion is not the inverse of its sampling: both evaluate v where a step starts, and the two
directions start a step at opposite ends.
"""

from itertools import pairwise

import torch
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.schedule import cos_sin, time_grid
from service.core.solver import Progress

_T0, _T1 = 0.02, 0.995


def ddim_times(steps: int) -> Tensor:
    """The ``steps + 1`` increasing times between face and latent, float64."""
    return time_grid(steps, _T0, _T1, "square")


def sample_ddim(
    denoiser: Denoiser, context: Context, noise: Tensor, steps: int, progress: Progress | None = None
) -> Tensor:
    """From t = 0.995 to 0.02, in ``steps`` network evaluations.

    Args:
        noise: (B, 3, R, R) float64.

    Returns:
        (B, 3, R, R) float64 pixels in about [-1, 1], zero outside ``context.generate``.
    """
    return _walk(denoiser, context, noise, ddim_times(steps).flip(0), progress)


def invert_ddim(
    denoiser: Denoiser, context: Context, pixels: Tensor, steps: int, progress: Progress | None = None
) -> Tensor:
    """From t = 0.02 to 0.995: the latent that ``sample_ddim`` comes near ``pixels`` from; shapes as there."""
    return _walk(denoiser, context, pixels, ddim_times(steps), progress)


def ddim_step(denoiser: Denoiser, context: Context, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """One step from time ``a`` to ``b``, up or down; shapes as for ``sample_ddim``."""
    v = denoiser(x, a.expand(len(context)), context)
    cos_a, sin_a = cos_sin(a)
    cos_b, sin_b = cos_sin(b)
    return cos_b * (cos_a * x - sin_a * v) + sin_b * (sin_a * x + cos_a * v)


@torch.inference_mode()
def _walk(denoiser: Denoiser, context: Context, x: Tensor, times: Tensor, progress: Progress | None) -> Tensor:
    x = x * context.generate
    for a, b in pairwise(times.to(x.device)):
        x = ddim_step(denoiser, context, x, a, b)
        if progress is not None:
            progress()
    return x
