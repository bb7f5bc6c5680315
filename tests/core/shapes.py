"""Masks, latents and contexts of every shape, made from seeds, and a network that is not linear."""

import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from service.core.context import Context

seeds = st.integers(0, 2**32 - 1)
keys = st.binary(min_size=32, max_size=32)


@st.composite
def masks(draw: st.DrawFn, resolution: int) -> NDArray[np.bool_]:
    """(R, R) bool: whole blocks, single cells, both, nothing, everything."""
    rng = np.random.default_rng(draw(seeds))
    blocks = rng.random((resolution // 4, resolution // 4)) < draw(st.sampled_from([0, 0.1, 0.6, 1]))
    cells = rng.random((resolution, resolution)) < draw(st.sampled_from([0, 0.004, 0.5]))
    return blocks.repeat(4, 0).repeat(4, 1) ^ cells


def latent_on(mask: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """(3, R, R) Gaussian on the mask, zero elsewhere."""
    return np.random.default_rng(seed).normal(size=(3, *mask.shape)) * mask


def context_of(*generated: NDArray[np.bool_]) -> Context:
    """One face per mask; everything else is visible and grey."""
    generate = torch.from_numpy(np.stack(generated))[:, None]
    known = torch.full((len(generated), 3, *generated[0].shape), 0.25) * ~generate
    return Context(known, generate, ~generate, torch.zeros(generate.shape))


class CurvedDenoiser:
    """Not linear, and every cell depends on its neighbours and on the time."""

    def __call__(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        near = x + 0.5 * x.roll(1, dims=-1) - 0.5 * x.roll(1, dims=-2) + t[:, None, None, None]
        return torch.tanh(near) * context.generate
