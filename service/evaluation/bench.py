"""``visard bench``: many clients at once, what they wait for, and what batching and the solver are worth.

The clients call the operation in this process; what HTTP adds is not in it.
"""

import itertools
import resource
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.core.scheme import Plan
from service.core.solver import Progress
from service.core.transform import Norms
from service.engine import Engine, FaceTask
from service.evaluation.cost import CostFigures, measure_cost
from service.evaluation.figures import Figures
from service.evaluation.overtaking import OvertakingFigures, measure_overtaking
from service.evaluation.portraits import Pixels, make_portrait
from service.evaluation.studio import TENANT, Studio
from service.imaging import Picture, encode
from service.operations.anonymize import AnonymizeRequest, anonymize
from service.operations.parts import Parts

_ROUNDS = 3
_CROWD = 20
_WHOLE = "request"


class Latency(Figures):
    """How long one phase took, seconds.

    Attributes:
        count: how often it was gone through.
    """

    p50: float
    p95: float
    p99: float
    count: int

    @classmethod
    def over(cls, seconds: Sequence[float]) -> "Latency":
        """Percentiles of at least one value."""
        p50, p95, p99 = (float(value) for value in np.percentile(seconds, [50, 95, 99]))
        return cls(p50=p50, p95=p95, p99=p99, count=len(seconds))


class Throughput(Figures):
    """What all clients got done.

    Attributes:
        requests_per_second: photos anonymized.
        faces_per_second: in them.
        phases: by name; ``request`` is the whole.
        batches: how many evaluations of the network were for how many faces.
    """

    requests_per_second: float
    faces_per_second: float
    phases: dict[str, Latency]
    batches: dict[int, int]


class BenchReport(Figures):
    """Everything that was measured.

    Attributes:
        clients: at once, each with one request at a time.
        requests: in all, per way.
        mix: faces in the photos, taken in turn.
        batched: as the service works.
        alone: the same requests, every face by itself: ``solve`` is one face there. The engine's queue is not what they
            wait in, so that only the device and the whole are told.
        cost: of one face alone, beside 50 + 50 steps of explicit DDIM.
        overtaking: how long one face waits behind a photo of many.
        peak_bytes: the most memory this process has had.
    """

    clients: int
    requests: int
    mix: list[int]
    batched: Throughput
    alone: Throughput
    cost: CostFigures
    overtaking: OvertakingFigures
    peak_bytes: int

    @property
    def gain(self) -> float:
        """Faces per second, sharing evaluations to alone."""
        return self.batched.faces_per_second / self.alone.faces_per_second


@dataclass(frozen=True, slots=True)
class Load:
    """Who asks for what.

    Attributes:
        clients: at once.
        requests: in all.
        mix: faces in the photos, taken in turn.
    """

    clients: int
    requests: int
    mix: tuple[int, ...]


def run_bench(portrait: Pixels, load: Load, studio: Studio) -> BenchReport:
    """Measure both ways of the same work, one after the other.

    Args:
        portrait: (H, W, 3) with one face, of which all photos are made.

    Raises:
        VisardError: a photo could not be anonymized; NoFaces among others.
    """
    parts = studio.parts
    photos = [_row_of(portrait, faces) for faces in load.mix]
    one = make_portrait("bench", portrait, parts.detector, parts.bundles.default.manifest.numerics.resolution)
    if one is None:
        raise ValueError("the portrait shows no face")
    # Loads the network and warms the device, which no way should pay for.
    cost = measure_cost(one, studio, _ROUNDS)
    return BenchReport(
        clients=load.clients,
        requests=load.requests,
        mix=list(load.mix),
        batched=_measured(Engine, photos, load, parts),
        alone=_only(_measured(_OneByOne, photos, load, parts), ("solve", _WHOLE)),
        cost=cost,
        overtaking=measure_overtaking(one, _CROWD, studio),
        peak_bytes=_peak_bytes(),
    )


class _OneByOne(Engine):
    """Carries no two faces at once."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._turn = threading.Lock()

    def anonymize(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[tuple[Any, Norms]]:
        """One face after the other; nobody else's are in the queue meanwhile."""
        with self._turn:
            return [done for task in tasks for done in super(_OneByOne, self).anonymize(digest, plan, [task], progress)]


class _Stopwatch:
    """Hears what the operation and the engine tell; on any thread."""

    def __init__(self) -> None:
        self.phases: dict[str, list[float]] = {}
        self.batches: dict[int, int] = {}
        self._lock = threading.Lock()

    def spent(self, phase: str, seconds: float) -> None:
        with self._lock:
            self.phases.setdefault(phase, []).append(seconds)

    def evaluated(self, seconds: float, faces: int) -> None:
        with self._lock:
            self.batches[faces] = self.batches.get(faces, 0) + 1


def _measured(make: type[Engine], photos: Sequence[bytes], load: Load, parts: Parts) -> Throughput:
    watch = _Stopwatch()
    with closing(make(parts.bundles, load.clients, watch)) as engine, ThreadPoolExecutor(load.clients) as clients:
        mine = replace(parts, engine=engine, observer=watch)

        def ask(photo: bytes) -> int:
            began = time.perf_counter()
            done = anonymize(photo, AnonymizeRequest(tenant=TENANT), mine)
            watch.spent(_WHOLE, time.perf_counter() - began)
            return len(done.faces)

        began = time.perf_counter()
        faces = sum(clients.map(ask, itertools.islice(itertools.cycle(photos), load.requests)))
        seconds = time.perf_counter() - began
    return Throughput(
        requests_per_second=load.requests / seconds,
        faces_per_second=faces / seconds,
        phases={phase: Latency.over(times) for phase, times in watch.phases.items()},
        batches=dict(sorted(watch.batches.items())),
    )


def _only(done: Throughput, phases: Sequence[str]) -> Throughput:
    return done.model_copy(update={"phases": {phase: done.phases[phase] for phase in phases}})


def _row_of(portrait: Pixels, faces: int) -> bytes:
    pixels = np.ascontiguousarray(np.tile(portrait, (1, faces, 1)))
    return encode(Picture(pixels, None, "png"), format="png", record=None, metadata="strip")


def _peak_bytes() -> int:
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
