"""Blocking work for the event loop: bounded threads, bounded admission, and callers who leave."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar

from starlette.requests import Request

from service.errors import EngineBusy

_T = TypeVar("_T")
_QUICK_THREADS = 4
_REMOTE_THREADS = 8


class Workers:
    """A pool for the operations, a small one for look-ups that must not wait behind them, one for strangers' servers.

    Admission is bounded too, from the first byte of an upload to the last of the answer: what is admitted
    holds an image in memory.
    """

    def __init__(self, threads: int, admitted: int) -> None:
        """Make the pools.

        Args:
            threads: operations at a time.
            admitted: requests at a time, those that upload or wait among them.
        """
        self._slow = ThreadPoolExecutor(threads, thread_name_prefix="visard-operation")
        self._quick = ThreadPoolExecutor(_QUICK_THREADS, thread_name_prefix="visard-lookup")
        self._remote = ThreadPoolExecutor(_REMOTE_THREADS, thread_name_prefix="visard-remote")
        self._limit = admitted
        self._admitted = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place; on the event loop's thread only.

        Raises:
            EngineBusy: all are taken.
        """
        if self._admitted >= self._limit:
            raise EngineBusy("too many requests at once: try again later")
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def quickly(self, call: Callable[[], _T]) -> _T:
        """Run a look-up."""
        return await _in(self._quick, call)

    async def patiently(self, call: Callable[[], _T]) -> _T:
        """Run a look-up that may wait for somebody else's server, and must not keep the others waiting."""
        return await _in(self._remote, call)

    async def run(self, request: Request, call: Callable[[threading.Event], _T]) -> _T:
        """Run an operation, whose event is set as soon as the client is gone; the body has been read."""
        gone = threading.Event()
        work = _in(self._slow, lambda: call(gone))
        watch = asyncio.create_task(_watch(request, gone))
        try:
            # Shielded: the operation itself sees the event and ends, with its audit entries in order.
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            gone.set()
            raise
        finally:
            watch.cancel()

    def close(self) -> None:
        """Let what runs end and start nothing more."""
        self._slow.shutdown(cancel_futures=True)
        self._quick.shutdown(cancel_futures=True)
        self._remote.shutdown(cancel_futures=True)


def _in(pool: ThreadPoolExecutor, call: Callable[[], _T]) -> "asyncio.Future[_T]":
    """Run in a thread that knows, as its caller does, which request it works for."""
    return asyncio.get_running_loop().run_in_executor(pool, copy_context().run, call)


async def _watch(request: Request, gone: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
