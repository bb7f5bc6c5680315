"""What every attack reports."""

from collections.abc import Iterable, Sequence

import numpy as np

from service.core.transform import Scheme
from service.evaluation.figures import Z95, Array, Figures
from service.evaluation.verification import BoundedRate


class AttackFigures(Figures):
    """One attack on one scheme.

    Attributes:
        name: of the attack.
        scheme: attacked.
        measure: what ``success`` and ``chance`` are.
        success: of the attack.
        low, high: 95 % interval of ``success``.
        chance: what one reaches without it.
        trials: behind ``success``.
        note: what else to know.
    """

    name: str
    scheme: str
    measure: str
    success: float
    low: float
    high: float
    chance: float
    trials: int
    note: str = ""

    def __str__(self) -> str:
        found = f"{self.success:.3f} (95 %: {self.low:.3f} to {self.high:.3f}"
        return f"{found}; chance {self.chance:.3f}; n = {self.trials})"


REVEALED = "faces recognized as the original, surroundings blanked"
COSINE = "cosine with the original latent, mean"


def revealed(name: str, scheme: Scheme | str, hits: Iterable[bool], chance: float, note: str = "") -> AttackFigures:
    """An attack that shows faces."""
    return counted(name, scheme, REVEALED, hits, chance, note)


def counted(
    name: str, scheme: Scheme | str, measure: str, hits: Iterable[bool], chance: float = 0.0, note: str = ""
) -> AttackFigures:
    """An attack that succeeds or not, several times."""
    rate = BoundedRate.counted(hits)
    return AttackFigures(
        name=name,
        scheme=scheme,
        measure=measure,
        success=rate.hits / max(rate.of, 1),
        low=rate.low,
        high=rate.high,
        chance=chance,
        trials=rate.of,
        note=note,
    )


def cosines(name: str, scheme: Scheme | str, values: Sequence[float], chance: float, note: str = "") -> AttackFigures:
    """An attack that guesses latents."""
    found = np.array(values)
    half = Z95 * float(found.std(ddof=1)) / np.sqrt(len(found)) if len(found) > 1 else 1.0
    mean = float(found.mean()) if len(found) else 0.0
    return AttackFigures(
        name=name,
        scheme=scheme,
        measure=COSINE,
        success=mean,
        low=mean - half,
        high=mean + half,
        chance=chance,
        trials=len(found),
        note=note,
    )


def cosine(one: Array, other: Array) -> float:
    """Cosine of two arrays; 0 when one is silent."""
    scale = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / scale if scale else 0.0
