"""Brute force near what is seen: latents around the anonymized one, in the hope that the original is not far."""

from collections.abc import Iterator, Sequence

import numpy as np

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
    """The best of a few tries for each face; chance is the best of as many faces drawn without looking."""
    targets = targets.few(_FACES)
    rng, masks = np.random.default_rng(targets.seed), targets.masks
    blind = _best(targets, targets.views(), [[_noise(z, rng) for z in masks] for _ in range(TRIES)])
    for scheme in SCHEMES:
        views = targets.views([as_bytes(made.picture.pixels) for made in targets.anonymized(scheme)])
        seen = targets.latents(views, scheme)
        for angle in _ANGLES:
            tries = [
                [np.cos(angle) * z + np.sin(angle) * _noise(mask, rng) for z, mask in zip(seen, masks, strict=True)]
                for _ in range(TRIES)
            ]
            hits = _best(targets, views, tries)
            note = f"best of {TRIES} tries"
            yield revealed(f"nearby latents, {angle:g} rad", scheme, hits, sum(blind) / max(len(blind), 1), note)


def _best(targets: Targets, views: Sequence[FaceView], tries: Sequence[Sequence[Array]]) -> list[bool]:
    shown: list[list[Pixels]] = [targets.drawn(views, latents) for latents in tries]
    return [any(hits) for hits in zip(*(targets.revealed(pictures) for pictures in shown), strict=True)]


def _noise(mask: np.ndarray, rng: np.random.Generator) -> Array:
    return np.asarray(rng.normal(size=(3, *mask.shape)) * mask)
