"""How long PostgreSQL may stay silent: connections that wait no longer than they are allowed to.

A server that hangs (stopped, behind a dead link) neither answers nor breaks the connection, so its own timeouts
do not help. Whoever waits too long abandons the connection: asking the server to cancel would be one more question
to it. What was sent may still be carried out when it wakes up.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen

from service.errors import DatabaseUnavailable

LEAST_S = 2.0
"""libpq takes no shorter time to connect."""

_SILENCE_S = 0.75 * LEAST_S
"""That is silence if nobody hears an answer. Less than any caller has: some of its time passes before it asks."""
_WAKE_S = 0.1
_CONNECT_S = 10
_ENDLESS = float("inf")


class Listener:
    """Remembers that a server fell silent, so that not everybody waits for it in full.

    As long as it is silent one caller at a time asks again, with little patience; the others fail at once.
    """

    def __init__(self) -> None:
        self._silent = False
        self._heard = -_ENDLESS
        self._asking = threading.Lock()

    def heard(self) -> None:
        """An answer came."""
        self._heard = time.monotonic()
        self._silent = False

    def fell_silent(self) -> None:
        """Nobody is answered."""
        self._silent = True

    def waited_in_vain(self, since: float) -> None:
        """Somebody gave up whom nobody answered since then.

        It is the caller whose time is over, not the server that is silent, where the wait was short or others were
        answered meanwhile.
        """
        if time.monotonic() - max(since, self._heard) >= _SILENCE_S:
            self.fell_silent()

    @contextmanager
    def turn(self, seconds: float) -> Iterator[float]:
        """Take a turn; yields how many of ``seconds`` there is patience for.

        Raises:
            DatabaseUnavailable: the server is silent, and somebody else is asking it already.
        """
        if not self._silent:
            yield seconds
            return
        if not self._asking.acquire(blocking=False):
            raise DatabaseUnavailable("the database does not answer")
        try:
            yield min(seconds, LEAST_S)
        finally:
            self._asking.release()


@dataclass(frozen=True, slots=True)
class _Allowance:
    listener: Listener
    each_s: float
    until: float

    def left(self) -> float:
        return min(self.each_s, self.until - time.monotonic())


_allowance: ContextVar[_Allowance | None] = ContextVar("visard_allowance", default=None)


@contextmanager
def patience(listener: Listener, *, whole_s: float = _ENDLESS, each_s: float = _ENDLESS) -> Iterator[float]:
    """Bound the waits of this thread's block; yields the seconds granted, which may be fewer.

    Args:
        listener: of the server.
        whole_s: for all of them together, connecting and committing among them.
        each_s: for each of them, where a block may take its time as long as answers come.

    Raises:
        DatabaseUnavailable: the server is known to be silent.
    """
    with listener.turn(min(whole_s, each_s)) as granted:
        whole_s, each_s = min(whole_s, granted) if whole_s < _ENDLESS else whole_s, min(each_s, granted)
        token = _allowance.set(_Allowance(listener, each_s, time.monotonic() + whole_s))
        try:
            yield min(whole_s, each_s)
        finally:
            _allowance.reset(token)


class PatientConnection(psycopg.Connection[Any]):
    """A connection that is given up when its server stays silent for longer than this thread allows."""

    def wait(self, gen: PQGen[RV], interval: float = _WAKE_S, timeout: float | None = None) -> RV:
        """Wait for an answer.

        Raises:
            psycopg.OperationalError: it did not come in time; the connection is closed.
        """
        allowance = _allowance.get()
        if allowance is None or allowance.left() == _ENDLESS:
            return super().wait(gen, interval, timeout)
        left, began = max(allowance.left(), 0.0), time.monotonic()
        try:
            answer = super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except psycopg.OperationalError as error:
            if time.monotonic() - began < left:
                raise
            self.pgconn.finish()
            allowance.listener.waited_in_vain(began)
            raise psycopg.OperationalError("the server did not answer in time") from error
        allowance.listener.heard()
        return answer


def connect(*arguments: Any, **parameters: Any) -> PatientConnection:
    """Connect within what this thread allows, as ``psycopg.connect`` does.

    Raises:
        psycopg.OperationalError: there was no connection in time.
    """
    allowance = _allowance.get()
    if allowance is None or allowance.left() == _ENDLESS:
        return PatientConnection.connect(*arguments, **{"connect_timeout": _CONNECT_S, **parameters})
    left, began = allowance.left(), time.monotonic()
    if left <= 0:
        raise psycopg.OperationalError("no time is left to connect")
    try:
        return PatientConnection.connect(*arguments, **{**parameters, "connect_timeout": int(max(LEAST_S, left))})
    except psycopg.errors.ConnectionTimeout:
        allowance.listener.waited_in_vain(began)
        raise
