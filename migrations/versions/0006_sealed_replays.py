"""Answers under idempotency keys: encrypted, under keyed hashes, and each of a record that it goes with."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INDEX = "ix_replays_record"


def upgrade() -> None:
    """Name the record, and drop whatever is kept.

    It is in the clear, beside a hash of the photo, and nobody would find it: ids are other ones now. Requests that
    were answered before are carried out again. What replicas of the version before still keep, until they are
    replaced, goes when it expires.
    """
    op.execute("DELETE FROM replays")
    with op.batch_alter_table("replays") as table:
        table.add_column(sa.Column("record", sa.Uuid(), nullable=True))
    op.create_index(_INDEX, "replays", ["record"])


def downgrade() -> None:
    """Drop the column and whatever is kept: the version before cannot read it."""
    op.execute("DELETE FROM replays")
    op.drop_index(_INDEX, "replays")
    with op.batch_alter_table("replays") as table:
        table.drop_column("record")
