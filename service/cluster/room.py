"""The engine room of a service that leaves the drawing to a cluster."""

import copy
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any, Self, cast

from ray.exceptions import RayActorError, RayError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, RayServeException
from torch import Tensor

from service.cluster.answers import unpacked
from service.cluster.quiet import serve
from service.cluster.replica import APPLICATION, Direction
from service.core.scheme import Plan
from service.core.solver import Progress
from service.core.transform import Norms
from service.engine import FaceTask, Observer
from service.errors import BundleUnknown, CallerGone, EngineBusy, EngineClosed, EngineUnavailable

_GLANCE_S = 0.2
_FIND_S = 1.0
_PAUSE_S = 0.5
_TRIES = 3


class RayRoom:
    """Asks the replicas, and bounds what it asks of them; may be called from any thread, and blocks it.

    What a replica that died was working on is asked of another one: the same faces and keys give the same strangers.
    """

    def __init__(self, queue_limit: int, observer: Observer, disconnect: Callable[[], None]) -> None:
        """Find the replicas, on the cluster this process is connected to.

        Args:
            queue_limit: requests that were sent and are not answered.
            observer: told how long they took.
            disconnect: called at the end.

        Raises:
            EngineUnavailable: nothing is deployed there.
        """
        try:
            self._handle = serve.get_app_handle(APPLICATION)
        except (RayError, RayServeException):
            disconnect()
            raise EngineUnavailable("no engine is deployed on the Ray cluster: visard ray deploy") from None
        self._sent = _Sent(queue_limit)
        self._found: set[bytes] = set()
        self._observer = observer
        self._disconnect = disconnect
        self._cancel = threading.Event()

    def anonymize(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[tuple[Tensor, Norms]]:
        """See ``EngineRoom``; ``progress`` is not called."""
        return cast(list[tuple[Tensor, Norms]], self._run("anonymize", digest, plan, tasks))

    def recover(
        self, digest: bytes, plan: Plan, tasks: Sequence[FaceTask], progress: Progress | None = None
    ) -> list[tuple[Tensor, float]]:
        """See ``EngineRoom``; ``progress`` is not called."""
        return cast(list[tuple[Tensor, float]], self._run("recover", digest, plan, tasks))

    def cancelled_by(self, event: threading.Event) -> Self:
        """See ``EngineRoom``."""
        handle = copy.copy(self)
        handle._cancel = event
        return handle

    def require(self, digest: bytes) -> None:
        """See ``EngineRoom``; asks a replica. While all are too busy to say, what one said last holds."""
        try:
            response = self._handle.find.remote(digest)
            try:
                unpacked(response.result(timeout_s=_FIND_S))
            except TimeoutError:
                response.cancel()
                raise
        except BundleUnknown:
            self._found.discard(digest)
            raise
        except (TimeoutError, BackPressureError):
            if digest not in self._found:
                raise EngineUnavailable("no replica says which weights it has") from None
        except (RayError, RayServeException):
            raise EngineUnavailable("the Ray cluster does not answer") from None
        else:
            self._found.add(digest)

    @property
    def waiting(self) -> int:
        """Requests that were sent and are not answered."""
        return self._sent.count

    @property
    def alive(self) -> bool:
        """Whether a replica runs; asks the cluster."""
        if self._sent.closed:
            return False
        try:
            application = serve.status().applications.get(APPLICATION)
        except (RayError, RayServeException):
            return False
        engines = [] if application is None else application.deployments.values()
        return any(engine.replica_states.get("RUNNING", 0) > 0 for engine in engines)

    def close(self, deadline_s: float = 5.0) -> None:
        """Send nothing more, wait for the answers for up to ``deadline_s``, and leave the cluster."""
        self._sent.close(deadline_s)
        self._disconnect()

    def _run(self, direction: Direction, digest: bytes, plan: Plan, tasks: Sequence[FaceTask]) -> list[Any]:
        if not tasks:
            return []
        with self._sent:
            began = time.perf_counter()
            for _ in range(_TRIES):
                try:
                    results = self._asked(direction, digest, plan, tuple(tasks))
                except RayActorError:
                    continue
                except EngineClosed:
                    # It is ours, or that of a replica whose device has stopped, and which is soon replaced.
                    if self._sent.given_up:
                        raise
                    time.sleep(_PAUSE_S)
                    continue
                self._observer.spent("solve", time.perf_counter() - began)
                return results
        raise EngineUnavailable("one replica after the other died of a request, or has a device that has stopped")

    def _asked(self, direction: Direction, digest: bytes, plan: Plan, tasks: tuple[FaceTask, ...]) -> list[Any]:
        try:
            response = self._handle.carry.remote(direction, digest, plan, tasks)
            while True:
                try:
                    return unpacked(response.result(timeout_s=_GLANCE_S))
                except TimeoutError:
                    self._look_up(response.cancel)
        except RayActorError:
            raise
        except BackPressureError:
            raise _busy() from None
        except (CancelledError, TaskCancelledError):
            raise CallerGone("the caller did not wait for the answer") from None
        except (RayError, RayServeException):
            raise EngineUnavailable("the Ray cluster does not answer") from None

    def _look_up(self, cancel: Callable[[], None]) -> None:
        """Whether the answer is still waited for."""
        if self._cancel.is_set():
            cancel()
            raise CallerGone("the caller did not wait for the answer")
        if self._sent.given_up:
            cancel()
            raise _closed()


class _Sent:
    """How many requests are under way; each is a ``with`` block."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self.count = 0
        self.closed = False
        self.given_up = False

    def __enter__(self) -> None:
        with self._changed:
            if self.closed:
                raise _closed()
            if self.count >= self._limit:
                raise _busy()
            self.count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self.count -= 1
            self._changed.notify_all()

    def close(self, deadline_s: float) -> None:
        with self._changed:
            self.closed = True
            self._changed.wait_for(lambda: self.count == 0, deadline_s)
            self.given_up = True
            # Who waits looks up soon.
            self._changed.wait_for(lambda: self.count == 0, 5 * _GLANCE_S)


def _busy() -> EngineBusy:
    return EngineBusy("too many requests are waiting: try again later")


def _closed() -> EngineClosed:
    return EngineClosed("the service is shutting down")
