"""What the service says to whoever traces it, and nobody who does."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class RequestTrace(Protocol):
    """The trace that a request belongs to."""

    @property
    def id(self) -> str | None:
        """Of the trace, 32 hexadecimal digits; None when nothing is traced."""
        ...

    def answered(self, method: str, route: str, status: int, problem: str | None) -> None:
        """How it ended.

        Args:
            method: of HTTP.
            route: its template, never the path itself, which may hold the id of a record.
            status: of HTTP.
            problem: its code, if it was one.
        """
        ...


class Tracing(Protocol):
    """Who is told of requests and of what time goes into."""

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[RequestTrace]:
        """Until the block ends, what is spent in its context belongs to this request.

        Args:
            headers: of the request, which may continue somebody else's trace.
        """
        ...

    def spent(self, phase: str, seconds: float) -> None:
        """A phase of the request of this context has just ended; called on any thread, must not raise."""
        ...

    def close(self) -> None:
        """Hand over what is left, within seconds."""
        ...


class _NoTrace:
    id = None

    def answered(self, method: str, route: str, status: int, problem: str | None) -> None:
        pass


class _Off:
    @contextmanager
    def request(self, headers: Mapping[str, str]) -> Iterator[RequestTrace]:
        yield _NoTrace()

    def spent(self, phase: str, seconds: float) -> None:
        pass

    def close(self) -> None:
        pass


OFF: Tracing = _Off()
"""Traces nothing."""
