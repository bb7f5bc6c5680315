"""Shipping that nobody waits for: the newest checkpoint of each tenant, again and again until it is kept."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from service.audit.checkpoint import SignedCheckpoint
from service.audit.shipping import FileShipper, Shipper
from service.errors import CheckpointInvalid, CheckpointNotShipped

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0


@dataclass(slots=True)
class _Waiting:
    """A waiting checkpoint.

    Attributes:
        pause_s: current back-off, 0 if the last try did not fail.
        due: monotonic time of the next try.
    """

    size: int
    note: str
    pause_s: float = 0.0
    due: float = 0.0


class BackgroundShipper:
    """Ships in a thread of its own. What waits is one checkpoint per tenant, the newest.

    Whether it continues what is kept is for the place to find out: here nobody knows.
    """

    def __init__(
        self, shipper: Shipper, on_failed: Callable[[Exception], None], first_pause_s: float = _FIRST_PAUSE_S
    ) -> None:
        """Ship by ``shipper``.

        Args:
            shipper: may take its time.
            on_failed: told of every time it failed.
            first_pause_s: before the second try; the pauses double, up to a minute, for each tenant by itself.
        """
        self._shipper = shipper
        self._on_failed = on_failed
        self._first_pause_s = first_pause_s
        self._waiting: dict[str, _Waiting] = {}
        self._lock = threading.Lock()
        self._news, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="visard-checkpoints", daemon=True)
        self._thread.start()

    @property
    def failing(self) -> bool:
        """Whether somebody's newest checkpoint was not kept the last time."""
        with self._lock:
            return any(one.pause_s for one in self._waiting.values())

    def ship(self, tenant: str, note: str) -> None:
        """Note it down; it is shipped soon."""
        size = SignedCheckpoint.parse(note).checkpoint.size
        with self._lock:
            known = self._waiting.setdefault(tenant, _Waiting(size, note))
            if known.size < size:
                known.size, known.note = size, note
        self._news.set()

    def close(self) -> None:
        """Try once more what waits, and end."""
        self._closed.set()
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._news.wait(self._until_next_s())
            self._news.clear()
            self._ship_due(time.monotonic())
        self._ship_due(math.inf)

    def _until_next_s(self) -> float | None:
        with self._lock:
            next_due = min((one.due for one in self._waiting.values()), default=None)
        return None if next_due is None else max(0.0, next_due - time.monotonic())

    def _ship_due(self, now: float) -> None:
        with self._lock:
            due = [(tenant, one.size, one.note) for tenant, one in self._waiting.items() if one.due <= now]
        for tenant, size, note in due:
            try:
                self._shipper.ship(tenant, note)
            except Exception as error:  # noqa: BLE001
                # Whatever it was: the thread goes on, the checkpoint waits, and it is told.
                self._put_off(tenant)
                self._on_failed(error)
                if self._closed.is_set():
                    # A server that is away must not hold up the end of the process once per tenant.
                    break
            else:
                self._shipped(tenant, size)

    def _put_off(self, tenant: str) -> None:
        with self._lock:
            one = self._waiting[tenant]
            one.pause_s = min(2 * one.pause_s or self._first_pause_s, _LONGEST_PAUSE_S)
            one.due = time.monotonic() + one.pause_s

    def _shipped(self, tenant: str, size: int) -> None:
        with self._lock:
            one = self._waiting[tenant]
            one.pause_s = one.due = 0.0
            if one.size == size:
                del self._waiting[tenant]


class PersistentShipper:
    """A near place at once, far ones in the background, and each again and again until it keeps what it should."""

    def __init__(self, near: FileShipper, far: Sequence[Shipper], on_failed: Callable[[Exception], None]) -> None:
        """Ship to all of these.

        Args:
            near: callers wait for it, once.
            far: may take their time.
            on_failed: told of every time one failed in the background.
        """
        self._near = near
        self._on_failed = on_failed
        self._again, *self._far = (BackgroundShipper(place, on_failed) for place in (near, *far))
        # Before anybody reads what logs there are: one that begins meanwhile is not gone.
        self._kept_before = near.tenants()
        self._gone: set[str] = set()

    @property
    def failing(self) -> bool:
        """Whether a place lacks somebody's newest checkpoint though it was to have it, or has one of a log gone."""
        gone = self._gone and self._gone & self._near.tenants()
        return bool(gone) or any(place.failing for place in (self._again, *self._far))

    def ship(self, tenant: str, note: str) -> None:
        """Ship to the near place; the others get it soon.

        Raises:
            CheckpointNotShipped: it did not keep it, and is asked again later.
        """
        for place in self._far:
            place.ship(tenant, note)
        try:
            self._near.ship(tenant, note)
        except Exception:
            self._again.ship(tenant, note)
            raise

    def catch_up(self, newest: Iterable[tuple[str, str]]) -> None:
        """Ship soon what an earlier process may have left, and tell of what the database has lost meanwhile.

        A log that was put back contradicts what is kept, as any checkpoint may. Of one that is gone there is none.

        Args:
            newest: every tenant that has a log, and its note.
        """
        self._gone = set(self._kept_before)
        for tenant, note in newest:
            self._gone.discard(tenant)
            try:
                for place in (self._again, *self._far):
                    place.ship(tenant, note)
            except CheckpointInvalid as error:
                self._on_failed(error)
        for _ in self._gone:
            self._on_failed(CheckpointNotShipped("the database has no log of a tenant whose checkpoint is kept"))

    def close(self) -> None:
        """Try once more what waits, and end."""
        for place in (self._again, *self._far):
            place.close()
