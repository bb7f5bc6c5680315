"""The engine as a Ray Serve deployment: each replica is an engine of its own, which joins what it is asked at once."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from service.cluster.answers import Answer, answer_of
from service.cluster.node import require_safe, settle
from service.cluster.quiet import serve
from service.core.scheme import Plan
from service.engine import Engine, FaceTask
from service.errors import EngineClosed, EngineUnavailable
from service.weights.bundles import Bundles

APPLICATION = "visard"
_AT_ONCE = 16
_STOPPED = "the device has stopped"
_SOUGHT = 4
"""Requests under way for each replica, where replicas may be added: half of what one service sends by default."""

Direction = Literal["anonymize", "recover"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is deployed.

    Attributes:
        weights: as in ``VISARD_WEIGHTS``, on every node.
        device: with ``cuda`` each replica takes a GPU, otherwise a processor.
        replicas: the fewest and the most; Ray adds and removes them by the requests that wait.
        queue_limit: of a replica, and of each client.
        guarded: whether the cluster has to ask for a token.
    """

    weights: Path | None
    device: str
    replicas: tuple[int, int]
    queue_limit: int
    guarded: bool


class Replica:
    """One engine."""

    def __init__(self, deployment: Deployment) -> None:
        settle(deployment.guarded)
        bundles = Bundles.open(deployment.weights, deployment.device)
        bundles.denoiser(bundles.default.digest)
        self._bundles = bundles
        self._engine = Engine(bundles, deployment.queue_limit)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="visard-request")

    async def carry(self, direction: Direction, digest: bytes, plan: Plan, tasks: Sequence[FaceTask]) -> Answer:
        """Carry faces; once the caller cancels, they are dropped."""
        gone = threading.Event()
        engine = self._engine.cancelled_by(gone)
        call: Callable[..., list[Any]] = engine.anonymize if direction == "anonymize" else engine.recover
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, self._answered, lambda: call(digest, plan, tasks)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            gone.set()
            raise

    def _answered(self, call: Callable[[], list[Any]]) -> Answer:
        """The answer of a call; once the device has stopped, its errors are no others' than its own."""
        answer = answer_of(call)
        if answer.results is None and not self._engine.alive:
            return Answer(None, EngineClosed.__name__, _STOPPED)
        return answer

    def find(self, digest: bytes) -> Answer:
        """The digest again, if the bundle is installed here."""
        return answer_of(lambda: [self._bundles.find(digest).digest])

    def check_health(self) -> None:
        """Asked by Ray Serve, which replaces a replica that raises."""
        if not self._engine.alive:
            raise EngineClosed(_STOPPED)


def deploy(deployment: Deployment) -> None:
    """Start the replicas on the cluster this process is connected to, or replace those that run.

    Raises:
        EngineUnavailable: a node is not safe, or no replica starts.
    """
    require_safe(deployment.guarded)
    fewest, most = deployment.replicas
    options: dict[str, Any] = {
        "name": "engine",
        "max_ongoing_requests": _AT_ONCE,
        # Ray's own default has no bound.
        "max_queued_requests": deployment.queue_limit,
        # Without a number to begin with: to Ray, every deployment is a beginning.
        "autoscaling_config": {
            "min_replicas": fewest,
            "max_replicas": most,
            "target_ongoing_requests": _SOUGHT,
        },
        "ray_actor_options": {"num_gpus": 1, "num_cpus": 1} if deployment.device != "cpu" else {"num_cpus": 1},
        "logging_config": {"enable_access_log": False, "log_level": "WARNING"},
    }
    # The only way in is a handle of a client with the token: no HTTP.
    serve.start(proxy_location="Disabled")
    try:
        serve.run(serve.deployment(Replica).options(**options).bind(deployment), name=APPLICATION, route_prefix=None)
    except RuntimeError:
        raise EngineUnavailable("no replica starts: see the logs of Ray Serve") from None
