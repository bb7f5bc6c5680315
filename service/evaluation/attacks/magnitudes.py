"""Is this the original? Sign flips leave every magnitude of the latent, and give the answer; a rotation must not."""

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from service.core.bands import BandLayout
from service.core.keystream import KEY_BYTES
from service.core.transform import Scheme, Taus, hide
from service.evaluation.attacks.attack import AttackFigures, cosine
from service.evaluation.attacks.targets import SCHEMES, Targets
from service.evaluation.figures import Array
from service.evaluation.scenes import with_face
from service.evaluation.verification import interval_over_shares

MATCHING = "matching magnitudes"

_KEYS = 25
"""For each face."""


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """The original against a decoy, the next sitter's face in the same surroundings; latents are given exactly.

    The share of right choices between two is the area under the ROC curve (Green & Swets 1966, ch. 2). Keys of one
    face mostly share its fate, as face and decoy stay the same, so the interval is one over faces.
    """
    count = len(targets.sitters)
    if count < 2:
        return
    decoys = [
        with_face(sitter.portrait, sitter.face, targets.sitters[(i + 1) % count].portrait).pixels
        for i, sitter in enumerate(targets.sitters)
    ]
    true, false = (targets.latents(targets.views(pictures)) for pictures in (None, decoys))
    for scheme in SCHEMES:
        shares = [
            _share(original, decoy, mask, scheme, targets.taus)
            for original, decoy, mask in zip(true, false, targets.masks, strict=True)
        ]
        low, high = interval_over_shares(shares, _KEYS)
        yield AttackFigures(
            name=MATCHING,
            scheme=scheme,
            measure="AUC: which of two is the original",
            success=float(np.mean(shares)),
            low=low,
            high=high,
            chance=0.5,
            trials=count,
            note=f"faces, {_KEYS} keys for each",
        )


def _share(original: Array, decoy: Array, mask: NDArray[np.bool_], scheme: Scheme, taus: Taus) -> float:
    """How often the original is chosen, over keys."""
    layout = BandLayout.of(mask)
    hidden = [hide(original, mask, os.urandom(KEY_BYTES), scheme, taus)[0] for _ in range(_KEYS)]
    return float(np.mean([alike(layout, one, original) > alike(layout, one, decoy) for one in hidden]))


def alike(layout: BandLayout, hidden: Array, candidate: Array) -> float:
    """Correlation of the magnitudes in the basis that the signs are flipped in, mean over the bands' coefficients."""
    magnitudes = ([abs(band) for band in layout.split(latent)] for latent in (hidden, candidate))
    pairs = [(one, other) for one, other in zip(*magnitudes, strict=True) if len(one)]
    total = sum(len(one) for one, _ in pairs)
    return sum(len(one) * cosine(one - one.mean(), other - other.mean()) for one, other in pairs) / max(total, 1)
