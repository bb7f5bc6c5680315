"""The published scheme, with a network in closed form."""

import numpy as np
import pytest
import torch

from service.core.context import Context
from service.core.scheme import Plan
from service.evaluation.figures import psnr
from service.evaluation.paper import STEPS, Explicit, Implicit, carry, whole_crop
from service.faces.layout import PlacedFace
from tests.closed_form import AnalyticDenoiser

R = 32
PLAN = Plan("signflip", 8, 4, "late", 0.02, 0.995, (0.9,) * 4)
KEYS = [bytes([i]) * 32 for i in (1, 2)]


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).uniform(-0.9, 0.9, (2, 3, R, R)))


@pytest.fixture
def masks() -> np.ndarray:
    masks = np.zeros((2, R, R), np.bool_)
    masks[:, 8:24, 8:24] = True
    return masks


def context(count: int = 2) -> Context:
    everything = torch.ones(count, 1, R, R, dtype=torch.bool)
    return Context(torch.zeros(count, 3, R, R), everything, ~everything, torch.zeros(count, 1, R, R))


def there(
    crops: torch.Tensor, masks: np.ndarray, solver: Explicit | Implicit, keys: list[bytes] = KEYS
) -> torch.Tensor:
    return carry(AnalyticDenoiser(), crops, context(), masks, keys, solver)


@pytest.mark.parametrize("solver", [Explicit(), Implicit(PLAN)])
def test_only_the_mask_changes(crops: torch.Tensor, masks: np.ndarray, solver: Explicit | Implicit) -> None:
    made = there(crops, masks, solver)
    inside = torch.from_numpy(masks)[:, None].expand_as(crops)
    assert torch.equal(made[~inside], crops[~inside])
    assert (made[inside] - crops[inside]).abs().mean() > 0.2


def test_the_same_key_undoes_it_exactly_with_our_solver_and_roughly_with_theirs(
    crops: torch.Tensor, masks: np.ndarray
) -> None:
    quality = {}
    for solver in (Explicit(), Implicit(PLAN)):
        back = there(there(crops, masks, solver), masks, solver)
        quality[type(solver)] = psnr((back.numpy() + 1) / 2, (crops.numpy() + 1) / 2, top=1)
    assert quality[Implicit] > 90 > quality[Explicit] > 25


def test_signs_are_flipped_inside_the_mask_only(crops: torch.Tensor, masks: np.ndarray) -> None:
    states: list[torch.Tensor] = []

    def recording(x: torch.Tensor, t: torch.Tensor, context: Context) -> torch.Tensor:
        states.append(x)
        return AnalyticDenoiser()(x, t, context)

    carry(recording, crops, context(), masks, KEYS, Explicit())
    last_up, first_down = states[STEPS - 1], states[STEPS]
    inside = torch.from_numpy(masks)[:, None].expand_as(crops)
    kept = torch.sign(last_up) == torch.sign(first_down)
    assert kept[~inside].double().mean() > 0.95
    assert 0.4 < kept[inside].double().mean() < 0.6


def test_another_key_does_not(crops: torch.Tensor, masks: np.ndarray) -> None:
    made = there(crops, masks, Implicit(PLAN))
    back = there(made, masks, Implicit(PLAN), [KEYS[1], KEYS[0]])
    assert psnr((back.numpy() + 1) / 2, (crops.numpy() + 1) / 2, top=1) < 25


def test_a_place_keeps_its_sign_when_the_mask_is_estimated_a_little_differently(
    crops: torch.Tensor, masks: np.ndarray
) -> None:
    made = there(crops, masks, Implicit(PLAN))
    smaller = masks.copy()
    smaller[:, 8] = False
    back = there(made, smaller, Implicit(PLAN))
    same = torch.from_numpy(smaller)[:, None].expand_as(crops)
    assert (back[same] - crops[same]).abs().max() < 1e-3


def test_the_whole_crop_belongs_to_the_face_where_it_lies_in_the_image() -> None:
    bitmap = np.zeros((8, 8), np.bool_)
    face = PlacedFace((0, 0, 9, 9), 1.0, np.zeros((5, 2), np.int32), 32, (-4, 6), bitmap)
    owner = whole_crop(face, (30, 20))
    assert (owner[6:, :20] == 0).all() and (owner[:6] == -1).all()
    inner = whole_crop(face, (100, 100))
    assert (inner == 0).sum() == 28 * 32
