"""The room's door: anonymize and recover a batch of faces at model resolution."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.schedule import GridKind, time_grid
from service.core.solver import Progress, integrate
from service.core.transform import Norms, Scheme, Taus, hide, reveal

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """The numbers both directions share; they travel in the record.

    Attributes:
        scheme: of the keyed transform.
        steps: N.
        evaluations: K per step.
        grid: spacing of the times.
        t0: time the pixels stand at.
        t1: time the latent stands at.
        taus: norm of the scaled latent per square root of a coefficient, by band.
    """

    scheme: Scheme
    steps: int
    evaluations: int
    grid: GridKind
    t0: float
    t1: float
    taus: Taus

    def times(self) -> Tensor:
        """The N + 1 increasing times, float64."""
        return time_grid(self.steps, self.t0, self.t1, self.grid)


def levels_to_model(levels: Array, top: int) -> Tensor:
    """(R, R, 3) levels in [0, top] to a (1, 3, R, R) float64 tensor in [-1, 1]."""
    return torch.from_numpy(levels * (2 / top) - 1).permute(2, 0, 1)[None].contiguous()


def model_to_levels(x: Tensor, top: int) -> Array:
    """(3, R, R) in [-1, 1] to (R, R, 3) float64 levels in [0, top]."""
    return (x.permute(1, 2, 0).cpu().double().numpy() + 1) * (top / 2)


def anonymize(
    denoiser: Denoiser,
    pixels: Tensor,
    context: Context,
    keys: Sequence[bytes],
    plan: Plan,
    progress: Progress | None = None,
) -> tuple[Tensor, list[Norms]]:
    """Replace B faces by strangers.

    Args:
        pixels: (B, 3, R, R) float64 in [-1, 1]; only ``context.generate`` cells are read.
        keys: one 32-byte latent key per face.

    Returns:
        (B, 3, R, R) float64 strangers, about in [-1, 1] and zero elsewhere, and the norms that
        ``recover`` needs. 2 (N K + 1) network evaluations are spent.
    """
    norms: list[Norms] = []

    def transform(latent: Array, generate: NDArray[np.bool_], face: int) -> Array:
        hidden, kept = hide(latent, generate, keys[face], plan.scheme, plan.taus)
        norms.append(kept)
        return hidden

    return _there_and_back(denoiser, pixels, context, plan, transform, progress), norms


def recover(
    denoiser: Denoiser,
    pixels: Tensor,
    context: Context,
    keys: Sequence[bytes],
    norms: Sequence[Norms],
    plan: Plan,
    progress: Progress | None = None,
) -> Tensor:
    """Invert ``anonymize``: the same shapes and the same number of network evaluations."""

    def transform(latent: Array, generate: NDArray[np.bool_], face: int) -> Array:
        return reveal(latent, generate, keys[face], plan.scheme, plan.taus, norms[face])

    return _there_and_back(denoiser, pixels, context, plan, transform, progress)


_Transform = Callable[[Array, NDArray[np.bool_], int], Array]


@torch.inference_mode()
def _there_and_back(
    denoiser: Denoiser, pixels: Tensor, context: Context, plan: Plan, transform: _Transform, progress: Progress | None
) -> Tensor:
    times = plan.times().to(pixels.device)
    latent = integrate(denoiser, pixels * context.generate, context, times, plan.evaluations, progress)
    turned = _per_face(latent, context, transform)
    return integrate(denoiser, turned, context, times.flip(0), plan.evaluations, progress)


def _per_face(latent: Tensor, context: Context, transform: _Transform) -> Tensor:
    cells = context.generate[:, 0].cpu().numpy()
    faces = [transform(z, cells[i], i) for i, z in enumerate(latent.cpu().numpy())]
    return torch.from_numpy(np.stack(faces)).to(latent.device)
