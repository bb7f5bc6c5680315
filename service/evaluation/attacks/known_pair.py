"""One original is known together with its anonymized face; what does it tell of another face of the tenant?"""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from service.core.keystream import KEY_BYTES, Keystream
from service.core.transform import Scheme, hide
from service.evaluation.attacks.attack import AttackFigures, cosine, cosines
from service.evaluation.attacks.targets import SCHEMES, Targets
from service.evaluation.figures import Array


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """Latents are given to the adversary exactly; each face is attacked with what is known of the one before it."""
    masks = targets.masks
    latents = targets.latents(targets.views())
    one_key = os.urandom(KEY_BYTES)
    published = [signs_by_place(one_key, z.shape) * z for z in latents]
    yield cosines("known pair", "published: one key, signs", _learned(latents, published, masks), 0.0)
    for scheme in SCHEMES:
        yield cosines("known pair", scheme, _tried(targets, latents, masks, scheme, None), 0.0, "a key for each face")
    reused = _tried(targets, latents, masks, "band-rotation", one_key)
    yield cosines("known pair", "band-rotation", reused, 0.0, "if one key were used for all, which is never done")


def _tried(
    targets: Targets, latents: Sequence[Array], masks: Sequence[NDArray[np.bool_]], scheme: Scheme, key: bytes | None
) -> list[float]:
    hidden = [
        hide(z, mask, key or os.urandom(KEY_BYTES), scheme, targets.taus)[0]
        for z, mask in zip(latents, masks, strict=True)
    ]
    return _learned(latents, hidden, masks)


def _learned(latents: Sequence[Array], hidden: Sequence[Array], masks: Sequence[NDArray[np.bool_]]) -> list[float]:
    """Cosine of the better of two guesses: the signs by place, and the one direction a rotation shows."""
    found = []
    for (known, target), (known_hidden, target_hidden), (_, mask) in zip(
        pairwise(latents), pairwise(hidden), pairwise(masks), strict=True
    ):
        by_place = np.sign(known * known_hidden) * target_hidden
        along = known * (known_hidden * target_hidden).sum()
        guesses = [cosine(guess * mask, target) for guess in (by_place, along)]
        found.append(max(guesses, key=abs))
    return found


def signs_by_place(key: bytes, shape: tuple[int, ...]) -> Array:
    """The published key: one sign for every place of the latent, the same for all images of a user."""
    return Keystream(key).signs(int(np.prod(shape))).reshape(shape)
