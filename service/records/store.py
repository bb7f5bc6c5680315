"""Records in the database, each visible to its own tenant only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Engine, delete, false, func, insert, or_, select, update

from service.custodian import Custodian
from service.database.engine import settle_erasure, transaction, writing
from service.database.tables import records, removed_records, replays
from service.errors import RecordErased, RecordUnknown

_PURGED_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One row.

    Attributes:
        id: of the record.
        tenant: its owner.
        custodian: who holds the owner's master key.
        key_version: of that key.
        created: timezone-aware.
        pixels_digest: SHA-256 of the anonymized image, 32 bytes.
        record: as embedded in the image, but without a seal.
        seal: the exact pixels, encrypted.
        secret: 32 random bytes mixed into the key of the seal: without this row it cannot be opened.
        erasable: the secret is in every key of the image: without this row nothing of it can be recovered.
        expires: from then on the row counts as deleted.
    """

    id: UUID
    tenant: str
    custodian: Custodian
    key_version: int
    created: datetime
    pixels_digest: bytes
    record: bytes = field(repr=False)
    seal: bytes | None = field(default=None, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    erasable: bool = False
    expires: datetime | None = None

    @property
    def size(self) -> int:
        """Bytes of its record, seal and secret; what a database needs beside them is left out."""
        return len(self.record) + len(self.seal or b"") + len(self.secret or b"")


class RecordStore:
    """The table of records. Every method raises ``DatabaseUnavailable`` when the database fails."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Keep records in ``engine``; ``now`` is the clock, timezone-aware."""
        self._engine = engine
        self._now = now

    def add(self, stored: StoredRecord) -> None:
        """Commit a new row.

        Raises:
            DatabaseUnavailable: it is not committed; a record of this id may exist already.
        """
        row = {name: getattr(stored, name) for name in StoredRecord.__slots__}
        with transaction(self._engine) as connection:
            connection.execute(insert(records).values(row))

    def by_id(self, tenant: str, record_id: UUID) -> StoredRecord | None:
        """The tenant's record of this id, unless it has expired."""
        return self._first(_owned(tenant, record_id))

    def require(self, tenant: str, record_id: UUID) -> StoredRecord:
        """The tenant's record of this id.

        Raises:
            RecordUnknown: the tenant never had one.
            RecordErased: it was deleted or has expired.
        """
        stored = self.by_id(tenant, record_id)
        if stored is not None:
            return stored
        if self.removed(tenant, record_id):
            raise RecordErased("the record was erased or has expired")
        raise RecordUnknown("there is no such record")

    def by_pixels(self, tenant: str, digest: bytes) -> StoredRecord | None:
        """The tenant's newest record of an image with these pixels, unless it has expired."""
        return self._first(records.c.tenant == tenant, records.c.pixels_digest == digest)

    def removed(self, tenant: str, record_id: UUID) -> bool:
        """Whether the tenant had a record of this id that was deleted or has expired."""
        gone, row = removed_records.c, records.c
        deleted = select(gone.id).where(gone.tenant == tenant, gone.id == record_id)
        expired = select(row.id).where(_owned(tenant, record_id), row.expires <= self._now())
        with transaction(self._engine) as connection:
            return any(connection.execute(query).first() is not None for query in (deleted, expired))

    def owners(self, record_id: UUID | None, digest: bytes | None, *, but: str) -> list[tuple[str, UUID]]:
        """Who else has a record of this id, or of an image with these pixels: tenant and record of each."""
        named = false() if record_id is None else records.c.id == record_id
        shown = false() if digest is None else records.c.pixels_digest == digest
        query = select(records.c.tenant, records.c.id).where(or_(named, shown), records.c.tenant != but)
        with transaction(self._engine) as connection:
            return [(row.tenant, row.id) for row in connection.execute(query.order_by(records.c.created))]

    def count_by_key_version(self, tenant: str, custodian: Custodian) -> dict[int, int]:
        """How many of the tenant's records need each version of the key that ``custodian`` holds."""
        mine = (records.c.tenant == tenant) & (records.c.custodian == custodian)
        query = select(records.c.key_version, func.count().label("images")).where(mine).group_by(records.c.key_version)
        with transaction(self._engine) as connection:
            return {row.key_version: row.images for row in connection.execute(query)}

    def forget_seal(self, tenant: str, record_id: UUID) -> bool:
        """Erase the exact pixels, the secret that opens them, and kept answers; False if there is no such record.

        An erasable record keeps its secret, which its other keys need: it is to be deleted.

        Raises:
            DatabaseUnavailable: not done, or done and the old bytes not yet overwritten; doing it again helps.
        """
        with writing(self._engine) as connection:
            mine = _owned(tenant, record_id) & ~records.c.erasable
            found = connection.execute(update(records).where(mine).values(seal=None, secret=None)).rowcount > 0
            if found:
                _forget_answers(connection, [record_id])
        settle_erasure(self._engine)
        return found

    def delete(self, tenant: str, record_id: UUID) -> bool:
        """Erase the row and kept answers, and remember its id; False if there is no such record.

        Raises:
            DatabaseUnavailable: not done, or done and the old bytes not yet overwritten; doing it again helps.
        """
        with writing(self._engine) as connection:
            found = self._remove(connection, _owned(tenant, record_id), 1) > 0
        settle_erasure(self._engine)
        return found

    def purge_expired(self) -> int:
        """Erase every row that has expired, and kept answers; returns how many. Several processes may do it at once.

        Raises:
            DatabaseUnavailable: not all done, or done and the old bytes not yet overwritten.
        """
        purged, expired = 0, records.c.expires <= self._now()
        while True:
            with writing(self._engine) as connection:
                removed = self._remove(connection, expired, _PURGED_AT_ONCE)
            purged += removed
            if removed < _PURGED_AT_ONCE:
                break
        if purged:
            settle_erasure(self._engine)
        return purged

    def _remove(self, connection: Connection, which: ColumnElement[bool], limit: int) -> int:
        """Rows that another transaction is removing are left to it."""
        query = select(records.c.id, records.c.tenant).where(which).limit(limit)
        rows: Sequence[tuple[UUID, str]] = [
            (row.id, row.tenant) for row in connection.execute(query.with_for_update(skip_locked=True))
        ]
        if rows:
            now = self._now()
            gone = [{"id": record, "tenant": tenant, "removed": now} for record, tenant in rows]
            connection.execute(insert(removed_records), gone)
            ids = [record for record, _ in rows]
            connection.execute(delete(records).where(records.c.id.in_(ids)))
            _forget_answers(connection, ids)
        return len(rows)

    def _first(self, *conditions: ColumnElement[bool]) -> StoredRecord | None:
        alive = or_(records.c.expires.is_(None), records.c.expires > self._now())
        query = select(records).where(*conditions, alive).order_by(records.c.created.desc(), records.c.id).limit(1)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else StoredRecord(**row._mapping)


def _owned(tenant: str, record_id: UUID) -> ColumnElement[bool]:
    return (records.c.tenant == tenant) & (records.c.id == record_id)


def _forget_answers(connection: Connection, of: Sequence[UUID]) -> None:
    """Erase answers kept under idempotency keys; that there were some stays, so that none is made anew."""
    connection.execute(update(replays).where(replays.c.record.in_(of)).values(head=None, body=None))
