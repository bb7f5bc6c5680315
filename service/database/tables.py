"""The tables, for SQLite and PostgreSQL alike."""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    Uuid,
    false,
)
from sqlalchemy.engine import Dialect

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: timezone-aware in, UTC out. SQLite itself would drop the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; a naive time is a ``ValueError``."""
        if value is not None and value.utcoffset() is None:
            raise ValueError("a stored time needs a time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Attach or convert to UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


records = Table(
    "records",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("custodian", String(16), nullable=False),
    Column("key_version", Integer, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("pixels_digest", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("seal", LargeBinary, nullable=True),
    Column("secret", LargeBinary, nullable=True),
    Column("erasable", Boolean, nullable=False, server_default=false()),
    Column("expires", UtcDateTime, nullable=True),
    Index(None, "tenant", "pixels_digest"),
    Index(None, "pixels_digest"),
    Index(None, "tenant", "custodian", "key_version"),
    Index(None, "expires"),
)

removed_records = Table(
    "removed_records",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("removed", UtcDateTime, nullable=False),
)

tenants = Table(
    "tenants",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("created", UtcDateTime, nullable=False),
    Column("seal", String(16), nullable=False),
    Column("erasable", Boolean, nullable=False, server_default=false()),
    Column("lifetime_s", BigInteger, nullable=True),
    Column("irreversible", Boolean, nullable=False, server_default=false()),
    Column("approvals", String(16), nullable=False, server_default="none"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", String(63), ForeignKey("tenants.name"), nullable=False),
    Column("subject", String(1000), nullable=False),
    Column("scopes", String(255), nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=True),
    Column("revoked", UtcDateTime, nullable=True),
    Column("last_used", UtcDateTime, nullable=True),
    Index(None, "tenant"),
)

replays = Table(
    "replays",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("holder", Uuid, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("record", Uuid, nullable=True),
    Column("head", LargeBinary, nullable=True),
    Column("body", LargeBinary, nullable=True),
    Index(None, "expires"),
    Index(None, "record"),
)

quotas = Table(
    "quotas",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("paid_until", BigInteger, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("subject", String(1000), nullable=False),
    Column("record", Uuid, nullable=True),
    Column("case", String(1000), nullable=True),
    Column("created", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("used", UtcDateTime, nullable=True),
    Column("used_by", Uuid, nullable=True),
    Index(None, "tenant", "expires"),
    Index(None, "used_by"),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("tenant", String(63), primary_key=True),
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Uuid, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("proof", LargeBinary, nullable=False),
    Column("checkpoint", Text, nullable=False),
    UniqueConstraint("attempt", "kind"),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("tenant", String(63), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("edge", LargeBinary, nullable=False),
    Column("checkpoint", Text, nullable=False),
)

audit_leases = Table(
    "audit_leases",
    metadata,
    Column("attempt", Uuid, primary_key=True),
    Column("lease_until", UtcDateTime, nullable=False),
    Index(None, "lease_until"),
)
