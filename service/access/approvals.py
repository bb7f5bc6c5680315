"""Approvals: a second person lets a recovery happen, of one record or in one case, until an hour comes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, Engine, insert, or_, select, update

from service.database import tables
from service.database.engine import transaction, writing

_table = tables.approvals


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One approval.

    Attributes:
        id: names it, in the audit log too.
        tenant: whose recoveries.
        subject: who approved.
        record: of this record only.
        case: or of any record, in this case.
        created: UTC.
        expires: from then on it counts no more.

    Raises:
        ValueError: it is for neither a record nor a case, or for both.
    """

    id: UUID
    tenant: str
    subject: str
    record: UUID | None
    case: str | None
    created: datetime
    expires: datetime

    def __post_init__(self) -> None:
        if (self.record is None) == (self.case is None):
            raise ValueError("an approval is for a record or for a case")


class ApprovalStore:
    """The table of approvals. Every method raises ``DatabaseUnavailable`` when the database fails."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def add(self, approval: Approval) -> None:
        """Commit an approval; its audit entry comes first."""
        with transaction(self._engine) as connection:
            connection.execute(insert(_table).values(asdict(approval)))

    def claim(self, tenant: str, *, record: UUID, case: str | None, but: str, attempt: UUID, once: bool) -> UUID | None:
        """Use an approval for an attempt, the one that expires first; None if there is none to use.

        Of several attempts at once that find the same one, a single one gets it where it counts ``once``.

        Args:
            record: what is to be recovered.
            case: in which case.
            but: the subject of the attempt: nobody approves their own.
            attempt: its id.
            once: only an unused approval counts. Otherwise a used one counts too and is never released, so that it
                stays used if the policy later changes to ``once``.
        """
        meant = _table.c.record == record if case is None else or_(_table.c.record == record, _table.c.case == case)
        now = self._now()
        unused = [_table.c.used.is_(None)] if once else []
        valid = [_table.c.tenant == tenant, meant, _table.c.subject != but, _table.c.expires > now, *unused]
        holder = attempt if once else None
        candidates = select(_table.c.id).where(*valid).order_by(_table.c.expires, _table.c.id)
        with writing(self._engine) as connection:
            found: Sequence[UUID] = connection.execute(candidates).scalars().all()
            for candidate in found:
                # The condition is checked again under the row's lock: between the two others may have been faster.
                use = update(_table).where(_table.c.id == candidate, *unused).values(used=now, used_by=holder)
                if connection.execute(use).rowcount:
                    return candidate
        return None

    def release(self, attempt: UUID) -> None:
        """Give back what an attempt claimed that handed nothing out."""
        with writing(self._engine) as connection:
            release(connection, attempt)


def release(connection: Connection, attempt: UUID) -> None:
    """As ``ApprovalStore.release``, in a transaction of the caller's."""
    connection.execute(update(_table).where(_table.c.used_by == attempt).values(used=None, used_by=None))
