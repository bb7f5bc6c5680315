"""A crew for batches: worker processes all over the cluster, each with an engine and threads of its own.

Not Ray Data: it repeats a lost task by itself, with the keys it was given, and keys are good for one try. Here a task
runs at most once; who gives out the keys tries again.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from service.batch.patience import patiently
from service.batch.storage import Folder
from service.batch.work import Job, Lost, Outcome, carry_out
from service.cluster.node import require_safe, settle
from service.engine import Engine
from service.errors import EngineUnavailable, VisardError
from service.faces.detection import CenterFaceDetector, Detector
from service.imaging import Limits
from service.operations.anonymize import AnonymizeRequest
from service.operations.phases import NOBODY, Observer
from service.weights.bundles import Bundles

_PATIENCE_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What every worker is told once.

    Attributes:
        source: path or URL of the photos, as the nodes reach it.
        weights: as in ``VISARD_WEIGHTS``, on every node.
        bundles: digests of what has to be found there; see ``drawing``.
        device: with ``cuda`` each worker takes a GPU, otherwise a processor.
        threads: images at a time in each worker.
        guarded: whether the cluster has to ask for a token.
    """

    source: str
    request: AnonymizeRequest
    weights: Path | None
    bundles: tuple[bytes, ...]
    device: str
    limits: Limits
    max_faces: int | None
    threads: int
    guarded: bool


def drawing(bundles: Bundles) -> tuple[bytes, ...]:
    """The digests of the weights that draw new images."""
    return tuple(bundle.digest for bundle in (bundles.default, bundles.small) if bundle is not None)


@dataclass(frozen=True, slots=True)
class _Studio:
    detector: Detector
    bundles: Bundles
    engine: Engine
    limits: Limits
    max_faces: int | None
    observer: Observer = NOBODY


class Worker:
    """One process: it has what it takes to draw, and keys for the image at hand only."""

    def __init__(self, order: Order) -> None:
        self._order = order

    def prepare(self) -> str | None:
        """Get ready; returns why it cannot work here, or None. An exception would leave its text in Ray's logs."""
        order = self._order
        try:
            settle(order.guarded)
            self._source = Folder.open(order.source)
            patiently(self._source.require_there)
            bundles = Bundles.open(order.weights, order.device)
            if drawing(bundles) != order.bundles:
                return "a node has other weights than the one who gives out the work: VISARD_WEIGHTS, or the version"
            for digest in order.bundles:
                bundles.denoiser(digest)
            detector = CenterFaceDetector()
        except VisardError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001
            return f"no worker can be prepared ({type(error).__name__})"
        self._studio = _Studio(detector, bundles, Engine(bundles), order.limits, order.max_faces)
        return None

    def carry_out(self, job: Job) -> Outcome:
        """See ``batch.work``."""
        return carry_out(job, self._source, self._order.request, self._studio)


class RayCrew:
    """Workers on the cluster this process is connected to.

    Ray starts a worker once there is room for it, which may be never: who is not prepared gets nothing to do.
    """

    def __init__(self, order: Order, workers: int | None) -> None:
        """Start the workers.

        Args:
            workers: processes; one for each GPU or processor that is free now if None.

        Raises:
            EngineUnavailable: a node is not safe.
        """
        require_safe(order.guarded)
        self._resource = "CPU" if order.device == "cpu" else "GPU"
        needs = {"num_cpus": 1} if self._resource == "CPU" else {"num_cpus": 1, "num_gpus": 1}
        self._order = order
        # A process that died is replaced here, not by Ray: its calls must not be repeated, nor new ones fail for it.
        self._kind = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=order.threads, **needs)(Worker)
        self._preparing: dict[Any, Any] = {}
        self._ready: list[Any] = []
        self._trouble = "no worker starts: see the logs of Ray"
        for _ in range(workers or max(1, int(ray.available_resources().get(self._resource, 0)))):
            self._start()

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        """See ``Crew``.

        Raises:
            EngineUnavailable: there is something to do, and no worker.
        """
        waiting: list[Job] = []
        running: dict[Any, tuple[Any, Job]] = {}
        while True:
            # One is asked for while there is no worker: with nothing to do, none is waited for.
            window = at_once or max(1, len(self._ready) * (self._order.threads + 1))
            waiting += islice(jobs, max(0, window - len(waiting) - len(running)))
            if not waiting and not running:
                return
            while waiting and self._ready:
                job, worker = waiting.pop(), self._least_busy(running)
                running[worker.carry_out.remote(job)] = (worker, job)
            done = self._next(running)
            if done in running:
                worker, job = running.pop(done)
                yield job, self._result(done, worker)
            else:
                self._admit(done)

    def _start(self) -> None:
        worker = self._kind.remote(self._order)
        self._preparing[worker.prepare.remote()] = worker

    def _admit(self, prepared: Any) -> None:
        worker = self._preparing.pop(prepared)
        try:
            trouble = ray.get(prepared)
        except RayError:
            return
        if trouble is None:
            self._ready.append(worker)
        else:
            self._trouble = trouble

    def _next(self, running: dict[Any, tuple[Any, Job]]) -> Any:
        """The next call that is over; what runs has no limit, what has to start has one."""
        # In this order: many results must not keep a new worker out.
        calls = [*self._preparing, *running]
        if not calls:
            raise EngineUnavailable(self._trouble)
        done, _ = ray.wait(calls, timeout=None if running else _PATIENCE_S)
        if not done:
            raise EngineUnavailable(
                f"no worker started within {_PATIENCE_S} s: is a {self._resource} free in the cluster?"
            )
        return done[0]

    def _least_busy(self, running: dict[Any, tuple[Any, Job]]) -> Any:
        busy = Counter(worker for worker, _ in running.values())
        return min(self._ready, key=lambda worker: busy[worker])

    def _result(self, reference: Any, worker: Any) -> Outcome:
        try:
            outcome: Outcome = ray.get(reference)
        except RayActorError:
            # Several calls of one process end together: it is replaced once.
            if worker in self._ready:
                self._ready.remove(worker)
                self._start()
            return Lost()
        except RayError:
            return Lost()
        return outcome
