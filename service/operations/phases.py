"""How long the phases of an operation take, told to whoever wants to know."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

Phase = Literal["decode", "detect", "key", "encode"]
"""Beside those the engine tells: waiting in its queue, and solving."""


class Observer(Protocol):
    """Who is told; called on any thread, must not raise."""

    def spent(self, phase: Phase, seconds: float) -> None:
        """A phase ended, whether it succeeded or not."""
        ...


class _Nobody:
    def spent(self, phase: Phase, seconds: float) -> None:
        pass


NOBODY: Observer = _Nobody()
"""Does not want to know."""


@contextmanager
def timed(observer: Observer, phase: Phase) -> Iterator[None]:
    """Tell ``observer`` how long the block took."""
    began = time.perf_counter()
    try:
        yield
    finally:
        observer.spent(phase, time.perf_counter() - began)
