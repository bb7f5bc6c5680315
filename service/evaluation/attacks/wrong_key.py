"""Recover with a key that is not the right one: another one, or one of which a single bit is different."""

import os
from collections.abc import Iterator

from service.core.keystream import KEY_BYTES
from service.core.transform import hide, reveal
from service.evaluation.attacks.attack import AttackFigures, revealed
from service.evaluation.attacks.targets import SCHEMES, Targets


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """Chance is how often the anonymized face itself passes for the original."""
    views, masks = targets.views(), targets.masks
    latents = targets.latents(views)
    for scheme in SCHEMES:
        keys = [os.urandom(KEY_BYTES) for _ in views]
        one_bit = [bytes([key[0] ^ 1]) + key[1:] for key in keys]
        another = [os.urandom(KEY_BYTES) for _ in views]
        hidden = [hide(z, mask, key, scheme, targets.taus) for z, mask, key in zip(latents, masks, keys, strict=True)]
        shown = targets.revealed(targets.drawn(views, [z for z, _ in hidden]))
        chance = sum(shown) / max(len(shown), 1)
        for name, wrong in (("wrong key: one bit different", one_bit), ("wrong key: another", another)):
            guesses = [
                reveal(z, mask, key, scheme, targets.taus, norms)[0]
                for (z, norms), mask, key in zip(hidden, masks, wrong, strict=True)
            ]
            yield revealed(name, scheme, targets.revealed(targets.drawn(views, guesses)), chance, "norms known")
