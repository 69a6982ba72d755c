"""Endpoints that fail are paused, each by itself; deliveries know the request that caused them"""

from contextlib import nullcontext

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

DUE = sa.text("next_attempt_at IS NOT NULL")


def upgrade() -> None:
    op.add_column(
        "endpoint", sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("endpoint", sa.Column("failing_since", sa.DateTime(timezone=True)))
    op.add_column("endpoint", sa.Column("paused_until", sa.DateTime(timezone=True)))
    op.add_column("delivery", sa.Column("request_id", sa.Text()))
    _exchange("ix_delivery_due", "ix_delivery_owed", ["endpoint_id", "next_attempt_at"])


def downgrade() -> None:
    _exchange("ix_delivery_owed", "ix_delivery_due", ["next_attempt_at"])
    with op.batch_alter_table("delivery") as delivery:
        delivery.drop_column("request_id")
    with op.batch_alter_table("endpoint") as endpoint:
        for name in ("failures", "failing_since", "paused_until"):
            endpoint.drop_column(name)


def _exchange(old: str, new: str, columns: list[str]) -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    with op.get_context().autocommit_block() if on_postgresql else nullcontext():
        op.create_index(
            new,
            "delivery",
            columns,
            sqlite_where=DUE,
            postgresql_where=DUE,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.drop_index(old, "delivery", postgresql_concurrently=True, if_exists=True)
