"""Attempts on records of another tenant: the owner's log tells of them, the caller is told nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from service.audit.entry import Kind
from service.operations.parts import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class DeniedAttempt:
    """What was asked for, and who was denied it.

    Attributes:
        tenant: of the caller.
        subject: of the caller.
        attempt: its id in the caller's own log; None for a mere question, which leaves nothing there.
        record: the record it named.
        pixels_digest: SHA-256 of the pixels it handed in.
    """

    tenant: str
    subject: str
    attempt: UUID | None = None
    record: UUID | None = None
    pixels_digest: bytes | None = None


def tell_owners(denied: DeniedAttempt, parts: Parts) -> None:
    """Leave an entry in the log of every other tenant whose record was meant, after the answer to the caller.

    Looking for the owner, and writing into a log that others may hold, takes time that would tell the caller
    whether there is one. Nothing the caller wrote is passed on: a reason would be a way to write into another
    tenant's log.

    Raises:
        AuditUnavailable, DatabaseUnavailable: an owner could not be told.
    """
    for owner, record in parts.records.owners(denied.record, denied.pixels_digest, but=denied.tenant):
        fields = {
            "by_attempt": None if denied.attempt is None else str(denied.attempt),
            "by_subject": denied.subject,
            "by_tenant": denied.tenant,
            "record": str(record),
        }
        parts.audit.append(owner, Kind.FOREIGN_ATTEMPT, uuid4(), fields, datetime.now(UTC))
