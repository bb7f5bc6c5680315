"""Waiting for what other threads and processes do."""

import time
from collections.abc import Callable

PATIENCE_S = 120


def until(condition: Callable[[], object], pause_s: float = 0.05) -> None:
    """Ask again and again; a condition that never holds fails the test instead of hanging it."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(pause_s)
