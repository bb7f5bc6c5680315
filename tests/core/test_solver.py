"""The solver: stepping back undoes stepping forward, and both follow the flow."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.schedule import cos_sin, time_grid
from service.core.solver import integrate
from tests.closed_form import AnalyticDenoiser
from tests.core.shapes import CurvedDenoiser, context_of, latent_on, masks, seeds

T0, T1 = 0.02, 0.995
R = 8


@dataclass
class Counted:
    inner: Denoiser
    times: list[float] = field(default_factory=list)

    def __call__(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        self.times.append(float(t[0]))
        return self.inner(x, t, context)


def start(*generated: np.ndarray, seed: int = 1) -> tuple[Tensor, Context]:
    x = torch.from_numpy(np.stack([latent_on(mask, seed + i) for i, mask in enumerate(generated)]))
    return x, context_of(*generated)


@pytest.mark.parametrize("denoiser", [AnalyticDenoiser(), CurvedDenoiser()], ids=["linear", "curved"])
@given(mask=masks(R), seed=seeds, kind=st.sampled_from(["square", "late"]))
def test_backward_undoes_forward(denoiser: Denoiser, mask: np.ndarray, seed: int, kind: str) -> None:
    x, context = start(mask, seed=seed)
    times = time_grid(8, T0, T1, kind)
    latent = integrate(denoiser, x, context, times, 16)
    back = integrate(denoiser, latent, context, times.flip(0), 16)
    assert (back - x).abs().max() < 1e-9
    assert not mask.any() or (latent - x).abs().max() > 1e-3


def test_four_evaluations_are_enough_for_a_linear_network() -> None:
    x, context = start(np.ones((R, R), np.bool_))
    times = time_grid(8, T0, T1, "square")
    latent = integrate(AnalyticDenoiser(), x, context, times, 4)
    assert (integrate(AnalyticDenoiser(), latent, context, times.flip(0), 4) - x).abs().max() < 1e-9


def test_a_step_learns_from_all_its_evaluations() -> None:
    """A linear network of three rates is solved by the fourth evaluation; the last two alone do not tell them apart."""
    x, context = start(np.ones((R, R), np.bool_))
    rates = torch.tensor([0.9, -0.4, 0.3], dtype=torch.float64)[:, None, None]

    def network(x: Tensor, t: Tensor, context: Context) -> Tensor:
        return rates * x

    times = torch.tensor([0.2, 0.8], dtype=torch.float64)
    end = integrate(network, x, context, times, 4)
    cos, sin = cos_sin((times[1] - times[0]) / 2)
    middle = (x + end) / (2 * cos)
    assert (cos * middle - sin * rates * middle - x).abs().max() < 1e-6


@given(mask=masks(R), seed=seeds)
def test_cells_that_are_not_generated_stay_zero(mask: np.ndarray, seed: int) -> None:
    x, context = start(mask, seed=seed)
    latent = integrate(CurvedDenoiser(), x, context, time_grid(3, T0, T1, "square"), 3)
    assert (latent[:, :, torch.from_numpy(~mask)] == 0).all()


def exact_flow(x: Tensor, data: AnalyticDenoiser, a: float, b: float) -> Tensor:
    """For Gaussian data the distance from the mean of x_t scales with the deviation of x_t."""
    (cos_a, cos_b), (sin_a, sin_b) = (amplitudes.tolist() for amplitudes in cos_sin(torch.tensor([a, b]).double()))
    deviation_a, deviation_b = (np.hypot(c * data.std, s) for c, s in ((cos_a, sin_a), (cos_b, sin_b)))
    return cos_b * data.mean + (x - cos_a * data.mean) * (deviation_b / deviation_a)


@pytest.mark.parametrize("data", [AnalyticDenoiser(), AnalyticDenoiser(mean=0.3, std=0.9)])
def test_it_follows_the_exact_flow_with_second_order(data: AnalyticDenoiser) -> None:
    x, context = start(np.ones((R, R), np.bool_))
    expected = exact_flow(x, data, T0, T1)
    errors = [
        float((integrate(data, x, context, time_grid(steps, T0, T1, "square"), 6) - expected).abs().max())
        for steps in (64, 128)
    ]
    assert errors[0] < 3e-3
    assert 3.8 < errors[0] / errors[1] < 4.2


@pytest.mark.parametrize(("steps", "evaluations"), [(1, 1), (8, 4), (5, 3)])
def test_every_pass_spends_the_same_evaluations(steps: int, evaluations: int) -> None:
    x, context = start(np.ones((R, R), np.bool_))
    times = time_grid(steps, T0, T1, "square")
    for start_x, direction in ((x, times), (x * 0, times), (x * 1e6, times.flip(0))):
        counted = Counted(CurvedDenoiser())
        integrate(counted, start_x, context, direction, evaluations)
        assert len(counted.times) == steps * evaluations + 1
        middles = ((direction[:-1] + direction[1:]) / 2).repeat_interleave(evaluations)
        assert counted.times == [float(direction[0]), *middles.tolist()]


def test_a_face_does_not_depend_on_its_batch() -> None:
    rng = np.random.default_rng(5)
    generated = [rng.random((R, R)) < part for part in (0.2, 0.5, 1.0)]
    x, context = start(*generated)
    x[1] *= 30
    times = time_grid(6, T0, T1, "late")
    together = integrate(CurvedDenoiser(), x, context, times, 4)
    for i in range(3):
        alone = integrate(CurvedDenoiser(), x[i : i + 1], context.select(slice(i, i + 1)), times, 4)
        assert (together[i] - alone[0]).abs().max() < 1e-9
