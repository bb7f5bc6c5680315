"""Shipping that nobody waits for: the newest checkpoint of each tenant, again and again until it is kept."""

import threading
from collections.abc import Callable, Iterable, Sequence

from service.audit.checkpoint import SignedCheckpoint
from service.audit.shipping import Shipper
from service.errors import CheckpointInvalid

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0


class BackgroundShipper:
    """Ships in a thread of its own. What waits is one checkpoint per tenant: a newer one says all of an older."""

    def __init__(
        self, shipper: Shipper, on_failed: Callable[[Exception], None], first_pause_s: float = _FIRST_PAUSE_S
    ) -> None:
        """Ship by ``shipper``.

        Args:
            shipper: may take its time.
            on_failed: told of every time it failed.
            first_pause_s: before the second try; the pauses double, up to a minute.
        """
        self._shipper = shipper
        self._on_failed = on_failed
        self._first_pause_s = first_pause_s
        self._waiting: dict[str, tuple[int, str]] = {}
        self._failing = False
        self._lock = threading.Lock()
        self._news, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="visard-checkpoints", daemon=True)
        self._thread.start()

    @property
    def failing(self) -> bool:
        """Whether somebody's newest checkpoint was not kept the last time."""
        return self._failing

    def ship(self, tenant: str, note: str) -> None:
        """Note it down; it is shipped soon."""
        self._keep(tenant, SignedCheckpoint.parse(note).checkpoint.size, note)
        self._news.set()

    def close(self) -> None:
        """Try once more what waits, and end."""
        self._closed.set()
        self._news.set()
        self._thread.join()

    def _keep(self, tenant: str, size: int, note: str) -> None:
        with self._lock:
            known = self._waiting.get(tenant)
            if known is None or known[0] < size:
                self._waiting[tenant] = (size, note)

    def _run(self) -> None:
        pause_s = self._first_pause_s
        while not self._closed.is_set():
            self._news.wait()
            self._news.clear()
            if self._all_shipped():
                pause_s = self._first_pause_s
                continue
            self._closed.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            self._news.set()
        self._all_shipped()

    def _all_shipped(self) -> bool:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        shipped = True
        for tenant, (size, note) in waiting.items():
            try:
                self._shipper.ship(tenant, note)
            except Exception as error:  # noqa: BLE001
                # Whatever it was: the thread goes on, the checkpoint waits, and it is told.
                shipped = False
                self._keep(tenant, size, note)
                self._on_failed(error)
                if self._closed.is_set():
                    # A server that is away must not hold up the end of the process once per tenant.
                    break
        self._failing = not shipped
        return shipped


class ShipToAll:
    """Several places, each of them tried whatever happens at the others."""

    def __init__(self, shippers: Sequence[Shipper]) -> None:
        self._shippers = tuple(shippers)

    def ship(self, tenant: str, note: str) -> None:
        """Ship to each.

        Raises:
            CheckpointNotShipped: by the first that failed.
        """
        failed: list[Exception] = []
        for shipper in self._shippers:
            try:
                shipper.ship(tenant, note)
            except Exception as error:  # noqa: BLE001
                # The others still have to get it.
                failed.append(error)
        if failed:
            raise failed[0]


class PersistentShipper:
    """A near place at once, far ones in the background, and each again and again until it keeps what it should."""

    def __init__(self, near: Shipper, far: Sequence[Shipper], on_failed: Callable[[Exception], None]) -> None:
        """Ship to all of these.

        Args:
            near: callers wait for it, once.
            far: may take their time.
            on_failed: told of every time one failed in the background.
        """
        self._near = near
        self._on_failed = on_failed
        self._again, *self._far = (BackgroundShipper(place, on_failed) for place in (near, *far))

    @property
    def failing(self) -> bool:
        """Whether a place lacks somebody's newest checkpoint though it was to have it."""
        return any(place.failing for place in (self._again, *self._far))

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
        """Ship soon what an earlier process may have left: tenants and their notes."""
        for tenant, note in newest:
            try:
                for place in (self._again, *self._far):
                    place.ship(tenant, note)
            except CheckpointInvalid as error:
                self._on_failed(error)

    def close(self) -> None:
        """Try once more what waits, and end."""
        for place in (self._again, *self._far):
            place.close()
