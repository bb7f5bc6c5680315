"""Records in the database, each visible to its own tenant only."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, delete, func, insert, select, update

from service.custodian import Custodian
from service.database.engine import settle_erasure, transaction
from service.database.tables import records


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


class RecordStore:
    """The table of records. Every method raises ``DatabaseUnavailable`` when the database fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, stored: StoredRecord) -> None:
        """Commit a new row.

        Raises:
            DatabaseUnavailable: it is not committed; a record of this id may exist already.
        """
        row = {name: getattr(stored, name) for name in StoredRecord.__slots__}
        with transaction(self._engine) as connection:
            connection.execute(insert(records).values(row))

    def by_id(self, tenant: str, record_id: UUID) -> StoredRecord | None:
        """The tenant's record of this id."""
        return self._first(_owned(tenant, record_id))

    def by_pixels(self, tenant: str, digest: bytes) -> StoredRecord | None:
        """The tenant's newest record of an image with these pixels."""
        return self._first(records.c.tenant == tenant, records.c.pixels_digest == digest)

    def count_by_key_version(self, tenant: str, custodian: Custodian) -> dict[int, int]:
        """How many of the tenant's records need each version of the key that ``custodian`` holds."""
        mine = (records.c.tenant == tenant) & (records.c.custodian == custodian)
        query = select(records.c.key_version, func.count().label("images")).where(mine).group_by(records.c.key_version)
        with transaction(self._engine) as connection:
            return {row.key_version: row.images for row in connection.execute(query)}

    def forget_seal(self, tenant: str, record_id: UUID) -> bool:
        """Erase the exact pixels and the secret that opens them; False if there is no such record.

        Raises:
            DatabaseUnavailable: not done, or done and the old bytes not yet overwritten; doing it again helps.
        """
        with transaction(self._engine) as connection:
            statement = update(records).where(_owned(tenant, record_id)).values(seal=None, secret=None)
            found = connection.execute(statement).rowcount > 0
        settle_erasure(self._engine)
        return found

    def delete(self, tenant: str, record_id: UUID) -> bool:
        """Erase the row; False if there is no such record.

        Raises:
            DatabaseUnavailable: not done, or done and the old bytes not yet overwritten; doing it again helps.
        """
        with transaction(self._engine) as connection:
            found = connection.execute(delete(records).where(_owned(tenant, record_id))).rowcount > 0
        settle_erasure(self._engine)
        return found

    def _first(self, *conditions: ColumnElement[bool]) -> StoredRecord | None:
        query = select(records).where(*conditions).order_by(records.c.created.desc(), records.c.id).limit(1)
        with transaction(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else StoredRecord(**row._mapping)


def _owned(tenant: str, record_id: UUID) -> ColumnElement[bool]:
    return (records.c.tenant == tenant) & (records.c.id == record_id)
