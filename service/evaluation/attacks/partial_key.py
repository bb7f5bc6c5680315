"""Part of the key's signs are known, and all of its permutations."""

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from service.core.bands import BandLayout
from service.core.keystream import KEY_BYTES, Keystream
from service.core.rotation import flip_signs, rotate_back
from service.core.transform import Scheme, hide
from service.evaluation.attacks.attack import AttackFigures, cosine, cosines, revealed
from service.evaluation.attacks.targets import SCHEMES, Targets
from service.evaluation.figures import Array

PARTS = (0.6, 0.8, 0.9, 0.95, 0.99)
_SHOWN = (0.95, 0.99)
"""Of these the faces are drawn, too: that costs as much as anonymizing them."""


class PartlyKnown(Keystream):
    """The right stream, with a share of its signs wrong."""

    def __init__(self, key: bytes, part: float, rng: np.random.Generator) -> None:
        super().__init__(key)
        self._part, self._rng = part, rng

    def signs(self, count: int) -> NDArray[np.float64]:
        """See ``Keystream``; each is right with probability ``part``."""
        return super().signs(count) * np.where(self._rng.random(count) < self._part, 1.0, -1.0)


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """Chance: nothing of the original latent, and how often the anonymized face itself passes for the original."""
    views, masks = targets.views(), targets.masks
    latents, rng = targets.latents(views), np.random.default_rng(targets.seed)
    for scheme in SCHEMES:
        keys = [os.urandom(KEY_BYTES) for _ in views]
        hidden = [hide(z, m, key, scheme, targets.taus)[0] for z, m, key in zip(latents, masks, keys, strict=True)]
        shown = targets.revealed(targets.drawn(views, hidden))
        for part in PARTS:
            guesses = [
                guessed(z, mask, PartlyKnown(key, part, rng), scheme)
                for z, mask, key in zip(hidden, masks, keys, strict=True)
            ]
            found = [cosine(guess, z) for guess, z in zip(guesses, latents, strict=True)]
            yield cosines(f"{part:.0%} of the signs known", scheme, found, 0.0)
            if part in _SHOWN:
                hits = targets.revealed(targets.drawn(views, guesses))
                yield revealed(f"{part:.0%} of the signs known", scheme, hits, sum(shown) / max(len(shown), 1))


def guessed(hidden: Array, mask: NDArray[np.bool_], stream: Keystream, scheme: Scheme) -> Array:
    """The latent before the transform, as a stream says; each band keeps the norm it has."""
    layout = BandLayout.of(mask)
    bands = layout.split(hidden)
    if scheme == "band-rotation":
        back = [rotate_back(band, stream) for band in bands]
    else:
        back = np.split(flip_signs(np.concatenate(bands), stream), np.cumsum([len(band) for band in bands])[:-1])
    return layout.join(back, (hidden.shape[0], hidden.shape[1], hidden.shape[2]))
