"""What may be remembered of a custody, and for how long: master keys, and which version is current."""

import threading
import time
from collections.abc import Callable

from service.keys.memory import SecretPage

Clock = Callable[[], float]


class MasterKeyCache:
    """Master keys in memory for at most a given time, then overwritten, whether or not anybody asks again."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        """Remember each key for ``seconds``; 0 remembers none."""
        self._seconds = seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._kept: dict[tuple[str, int], tuple[float, SecretPage]] = {}
        self._sweeper: threading.Thread | None = None

    def __repr__(self) -> str:
        return "MasterKeyCache(***)"

    def get(self, tenant: str, version: int) -> bytes | None:
        """The key, if it is remembered."""
        with self._changed:
            self._wipe_expired()
            kept = self._kept.get((tenant, version))
            return None if kept is None else kept[1].read()

    def put(self, tenant: str, version: int, master: bytes) -> None:
        """Remember a key from now on; asking for it does not prolong that."""
        if not self._seconds:
            return
        with self._changed:
            self._drop((tenant, version))
            self._kept[tenant, version] = (self._clock() + self._seconds, SecretPage(master))
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="visard-key-cache", daemon=True)
                self._sweeper.start()

    def forget(self, tenant: str, version: int) -> None:
        """Overwrite one key."""
        with self._changed:
            self._drop((tenant, version))

    def clear(self) -> None:
        """Overwrite all keys."""
        with self._changed:
            for key in list(self._kept):
                self._drop(key)
            self._changed.notify()

    def _drop(self, key: tuple[str, int]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            kept[1].wipe()

    def _wipe_expired(self) -> None:
        now = self._clock()
        for key in [key for key, (until, _) in self._kept.items() if until <= now]:
            self._drop(key)

    def _sweep(self) -> None:
        with self._changed:
            while self._kept:
                soonest = min(until for until, _ in self._kept.values())
                self._changed.wait(max(0.0, soonest - self._clock()))
                self._wipe_expired()
            self._sweeper = None


class CurrentVersions:
    """Which version of a tenant's key is the current one, for as long as that may be believed."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[str, tuple[float, int]] = {}

    def get(self, tenant: str, ask: Callable[[], int]) -> int:
        """The remembered version, or what ``ask`` says."""
        until, version = self._kept.get(tenant, (0.0, 0))
        if not version or until <= self._clock():
            version = ask()
            self._kept[tenant] = (self._clock() + self._seconds, version)
        return version

    def forget(self, tenant: str) -> None:
        """Ask next time."""
        self._kept.pop(tenant, None)
