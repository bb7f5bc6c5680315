"""The device's own thread, and the bounded queue before it."""

import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from service.core.context import Denoiser
from service.core.scheme import Plan
from service.core.solver import Progress
from service.engine.batch import MAX_BATCH, Batch, FaceTask, Solve
from service.errors import CallerGone, EngineBusy, EngineClosed


class Observer(Protocol):
    """Who is told what the device does; called on its thread, must not raise."""

    def waited(self, seconds: float) -> None:
        """A request left the queue."""
        ...

    def solved(self, seconds: float, faces: int) -> None:
        """A batch was carried through."""
        ...


@dataclass(slots=True, eq=False)
class Request:
    """The faces of one caller, which go in and come out together."""

    solve: Solve
    digest: bytes
    plan: Plan
    tasks: tuple[FaceTask, ...]
    denoiser: Denoiser
    progress: Progress | None
    cancel: threading.Event
    since: float | None = field(default_factory=time.perf_counter)
    result: "Future[list[Any]]" = field(default_factory=Future)

    def joins(self, other: "Request") -> bool:
        """Whether both may be carried in one batch."""
        return (self.solve, self.digest, self.plan) == (other.solve, other.digest, other.plan)


class Device:
    """The thread, and the queue before it."""

    def __init__(self, device: torch.device, limit: int, observer: Observer | None) -> None:
        self._device = device
        self._limit = limit
        self._observer = observer
        self._queue: deque[Request] = deque()
        self._running: list[Request] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._given_up = False

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        """Whether requests are taken on, or would be."""
        return not self._closed and (self._thread is None or self._thread.is_alive())

    def submit(self, request: Request) -> None:
        """Queue a request; its ``result`` is resolved whatever happens.

        Raises:
            EngineBusy: the queue is full.
            EngineClosed: nothing is taken on any more.
        """
        with self._changed:
            if self._closed:
                raise EngineClosed("the service is shutting down")
            if len(self._queue) >= self._limit:
                raise EngineBusy("too many requests are waiting: try again later")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="visard-device", daemon=True)
                self._thread.start()
            self._queue.append(request)
            self._changed.notify_all()

    def close(self, deadline_s: float, drain_s: float | None = None) -> None:
        """Refuse new requests, work on for ``drain_s`` (all of the deadline if None), then fail what waits."""
        end = time.monotonic() + deadline_s
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(deadline_s if drain_s is None else drain_s)
        self._give_up()
        thread.join(max(0.0, end - time.monotonic()))
        # A device that hangs must not keep its callers.
        for request in self._running if thread.is_alive() else []:
            _fail(request, _closed())

    def _give_up(self) -> None:
        with self._changed:
            self._given_up = True
            left = [*self._queue]
            self._queue.clear()
        for request in left:
            _fail(request, _closed())

    def _work(self) -> None:
        while group := self._next():
            self._carry(group)
            # Held until the next request comes, they would keep a caller's faces in memory.
            self._running = []
            del group

    def _next(self) -> list[Request]:
        """The oldest request and what may share its batch; empty when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return []
            group = [self._queue.popleft()]
            room = MAX_BATCH - len(group[0].tasks)
            for request in [r for r in self._queue if r.joins(group[0])]:
                if len(request.tasks) <= room:
                    self._queue.remove(request)
                    group.append(request)
                    room -= len(request.tasks)
            self._running = group
            return group

    def _carry(self, group: list[Request]) -> None:
        """Resolve every request of a group; when it fails, each request is tried by itself."""
        group = [request for request in group if not _dropped(request)]
        if not group:
            return
        try:
            results = self._solve(group)
        except BaseException as error:  # noqa: BLE001  # the thread outlives whatever a batch does
            if len(group) == 1:
                _fail(group[0], error)
                return
        else:
            for request in group:
                _succeed(request, [results.popleft() for _ in request.tasks])
            return
        for request in group:
            self._carry([request])

    def _solve(self, group: list[Request]) -> deque[Any]:
        tasks = [task for request in group for task in request.tasks]
        results: deque[Any] = deque()
        first = group[0]
        self._note_wait(group)

        def progress() -> None:
            self._check(group)
            for request in group:
                if request.progress:
                    request.progress()

        for start in range(0, len(tasks), MAX_BATCH):
            part = tasks[start : start + MAX_BATCH]
            began = time.perf_counter()
            results += first.solve(first.denoiser, Batch.of(part, self._device), first.plan, progress)
            if self._observer:
                self._observer.solved(time.perf_counter() - began, len(part))
        return results

    def _check(self, group: list[Request]) -> None:
        """Stop a batch that nobody waits for, or that outlasted the shutdown."""
        if self._given_up:
            raise _closed()
        if all(request.cancel.is_set() for request in group):
            raise _gone()

    def _note_wait(self, group: list[Request]) -> None:
        for request in group:
            if self._observer and request.since is not None:
                self._observer.waited(time.perf_counter() - request.since)
            request.since = None


def _dropped(request: Request) -> bool:
    if request.cancel.is_set():
        _fail(request, _gone())
        return True
    return False


def _succeed(request: Request, results: list[Any]) -> None:
    with suppress(InvalidStateError):  # given up on at shutdown
        request.result.set_result(results)


def _fail(request: Request, error: BaseException) -> None:
    with suppress(InvalidStateError):
        request.result.set_exception(error)


def _gone() -> CallerGone:
    return CallerGone("the caller did not wait for the answer")


def _closed() -> EngineClosed:
    return EngineClosed("the service is shutting down")
