"""How many requests beyond a caller's rate are written down: they have no end, and the log would have none either."""

import time
from collections import Counter
from collections.abc import Callable

from service.access.principal import Principal

_WINDOW_S = 60.0


class Refusals:
    """Counts those of each caller in this process, a minute at a time; on the event loop's thread only."""

    def __init__(self, most: int = 30, now: Callable[[], float] = time.monotonic) -> None:
        """Let ``most`` a minute be written down of each caller."""
        self._most = most
        self._now = now
        self._began = now()
        self._counts: Counter[tuple[str, str]] = Counter()

    def admit(self, caller: Principal) -> bool:
        """Whether one more of this caller is to be written down."""
        if self._now() - self._began >= _WINDOW_S:
            self._began = self._now()
            self._counts.clear()
        key = (caller.tenant, caller.subject)
        self._counts[key] += 1
        return self._counts[key] <= self._most
