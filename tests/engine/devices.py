"""A network that says who was in every evaluation, and in which a test may let things happen; and faces for it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from service.core.context import Context, Denoiser
from service.core.scheme import Plan
from service.engine import FaceTask
from tests.closed_form import AnalyticDenoiser

RESOLUTION = 16
DIGEST, OTHER = b"d" * 32, b"e" * 32
PLAN = Plan("band-rotation", steps=3, evaluations=2, grid="square", t0=0.02, t1=0.995, taus=(0.95, 0.85, 0.75, 0.8))
EVALUATIONS = 2 * (PLAN.steps * PLAN.evaluations + 1)
"""That a face takes with this plan."""
PATIENCE_S = 20


class Broken(Exception):
    """What an evaluation with a poisoned face in it raises."""


@dataclass
class Networks:
    """Analytic networks, gated: while ``gate`` is clear, an evaluation that has begun waits.

    Attributes:
        begun: an evaluation is on the device.
        seen: of every evaluation, the digest and the numbers of the faces.
        during: called in every evaluation, with how many there were before.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    seen: list[tuple[bytes, list[int]]] = field(default_factory=list)
    during: Callable[[int], None] = lambda _: None

    def __post_init__(self) -> None:
        self.gate.set()

    def denoiser(self, digest: bytes) -> Denoiser:
        def network(x: Tensor, t: Tensor, context: Context) -> Tensor:
            before = len(self.seen)
            self.seen.append((digest, [int(number) for number in context.landmarks[:, 0, 0, 0]]))
            self.during(before)
            self.begun.set()
            assert self.gate.wait(PATIENCE_S)
            if bool((context.landmarks[:, 0, 0, 1] > 0).any()):
                raise Broken
            return AnalyticDenoiser()(x, t, context)

        return network

    @property
    def faces(self) -> list[list[int]]:
        """The numbers alone."""
        return [numbers for _, numbers in self.seen]

    @property
    def sizes(self) -> list[int]:
        """How many faces there were in every evaluation."""
        return [len(numbers) for numbers in self.faces]


def faces(count: int, seed: int = 0, poisoned: bool = False) -> list[FaceTask]:
    """Faces of noise, with a square mask; their numbers are 100 ``seed`` and the next ones."""
    generator = torch.Generator().manual_seed(seed)
    return [_face(generator, seed * 100 + i, poisoned) for i in range(count)]


def _face(generator: torch.Generator, number: int, poisoned: bool) -> FaceTask:
    generate = torch.zeros(1, 1, RESOLUTION, RESOLUTION, dtype=torch.bool)
    generate[..., 4:12, 4:12] = True
    pixels = torch.rand(1, 3, RESOLUTION, RESOLUTION, generator=generator, dtype=torch.float64) * 2 - 1
    landmarks = torch.zeros(1, 1, RESOLUTION, RESOLUTION)
    landmarks[..., 0, 0], landmarks[..., 0, 1] = number, poisoned
    context = Context((pixels * ~generate).float(), generate, ~generate, landmarks)
    return FaceTask(pixels, context, number.to_bytes(32, "big"))
