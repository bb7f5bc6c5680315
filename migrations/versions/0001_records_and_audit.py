"""Records of anonymized images, and the audit entries of recovery attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pixels_digest", sa.LargeBinary(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_records"),
    )
    op.create_index("ix_records_tenant_pixels_digest", "records", ["tenant", "pixels_digest"])
    op.create_index("ix_records_tenant_key_version", "records", ["tenant", "key_version"])
    op.create_table(
        "audit_entries",
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "index", name="pk_audit_entries"),
        sa.UniqueConstraint("attempt", "kind", name="uq_audit_entries_attempt_kind"),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("audit_entries")
    op.drop_table("records")
