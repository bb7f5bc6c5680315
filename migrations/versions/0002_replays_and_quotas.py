"""Answers kept under idempotency keys, and how much of its quota each caller has spent."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "replays",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_replays"),
    )
    op.create_index("ix_replays_expires", "replays", ["expires"])
    op.create_table(
        "quotas",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("paid_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quotas"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("quotas")
    op.drop_table("replays")
