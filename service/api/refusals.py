"""Rate limit for logged refusals, and for requests that found no place.

Up to a limit per caller and minute each is logged individually; beyond it only the count is.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from service.access.principal import Principal
from service.audit.entry import Value, instant
from service.errors import EngineBusy, Refused
from service.operations.verdict import verdict

_WINDOW_S = 60.0
_WINDOW = timedelta(seconds=_WINDOW_S)
_Caller = tuple[str, str, str, str]
"""Tenant, subject, and how and why their requests ended."""


@dataclass(frozen=True, slots=True)
class Surplus:
    """Refusals of one caller that were not written down one by one.

    Attributes:
        tenant: of the caller.
        subject: the caller.
        result: how each ended.
        detail: why; a stable code.
        count: how many.
        since, until: the window they fell into, or several.
    """

    tenant: str
    subject: str
    result: str
    detail: str
    count: int
    since: datetime
    until: datetime

    @property
    def caller(self) -> _Caller:
        """Whose, and why: of these there is one at a time."""
        return self.tenant, self.subject, self.result, self.detail

    def __add__(self, other: "Surplus") -> "Surplus":
        """Both, of the same caller."""
        since, until = min(self.since, other.since), max(self.until, other.until)
        return replace(self, count=self.count + other.count, since=since, until=until)

    def fields(self) -> Mapping[str, Value]:
        """What the entry says beyond tenant, kind, attempt and time."""
        span = {"since": instant(self.since), "until": instant(self.until)}
        return {"count": self.count, "detail": self.detail, "result": self.result, "subject": self.subject, **span}


class Refusals:
    """Counts those of each caller and kind in this process, a minute at a time; may be called from any thread."""

    def __init__(self, most: int = 30, now: Callable[[], float] = time.monotonic) -> None:
        """Let each caller be refused ``most`` times a minute for the same reason."""
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._counts: Counter[_Caller] = Counter()
        self._surplus: dict[_Caller, Surplus] = {}
        self._begin()

    def wait_s(self, caller: Principal, refusal: Refused | EngineBusy) -> int:
        """Count one more; seconds until the caller may be refused so again, 0 for now."""
        with self._lock:
            since = self._window()
            # By kind: who holds an old token does not use up what its owner, who has a new one, is told.
            result, detail = verdict(refusal)
            key = (caller.tenant, caller.subject, result.value, detail)
            self._counts[key] += 1
            return 0 if self._counts[key] <= self._most else max(1, math.ceil(_WINDOW_S - since))

    def take(self, *, unfinished: bool = False) -> list[Surplus]:
        """What is to be written down of the windows that are over, once; ``unfinished``, of this one too."""
        with self._lock:
            self._window()
            if unfinished:
                self._end()
            taken, self._surplus = self._surplus, {}
            return list(taken.values())

    def put_back(self, surplus: Surplus) -> None:
        """It could not be written down: it is to be taken again."""
        with self._lock:
            self._keep(surplus)

    def _window(self) -> float:
        """Seconds since the window of now began."""
        if self._now() - self._began >= _WINDOW_S:
            self._end()
        return self._now() - self._began

    def _end(self) -> None:
        # A window ends when somebody looks, which may be long after its minute.
        until = min(datetime.now(UTC), self._since + _WINDOW)
        for caller, count in self._counts.items():
            if count > self._most:
                self._keep(Surplus(*caller, count - self._most, self._since, until))
        self._counts.clear()
        self._begin()

    def _keep(self, surplus: Surplus) -> None:
        # Added up: while a log takes no entry, what waits for it must not grow.
        waiting = self._surplus.get(surplus.caller)
        self._surplus[surplus.caller] = surplus if waiting is None else waiting + surplus

    def _begin(self) -> None:
        self._began, self._since = self._now(), datetime.now(UTC)
