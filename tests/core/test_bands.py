"""The Haar bands: an orthonormal change of coordinates of the generated cells."""

import numpy as np
import pytest
from hypothesis import given

from service.core.bands import BandLayout
from tests.core.shapes import latent_on, masks, seeds

R = 16


@given(masks(R), seeds)
def test_join_inverts_split(mask: np.ndarray, seed: int) -> None:
    latent, layout = latent_on(mask, seed), BandLayout.of(mask)
    assert np.abs(layout.join(layout.split(latent), latent.shape) - latent).max() < 1e-13


@given(masks(R), seeds, seeds)
def test_inner_products_are_kept(mask: np.ndarray, seed_a: int, seed_b: int) -> None:
    layout = BandLayout.of(mask)
    a, b = latent_on(mask, seed_a), latent_on(mask, seed_b)
    across = sum(float(x @ y) for x, y in zip(layout.split(a), layout.split(b), strict=True))
    assert across == pytest.approx(float((a * b).sum()), abs=1e-10)


@given(masks(R))
def test_every_generated_value_is_in_one_group(mask: np.ndarray) -> None:
    layout = BandLayout.of(mask)
    coarse, middle, fine, leftover = (len(group) for group in layout.split(np.zeros((3, R, R))))
    full = int(mask.reshape(4, 4, 4, 4).all(axis=(1, 3)).sum())
    assert (coarse, middle, fine) == (3 * full, 9 * full, 36 * full)
    assert leftover == 3 * (int(mask.sum()) - 16 * full)


@given(masks(R), seeds)
def test_cells_that_are_not_generated_are_left_out(mask: np.ndarray, seed: int) -> None:
    layout = BandLayout.of(mask)
    everywhere = np.random.default_rng(seed).normal(size=(3, R, R))
    joined = layout.join(layout.split(everywhere), everywhere.shape)
    assert np.abs(joined - everywhere * mask).max() < 1e-13


def test_smooth_pictures_lie_in_the_coarse_bands() -> None:
    layout = BandLayout.of(np.ones((R, R), np.bool_))
    flat = layout.split(np.full((3, R, R), 0.5))
    assert np.abs(flat[0] - 2).max() < 1e-13
    assert max(np.abs(group).max(initial=0) for group in flat[1:]) < 1e-13
    halves = layout.split(np.broadcast_to(np.tile([1.0, 1, -1, -1], R // 4), (3, R, R)))
    assert np.linalg.norm(halves[1]) == pytest.approx(np.sqrt(3 * R * R))
    checks = layout.split(np.broadcast_to(np.indices((R, R)).sum(axis=0) % 2 * 2.0 - 1, (3, R, R)))
    assert np.linalg.norm(checks[2]) == pytest.approx(np.sqrt(3 * R * R))
