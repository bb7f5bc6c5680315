"""How often one caller is refused in a minute: every refusal is written down, and the log must have an end."""

import math
import time
from collections import Counter
from collections.abc import Callable

from service.access.principal import Principal
from service.errors import Refused, code_of

_WINDOW_S = 60.0


class Refusals:
    """Counts those of each caller and kind in this process, a minute at a time; on the event loop's thread only."""

    def __init__(self, most: int = 30, now: Callable[[], float] = time.monotonic) -> None:
        """Let each caller be refused ``most`` times a minute for the same reason."""
        self._most = most
        self._now = now
        self._began = now()
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def wait_s(self, caller: Principal, refusal: Refused) -> int:
        """Count one more; seconds until the caller may be refused so again, 0 for now."""
        since = self._now() - self._began
        if since >= _WINDOW_S:
            self._began += since
            since = 0.0
            self._counts.clear()
        # By kind: who holds an old token does not use up what its owner, who has a new one, is told.
        key = (caller.tenant, caller.subject, code_of(type(refusal)))
        self._counts[key] += 1
        return 0 if self._counts[key] <= self._most else max(1, math.ceil(_WINDOW_S - since))
