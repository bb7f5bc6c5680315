"""The keyed transform of a latent, in every scheme."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.bands import BandLayout
from service.core.transform import SCHEMES, Scheme, hide, reveal
from tests.core.shapes import keys, latent_on, masks, seeds

R = 16
TAUS = (0.95, 0.85, 0.75, 0.8)
schemes: st.SearchStrategy[Scheme] = st.sampled_from(SCHEMES)


@given(masks(R), seeds, keys, schemes, st.sampled_from([0.0, 1e-6, 1.0, 300.0]))
def test_reveal_inverts_hide(mask: np.ndarray, seed: int, key: bytes, scheme: Scheme, size: float) -> None:
    latent = latent_on(mask, seed) * size
    hidden, norms = hide(latent, mask, key, scheme, TAUS)
    back, strayed = reveal(hidden, mask, key, scheme, TAUS, norms)
    assert np.abs(back - latent).max() <= 1e-12 * size
    assert strayed < 1e-12
    assert (hidden * ~mask == 0).all()
    assert len(norms) == 4


@given(masks(R), seeds, keys)
def test_rotation_in_bands_shows_no_magnitude(mask: np.ndarray, seed: int, key: bytes) -> None:
    layout = BandLayout.of(mask)
    for size in (0.01, 1.0, 50.0):
        hidden, norms = hide(latent_on(mask, seed) * size, mask, key, "band-rotation", TAUS)
        for group, norm, tau in zip(layout.split(hidden), norms, TAUS, strict=True):
            assert np.linalg.norm(group) == pytest.approx(tau * np.sqrt(len(group)), abs=1e-10)
            assert (norm > 0) == (len(group) > 0)


@given(masks(R), seeds, keys)
def test_rotation_over_the_mask_shows_no_magnitude(mask: np.ndarray, seed: int, key: bytes) -> None:
    hidden, _ = hide(latent_on(mask, seed), mask, key, "rotation", TAUS)
    sizes = [len(band) for band in BandLayout.of(mask).split(hidden)]
    assert np.linalg.norm(hidden) == pytest.approx(np.sqrt(np.dot(sizes, np.square(TAUS))), abs=1e-10)


@given(seeds, keys)
def test_the_published_scheme_keeps_every_magnitude(seed: int, key: bytes) -> None:
    mask = np.ones((R, R), np.bool_)
    latent = latent_on(mask, seed)
    layout = BandLayout.of(mask)
    hidden, norms = hide(latent, mask, key, "signflip", TAUS)
    before, after = (np.concatenate(layout.split(z)) for z in (latent, hidden))
    assert np.abs(np.abs(after) - np.abs(before)).max() < 1e-12
    assert norms == (0, 0, 0, 0)


@given(seeds, keys, st.integers(0, 255), schemes)
def test_one_bit_of_the_key_reveals_nothing(seed: int, key: bytes, bit: int, scheme: Scheme) -> None:
    mask = np.ones((32, 32), np.bool_)
    latent = latent_on(mask, seed)
    other = (int.from_bytes(key, "big") ^ (1 << bit)).to_bytes(32, "big")
    hidden, norms = hide(latent, mask, key, scheme, TAUS)
    wrong, _ = reveal(hidden, mask, other, scheme, TAUS, norms)
    for unrelated in (hidden, wrong):
        assert abs(np.corrcoef(unrelated.ravel(), latent.ravel())[0, 1]) < 0.15


@given(seeds, keys)
def test_each_band_stays_in_its_band(seed: int, key: bytes) -> None:
    mask = np.ones((R, R), np.bool_)
    layout = BandLayout.of(mask)
    latent = latent_on(mask, seed)
    hidden, norms = hide(latent, mask, key, "band-rotation", TAUS)
    coarse, middle, fine, leftover = layout.split(hidden)
    noisy = layout.join([coarse, middle, fine + 0.1, leftover], hidden.shape)
    back = layout.split(reveal(noisy, mask, key, "band-rotation", TAUS, norms)[0])
    expected = layout.split(latent)
    assert np.abs(back[0] - expected[0]).max() < 1e-12
    assert np.abs(back[1] - expected[1]).max() < 1e-12
    assert np.abs(back[2] - expected[2]).max() > 1e-3


@given(masks(R), seeds, keys, st.sampled_from(["band-rotation", "rotation"]), st.floats(-0.5, 2))
def test_a_latent_that_grew_or_shrank_has_strayed(
    mask: np.ndarray, seed: int, key: bytes, scheme: Scheme, growth: float
) -> None:
    hidden, norms = hide(latent_on(mask, seed), mask, key, scheme, TAUS)
    _, strayed = reveal(hidden * (1 + growth), mask, key, scheme, TAUS, norms)
    assert strayed == pytest.approx(abs(growth) if mask.any() else 0, abs=1e-9)


@given(seeds, keys)
def test_the_band_that_strayed_most_counts(seed: int, key: bytes) -> None:
    mask = np.ones((R, R), np.bool_)
    layout = BandLayout.of(mask)
    hidden, norms = hide(latent_on(mask, seed), mask, key, "band-rotation", TAUS)
    coarse, middle, fine, leftover = layout.split(hidden)
    changed = layout.join([coarse * 1.1, middle, fine * 0.8, leftover], hidden.shape)
    assert reveal(changed, mask, key, "band-rotation", TAUS, norms)[1] == pytest.approx(0.2)
