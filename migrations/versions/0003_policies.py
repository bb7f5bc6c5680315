"""What tenants may choose, records that are gone, approvals of recoveries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_POLICY = ("erasable", "lifetime_s", "irreversible", "approvals")


def upgrade() -> None:
    """Add what the policies need; records and tenants that are there keep what they had."""
    with op.batch_alter_table("tenants") as tenants:
        tenants.add_column(sa.Column("erasable", sa.Boolean(), server_default=sa.false(), nullable=False))
        tenants.add_column(sa.Column("lifetime_s", sa.BigInteger(), nullable=True))
        tenants.add_column(sa.Column("irreversible", sa.Boolean(), server_default=sa.false(), nullable=False))
        tenants.add_column(sa.Column("approvals", sa.String(16), server_default="none", nullable=False))
    with op.batch_alter_table("records") as records:
        records.add_column(sa.Column("erasable", sa.Boolean(), server_default=sa.false(), nullable=False))
        records.add_column(sa.Column("expires", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_records_expires", "records", ["expires"])
    op.create_index("ix_records_pixels_digest", "records", ["pixels_digest"])
    op.create_table(
        "removed_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("removed", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_removed_records"),
    )
    op.create_table(
        "approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("subject", sa.String(1000), nullable=False),
        sa.Column("record", sa.Uuid(), nullable=True),
        sa.Column("case", sa.String(1000), nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_by", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
    )
    op.create_index("ix_approvals_tenant_expires", "approvals", ["tenant", "expires"])
    op.create_index("ix_approvals_used_by", "approvals", ["used_by"])


def downgrade() -> None:
    """Drop it again: what was to expire does not any more, and the version before cannot read erasable records."""
    op.drop_table("approvals")
    op.drop_table("removed_records")
    op.drop_index("ix_records_pixels_digest", "records")
    op.drop_index("ix_records_expires", "records")
    with op.batch_alter_table("records") as records:
        for name in ("erasable", "expires"):
            records.drop_column(name)
    with op.batch_alter_table("tenants") as tenants:
        for name in _POLICY:
            tenants.drop_column(name)
