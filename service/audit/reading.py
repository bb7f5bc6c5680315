"""What an auditor reads of a log: pages of entries, and all entries of one attempt."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, Select, select

from service.audit.entry import Kind, Result
from service.audit.stored import StoredEntry, raw_columns, read_entry
from service.database.engine import snapshot
from service.database.tables import audit_entries

_SCANNED = 1000
"""Entries looked at for one page, so that a filter that finds nothing costs no more than one that does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are wanted; what is None does not matter.

    Attributes:
        kind: what they are about.
        since: not older than this, timezone-aware.
        until: older than this, timezone-aware.
        subject: who acted.
        case: the file or ticket.
        record: the record asked for or found.
        result: how the attempt ended.
    """

    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None
    subject: str | None = None
    case: str | None = None
    record: UUID | None = None
    result: Result | None = None

    def narrow(self, query: Select[Any]) -> Select[Any]:
        """Let the database leave out what it can."""
        if self.kind is not None:
            query = query.where(audit_entries.c.kind == self.kind.value)
        if self.since is not None:
            query = query.where(audit_entries.c.time >= self.since)
        if self.until is not None:
            query = query.where(audit_entries.c.time < self.until)
        return query

    def matches(self, entry: StoredEntry) -> bool:
        """Whether the body, which is what was signed, says what is wanted."""
        names = ("subject", "case", "record", "result")
        wanted = {name: str(value) for name in names if (value := getattr(self, name)) is not None}
        said = read_body(entry.body) or {}
        return all(said.get(name) == value for name, value in wanted.items())


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a log, oldest first.

    Attributes:
        entries: those that match; there may be none although more follow.
        next: the index behind which to go on; None at the end of the log.
    """

    entries: tuple[StoredEntry, ...]
    next: int | None


class AuditReader:
    """Reads the logs of a database without trusting a row of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, tenant: str, wanted: Filter, limit: int, after: int | None = None) -> Page:
        """At most ``limit`` entries of a tenant, those behind index ``after``.

        Raises:
            DatabaseUnavailable: it did not answer.
        """
        query = wanted.narrow(_entries_of(tenant))
        if after is not None:
            query = query.where(audit_entries.c.index > after)
        rows = self._read(query.order_by(audit_entries.c.index).limit(_SCANNED))
        found: list[StoredEntry] = []
        for number, entry in enumerate(rows, start=1):
            if wanted.matches(entry):
                found.append(entry)
            if len(found) == limit and number < len(rows):
                return Page(tuple(found), entry.index)
        return Page(tuple(found), rows[-1].index if len(rows) == _SCANNED else None)

    def of_attempt(self, tenant: str, attempt: UUID) -> tuple[StoredEntry, ...]:
        """All entries of one attempt in a tenant's log, oldest first.

        Raises:
            DatabaseUnavailable: it did not answer.
        """
        query = _entries_of(tenant).where(audit_entries.c.attempt == attempt)
        return tuple(self._read(query.order_by(audit_entries.c.index)))

    def _read(self, query: Select[Any]) -> list[StoredEntry]:
        with snapshot(self._engine) as connection:
            return [read_entry(row) for row in connection.execute(query).mappings()]


def read_body(body: bytes) -> dict[str, Any] | None:
    """The fields of an entry; None if somebody left something unreadable there."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _entries_of(tenant: str) -> Select[Any]:
    return select(*raw_columns(audit_entries)).where(audit_entries.c.tenant == tenant)
