"""``visard evaluate speed``: faces per second of a device, and what precision, N and K cost in recovery."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from service.core.context import Context, Denoiser
from service.core.keystream import KEY_BYTES
from service.core.scheme import Plan, anonymize, model_to_levels, recover
from service.evaluation.figures import Figures, Spread, psnr
from service.evaluation.graphs import Graphed
from service.evaluation.portraits import Portrait, task
from service.operations.custody import plan_for
from service.weights.bundles import Bundles

_SIZES = (1, 2, 4, 8, 16, 32, 64)
_PLANS = tuple((steps, evaluations) for steps in (4, 6, 8, 12) for evaluations in (2, 3, 4))
_MATRIX = 8192
_SECONDS = 0.5
"""How long a timing is repeated at least."""


class Pace(Figures):
    """Faces per second at one batch size, in full float32; anonymizing, both directions of the solver.

    Attributes:
        batch: faces side by side.
        faces_per_second: eagerly.
        graphed: the same with CUDA graphs; None without CUDA.
        share: of the device's measured float32 matrix rate, eagerly.
    """

    batch: int
    faces_per_second: float
    graphed: float | None
    share: float


class Precision(Figures):
    """Recovery of faces written as 8-bit pixels, made and recovered at some precision.

    Attributes:
        made, recovered: how the network ran.
        eight_bit: PSNR inside the mask through 8-bit pixels, dB.
        unrounded: the same without a file.
        faces_per_second: of the recovery; None where it crosses between devices.
    """

    made: str
    recovered: str
    eight_bit: Spread
    unrounded: Spread
    faces_per_second: float | None


class Sweep(Figures):
    """Recovery at some N and K; through 8-bit pixels, and without a file."""

    steps: int
    evaluations: int
    eight_bit: Spread
    unrounded: Spread


class SpeedReport(Figures):
    """Everything that was measured.

    Attributes:
        device: its name.
        matrix: TFLOP/s of a large matrix product, by precision.
        gflop: of one network evaluation of one face.
        paces, precisions, sweeps: the tables.
    """

    device: str
    matrix: dict[str, float]
    gflop: float
    paces: list[Pace]
    precisions: list[Precision]
    sweeps: list[Sweep]


def measure_speed(portraits: Sequence[Portrait], bundles: Bundles) -> SpeedReport:
    """Measure the default bundle on its device, on the main faces of portraits."""
    stage = _Stage.of(portraits, bundles)
    matrix = _matrix_rates(stage.device)
    gflop = stage.gflop()
    return SpeedReport(
        device=torch.cuda.get_device_name() if stage.device.type == "cuda" else "cpu",
        matrix=matrix,
        gflop=gflop,
        paces=[stage.pace(size, gflop / 1e3 / matrix["float32"]) for size in _SIZES],
        precisions=list(_precisions(stage, bundles)),
        sweeps=[stage.sweep(steps, evaluations) for steps, evaluations in _PLANS],
    )


@dataclass(frozen=True, slots=True)
class _Faces:
    """Side by side on a device; see ``core.scheme`` for the shapes."""

    pixels: Tensor
    context: Context
    keys: list[bytes]

    def repeated(self, size: int) -> "_Faces":
        """These over and over, ``size`` of them."""
        times = -(-size // len(self.keys))
        context = Context.stack([self.context] * times).select(slice(size))
        return _Faces(self.pixels.repeat(times, 1, 1, 1)[:size], context, (self.keys * times)[:size])


@dataclass(frozen=True, slots=True)
class _Stage:
    """Faces on a device, and a network for them."""

    portraits: Sequence[Portrait]
    faces: _Faces
    denoiser: Denoiser
    plan: Plan
    device: torch.device

    @classmethod
    def of(cls, portraits: Sequence[Portrait], bundles: Bundles) -> "_Stage":
        chosen = [Portrait(p.name, p.pixels, (p.faces[p.main],)) for p in portraits]
        tasks = [task(portrait.views()[0], os.urandom(KEY_BYTES)) for portrait in chosen]
        bundle = bundles.default
        plan = plan_for(bundle.manifest.numerics, "band-rotation", lossy=False)
        denoiser = bundles.denoiser(bundle.digest)
        pixels = torch.cat([one.pixels for one in tasks]).to(bundles.device)
        context = Context.stack([one.context for one in tasks]).to(bundles.device)
        return cls(chosen, _Faces(pixels, context, [one.key for one in tasks]), denoiser, plan, bundles.device)

    def gflop(self) -> float:
        one = self.faces.repeated(1)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.denoiser(one.pixels, torch.full((1,), 0.5, device=self.device), one.context)
        return float(counter.get_total_flops()) / 1e9

    def pace(self, size: int, eval_seconds: float) -> Pace:
        faces = self.faces.repeated(size)
        eager = _per_second(lambda: self._make(faces, self.denoiser)) * size
        graphed = None
        if self.device.type == "cuda":
            network = Graphed(self.denoiser, faces.context)
            graphed = _per_second(lambda: self._make(faces, network)) * size
        evaluations = 2 * (self.plan.steps * self.plan.evaluations + 1)
        return Pace(batch=size, faces_per_second=eager, graphed=graphed, share=eager * evaluations * eval_seconds)

    def recovery(
        self, made_by: Denoiser, back_by: Denoiser, plan: Plan, *, timed: bool = False
    ) -> tuple[Spread, Spread, float | None]:
        """PSNR through 8-bit pixels and without a file, and faces per second of the way back."""
        faces = self.faces
        made, norms = anonymize(made_by, faces.pixels, faces.context, faces.keys, plan)
        filed = []
        for portrait, x in zip(self.portraits, made.cpu(), strict=True):
            pixels, beyond = portrait.drawn([x])
            filed.append(task(portrait.views(pixels)[0], bytes(KEY_BYTES), beyond=beyond[0]).pixels)
        through = torch.cat(filed).to(self.device)

        def back(pixels: Tensor) -> Tensor:
            return recover(back_by, pixels, faces.context, faces.keys, norms, plan)[0].cpu()

        rate = _per_second(lambda: back(through)) * len(self.portraits) if timed else None
        return self._spread(back(through)), self._spread(back(made)), rate

    def sweep(self, steps: int, evaluations: int) -> Sweep:
        plan = replace(self.plan, steps=steps, evaluations=evaluations)
        eight_bit, unrounded, _ = self.recovery(self.denoiser, self.denoiser, plan)
        return Sweep(steps=steps, evaluations=evaluations, eight_bit=eight_bit, unrounded=unrounded)

    def _spread(self, back: Tensor) -> Spread:
        values = []
        for portrait, x in zip(self.portraits, back, strict=True):
            view = portrait.views()[0]
            inside = view.inside.counts > 0
            values.append(psnr(model_to_levels(x, view.top)[inside], view.inside.values[inside]))
        return Spread.over(values)

    def _make(self, faces: _Faces, denoiser: Denoiser) -> None:
        anonymize(denoiser, faces.pixels, faces.context, faces.keys, self.plan)[0].cpu()


def _precisions(stage: _Stage, bundles: Bundles) -> Iterator[Precision]:
    """The same network on both sides, and changed on the side that recovers only."""
    host = "float32 on the CPU"
    networks: dict[str, Denoiser] = {name: _at(name, stage.denoiser) for name in ("float32", "tf32", "bfloat16")}
    if stage.device.type == "cuda":
        networks[host] = _moved(Bundles(bundles.default).denoiser(bundles.default.digest), stage.device)
    pairs = [(name, name) for name in networks if name != host]
    pairs += [("float32", name) for name in networks if name != "float32"]
    for made, recovered in pairs:
        eight_bit, unrounded, rate = stage.recovery(
            networks[made], networks[recovered], stage.plan, timed=recovered != host
        )
        yield Precision(made=made, recovered=recovered, eight_bit=eight_bit, unrounded=unrounded, faces_per_second=rate)


def _at(precision: str, denoiser: Denoiser) -> Denoiser:
    def network(x: Tensor, t: Tensor, context: Context) -> Tensor:
        with (
            _tf32(precision == "tf32"),
            torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            return denoiser(x, t, context)

    return network


def _moved(denoiser: Denoiser, device: torch.device) -> Denoiser:
    host = torch.device("cpu")
    return lambda x, t, context: denoiser(x.to(host), t.to(host), context.to(host)).to(device)


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def _matrix_rates(device: torch.device) -> dict[str, float]:
    """TFLOP/s of a square product of random numbers."""
    size = _MATRIX if device.type == "cuda" else _MATRIX // 8
    rates = {}
    for name, dtype in (("float32", torch.float32), ("tf32", torch.float32), ("bfloat16", torch.bfloat16)):
        factor = torch.randn(size, size, device=device, dtype=dtype)
        with _tf32(name == "tf32"):
            rates[name] = _per_second(lambda f=factor: (f @ f)[0, 0].item()) * 2 * size**3 / 1e12  # type: ignore[misc]
    return rates


def _per_second(work: Callable[[], object]) -> float:
    """How often ``work``, which must end synchronized, is done in a second; once for warmth before."""
    work()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < _SECONDS:
        work()
        done += 1
    return done / (time.perf_counter() - started)
