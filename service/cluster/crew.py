"""A crew for batches: worker processes all over the cluster, each with an engine and threads of its own.

A task runs at most once, as keys are good for one try; who gives out the keys tries again.

Not Ray Data. A photo whose worker died is a block with an error there, which does not say what photo it was. Each would
be a block of one row, and all paths a table before the first of them; that takes pandas and pyarrow (70 MB) on every
node. Nor would less be left here: rounds with fresh keys, and one photo by itself in the last, are nothing it has.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from service.batch.patience import patiently
from service.batch.storage import Folder
from service.batch.work import Job, Lost, Outcome, Supply, carry_out
from service.cluster.node import require_safe, settle
from service.engine import Engine
from service.errors import EngineUnavailable, VisardError
from service.faces.detection import CenterFaceDetector, Detector
from service.imaging import Limits
from service.operations.anonymize import AnonymizeRequest, Drawn
from service.operations.phases import NOBODY, Observer
from service.weights.bundles import Bundles

_PATIENCE_S = 300
_ANSWER_S = 30
_STARTS = 3
"""Workers in one place that did nothing, one after the other, before it stays empty."""
_STOPPED = "its worker was stopped because of another image"


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
        engine = Engine(bundles, queue_limit=order.threads)
        self._studio = _Studio(detector, bundles, engine, order.limits, order.max_faces)
        return None

    def answer(self) -> None:
        """Shows that there is somebody."""

    def carry_out(self, job: Job) -> Outcome:
        """See ``batch.work``."""
        return carry_out(job, self._source, self._order.request, self._studio)


@dataclass(frozen=True, slots=True)
class _Call:
    worker: Any
    job: Job
    since: float


class RayCrew:
    """Workers on the cluster this process is connected to.

    Ray starts a worker once there is room for it, which may be never: who is not prepared gets nothing to do.
    """

    def __init__(self, order: Order, workers: int | None, deadline_s: float) -> None:
        """Start the workers.

        Args:
            workers: processes; one for each GPU or processor that is free now if None.
            deadline_s: for one image, from when a worker gets it.

        Raises:
            EngineUnavailable: a node is not safe.
        """
        require_safe(order.guarded)
        self._resource = "CPU" if order.device == "cpu" else "GPU"
        needs = {"num_cpus": 1} if self._resource == "CPU" else {"num_cpus": 1, "num_gpus": 1}
        self._order = order
        self._deadline_s = deadline_s
        # A process that died is replaced here, not by Ray: its calls must not be repeated, nor new ones fail for it.
        self._kind = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=order.threads, **needs)(Worker)
        self._preparing: dict[Any, Any] = {}
        self._ready: list[Any] = []
        # How many before it, in its place, did nothing.
        self._useless: dict[Any, int] = {}
        self._dismissed: set[Any] = set()
        self._trouble = "no worker starts: see the logs of Ray"
        for _ in range(workers or max(1, int(ray.available_resources().get(self._resource, 0)))):
            self._start()

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        """See ``Crew``.

        Raises:
            EngineUnavailable: there is something to do, and no worker.
        """
        supply = Supply(jobs)
        waiting: list[Job] = []
        running: dict[Any, _Call] = {}
        while True:
            # One is asked for while there is no worker: with nothing to do, none is waited for.
            window = at_once or max(1, len(self._ready) * self._order.threads)
            waiting += supply.take(window - len(waiting) - len(running))
            if not waiting and not running:
                supply.end()
                return
            while waiting and (worker := self._least_busy(running)) is not None:
                job = waiting.pop()
                running[worker.carry_out.remote(job)] = _Call(worker, job, time.monotonic())
            done = self._next(running)
            if done is None:
                yield from self._stopped(running)
            elif done in running:
                call = running.pop(done)
                yield call.job, self._result(done, call.worker)
            else:
                self._admit(done)

    def _start(self, useless: int = 0) -> None:
        worker = self._kind.remote(self._order)
        self._useless[worker] = useless
        self._preparing[worker.prepare.remote()] = worker

    def _admit(self, prepared: Any) -> None:
        worker = self._preparing.pop(prepared)
        try:
            trouble = ray.get(prepared)
        except RayError:
            trouble = "a worker died while it got ready: see the logs of Ray"
        if trouble is None:
            self._ready.append(worker)
        else:
            self._replace(worker, trouble)

    def _replace(self, worker: Any, trouble: str | None = None) -> None:
        """Stop a worker and start another one; where one after the other does nothing, the place stays empty.

        Args:
            trouble: why it can do nothing; None if it could.
        """
        if worker in self._ready:
            self._ready.remove(worker)
        ray.kill(worker)
        useless = self._useless.pop(worker)
        if trouble is not None:
            self._trouble, useless = trouble, useless + 1
        if useless < _STARTS:
            self._start(useless)

    def _next(self, running: dict[Any, _Call]) -> Any:
        """The next call that is over; None if one that runs has had its time."""
        # In this order: many results must not keep a new worker out.
        calls = [*self._preparing, *running]
        if not calls:
            raise EngineUnavailable(self._trouble)
        if running:
            # The first one is the oldest.
            oldest = next(iter(running.values())).since
            patience_s = max(0.0, oldest + self._deadline_s - time.monotonic())
        else:
            patience_s = _PATIENCE_S
        done, _ = ray.wait(calls, timeout=patience_s)
        if done:
            return done[0]
        if running:
            return None
        raise EngineUnavailable(f"no worker started within {_PATIENCE_S} s: is a {self._resource} free in the cluster?")

    def _stopped(self, running: dict[Any, _Call]) -> Iterator[tuple[Job, Outcome]]:
        """Stop the worker whose call has had its time; what else it was doing is no image's fault."""
        late, call = next(iter(running.items()))
        worker = call.worker
        if worker in self._ready:
            self._replace(worker)
        for reference in [reference for reference, call in running.items() if call.worker == worker]:
            job = running.pop(reference).job
            yield job, Lost() if reference == late else Lost(_STOPPED)

    def _least_busy(self, running: dict[Any, _Call]) -> Any:
        """Who gets the next image; None if there is nobody with a thread for it."""
        busy = Counter(call.worker for call in running.values())
        while self._ready:
            worker = min(self._ready, key=lambda worker: busy[worker])
            # It would wait there, and its time would run: nobody tells when a thread takes it.
            if busy[worker] >= self._order.threads:
                return None
            # Who was idle may have died, and that would be taken for the image's fault.
            if busy[worker] or self._answers(worker):
                return worker
            self._replace(worker, "a worker died while it had nothing to do: see the logs of Ray")
        return None

    def _answers(self, worker: Any) -> bool:
        try:
            ray.get(worker.answer.remote(), timeout=_ANSWER_S)
        except (RayError, TimeoutError):
            return False
        return True

    def _result(self, reference: Any, worker: Any) -> Outcome:
        try:
            outcome: Outcome = ray.get(reference)
        except RayActorError:
            if worker in self._dismissed:
                return Lost(_STOPPED)
            # Several calls of one process end together: it is replaced once.
            if worker in self._ready:
                self._replace(worker)
            return Lost()
        except RayError:
            return Lost()
        if worker in self._ready:
            if isinstance(outcome, Lost) and outcome.broken:
                # It would fail whatever it is given, and be given the more for being done so soon.
                self._dismissed.add(worker)
                self._replace(worker, outcome.reason)
            elif isinstance(outcome, Drawn) and outcome.answer.faces:
                self._useless[worker] = 0
        return outcome
