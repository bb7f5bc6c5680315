"""A crew for batches: worker processes all over the cluster, each with an engine and threads of its own.

Not Ray Data: it repeats a lost task by itself, with the keys it was given, and keys are good for one try. Here a task
runs at most once; who gives out the keys tries again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from service.batch.storage import Folder
from service.batch.work import Job, Lost, Outcome, carry_out
from service.cluster.node import require_safe, settle
from service.engine import Engine
from service.faces.detection import CenterFaceDetector, Detector
from service.imaging import Limits
from service.operations.anonymize import AnonymizeRequest
from service.operations.phases import NOBODY, Observer
from service.weights.bundles import Bundles


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What every worker is told once.

    Attributes:
        source: path or URL of the photos, as the nodes reach it.
        weights: as in ``VISARD_WEIGHTS``, on every node.
        device: with ``cuda`` each worker takes a GPU, otherwise a processor.
        threads: images at a time in each worker.
        guarded: whether the cluster has to ask for a token.
    """

    source: str
    request: AnonymizeRequest
    weights: Path | None
    device: str
    limits: Limits
    max_faces: int | None
    threads: int
    guarded: bool


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
        settle(order.guarded)
        bundles = Bundles.open(order.weights, order.device)
        self._order = order
        self._source = Folder.open(order.source)
        self._studio = _Studio(CenterFaceDetector(), bundles, Engine(bundles), order.limits, order.max_faces)

    def carry_out(self, job: Job) -> Outcome:
        """See ``batch.work``."""
        return carry_out(job, self._source, self._order.request, self._studio)


class RayCrew:
    """Workers on the cluster this process is connected to."""

    def __init__(self, order: Order, workers: int | None) -> None:
        """Start the workers.

        Args:
            workers: processes; one for each GPU or processor of the cluster if None.

        Raises:
            EngineUnavailable: a node is not safe.
        """
        require_safe(order.guarded)
        kind = "CPU" if order.device == "cpu" else "GPU"
        needs = {"num_cpus": 1} if kind == "CPU" else {"num_cpus": 1, "num_gpus": 1}
        self._order = order
        # A process that died is replaced here, not by Ray: its calls must not be repeated, nor new ones fail for it.
        self._kind = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=order.threads, **needs)(Worker)
        count = workers or max(1, int(ray.cluster_resources().get(kind, 1)))
        self._workers = [self._kind.remote(order) for _ in range(count)]

    def work(self, jobs: Iterator[Job], at_once: int | None = None) -> Iterator[tuple[Job, Outcome]]:
        """See ``Crew``."""
        window = at_once or len(self._workers) * (self._order.threads + 1)
        running: dict[Any, tuple[int, Job]] = {}
        while True:
            for job in islice(jobs, window - len(running)):
                place = self._least_busy(running)
                running[self._workers[place].carry_out.remote(job)] = (place, job)
            if not running:
                return
            done, _ = ray.wait(list(running))
            place, job = running.pop(done[0])
            yield job, self._result(done[0], place)

    def _least_busy(self, running: dict[Any, tuple[int, Job]]) -> int:
        busy = [0] * len(self._workers)
        for place, _ in running.values():
            busy[place] += 1
        return busy.index(min(busy))

    def _result(self, reference: Any, place: int) -> Outcome:
        try:
            outcome: Outcome = ray.get(reference)
        except RayActorError as error:
            # Several calls of one process end together: it is replaced once.
            if error.actor_id == self._workers[place]._actor_id.hex():
                self._workers[place] = self._kind.remote(self._order)
            return Lost("no worker starts: see the logs of Ray" if error.actor_init_failed else None)
        except RayError:
            return Lost()
        return outcome
