"""What is withheld is found by an index, for it is looked for now and then"""

from contextlib import nullcontext

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WITHHELD = sa.text("status = 'withheld'")


def upgrade() -> None:
    with _beside_writers():
        op.create_index(
            "ix_delivery_withheld",
            "delivery",
            ["endpoint_id"],
            sqlite_where=WITHHELD,
            postgresql_where=WITHHELD,
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with _beside_writers():
        op.drop_index(
            "ix_delivery_withheld", "delivery", postgresql_concurrently=True, if_exists=True
        )


def _beside_writers():
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    return op.get_context().autocommit_block() if on_postgresql else nullcontext()
