"""What every attack reports."""

from service.evaluation.figures import Figures


class AttackFigures(Figures):
    """One attack on one scheme.

    Attributes:
        name: of the attack.
        scheme: attacked.
        measure: what ``success`` and ``chance`` are, in words with the unit.
        success: of the attack.
        low, high: 95 % interval of ``success``.
        chance: what one reaches without it.
        trials: faces, or tries.
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
        return (
            f"{self.success:.3f} (95 %: {self.low:.3f} to {self.high:.3f}; chance {self.chance:.3f}; n = {self.trials})"
        )
