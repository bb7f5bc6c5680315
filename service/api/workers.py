"""Blocking work for the event loop: bounded threads, bounded admission, and callers who leave."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from starlette.requests import Request

from service.errors import AuditUnavailable, DatabaseUnavailable, EngineBusy, Unavailable

_T = TypeVar("_T")
_QUICK_THREADS = 4
_MAKING_THREADS = 2
_NOTING_THREADS = 2
_REMOTE_THREADS = 8
_GRACE_S = 1.0
_STEPS = 2
"""Transactions of a note at most: an intent and its outcome, or whose record it was and the denial."""
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_log = logging.getLogger(__name__)


class Workers:
    """Six pools, none of which waits for another whose work may take long.

    Operations; database look-ups; what is written down of refusals, and its commits; identity providers; work left
    after an answer.

    Admission is bounded too, from the first byte of an upload to the last of the answer: what is admitted
    holds an image in memory.
    """

    def __init__(
        self,
        threads: int,
        admitted: int,
        patience: float = 10.0,
        on_failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Make the pools.

        Args:
            threads: operations at a time.
            admitted: requests at a time, those that upload or wait among them.
            patience: seconds a transaction may take. So may a look-up, and a note twice as long, the wait for a
                thread included.
            on_failed: told of what failed after its answer.
        """
        self._slow = ThreadPoolExecutor(threads, thread_name_prefix="visard-operation")
        self._quick = ThreadPoolExecutor(_QUICK_THREADS, thread_name_prefix="visard-lookup")
        self._making = ThreadPoolExecutor(_MAKING_THREADS, thread_name_prefix="visard-entry")
        self._noting = ThreadPoolExecutor(_NOTING_THREADS, thread_name_prefix="visard-refusal")
        self._remote = ThreadPoolExecutor(_REMOTE_THREADS, thread_name_prefix="visard-remote")
        self._late = ThreadPoolExecutor(1, thread_name_prefix="visard-afterwards")
        self._threads = threads
        self._operations = 0
        self._closing = threading.Event()
        self._on_failed = on_failed
        self._patience = patience
        self._limit = admitted
        self._admitted = 0

    @property
    def taken(self) -> int:
        """Places that are held."""
        return self._admitted

    @property
    def waiting(self) -> int:
        """Operations that no thread has begun."""
        return max(0, self._operations - self._threads)

    def admit(self, request: Request) -> None:
        """Hold a place until the request is over; on the event loop's thread only.

        Raises:
            EngineBusy: all are taken.
        """
        if self._admitted >= self._limit:
            raise EngineBusy("too many requests at once: try again later")
        self._admitted += 1
        request.state.held.callback(self._leave)

    def _leave(self) -> None:
        self._admitted -= 1

    async def quickly(self, call: Callable[[], _T]) -> _T:
        """Run a look-up.

        Raises:
            DatabaseUnavailable: it did not end in time; it may still.
        """
        try:
            # A little more than the database is allowed: whoever asks it says better what was wrong.
            return await asyncio.wait_for(_in(self._quick, call), self._patience + _GRACE_S)
        except TimeoutError:
            raise DatabaseUnavailable("the database does not answer") from None

    async def note(self, make: Callable[[], Callable[[], None]]) -> None:
        """Commit what a refusal leaves in the log, though its caller may be gone by then.

        Many refusals wait for one another, and keep nobody else waiting.

        Args:
            make: returns what commits it. That may wait when the request has given back its place, and must not keep
                what the place is for; ``make`` may, and waits for nobody.

        Raises:
            AuditUnavailable: it did not end in time; it may still.
        """
        made = self._making.submit(copy_context().run, make)
        try:
            commit = await asyncio.shield(asyncio.wrap_future(made))
        except asyncio.CancelledError:
            # The service stops, and waits for nothing but what is written down.
            self.noted(made.result)
            raise
        try:
            await asyncio.wait_for(asyncio.shield(self._commit(commit)), _STEPS * self._patience + _GRACE_S)
        except TimeoutError:
            raise AuditUnavailable("the audit log cannot be written") from None

    def noted(self, make: Callable[[], Callable[[], None]]) -> "asyncio.Future[None]":
        """The same for who cannot wait: it is done before the service ends."""

        def make_and_commit() -> None:
            make()()

        return self._commit(make_and_commit)

    def _commit(self, call: Callable[[], None]) -> "asyncio.Future[None]":
        noted = _in(self._noting, call)
        noted.add_done_callback(_seen)
        return noted

    async def patiently(self, call: Callable[[], _T]) -> _T:
        """Run a look-up that may wait for somebody else's server, and must not keep the others waiting."""
        return await _in(self._remote, call)

    async def run(self, request: Request, call: Callable[[threading.Event], _T]) -> _T:
        """Run an operation, whose event is set as soon as the client is gone; the body has been read."""
        gone = threading.Event()
        work = _in(self._slow, lambda: call(gone))
        # Until its thread is free again, which is later than this returns where the caller leaves.
        self._operations += 1
        work.add_done_callback(self._ended)
        watch = asyncio.create_task(_watch(request, gone))
        try:
            # Shielded: the operation itself sees the event and ends, with its audit entries in order.
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            gone.set()
            raise
        finally:
            watch.cancel()

    def _ended(self, _: object) -> None:
        self._operations -= 1

    def afterwards(self, call: Callable[[], None]) -> None:
        """Run what an answer leaves to be done; in turn, several times if it must be, and before the process ends."""
        self._late.submit(self._finish, call)

    def _finish(self, call: Callable[[], None]) -> None:
        error = _failure(call)
        for pause_s in _PAUSES_S:
            if not isinstance(error, Unavailable) or self._closing.wait(pause_s):
                break
            error = _failure(call)
        if error is not None:
            _log.error("what an answer left to be done failed: %s", type(error).__name__)
            self._on_failed(error)

    def close(self) -> None:
        """Let operations end, finish what answers left to be done, and start nothing more."""
        # Those that still wait for a thread, too: their callers are gone, and what they asked for belongs into the log.
        self._slow.shutdown()
        # Before what is done afterwards ends: a refusal may leave something to be done, too.
        self._noting.shutdown()
        self._making.shutdown()
        self._closing.set()
        self._late.shutdown()
        self._quick.shutdown(cancel_futures=True)
        self._remote.shutdown(cancel_futures=True)


def _in(pool: ThreadPoolExecutor, call: Callable[[], _T]) -> "asyncio.Future[_T]":
    """Run in a thread that knows, as its caller does, which request it works for."""
    return asyncio.get_running_loop().run_in_executor(pool, copy_context().run, call)


def _seen(noted: "asyncio.Future[None]") -> None:
    """Take note of its error: nobody else may be there to do it."""
    if not noted.cancelled():
        noted.exception()


def _failure(call: Callable[[], None]) -> Exception | None:
    """What went wrong, whatever it was: nobody waits for it, and the next must run."""
    try:
        call()
    except Exception as error:  # noqa: BLE001
        return error
    return None


async def _watch(request: Request, gone: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
