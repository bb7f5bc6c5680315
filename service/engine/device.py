"""The device's own thread, and the bounded queue before it."""

import threading
import time
from collections import OrderedDict, deque

import torch

from service.engine.batch import Batch
from service.engine.observer import Observer
from service.engine.request import Request
from service.errors import CallerGone, EngineBusy, EngineClosed

_HOPELESS = 5
"""Evaluations of which nothing came, one after the other."""
_RESTS_S = 180.0
"""Before it is tried again: longer than a replica takes to be replaced, or an alert to be sent."""
_HANGS_S = 120.0
"""No evaluation takes so long: eight faces of the largest network, on one core, take some ten seconds."""


class Device:
    """The thread, and the queue before it: requests of which a face has no seat in a batch.

    Every network has a batch of its own; they take turns, one evaluation each.
    """

    def __init__(self, device: torch.device, limit: int, observer: Observer) -> None:
        self._device = device
        self._limit = limit
        self._observer = observer
        self._queue: deque[Request] = deque()
        self._batches: OrderedDict[bytes, Batch] = OrderedDict()
        # Guards all of the above; nobody computes while holding it.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._in_vain = 0
        self._failed_at = 0.0
        self._evaluating_since: float | None = None

    @property
    def waiting(self) -> int:
        """Requests in the queue of which no face has a seat."""
        with self._changed:
            return self._waiting()

    @property
    def alive(self) -> bool:
        """Whether new requests have a chance: not closed, and the last ``_HOPELESS`` evaluations did not all fail.

        Some faults of a device never end, others do, and where nobody is sent who asks, nothing would show it: once it
        has rested it is to be tried again, and one more failure is enough. An evaluation that hangs may end, too.
        """
        runs = self._thread is None or self._thread.is_alive()
        since = self._evaluating_since
        hangs = since is not None and time.monotonic() - since > _HANGS_S
        hopeless = self._in_vain >= _HOPELESS and time.monotonic() - self._failed_at < _RESTS_S
        return runs and not hangs and not self._closed and not hopeless

    def submit(self, request: Request) -> None:
        """Queue a request; its ``result`` is resolved whatever happens.

        Raises:
            EngineBusy: as many wait as may.
            EngineClosed: nothing is taken on any more.
        """
        with self._changed:
            if self._closed:
                raise EngineClosed("the service is shutting down")
            if self._waiting() >= self._limit:
                raise EngineBusy("too many requests are waiting: try again later")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="visard-device", daemon=True)
                self._thread.start()
            self._queue.append(request)
            self._changed.notify_all()

    def drop(self, request: Request) -> None:
        """Give up a request whose caller is gone, without the device's help: it may hang."""
        with self._changed:
            request.fail(_gone())
            self._queue = deque(other for other in self._queue if not other.over)

    def close(self, deadline_s: float, drain_s: float | None = None) -> None:
        """Refuse new requests, work on for ``drain_s`` (all of the deadline if None), then fail what is left."""
        end = time.monotonic() + deadline_s
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        thread.join(deadline_s if drain_s is None else drain_s)
        # A device that hangs must not keep its callers.
        with self._changed:
            for request in self._requests():
                request.fail(EngineClosed("the service is shutting down"))
        thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        with torch.inference_mode():
            while batch := self._next():
                self._evaluating_since = time.monotonic()
                try:
                    worked = batch.evaluate()
                except BaseException as error:  # noqa: BLE001  # nothing ends the thread while callers wait for it
                    batch.fail(error)
                    worked = False
                self._evaluating_since = None
                if not worked:
                    self._failed_at = time.monotonic()
                self._in_vain = 0 if worked else self._in_vain + 1

    def _next(self) -> Batch | None:
        """The batch whose turn it is, with everybody in the right place; None when there will be no more."""
        with self._changed:
            while True:
                self._arrange()
                if self._batches:
                    digest, batch = self._batches.popitem(last=False)
                    self._batches[digest] = batch
                    return batch
                if self._closed:
                    return None
                self._changed.wait()

    def _arrange(self) -> None:
        for request in self._requests():
            if request.cancel.is_set():
                request.fail(_gone())
        self._queue = deque(request for request in self._queue if not request.over)
        for request in self._queue:
            if request.digest not in self._batches:
                batch = Batch(request.digest, request.denoiser, self._device, self._observer)
                self._batches[request.digest] = batch
        for digest, batch in [*self._batches.items()]:
            batch.clear()
            batch.fill(self._queue)
            if not batch.faces:
                del self._batches[digest]

    def _requests(self) -> set[Request]:
        return {*self._queue, *(face.request for batch in self._batches.values() for face in batch.faces)}

    def _waiting(self) -> int:
        return sum(not request.seats for request in self._queue)


def _gone() -> CallerGone:
    return CallerGone("the caller did not wait for the answer")
