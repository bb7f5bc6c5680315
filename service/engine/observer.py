"""Who is told what the device does."""

from typing import Literal, Protocol

Phase = Literal["queue", "solve"]
"""Until the first face of a request leaves the queue, and from then on until its last one arrives."""


class Observer(Protocol):
    """Called on the device's thread; must not raise. What is about one request is told in its caller's context."""

    def spent(self, phase: Phase, seconds: float) -> None:
        """A phase of a request ended."""
        ...

    def evaluated(self, seconds: float, faces: int) -> None:
        """The network was evaluated once, for so many faces; the solver's own arithmetic is in the time.

        A GPU works on while the thread goes on: only sums of these times mean something there.
        """
        ...


class _Nobody:
    def spent(self, phase: Phase, seconds: float) -> None:
        pass

    def evaluated(self, seconds: float, faces: int) -> None:
        pass


NOBODY: Observer = _Nobody()
"""For who is not interested."""
