"""Connections of the HTTP server whose callers stop sending or reading: they are broken off, not kept for ever."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

_SLOWEST = 64 << 10
"""Bytes a second at which a whole answer is taken at least, ``patience_s`` aside."""


class _Bounded(H11Protocol):
    """A connection that waits for its caller for ``patience_s``, and no longer.

    For the whole head of a request, from the connection's begin or the end of the answer before: the server bounds
    only the silence behind an answer. And for its answers to be taken: the server would close the connection, and
    asyncio closes only once its caller has taken everything. A whole answer waits as long in all, besides the time its
    bytes take at the slowest: else a little, taken in time again and again, would keep it for hours. What comes behind
    the head is bounded by who reads it.
    """

    patience_s: float
    _end: asyncio.TimerHandle | None = None
    _headless: asyncio.TimerHandle | None = None
    _answer: object = None
    _left_s = 0.0
    _paused = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Resumed when nothing waits any more, not at a rest: the time to ask again begins when all is taken.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)
        self._left_s = self.patience_s
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        if self._headless is not None:
            self._headless.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._await_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.cycle is not self._answer:
            self._answer, self._left_s = self.cycle, self.patience_s
        # What waits now: nothing more is written before it is taken.
        self._left_s += self.transport.get_write_buffer_size() / _SLOWEST
        self._paused = self.loop.time()
        self._end = self.loop.call_later(min(self.patience_s, self._left_s), self.transport.abort)

    def resume_writing(self) -> None:
        self._go_on()
        self._left_s -= self.loop.time() - self._paused
        # Not before has the caller everything, and a reason to ask for more.
        self._await_head()
        super().resume_writing()

    def _go_on(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _await_head(self) -> None:
        if self._headless is not None:
            self._headless.cancel()
        self._headless = self.loop.call_later(self.patience_s, self._miss_head)

    def _miss_head(self) -> None:
        answers = self.cycle is not None and not self.cycle.response_complete
        if not answers and not self.flow.write_paused:
            self.transport.abort()


def bounded(seconds: float) -> type[H11Protocol]:
    """Connections that end if a request's head, or what they were given to send, takes longer than ``seconds``."""

    class Bounded(_Bounded):
        patience_s = seconds

    return Bounded
