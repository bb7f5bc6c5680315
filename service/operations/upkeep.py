"""What is done again and again: attempts that died are closed, what expired is deleted.

Many processes may do it at once.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from service.access.approvals import release
from service.audit.log import AuditLog
from service.records.store import RecordStore

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tidied:
    """What there was to do.

    Attributes:
        interrupted: attempts closed because their lease ended without an outcome.
        expired: rows of records that were deleted.
    """

    interrupted: int = 0
    expired: int = 0


def _nobody_told() -> None:
    """Nobody wants to know."""


def never() -> bool:
    """Nothing stops the work."""
    return False


def tidy(
    audit: AuditLog,
    records: RecordStore,
    on_interrupted: Callable[[], object] = _nobody_told,
    stopped: Callable[[], bool] = never,
) -> Tidied:
    """Do once all that can be done: a log that takes no entry holds up neither the others nor a deletion.

    Args:
        on_interrupted: told of each attempt that is closed.
        stopped: whether to leave the rest to another time.

    Raises:
        AuditUnavailable: a log cannot be written.
        DatabaseUnavailable: what expired cannot be read, or is not all deleted, or not overwritten.
    """
    done, now = Tidied(), datetime.now(UTC)

    def purge() -> None:
        done.expired = records.purge_expired()

    def close(attempt: UUID) -> None:
        if audit.interrupt(attempt, now, release):
            done.interrupted += 1
            on_interrupted()

    def close_all() -> None:
        in_turn(*(partial(close, attempt) for attempt in audit.expired(now)), stopped=stopped)

    in_turn(purge, close_all, stopped=stopped)
    return done


def in_turn(*steps: Callable[[], object], stopped: Callable[[], bool] = never) -> None:
    """Take every step, whatever becomes of the others; then raise what the first that failed raised.

    Args:
        stopped: whether to take no step more.
    """
    failures: list[Exception] = []
    for step in steps:
        if stopped():
            break
        try:
            step()
        except Exception as error:  # noqa: BLE001
            failures.append(error)
    if failures:
        _log.warning("%d of %d steps of upkeep failed", len(failures), len(steps))
        raise failures[0]


class Upkeep:
    """Does it every so often, in a thread of its own, until closed."""

    def __init__(self, call: Callable[[], object], every_s: float, longest_s: float = 11.0) -> None:
        """Make the thread.

        Args:
            call: what is done; it looks at ``closed`` between its steps.
            every_s: so long after it was done before.
            longest_s: after which ``close`` waits no longer for a step.
        """
        self._call = call
        self._every_s = every_s
        self._longest_s = longest_s
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="visard-upkeep", daemon=True)

    @property
    def closed(self) -> bool:
        """Whether nothing more is to be started."""
        return self._closed.is_set()

    def start(self) -> None:
        """Begin, with a first time now."""
        self._thread.start()

    def close(self) -> None:
        """Let the step that runs end, unless it hangs, and start nothing more."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(self._longest_s)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._call()
            except Exception as error:  # noqa: BLE001
                # The database may be back the next time; and whatever else it was, there must be a next time.
                _log.warning("upkeep failed: %s", type(error).__name__)
            self._closed.wait(self._every_s)
