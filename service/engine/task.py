"""What the device does for one face."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from service.core import scheme
from service.core.context import Context, moved
from service.core.scheme import Plan
from service.core.solver import Walk
from service.core.transform import Norms


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

    def to(self, device: torch.device) -> Self:
        """The same face on ``device``."""
        return type(self)(moved(self.pixels, device), self.context.to(device), self.key, self.norms)


Solve = Callable[[FaceTask, Plan], Walk[Any]]
"""One of the two below."""


def to_stranger(task: FaceTask, plan: Plan) -> Walk[tuple[Tensor, Norms]]:
    """Walk to a stranger, (3, R, R), and its norms."""
    x, norms = yield from scheme.to_strangers(task.pixels, task.context.generate, [task.key], plan)
    return x[0].cpu(), norms[0]


def to_original(task: FaceTask, plan: Plan) -> Walk[tuple[Tensor, float]]:
    """Walk back to the face before, (3, R, R), and how far the latent had strayed."""
    x, strayed = yield from scheme.to_originals(task.pixels, task.context.generate, [task.key], [task.norms], plan)
    return x[0].cpu(), strayed[0]
