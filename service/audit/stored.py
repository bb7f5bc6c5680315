"""A tenant's log as it is stored, read without trusting any of it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, RowMapping, Table, select, type_coerce, union
from sqlalchemy.types import NullType

from service.audit.entry import instant
from service.database.engine import by_portions, snapshot
from service.database.tables import audit_entries, audit_heads

UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One row.

    Attributes:
        index: where it claims to stand; None if that is no number.
        body: what was signed, if nobody changed it.
        proof: inclusion proof.
        checkpoint: signed note.
        columns: what the columns beside the body say (attempt, kind, tenant, time); None where there are none.
    """

    index: int | None
    body: bytes
    proof: bytes
    checkpoint: str
    columns: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class StoredLog:
    """One log.

    Attributes:
        tenant: whose.
        entries: by index; to be read once.
        checkpoint: the newest one; None if there is none.
        head: size and edge of the tree that the next entry will be added to; None where none is stored.
    """

    tenant: str
    entries: Iterable[StoredEntry]
    checkpoint: str | None
    head: tuple[int | None, bytes] | None = None


def tenants(engine: Engine) -> list[str]:
    """All that have a log, or rows that look like one.

    Raises:
        DatabaseUnavailable: the database did not answer.
    """
    with snapshot(engine) as connection:
        found = connection.execute(union(select(audit_heads.c.tenant), select(audit_entries.c.tenant))).scalars()
        return sorted(_text(name) for name in found)


@contextmanager
def stored_log(engine: Engine, tenant: str) -> Iterator[StoredLog]:
    """A tenant's log as of one instant; rows are read as they are asked for.

    Raises:
        DatabaseUnavailable: the database did not answer.
    """
    query = select(*raw_columns(audit_entries)).where(audit_entries.c.tenant == tenant).order_by(audit_entries.c.index)
    newest = select(*raw_columns(audit_heads)).where(audit_heads.c.tenant == tenant)
    with snapshot(engine) as connection:
        head = connection.execute(newest).mappings().first()
        rows = connection.execute(by_portions(query)).mappings()
        entries = (read_entry(row) for row in rows)
        if head is None:
            yield StoredLog(tenant, entries, None)
        else:
            yield StoredLog(tenant, entries, _text(head["checkpoint"]), (_number(head["size"]), _bytes(head["edge"])))


def raw_columns(table: Table) -> list[ColumnElement[Any]]:
    """Column types would raise on what someone else wrote there; garbage is to be reported."""
    return [type_coerce(column, NullType()).label(column.name) for column in table.c]


def read_entry(row: RowMapping) -> StoredEntry:
    """One row, read with ``raw_columns``."""
    return StoredEntry(
        index=_number(row["index"]),
        body=_bytes(row["body"]),
        proof=_bytes(row["proof"]),
        checkpoint=_text(row["checkpoint"]),
        columns={
            "attempt": _identifier(row["attempt"]),
            "kind": _text(row["kind"]),
            "tenant": _text(row["tenant"]),
            "time": _time(row["time"]),
        },
    )


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode(errors="replace")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else UNREADABLE


def _identifier(value: Any) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        return UNREADABLE


def _time(value: Any) -> str:
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return UNREADABLE
    return instant(time if time.tzinfo else time.replace(tzinfo=UTC))
