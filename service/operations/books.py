"""What a verb works with that touches no image."""

from collections.abc import Callable
from typing import Protocol

from service.access.approvals import ApprovalStore
from service.audit.log import AuditLog
from service.records.store import RecordStore

Afterwards = Callable[[Callable[[], None]], None]
"""Runs what must not be waited for by the caller."""


class Books(Protocol):
    """What a verb needs that touches no image: the tables, and the audit log."""

    @property
    def approvals(self) -> ApprovalStore:
        """What was approved."""

    @property
    def records(self) -> RecordStore:
        """What may be recovered."""

    @property
    def audit(self) -> AuditLog:
        """What was done."""

    @property
    def afterwards(self) -> Afterwards:
        """Where nobody waits it may run at once."""


def at_once(call: Callable[[], None]) -> None:
    """Run it now, as nobody waits."""
    call()
