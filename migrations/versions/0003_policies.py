"""What tenants may choose, records that are gone, approvals of recoveries."""

from alembic import op

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Find records by their pixels whoever owns them."""
    op.create_index("ix_records_pixels_digest", "records", ["pixels_digest"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_records_pixels_digest", "records")
