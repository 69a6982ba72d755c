"""Numbers of what readers bring about have 64 bits on PostgreSQL, as they have on SQLite

Each table is written anew, about a minute for ten million rows; requests wait meanwhile,
and get 503 after ten seconds.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

WIDE = {
    "author": ["id"],
    "comment": ["id", "author_id"],
    "inbound": ["comment_id"],
    "report": ["id", "comment_id"],
    "revision": ["id", "comment_id", "author_id"],
    "assessment": ["id", "revision_id"],
    "decision": ["comment_id", "assessment_id"],
    "delivery": ["id", "comment_id"],
    "job": ["cursor"],
}


def upgrade() -> None:
    _change("bigint")


def downgrade() -> None:
    _change("integer")


def _change(kind: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in WIDE.items():
        changes = ", ".join(f"ALTER COLUMN {column} TYPE {kind}" for column in columns)
        op.execute(f"ALTER TABLE {table} {changes}")
        if "id" in columns:
            op.execute(f"ALTER SEQUENCE {table}_id_seq AS {kind}")
