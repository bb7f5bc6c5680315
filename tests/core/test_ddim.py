"""Explicit DDIM against the closed form of a Gaussian."""

import torch

from service.core.context import Context
from service.core.ddim import invert_ddim, sample_ddim
from tests.closed_form import AnalyticDenoiser

R = 8


def _context() -> Context:
    generate = torch.zeros(1, 1, R, R, dtype=torch.bool)
    generate[..., 2:6, 2:6] = True
    return Context(torch.zeros(1, 3, R, R), generate, ~generate, torch.zeros(1, 1, R, R))


def test_round_trip_gets_better_with_more_steps_and_spends_them() -> None:
    context, denoiser = _context(), AnalyticDenoiser()
    face = 0.4 * torch.randn(1, 3, R, R, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    errors = []
    for steps in (10, 50, 400):
        calls: list[None] = []
        latent = invert_ddim(denoiser, context, face, steps, lambda calls=calls: calls.append(None))
        back = sample_ddim(denoiser, context, latent, steps)
        assert len(calls) == steps
        errors.append(float((back - face * context.generate).abs().max()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02


def test_samples_have_the_distribution_of_the_data() -> None:
    context = _context()
    noise = torch.randn(1, 3, R, R, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    drawn = sample_ddim(AnalyticDenoiser(mean=0.3, std=0.2), context, noise, 200)
    inside = context.generate.expand_as(drawn)
    assert torch.allclose(drawn[inside], 0.3 + 0.2 * noise[inside], atol=0.03)
    assert not drawn[~inside].any()
