"""Who is told what the device does."""

from typing import Protocol


class Observer(Protocol):
    """Called on the device's thread; must not raise. What is about one request is told in its caller's context."""

    def waited(self, seconds: float) -> None:
        """The first face of a request left the queue."""
        ...

    def solved(self, seconds: float) -> None:
        """The last face of a request arrived, so long after the first one had left the queue."""
        ...

    def evaluated(self, seconds: float, faces: int) -> None:
        """The network was evaluated once, for so many faces; the solver's own arithmetic is in the time.

        A GPU works on while the thread goes on: only sums of these times mean something there.
        """
        ...


class _Nobody:
    def waited(self, seconds: float) -> None:
        pass

    def solved(self, seconds: float) -> None:
        pass

    def evaluated(self, seconds: float, faces: int) -> None:
        pass


NOBODY: Observer = _Nobody()
"""For who is not interested."""
