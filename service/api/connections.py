"""Connections of the HTTP server whose callers stop reading: they are broken off, not kept for ever."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


class _Bounded(H11Protocol):
    """A connection that may owe its caller something for ``patience_s``, and no longer.

    The server would close it, and asyncio closes only once its caller has taken everything.
    """

    patience_s: float
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Paused from the first byte on that waits: a little that is never taken keeps a connection, too.
        transport.set_write_buffer_limits(high=0)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._end = self.loop.call_later(self.patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._go_on()
        super().resume_writing()

    def _go_on(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


def bounded(seconds: float) -> type[H11Protocol]:
    """Connections that end if what they were given to send is not taken within ``seconds``."""

    class Bounded(_Bounded):
        patience_s = seconds

    return Bounded
