"""Choosing a bundle's numbers by measuring them on training faces."""

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from service.core.context import Context, Denoiser
from service.core.schedule import GridKind
from service.core.scheme import Plan, anonymize, recover
from service.core.transform import Taus

_CANDIDATES: tuple[tuple[int, int, GridKind], ...] = (
    (8, 3, "late"),
    (8, 4, "square"),
    (8, 4, "late"),
    (12, 3, "late"),
    (12, 4, "square"),
    (12, 4, "late"),
)
"""N, K and grid, cheapest first; all within 49 network evaluations."""
_ENOUGH_DB = 80.0
"""Round trip without a file, worst of a few faces. An eight-bit level is 42 dB and rounding forgives half of it; the
largest of thousands of errors is some five times their mean; and unseen faces can be 10 dB worse than the few."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One candidate.

    Attributes:
        plan: what was measured.
        exact_db: PSNR of the round trip without a file, one value per face.
        byte_db: the same through pixels rounded to 8 bits, excess kept.
    """

    plan: Plan
    exact_db: Tensor
    byte_db: Tensor

    def summary(self) -> dict[str, float | int | str]:
        """Numbers for the bundle's metrics."""
        return {
            "steps": self.plan.steps,
            "evaluations": self.plan.evaluations,
            "grid": self.plan.grid,
            "median_db": round(self.exact_db.median().item(), 1),
            "worst_db": round(self.exact_db.min().item(), 1),
            "byte_median_db": round(self.byte_db.median().item(), 1),
            "byte_worst_db": round(self.byte_db.min().item(), 1),
        }


def sweep(denoiser: Denoiser, pixels: Tensor, context: Context, *, t0: float, t1: float, taus: Taus) -> list[Measured]:
    """Measure every candidate on the same faces.

    Args:
        pixels: (B, 3, R, R) float64 in [-1, 1], of 8-bit levels.
    """
    keys = [bytes([i]) * 32 for i in range(len(pixels))]
    measured = []
    for steps, evaluations, grid in tqdm(_CANDIDATES, desc="measuring solvers", unit="plan"):
        plan = Plan("band-rotation", steps, evaluations, grid, t0, t1, taus)
        made, norms = anonymize(denoiser, pixels, context, keys, plan)
        exact, _ = recover(denoiser, made, context, keys, norms, plan)
        rounded, _ = recover(denoiser, _as_bytes(made), context, keys, norms, plan)
        measured.append(Measured(plan, _psnr(exact, pixels, context), _psnr(rounded, pixels, context)))
    return measured


def choose(measured: list[Measured]) -> Plan:
    """The cheapest plan whose worst face is recovered well enough; the best one if none is."""
    for candidate in measured:
        if candidate.exact_db.min() >= _ENOUGH_DB:
            return candidate.plan
    return max(measured, key=lambda candidate: candidate.exact_db.min().item()).plan


def _as_bytes(x: Tensor) -> Tensor:
    inside = x.clamp(-1, 1)
    return torch.round((inside + 1) * 127.5) / 127.5 - 1 + (x - inside)


def _psnr(a: Tensor, b: Tensor, context: Context) -> Tensor:
    error = (((a - b) * context.generate) ** 2).sum(dim=(1, 2, 3)) / (3 * context.generate.sum(dim=(1, 2, 3)))
    return 10 * torch.log10(4 / error)
