"""The published scheme (Labarbarie, Itier & Puech 2025, arXiv 2510.01031), on the same network as ours.

The whole crop is inverted, the latent's signs are flipped with the key inside the face mask, and on the way
back everything outside the mask is overwritten with the saved states of the way up. Recovery does the same
from the anonymized image, with a mask estimated from it. Two things are kinder to it than the publication:
pixels instead of a lossy autoencoder's latents, and 256-bit keys.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.ddim import ddim_step, ddim_times
from service.core.keystream import Keystream
from service.core.scheme import Plan
from service.core.solver import drive, implicit_step
from service.faces.layout import NO_FACE, PlacedFace

STEPS = 50

Step = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From a state, and two times, to the next state."""


@dataclass(frozen=True, slots=True)
class Explicit:
    """50 steps of DDIM, as published."""

    def times(self) -> Tensor:
        """Increasing."""
        return ddim_times(STEPS)

    def stepper(self, denoiser: Denoiser, context: Context, x: Tensor, start: Tensor) -> Step:
        """A walk that starts at ``x`` and time ``start``."""
        return lambda state, a, b: ddim_step(denoiser, context, state, a, b)


@dataclass(frozen=True, slots=True)
class Implicit:
    """Our solver, with the numbers of the bundle."""

    plan: Plan

    def times(self) -> Tensor:
        """Increasing."""
        return self.plan.times()

    def stepper(self, denoiser: Denoiser, context: Context, x: Tensor, start: Tensor) -> Step:
        """A walk that starts at ``x`` and time ``start``; each step starts from the last one's ``v``."""
        v = denoiser(x, start.expand(len(x)), context)

        def step(state: Tensor, a: Tensor, b: Tensor) -> Tensor:
            nonlocal v
            state, v = drive(implicit_step(state, v, a, b, self.plan.evaluations), denoiser, context)
            return state

        return step


@torch.inference_mode()
def carry(
    denoiser: Denoiser,
    pixels: Tensor,
    context: Context,
    masks: NDArray[np.bool_],
    keys: Sequence[bytes],
    solver: Explicit | Implicit,
) -> Tensor:
    """Anonymize B crops, or recover them: the scheme is the same in both directions.

    Args:
        pixels: (B, 3, R, R) float64 in [-1, 1].
        context: every cell of the crop that lies in the image is generated, none is known.
        masks: (B, R, R), the faces.
        keys: 32 bytes each.

    Returns:
        (B, 3, R, R) float64; outside the masks the same as ``pixels``.
    """
    inside = torch.from_numpy(masks)[:, None].to(pixels.device)
    times = solver.times().to(pixels.device)
    saved = _walk(solver, denoiser, context, pixels * context.generate, times, lambda state, _: state)
    signs = torch.from_numpy(np.stack([_signs(key, pixels.shape[-1]) for key in keys])).to(pixels.device)
    turned = torch.where(inside, saved[-1] * signs, saved[-1])

    def held(state: Tensor, index: int) -> Tensor:
        return torch.where(inside, state, saved[-1 - index])

    return _walk(solver, denoiser, context, turned, times.flip(0), held)[-1]


def whole_crop(face: PlacedFace, size: tuple[int, int]) -> NDArray[np.int16]:
    """An owner map (H, W) in which face 0 owns all of its crop."""
    owner = np.full(size, NO_FACE, np.int16)
    x, y = face.origin
    owner[max(0, y) : max(0, y + face.side), max(0, x) : max(0, x + face.side)] = 0
    return owner


def _walk(
    solver: Explicit | Implicit,
    denoiser: Denoiser,
    context: Context,
    x: Tensor,
    times: Tensor,
    after: Callable[[Tensor, int], Tensor],
) -> list[Tensor]:
    step, states = solver.stepper(denoiser, context, x, times[0]), [x]
    for index, (a, b) in enumerate(pairwise(times), start=1):
        states.append(after(step(states[-1], a, b), index))
    return states


def _signs(key: bytes, side: int) -> NDArray[np.float64]:
    """(3, R, R) of -1 and +1: a place has one sign, whatever the mask."""
    return Keystream(key).signs(3 * side * side).reshape(3, side, side)
