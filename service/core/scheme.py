"""The room's door: anonymize and recover a batch of faces at model resolution."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.schedule import GridKind, time_grid
from service.core.solver import Progress, Walk, drive, flow
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


@torch.inference_mode()
def anonymize(
    denoiser: Denoiser,
    pixels: Tensor,
    context: Context,
    keys: Sequence[bytes],
    plan: Plan,
    progress: Progress | None = None,
) -> tuple[Tensor, list[Norms]]:
    """Replace B faces by strangers: ``to_strangers``, driven by one network; see there."""
    return drive(to_strangers(pixels, context.generate, keys, plan), denoiser, context, progress)


@torch.inference_mode()
def recover(
    denoiser: Denoiser,
    pixels: Tensor,
    context: Context,
    keys: Sequence[bytes],
    norms: Sequence[Norms],
    plan: Plan,
) -> tuple[Tensor, list[float]]:
    """Invert ``anonymize``: ``to_originals``, driven by one network."""
    return drive(to_originals(pixels, context.generate, keys, norms, plan), denoiser, context)


def to_strangers(
    pixels: Tensor, generate: Tensor, keys: Sequence[bytes], plan: Plan
) -> Walk[tuple[Tensor, list[Norms]]]:
    """Walk B faces to strangers.

    Args:
        pixels: (B, 3, R, R) float64 in [-1, 1]; only ``generate`` cells are read.
        generate: (B, 1, R, R) bool.
        keys: one 32-byte latent key per face.

    Returns:
        (B, 3, R, R) float64 strangers, about in [-1, 1] and zero elsewhere, and the norms that
        ``to_originals`` needs. 2 (N K + 1) network evaluations are asked for.
    """
    norms: list[Norms] = []

    def transform(latent: Array, cells: NDArray[np.bool_], face: int) -> Array:
        hidden, kept = hide(latent, cells, keys[face], plan.scheme, plan.taus)
        norms.append(kept)
        return hidden

    return (yield from _there_and_back(pixels, generate, plan, transform)), norms


def to_originals(
    pixels: Tensor, generate: Tensor, keys: Sequence[bytes], norms: Sequence[Norms], plan: Plan
) -> Walk[tuple[Tensor, list[float]]]:
    """Walk B strangers back: the same shapes and the same number of network evaluations.

    Returns:
        The originals, and of each how far its latent had strayed (``transform.reveal``): about 0 for pixels as they
        were made.
    """
    strayed: list[float] = []

    def transform(latent: Array, cells: NDArray[np.bool_], face: int) -> Array:
        revealed, far = reveal(latent, cells, keys[face], plan.scheme, plan.taus, norms[face])
        strayed.append(far)
        return revealed

    return (yield from _there_and_back(pixels, generate, plan, transform)), strayed


_Transform = Callable[[Array, NDArray[np.bool_], int], Array]


def _there_and_back(pixels: Tensor, generate: Tensor, plan: Plan, transform: _Transform) -> Walk[Tensor]:
    times = plan.times().to(pixels.device)
    latent = yield from flow(pixels * generate, times, plan.evaluations)
    turned = _per_face(latent, generate, transform)
    return (yield from flow(turned, times.flip(0), plan.evaluations))


def _per_face(latent: Tensor, generate: Tensor, transform: _Transform) -> Tensor:
    cells = generate[:, 0].cpu().numpy()
    faces = [transform(z, cells[i], i) for i, z in enumerate(latent.cpu().numpy())]
    return torch.from_numpy(np.stack(faces)).to(latent.device)
