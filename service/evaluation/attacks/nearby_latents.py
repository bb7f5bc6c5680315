"""Brute force near what is seen: latents around the anonymized one, in the hope that the original is not far."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.core.bands import BandLayout
from service.core.keystream import KEY_BYTES
from service.core.transform import hide
from service.evaluation.attacks.attack import AttackFigures, revealed
from service.evaluation.attacks.targets import SCHEMES, Targets
from service.evaluation.figures import Array
from service.evaluation.portraits import Pixels
from service.faces.crops import FaceView
from service.operations.picture import as_bytes

TRIES = 4
_ANGLES = (0.2, 0.5)
_FACES = 10


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """The best of a few tries for each face; chance is the best of as many strangers that the service makes of it."""
    targets = targets.few(_FACES)
    rng, masks, plain = np.random.default_rng(targets.seed), targets.masks, targets.views()
    originals = targets.latents(plain)
    for scheme in SCHEMES:
        strangers = [
            [
                hide(z, mask, os.urandom(KEY_BYTES), scheme, targets.taus)[0]
                for z, mask in zip(originals, masks, strict=True)
            ]
            for _ in range(TRIES)
        ]
        blind = _best(targets, plain, strangers)
        views = targets.views([as_bytes(made.picture.pixels) for made in targets.anonymized(scheme)])
        seen = targets.latents(views, scheme)
        for angle in _ANGLES:
            tries = [[_near(z, mask, angle, rng) for z, mask in zip(seen, masks, strict=True)] for _ in range(TRIES)]
            hits = _best(targets, views, tries)
            note = f"best of {TRIES} tries"
            yield revealed(f"nearby latents, {angle:g} rad", scheme, hits, sum(blind) / max(len(blind), 1), note)


def _best(targets: Targets, views: Sequence[FaceView], tries: Sequence[Sequence[Array]]) -> list[bool]:
    shown: list[list[Pixels]] = [targets.drawn(views, latents) for latents in tries]
    return [any(hits) for hits in zip(*(targets.revealed(pictures) for pictures in shown), strict=True)]


def _near(latent: Array, mask: NDArray[np.bool_], angle: float, rng: np.random.Generator) -> Array:
    """A latent at ``angle`` in every band: bands have norms of their own, so noise takes each one's."""
    layout = BandLayout.of(mask)
    noise = layout.split(rng.normal(size=latent.shape))
    turned = [
        np.cos(angle) * band + np.sin(angle) * one * (np.linalg.norm(band) / np.linalg.norm(one)) if len(band) else band
        for band, one in zip(layout.split(latent), noise, strict=True)
    ]
    return layout.join(turned, (latent.shape[0], latent.shape[1], latent.shape[2]))
