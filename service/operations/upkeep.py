"""What is done again and again: attempts that died are closed, what expired is deleted.

Many processes may do it at once.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from service.audit.log import AuditLog
from service.records.store import RecordStore

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tidied:
    """What there was to do.

    Attributes:
        interrupted: attempts closed because their lease ended without an outcome.
        expired: rows of records that were deleted.
    """

    interrupted: int
    expired: int


def tidy(audit: AuditLog, records: RecordStore) -> Tidied:
    """Do it once.

    Raises:
        AuditUnavailable: the log cannot be read or written.
        DatabaseUnavailable: not everything that expired is deleted, or overwritten.
    """
    closed = audit.close_interrupted(datetime.now(UTC))
    return Tidied(interrupted=len(closed), expired=records.purge_expired())


class Upkeep:
    """Does it every so often, in a thread of its own, until closed."""

    def __init__(self, call: Callable[[], object], every_s: float) -> None:
        self._call = call
        self._every_s = every_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="visard-upkeep", daemon=True)

    def start(self) -> None:
        """Begin, with a first time now."""
        self._thread.start()

    def close(self) -> None:
        """Let what runs end and start nothing more."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._call()
            except Exception as error:  # noqa: BLE001
                # The database may be back the next time; and whatever else it was, there must be a next time.
                _log.warning("upkeep failed: %s", type(error).__name__)
            self._closed.wait(self._every_s)
