"""What the device carries at once, and in which direction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from service.core import scheme
from service.core.context import Context, Denoiser
from service.core.scheme import Plan
from service.core.solver import Progress
from service.core.transform import Norms

MAX_BATCH = 8
"""Faces per batch; results depend on it within float tolerance only."""


@dataclass(frozen=True, slots=True)
class FaceTask:
    """One face to be carried to a stranger or back.

    Attributes:
        pixels: (1, 3, R, R) float64 in [-1, 1].
        context: of one face.
        key: 32-byte latent key.
        norms: what ``recover`` needs; ignored by ``anonymize``.
    """

    pixels: Tensor
    context: Context
    key: bytes
    norms: Norms = (0.0, 0.0, 0.0, 0.0)

    def __repr__(self) -> str:
        return "FaceTask(***)"


@dataclass(frozen=True, slots=True)
class Batch:
    """Faces side by side on the device; see ``core.scheme`` for the shapes."""

    pixels: Tensor
    context: Context
    keys: list[bytes]
    norms: list[Norms]

    @classmethod
    def of(cls, tasks: Sequence[FaceTask], device: torch.device) -> Self:
        """Stack tasks and move them to ``device``."""
        return cls(
            torch.cat([task.pixels for task in tasks]).to(device),
            Context.stack([task.context for task in tasks]).to(device),
            [task.key for task in tasks],
            [task.norms for task in tasks],
        )


Solve = Callable[[Denoiser, Batch, Plan, Progress], list[Any]]
"""One of the two below."""


def to_strangers(denoiser: Denoiser, batch: Batch, plan: Plan, progress: Progress) -> list[Any]:
    """Strangers and norms, one pair per face."""
    x, norms = scheme.anonymize(denoiser, batch.pixels, batch.context, batch.keys, plan, progress)
    return list(zip(x.cpu(), norms, strict=True))


def to_originals(denoiser: Denoiser, batch: Batch, plan: Plan, progress: Progress) -> list[Any]:
    """The faces before, one per face."""
    return list(scheme.recover(denoiser, batch.pixels, batch.context, batch.keys, batch.norms, plan, progress).cpu())
