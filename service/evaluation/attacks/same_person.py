"""Two anonymized photos of one person, same tenant: can they be told from those of two people?"""

from collections.abc import Iterator, Sequence

import numpy as np

from service.evaluation.attacks.attack import AttackFigures
from service.evaluation.attacks.targets import SCHEMES, Targets, anonymized
from service.evaluation.figures import Array, auc, auc_interval
from service.evaluation.sitters import Sitter
from service.evaluation.verification import distances
from service.operations.picture import as_bytes


def attack(targets: Targets) -> Iterator[AttackFigures]:
    """Every first photo against every second one, surroundings blanked; chance is an AUC of one half."""
    both = [(one, other) for one, other in zip(targets.sitters, targets.others, strict=True) if other is not None]
    if len(both) < 2:
        return
    ones, others = [one for one, _ in both], [other for _, other in both]
    originals = _linked(_embedded(targets, ones, None), _embedded(targets, others, None))
    for scheme in SCHEMES:
        shown = [
            [as_bytes(made.picture.pixels) for made in anonymized(some, targets.studio, scheme)]
            for some in (ones, others)
        ]
        area = _linked(_embedded(targets, ones, shown[0]), _embedded(targets, others, shown[1]))
        low, high = auc_interval(area, len(both), len(both) * (len(both) - 1))
        yield AttackFigures(
            name="two photos of one person",
            scheme=scheme,
            measure="AUC: same person or not, surroundings blanked",
            success=area,
            low=low,
            high=high,
            chance=0.5,
            trials=len(both),
            note=f"originals: {originals:.3f}",
        )


def _embedded(targets: Targets, sitters: Sequence[Sitter], pictures: Sequence[np.ndarray] | None) -> Array:
    shown = pictures if pictures is not None else [sitter.pixels for sitter in sitters]
    return np.array([targets.blank(sitter, pixels) for sitter, pixels in zip(sitters, shown, strict=True)])


def _linked(ones: Array, others: Array) -> float:
    scores = -distances(ones, others)
    return auc(scores.ravel(), np.eye(len(ones), dtype=np.bool_).ravel())
