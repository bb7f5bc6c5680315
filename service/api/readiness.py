"""Whether this process should be sent requests."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

_PATIENCE_S = 2.0


class Readiness:
    """Checks of the parts, and the mark that shutdown has begun; what was seen may be asked for from any thread.

    Attributes:
        draining: set when the process is about to stop.
    """

    def __init__(self, checks: Mapping[str, Callable[[], object]], longest_s: float = 11.0) -> None:
        """Take the checks by part; a part is well unless its check raises or hangs.

        Args:
            longest_s: after which ``close`` waits no longer for a check.
        """
        self.draining = False
        self._longest_s = longest_s
        self._checks = dict(checks)
        self._pool = ThreadPoolExecutor(max(1, len(checks)), thread_name_prefix="visard-readiness")
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Future[bool], float]] = {}
        self._ended: dict[str, bool] = {}
        self._closed = False

    async def parts(self) -> dict[str, bool]:
        """Which parts are well; answers within two seconds."""
        running = {part: asyncio.wrap_future(self._started(part)[0]) for part in self._checks}
        done, _ = await asyncio.wait(running.values(), timeout=_PATIENCE_S) if running else (set(), set())
        return {part: future in done and future.result() for part, future in running.items()}

    def seen(self) -> dict[str, bool]:
        """Which parts were well when they were last asked; waits for none, and asks them anew for the next time.

        A part whose first check has just begun is left out.
        """
        if self._closed:
            return {}
        found = {}
        for part in self._checks:
            future, began = self._started(part)
            if not future.done() and time.monotonic() - began > _PATIENCE_S:
                found[part] = False
            elif part in self._ended:
                found[part] = self._ended[part]
        return found

    def _started(self, part: str) -> tuple[Future[bool], float]:
        # A check that hangs is not started a second time: probes must not pile up behind it.
        with self._lock:
            check = self._running.get(part)
            if check is None or check[0].done():
                check = self._running[part] = (self._pool.submit(self._check, part), time.monotonic())
            return check

    def _check(self, part: str) -> bool:
        began = time.monotonic()
        try:
            self._checks[part]()
        except Exception:  # noqa: BLE001
            self._ended[part] = False
            return False
        # Whoever asked then did not wait for it.
        self._ended[part] = time.monotonic() - began <= _PATIENCE_S
        return True

    def close(self) -> None:
        """Start no more checks, and let those that run end: they use what is closed next."""
        with self._lock:
            self._closed = True
            running = [future for future, _ in self._running.values()]
        self._pool.shutdown(wait=False, cancel_futures=True)
        # Not for ever: each check has timeouts of its own, and one that hangs in spite of them must not keep the rest.
        wait(running, timeout=self._longest_s)
