"""What the network is told."""

import numpy as np
import torch

from service.core.context import NETWORK_PLANES, Context, landmark_map, network_input


def context(faces: int, resolution: int, seed: int = 0) -> Context:
    rng = torch.Generator().manual_seed(seed)
    generate = torch.rand(faces, 1, resolution, resolution, generator=rng) < 0.5
    known = torch.rand(faces, 3, resolution, resolution, generator=rng) * ~generate
    return Context(known, generate, ~generate, torch.rand(generate.shape, generator=rng))


def test_input_planes_come_in_order() -> None:
    shown = context(2, 8)
    x = torch.full((2, 3, 8, 8), 7.0, dtype=torch.float64)
    planes = network_input(x, shown, 1)
    assert planes.shape == (2, NETWORK_PLANES, 8, 8) and planes.dtype == torch.float64
    expected = [x, shown.known, shown.generate, shown.visible, shown.landmarks]
    assert torch.equal(planes, torch.cat([plane.double() for plane in expected], dim=1))


def test_patches_are_folded_into_channels() -> None:
    shown = context(1, 8)
    x = torch.randn(1, 3, 8, 8)
    folded = network_input(x, shown, 4)
    assert folded.shape == (1, NETWORK_PLANES * 16, 2, 2)
    assert torch.equal(torch.nn.functional.pixel_shuffle(folded, 4), network_input(x, shown, 1))


def test_select_and_stack_are_inverse() -> None:
    whole = context(5, 8)
    again = Context.stack([whole.select(slice(0, 2)), whole.select(slice(2, 5))])
    assert len(whole) == len(again) == 5
    assert torch.equal(network_input(again.known, again, 1), network_input(whole.known, whole, 1))


def test_a_part_keeps_its_planes() -> None:
    whole = context(3, 8)
    for part in (whole.select(slice(1, 3)), whole.to(torch.device("cpu")).select(slice(1, 3))):
        for plane in ("known", "generate", "visible", "landmarks"):
            assert torch.equal(getattr(part, plane), getattr(whole, plane)[1:3])


def test_landmarks_are_bright_where_they_are() -> None:
    points = torch.tensor([[[3.5, 10.5], [30.5, 2.5]], [[8.5, 8.5], [8.5, 8.5]]], dtype=torch.float64)
    heat = landmark_map(points, 40)
    assert heat.shape == (2, 1, 40, 40) and heat.dtype == torch.float32
    assert heat[0, 0, 10, 3] == heat[0, 0, 2, 30] == heat[1, 0, 8, 8] == 1
    assert heat.max() == 1 and heat.min() >= 0
    # One cell is one deviation at this resolution.
    assert torch.isclose(heat[0, 0, 10, 4], torch.tensor(np.exp(-0.5), dtype=torch.float32))
    assert heat[0, 0, 20, 20] < 1e-6


def test_landmarks_outside_leave_no_light() -> None:
    assert landmark_map(torch.full((1, 5, 2), -50.0, dtype=torch.float64), 32).max() == 0
