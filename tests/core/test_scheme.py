"""The room's door: strangers out, originals back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from service.core.context import Context
from service.core.scheme import Plan, anonymize, levels_to_model, model_to_levels, recover
from service.core.transform import SCHEMES, Scheme
from tests.closed_form import AnalyticDenoiser
from tests.core.shapes import CurvedDenoiser, context_of, latent_on, masks, seeds

R = 16
PLAN = Plan(
    scheme="band-rotation", steps=6, evaluations=8, grid="square", t0=0.02, t1=0.995, taus=(0.95, 0.85, 0.75, 0.8)
)
KEYS = [bytes([i]) * 32 for i in range(1, 9)]
DATA = AnalyticDenoiser()


def faces(*generated: np.ndarray, seed: int = 0) -> tuple[Tensor, Context]:
    pixels = [torch.from_numpy(np.clip(0.4 * latent_on(m, seed + i), -1, 1)) for i, m in enumerate(generated)]
    return torch.stack(pixels), context_of(*generated)


@given(masks(R), seeds, st.sampled_from(SCHEMES))
def test_recover_inverts_anonymize(mask: np.ndarray, seed: int, scheme: Scheme) -> None:
    pixels, context = faces(mask, seed=seed)
    plan = replace(PLAN, scheme=scheme)
    strangers, norms = anonymize(DATA, pixels, context, KEYS[:1], plan)
    back, _ = recover(DATA, strangers, context, KEYS[:1], norms, plan)
    assert (back - pixels).abs().max() < 1e-9
    assert (strangers[0][:, torch.from_numpy(~mask)] == 0).all()
    assert strangers.dtype == torch.float64


def test_context_pixels_are_not_read() -> None:
    mask = np.zeros((R, R), np.bool_)
    mask[4:12, 4:12] = True
    pixels, context = faces(mask)
    littered = pixels + 9 * ~context.generate
    clean, dirty = (anonymize(CurvedDenoiser(), x, context, KEYS[:1], PLAN)[0] for x in (pixels, littered))
    assert torch.equal(clean, dirty)


def test_a_stranger_is_no_relative_of_the_face() -> None:
    pixels, context = faces(np.ones((R, R), np.bool_))
    one, _ = anonymize(DATA, pixels, context, KEYS[:1], PLAN)
    other, _ = anonymize(DATA, pixels, context, KEYS[1:2], PLAN)
    for a, b in ((one, pixels), (other, pixels), (one, other)):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.15


def test_a_wrong_key_gives_another_stranger() -> None:
    pixels, context = faces(np.ones((R, R), np.bool_))
    strangers, norms = anonymize(DATA, pixels, context, KEYS[:1], PLAN)
    almost = bytes([KEYS[0][0] ^ 1]) + KEYS[0][1:]
    wrong, _ = recover(DATA, strangers, context, [almost], norms, PLAN)
    assert abs(np.corrcoef(wrong.ravel(), pixels.ravel())[0, 1]) < 0.15


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_batch_equals_its_faces_alone(scheme: Scheme) -> None:
    rng = np.random.default_rng(8)
    generated = [rng.random((R // 4, R // 4)).repeat(4, 0).repeat(4, 1) < part for part in (0.1, 0.3, 0.6, 0.9, 1)]
    generated[0][3, 5] = ~generated[0][3, 5]
    pixels, context = faces(*generated)
    plan = replace(PLAN, scheme=scheme, evaluations=4)
    keys = KEYS[: len(generated)]
    strangers, norms = anonymize(DATA, pixels, context, keys, plan)
    back, _ = recover(DATA, strangers, context, keys, norms, plan)
    for i, key in enumerate(keys):
        only = slice(i, i + 1)
        alone, kept = anonymize(DATA, pixels[only], context.select(only), [key], plan)
        assert (alone - strangers[only]).abs().max() < 1e-6
        assert kept[0] == pytest.approx(norms[i], abs=1e-6)
        assert (recover(DATA, alone, context.select(only), [key], kept, plan)[0] - back[only]).abs().max() < 1e-6


def test_evaluations_are_counted_and_reported() -> None:
    pixels, context = faces(np.ones((R, R), np.bool_))
    calls: list[str] = []

    def counted(x: Tensor, t: Tensor, context: Context) -> Tensor:
        calls.append("network")
        return DATA(x, t, context)

    strangers, norms = anonymize(counted, pixels, context, KEYS[:1], PLAN, lambda: calls.append("told"))
    expected = 2 * (PLAN.steps * PLAN.evaluations + 1)
    assert calls == ["network", "told"] * expected
    calls.clear()
    recover(counted, strangers, context, KEYS[:1], norms, PLAN)
    assert calls == ["network"] * expected


@given(seeds, st.sampled_from([255, 65535]))
def test_levels_and_model_values_are_inverse(seed: int, top: int) -> None:
    levels = np.random.default_rng(seed).uniform(-0.5 * top, 1.5 * top, (8, 8, 3))
    x = levels_to_model(levels, top)
    assert x.shape == (1, 3, 8, 8) and x.dtype == torch.float64
    assert np.abs(model_to_levels(x[0], top) - levels).max() < 1e-11 * top


def test_model_values_span_minus_one_to_one() -> None:
    levels = np.zeros((4, 4, 3))
    levels[0, 1, 2] = 255
    x = levels_to_model(levels, 255)
    assert x.min() == -1 and x[0, 2, 0, 1] == 1
