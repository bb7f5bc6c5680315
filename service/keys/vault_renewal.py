"""Keeps Vault's token alive in the background, so that no request finds it expired."""

import random
import threading
import time

from service.errors import Unavailable
from service.keys.vault_errors import VaultTransient
from service.keys.vault_session import VaultSession

_SHARE = 2 / 3
_SOONEST_S = 1.0
_LATEST_S = 3600.0
_RETRY_S = 5.0


class Renewal:
    """A thread that renews the token of a session after two thirds of its life, or logs in again."""

    def __init__(self, session: VaultSession) -> None:
        self._session = session
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="visard-vault-renewal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a request under way may still end."""
        self._stop.set()

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                if self._due_s() <= 0:
                    self._session.prolong()
                pause = max(_SOONEST_S, self._due_s())
            except (Unavailable, VaultTransient):
                # Requests try for themselves; who can tell a person are readiness and the metrics.
                pause = random.uniform(_RETRY_S / 2, _RETRY_S)  # noqa: S311

    def _due_s(self) -> float:
        lease = self._session.lease()
        if lease is None:
            return 0.0
        if lease.ttl_s == 0:
            return _LATEST_S
        # Each process at its own time.
        share = random.uniform(_SHARE - 0.1, _SHARE)  # noqa: S311
        return min(_LATEST_S, lease.since + share * lease.ttl_s - time.monotonic())
