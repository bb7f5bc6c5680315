"""Leases of attempts, which can be renewed and are found without looking at every entry of the audit log."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_LEASE = timedelta(hours=1)
"""Of attempts that began before: the processes of the version before renew none."""

_entries = sa.table("audit_entries", sa.column("attempt", sa.Uuid()), sa.column("kind", sa.String()))
_ended = _entries.alias()


def upgrade() -> None:
    """Give every attempt that has not ended a lease."""
    leases = op.create_table(
        "audit_leases",
        sa.Column("attempt", sa.Uuid(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("attempt", name="pk_audit_leases"),
    )
    op.create_index("ix_audit_leases_lease_until", "audit_leases", ["lease_until"])
    until = sa.literal(datetime.now(UTC) + _LEASE, sa.DateTime(timezone=True))
    opened = sa.select(_entries.c.attempt, until).where(
        _entries.c.kind == "intent",
        ~sa.exists().where(_ended.c.attempt == _entries.c.attempt, _ended.c.kind == "outcome"),
    )
    op.execute(sa.insert(leases).from_select(["attempt", "lease_until"], opened))


def downgrade() -> None:
    """Drop it again: the version before finds attempts without an end in the log itself."""
    op.drop_table("audit_leases")
