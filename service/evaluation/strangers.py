"""A wrong key shows a stranger: no nearer to the original than two strangers are to each other."""

from collections.abc import Iterable

import numpy as np

from service.evaluation.fidelity import Returned, face_psnrs
from service.evaluation.figures import Figures, Rate, Spread
from service.evaluation.studio import Studio


class StrangerFigures(Figures):
    """PSNR inside the mask, dB, each over the same faces.

    Attributes:
        wrong_key: recovered with one bit of the key different, against the original.
        strangers: two made from one photo with different nonces, against each other.
        stranger_to_original: one of them against the original.
        difference: median of ``wrong_key`` minus ``strangers``, face by face.
        interval: 95 % bootstrap interval of ``difference``.
        nearer: faces where the wrong key comes nearer than the strangers do.
    """

    wrong_key: Spread
    strangers: Spread
    stranger_to_original: Spread
    difference: float | None
    interval: tuple[float, float] | None
    nearer: Rate


def measure_strangers(returned: Iterable[Returned], studio: Studio, seed: int) -> StrangerFigures:
    """Recover each with a wrong key, and anonymize it once more."""
    wrong: list[float] = []
    between: list[float] = []
    to_original: list[float] = []
    for one in returned:
        wrong += face_psnrs(one.made, studio.wrong_key(one.made), one.original)
        again = studio.anonymize(one.file, one.original, format="png")
        between += face_psnrs(one.made, one.made.picture, again.picture)
        to_original += face_psnrs(one.made, one.made.picture, one.original)
    paired = np.array(wrong) - np.array(between)
    return StrangerFigures(
        wrong_key=Spread.over(wrong),
        strangers=Spread.over(between),
        stranger_to_original=Spread.over(to_original),
        difference=float(np.median(paired)) if len(paired) else None,
        interval=_bootstrap(paired, seed) if len(paired) else None,
        nearer=Rate.counted(bool(gap > 0) for gap in paired),
    )


def _bootstrap(paired: np.ndarray, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    medians = np.median(rng.choice(paired, (2000, len(paired))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)
