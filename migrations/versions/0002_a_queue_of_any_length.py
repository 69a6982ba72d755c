"""A queue of any length: its first page is read in order, and counted without the table"""

from contextlib import nullcontext

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WAITING = "waiting_since IS NOT NULL"
INDEXES = (
    (
        "ix_comment_urgent",
        (sa.text("escalated DESC"), sa.text("urgency DESC"), "waiting_since", "id"),
        WAITING,
    ),
    ("ix_comment_waiting", ("site_id", "waiting_since"), WAITING),
    ("ix_comment_claimed", ("claimed_by",), "claimed_by IS NOT NULL"),
)
BEFORE = (("ix_comment_queue", ("escalated", "urgency", "waiting_since"), WAITING),)


def upgrade() -> None:
    _exchange(BEFORE, INDEXES)


def downgrade() -> None:
    _exchange(INDEXES, BEFORE)


def _exchange(old, new) -> None:
    """Make the new indexes while writers go on, then drop the old."""
    outside = op.get_context().autocommit_block() if _on_postgresql() else nullcontext()
    with outside:
        for name, columns, where in new:
            op.create_index(
                name,
                "comment",
                list(columns),
                sqlite_where=sa.text(where),
                postgresql_where=sa.text(where),
                postgresql_concurrently=True,
                if_not_exists=True,
            )
        for name, _columns, _where in old:
            op.drop_index(name, "comment", postgresql_concurrently=True, if_exists=True)


def _on_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
