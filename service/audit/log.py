"""The audit log: each entry its own committed transaction, appended and never changed."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, Engine, select

from service.audit import leases
from service.audit.appending import Added, NewEntry, add, add_denial
from service.audit.entry import Kind, Outcome, RecoveryAttempt, Result, Value
from service.audit.shipping import Shipper
from service.audit.signing import Signer
from service.database.engine import transaction, writing
from service.database.tables import audit_entries
from service.errors import AuditTampered, AuditUnavailable, Unavailable

Rest = tuple[Callable[[], None], ...]
"""What a committed denial leaves to be done, and its caller must not wait for."""

_UNWRITTEN = "the audit log cannot be written"
_WITHHELD = "the audit log cannot be written: the result is withheld"
_RENEWED_EVERY_S = 300.0
_log = logging.getLogger(__name__)


def log_failed_shipping(error: Exception) -> None:
    """Say in the process log that a checkpoint stayed inside."""
    _log.error("a checkpoint of the audit log was not shipped: %s", type(error).__name__)


class AuditLog:
    """One gapless log per tenant, with a signed checkpoint for every entry."""

    def __init__(
        self,
        engine: Engine,
        signer: Signer,
        shipper: Shipper | None = None,
        *,
        on_failed_shipping: Callable[[Exception], None] = log_failed_shipping,
    ) -> None:
        """Append to the logs in a database.

        Args:
            on_failed_shipping: told of every checkpoint that did not get out; the entry is committed all the same.
        """
        self._engine = engine
        self._signer = signer
        self._shipper = shipper
        self._on_failed_shipping = on_failed_shipping

    def intend(self, attempt: RecoveryAttempt) -> None:
        """Commit that an attempt is about to be made.

        Raises:
            AuditUnavailable: it is not committed; nothing may be recovered.
        """
        entry = NewEntry.of(attempt.tenant, Kind.INTENT, attempt.id, attempt.time, attempt.fields())
        with self._writing("the audit log cannot be written: nothing was recovered") as connection:
            leases.begin(connection, attempt.id, attempt.time + attempt.lease)
            note = add(connection, entry, self._signer)
        self._ship(entry.tenant, note)

    @contextmanager
    def holding(self, attempt: RecoveryAttempt) -> Iterator[None]:
        """Renew the lease of an attempt until the block ends: it may take as long as it needs."""
        ended = threading.Event()
        threading.Thread(target=self._renew, args=(attempt, ended), name="visard-lease", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def conclude(self, outcome: Outcome) -> None:
        """Commit how an attempt ended, in the log that holds its intent. An attempt ends once.

        Raises:
            AuditUnavailable: it is not committed, or has no intent, or ended before; nothing may be handed out.
        """
        with self._writing(_WITHHELD) as connection:
            leases.end(connection, outcome.attempt)
            entry = _end_of(connection, outcome)
            note = add(connection, entry, self._signer)
        self._ship(entry.tenant, note)

    def conclude_denied(self, outcome: Outcome, notices: Sequence[NewEntry]) -> Rest:
        """Commit that an attempt was denied and, in the same transaction, the notices of it in other logs.

        Raises:
            AuditUnavailable: as ``conclude``.
        """
        with self._writing(_WITHHELD) as connection:
            leases.end(connection, outcome.attempt)
            entry = _end_of(connection, outcome)
            added = add_denial(connection, entry, notices, self._signer)
        return self._rest(entry.tenant, added)

    def append(self, tenant: str, kind: Kind, attempt: UUID, fields: Mapping[str, Value], time: datetime) -> None:
        """Commit any other entry. An id has at most one entry of each kind.

        Raises:
            AuditUnavailable: it is not committed.
            AuditValueInvalid: a value cannot stand in the log.
        """
        self.commit(NewEntry.of(tenant, kind, attempt, time, fields))

    def commit(self, entry: NewEntry) -> None:
        """Commit an entry.

        Raises:
            AuditUnavailable: it is not committed.
        """
        with self._writing(_UNWRITTEN) as connection:
            note = add(connection, entry, self._signer)
        self._ship(entry.tenant, note)

    def commit_denied(self, denial: NewEntry, notices: Sequence[NewEntry]) -> Rest:
        """Commit any other denial and, in the same transaction, the notices of it in other logs.

        Raises:
            AuditUnavailable: it is not committed.
        """
        with self._writing(_UNWRITTEN) as connection:
            added = add_denial(connection, denial, notices, self._signer)
        return self._rest(denial.tenant, added)

    def expired(self, now: datetime) -> list[UUID]:
        """Attempts whose lease ended without an outcome, the longest ago first.

        Raises:
            DatabaseUnavailable: it did not answer.
        """
        with transaction(self._engine) as connection:
            return leases.expired(connection, now)

    def interrupt(self, attempt: UUID, now: datetime, release: Callable[[Connection, UUID], None]) -> bool:
        """Conclude as interrupted an attempt whose lease ended, and in the same transaction ``release`` what it held.

        Several processes may do this at once: an attempt ends once, whoever comes first. Returns whether it did here.

        Raises:
            AuditUnavailable: it is not committed.
        """
        outcome = Outcome(attempt=attempt, time=now, result=Result.INTERRUPTED, detail="lease-expired")
        with self._writing(_UNWRITTEN) as connection:
            if not leases.end_expired(connection, attempt, now) or _has_ended(connection, attempt):
                return False
            entry = _end_of(connection, outcome)
            note = add(connection, entry, self._signer)
            release(connection, attempt)
        self._ship(entry.tenant, note)
        return True

    @contextmanager
    def _writing(self, otherwise: str) -> Iterator[Connection]:
        with _or_unavailable(otherwise), writing(self._engine) as connection:
            yield connection

    def _rest(self, tenant: str, added: Added) -> Rest:
        """Ship the denial's own checkpoint; those of other logs take time that would tell of them."""
        self._ship(tenant, added.notes.pop(tenant))
        shipments = [partial(self._ship, *note) for note in added.notes.items()]
        return (*shipments, *(partial(self.commit, notice) for notice in added.refused))

    def _ship(self, tenant: str, note: str) -> None:
        if self._shipper is None:
            return
        try:
            self._shipper.ship(tenant, note)
        except Exception as error:  # noqa: BLE001
            # The entry is committed: whatever a shipper raises, the request went as the log says.
            self._on_failed_shipping(error)

    def _renew(self, attempt: RecoveryAttempt, ended: threading.Event) -> None:
        while not ended.wait(_RENEWED_EVERY_S):
            # If it fails now, there is time for another try before the lease ends.
            with suppress(Unavailable), self._writing(_UNWRITTEN) as connection:
                leases.renew(connection, attempt.id, datetime.now(UTC) + attempt.lease)


def _has_ended(connection: Connection, attempt: UUID) -> bool:
    """Whether there is an outcome; a process of a version without leases leaves the lease behind."""
    query = select(audit_entries.c.index).where(
        audit_entries.c.attempt == attempt, audit_entries.c.kind == Kind.OUTCOME.value
    )
    return connection.execute(query).first() is not None


def _end_of(connection: Connection, outcome: Outcome) -> NewEntry:
    """The entry of an outcome, which belongs where its intent is."""
    query = select(audit_entries.c.tenant).where(
        audit_entries.c.attempt == outcome.attempt, audit_entries.c.kind == Kind.INTENT.value
    )
    tenant: str | None = connection.execute(query).scalar_one_or_none()
    if tenant is None:
        raise AuditUnavailable("the audit log knows nothing of this attempt: the result is withheld")
    return NewEntry.of(tenant, Kind.OUTCOME, outcome.attempt, outcome.time, outcome.fields())


@contextmanager
def _or_unavailable(message: str) -> Iterator[None]:
    try:
        yield
    except AuditTampered:
        raise
    except Unavailable as error:
        raise AuditUnavailable(message) from error
