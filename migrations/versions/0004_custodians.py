"""Which custodian holds the key of a record."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OLD_INDEX = "ix_records_tenant_key_version"
_NEW_INDEX = "ix_records_tenant_custodian_key_version"


def upgrade() -> None:
    """Name the custodian; whatever is there was made with the local keystore, the only one there was."""
    with op.batch_alter_table("records") as table:
        table.add_column(sa.Column("custodian", sa.String(16), nullable=False, server_default="local"))
    with op.batch_alter_table("records") as table:
        table.alter_column("custodian", existing_type=sa.String(16), existing_nullable=False, server_default=None)
        table.drop_index(_OLD_INDEX)
        table.create_index(_NEW_INDEX, ["tenant", "custodian", "key_version"])


def downgrade() -> None:
    """Forget the custodian: keys of other custodies can no longer be told apart."""
    with op.batch_alter_table("records") as table:
        table.drop_index(_NEW_INDEX)
        table.create_index(_OLD_INDEX, ["tenant", "key_version"])
        table.drop_column("custodian")
