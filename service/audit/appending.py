"""Adding entries inside a transaction: one to its own log, and beside it notices to logs of other tenants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID, uuid4

from sqlalchemy import Connection, insert
from sqlalchemy.exc import DBAPIError

from service.audit.checkpoint import origin_of
from service.audit.entry import Kind, Value, entry_body
from service.audit.head import extend
from service.audit.signing import Signer
from service.database.tables import audit_entries
from service.errors import AuditTampered


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be added.

    Attributes:
        tenant: whose log it goes into.
        attempt: the attempt it belongs to.
        kind: what it is about.
        time: timezone-aware.
        body: UTF-8 JSON, exactly as it is committed: see ``entry_body``.
    """

    tenant: str
    attempt: UUID
    kind: Kind
    time: datetime
    body: bytes

    @classmethod
    def of(cls, tenant: str, kind: Kind, attempt: UUID, time: datetime, fields: Mapping[str, Value]) -> Self:
        """An entry that says ``fields``.

        Raises:
            AuditValueInvalid, ValueError: see ``entry_body``.
        """
        return cls(tenant, attempt, kind, time, entry_body(tenant, kind, attempt, time, fields))


@dataclass(frozen=True, slots=True)
class Added:
    """What was added.

    Attributes:
        notes: the checkpoint of each log that grew, by tenant.
        refused: notices that their logs did not take.
    """

    notes: dict[str, str]
    refused: tuple[NewEntry, ...] = ()


def add(connection: Connection, entry: NewEntry, signer: Signer) -> str:
    """Add an entry to its log; returns the checkpoint signed with it.

    Raises:
        AuditTampered: the log is not as it was signed.
        Unavailable: the signer does not answer.
    """
    receipt = extend(connection, entry.tenant, origin_of(entry.tenant), entry.body, signer)
    connection.execute(
        insert(audit_entries).values(
            tenant=entry.tenant,
            index=receipt.index,
            attempt=entry.attempt,
            kind=entry.kind.value,
            time=entry.time,
            body=entry.body,
            proof=receipt.proof,
            checkpoint=receipt.checkpoint,
        )
    )
    return receipt.checkpoint


def add_denial(connection: Connection, denial: NewEntry, notices: Sequence[NewEntry], signer: Signer) -> Added:
    """Add a denial and the notices of it in one transaction.

    Whoever was denied must not learn from the time it takes, or from the answer, whether somebody was told. So
    without notices the same work is done and undone, and a notice that its log does not take spoils nothing.

    Raises:
        AuditTampered: the denial's own log is not as it was signed.
        Unavailable: the signer does not answer.
    """
    notes: dict[str, str] = {}
    refused: list[NewEntry] = []
    # Everybody locks the heads of logs in the same order: nobody waits in a circle.
    for entry in sorted((denial, *notices), key=lambda entry: entry.tenant):
        if entry is denial:
            notes[entry.tenant] = add(connection, entry, signer)
            continue
        try:
            with connection.begin_nested():
                notes[entry.tenant] = add(connection, entry, signer)
        except (AuditTampered, DBAPIError):
            refused.append(entry)
    if not notices:
        _pretend(connection, denial, signer)
    return Added(notes, tuple(refused))


class _Blank:
    """Signs what is no checkpoint: a second one of the same size would be proof of a rewritten log."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @property
    def public_key(self) -> bytes:
        return self._signer.public_key

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(b"no checkpoint\n" + message)

    def check(self) -> None:
        self._signer.check()


def _pretend(connection: Connection, denial: NewEntry, signer: Signer) -> None:
    savepoint = connection.begin_nested()
    add(connection, replace(denial, kind=Kind.FOREIGN_ATTEMPT, attempt=uuid4()), _Blank(signer))
    savepoint.rollback()
