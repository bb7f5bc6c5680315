"""The audit log: each entry its own committed transaction, appended and never changed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, func, insert, select

from service.audit.entry import AuditEntry, Kind, Outcome, RecoveryAttempt
from service.database.engine import exclusive, transaction
from service.database.tables import audit_entries
from service.errors import AuditUnavailable, DatabaseUnavailable


class AuditLog:
    """One gapless log per tenant."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def intend(self, attempt: RecoveryAttempt) -> None:
        """Commit that an attempt is about to be made.

        Raises:
            AuditUnavailable: it is not committed; nothing may be recovered.
        """
        try:
            self._append(attempt.tenant, attempt.id, "intent", attempt.time, attempt.body())
        except DatabaseUnavailable as error:
            raise AuditUnavailable("the audit log cannot be written: nothing was recovered") from error

    def conclude(self, outcome: Outcome) -> None:
        """Commit how an attempt ended, in the log that holds its intent. An attempt ends once.

        Raises:
            AuditUnavailable: it is not committed, or has no intent, or ended before; nothing may be handed out.
        """
        try:
            tenant = self._tenant_of(outcome.attempt)
            self._append(tenant, outcome.attempt, "outcome", outcome.time, outcome.body())
        except DatabaseUnavailable as error:
            raise AuditUnavailable("the audit log cannot be written: the result is withheld") from error

    def entries(self, tenant: str, limit: int, after: int | None = None) -> list[AuditEntry]:
        """At most ``limit`` entries of one tenant, oldest first, those behind index ``after``.

        Raises:
            AuditUnavailable: the database did not answer.
        """
        query = select(audit_entries).where(audit_entries.c.tenant == tenant)
        if after is not None:
            query = query.where(audit_entries.c.index > after)
        try:
            with transaction(self._engine) as connection:
                rows = connection.execute(query.order_by(audit_entries.c.index).limit(limit)).all()
        except DatabaseUnavailable as error:
            raise AuditUnavailable("the audit log cannot be read") from error
        return [AuditEntry(**row._mapping) for row in rows]

    def _tenant_of(self, attempt: UUID) -> str:
        query = select(audit_entries.c.tenant).where(
            audit_entries.c.attempt == attempt, audit_entries.c.kind == "intent"
        )
        with transaction(self._engine) as connection:
            tenant: str | None = connection.execute(query).scalar_one_or_none()
        if tenant is None:
            raise AuditUnavailable("the audit log knows nothing of this attempt: the result is withheld")
        return tenant

    def _append(self, tenant: str, attempt: UUID, kind: Kind, time: datetime, body: bytes) -> None:
        newest = select(func.max(audit_entries.c.index)).where(audit_entries.c.tenant == tenant)
        with exclusive(self._engine, f"visard-audit:{tenant}") as connection:
            last = connection.execute(newest).scalar_one()
            index = 0 if last is None else last + 1
            connection.execute(
                insert(audit_entries).values(
                    tenant=tenant, index=index, attempt=attempt, kind=kind, time=time, body=body
                )
            )
