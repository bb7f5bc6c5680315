"""A device whose batches stop where a test wants them to, and faces to send through it."""

import threading
from dataclasses import dataclass, field

import torch
from torch import Tensor

from service.core.analytic import AnalyticDenoiser
from service.core.context import Context
from service.core.scheme import Plan
from service.engine import FaceTask

RESOLUTION = 16
DIGEST = b"d" * 32
PLAN = Plan("band-rotation", steps=3, evaluations=2, grid="square", t0=0.02, t1=0.995, taus=(0.95, 0.85, 0.75, 0.8))
PATIENCE_S = 20


class Broken(Exception):
    """What a batch with a poisoned face in it raises."""


@dataclass
class Networks:
    """One analytic network, gated: while ``gate`` is clear, a batch that has begun waits.

    Attributes:
        begun: a batch is on the device.
        evaluations: of the network, so far.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    evaluations: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    def denoiser(self, digest: bytes) -> "Networks":
        return self

    def __call__(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        self.evaluations += 1
        if float(t[0]) < 0.1 and not self.begun.is_set():
            self.begun.set()
            assert self.gate.wait(PATIENCE_S)
        if bool((context.landmarks > 1).any()):
            raise Broken
        return AnalyticDenoiser()(x, t, context)


def faces(count: int, seed: int = 0, poisoned: bool = False) -> list[FaceTask]:
    """Faces of noise, with a square mask."""
    generator = torch.Generator().manual_seed(seed)
    return [_face(generator, seed * 100 + i, poisoned) for i in range(count)]


def _face(generator: torch.Generator, number: int, poisoned: bool) -> FaceTask:
    generate = torch.zeros(1, 1, RESOLUTION, RESOLUTION, dtype=torch.bool)
    generate[..., 4:12, 4:12] = True
    pixels = torch.rand(1, 3, RESOLUTION, RESOLUTION, generator=generator, dtype=torch.float64) * 2 - 1
    landmarks = torch.full((1, 1, RESOLUTION, RESOLUTION), 2.0 if poisoned else 0.0)
    context = Context((pixels * ~generate).float(), generate, ~generate, landmarks)
    return FaceTask(pixels, context, number.to_bytes(32, "big"))
