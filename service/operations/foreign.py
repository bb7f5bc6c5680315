"""Attempts on records of another tenant: the owner's log tells of them, the caller is told nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from service.audit.appending import NewEntry
from service.audit.entry import Kind
from service.operations.books import Books


@dataclass(frozen=True, slots=True, kw_only=True)
class DeniedAttempt:
    """What was asked for, and who was denied it.

    Attributes:
        tenant: of the caller.
        subject: of the caller.
        attempt: its id in the caller's own log.
        record: the record it named.
        pixels_digest: SHA-256 of the pixels it handed in.
    """

    tenant: str
    subject: str
    attempt: UUID
    record: UUID | None = None
    pixels_digest: bytes | None = None


def notices_of(denied: DeniedAttempt, books: Books) -> list[NewEntry]:
    """Notices for the logs of all other tenants that own the requested record or image.

    Nothing the caller wrote is passed on: a reason would be a way to write into another tenant's log.

    Raises:
        DatabaseUnavailable: it cannot be known whose record was meant.
    """
    return [
        NewEntry.of(
            owner,
            Kind.FOREIGN_ATTEMPT,
            uuid4(),
            datetime.now(UTC),
            {
                "by_attempt": str(denied.attempt),
                "by_subject": denied.subject,
                "by_tenant": denied.tenant,
                "record": str(record),
            },
        )
        for owner, record in books.records.owners(denied.record, denied.pixels_digest, but=denied.tenant)
    ]


def deny(denial: NewEntry, subject: str, record: UUID | None, books: Books) -> None:
    """Commit a denial of ``subject``, and with it what the owner of the record has to be told.

    Raises:
        AuditUnavailable, DatabaseUnavailable: neither is committed.
    """
    denied = DeniedAttempt(tenant=denial.tenant, subject=subject, attempt=denial.attempt, record=record)
    for rest in books.audit.commit_denied(denial, notices_of(denied, books)):
        books.afterwards(rest)
