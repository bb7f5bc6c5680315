"""Is this the original? Sign flips leave every magnitude of the latent, and give the answer; a rotation must not."""

from collections.abc import Iterator

import numpy as np

from service.core.bands import BandLayout
from service.evaluation.attacks.attack import AttackFigures, correlation
from service.evaluation.attacks.targets import SCHEMES, Targets
from service.evaluation.figures import Array, auc, auc_interval
from service.evaluation.scenes import with_face
from service.operations.picture import as_bytes


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """Through files: the true original against a decoy, another sitter's face in the same surroundings."""
    count = len(targets.sitters)
    if count < 2:
        return
    givers = [targets.sitters[(i + 1) % count].portrait for i in range(count)]
    decoys = [
        with_face(sitter.portrait, sitter.face, giver).pixels
        for sitter, giver in zip(targets.sitters, givers, strict=True)
    ]
    # Every other pair is shown to the adversary the other way round.
    first = np.arange(count) % 2 == 0
    layouts = [BandLayout.of(mask) for mask in targets.masks]
    for scheme in SCHEMES:
        pictures = [None, decoys, [as_bytes(made.picture.pixels) for made in targets.anonymized(scheme)]]
        true, false, shown = (targets.latents(targets.views(shown), scheme) for shown in pictures)
        apart = np.array(
            [
                alike(layout, hidden, original) - alike(layout, hidden, decoy)
                for layout, hidden, original, decoy in zip(layouts, shown, true, false, strict=True)
            ]
        )
        area = auc(np.where(first, apart, -apart), first)
        low, high = auc_interval(area, int(first.sum()), int((~first).sum()))
        yield AttackFigures(
            name="matching magnitudes",
            scheme=scheme,
            measure="AUC: which of two is the original",
            success=area,
            low=low,
            high=high,
            chance=0.5,
            trials=count,
        )


def alike(layout: BandLayout, hidden: Array, candidate: Array) -> float:
    """Correlation of the magnitudes in the basis that the signs are flipped in, mean over the bands' coefficients."""
    magnitudes = ([abs(band) for band in layout.split(latent)] for latent in (hidden, candidate))
    pairs = [(one, other) for one, other in zip(*magnitudes, strict=True) if len(one)]
    total = sum(len(one) for one, _ in pairs)
    return sum(len(one) * correlation(one - one.mean(), other - other.mean()) for one, other in pairs) / max(total, 1)
