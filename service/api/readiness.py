"""Whether this process should be sent requests."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

_PATIENCE_S = 2.0


class Readiness:
    """Checks of the parts, and the mark that shutdown has begun.

    Attributes:
        draining: set when the process is about to stop.
    """

    def __init__(self, checks: Mapping[str, Callable[[], object]]) -> None:
        """Take the checks by part; a part is well unless its check raises or hangs."""
        self.draining = False
        self._checks = dict(checks)
        self._pool = ThreadPoolExecutor(max(1, len(checks)), thread_name_prefix="visard-readiness")
        self._running: dict[str, Future[object]] = {}

    async def parts(self) -> dict[str, bool]:
        """Which parts are well; answers within two seconds."""
        running = {part: asyncio.wrap_future(self._started(part)) for part in self._checks}
        done, _ = await asyncio.wait(running.values(), timeout=_PATIENCE_S) if running else (set(), set())
        return {part: future in done and future.exception() is None for part, future in running.items()}

    def _started(self, part: str) -> "Future[object]":
        # A check that hangs is not started a second time: probes must not pile up behind it.
        future = self._running.get(part)
        if future is None or future.done():
            future = self._running[part] = self._pool.submit(self._checks[part])
        return future

    def close(self) -> None:
        """Start no more checks."""
        self._pool.shutdown(wait=False, cancel_futures=True)
