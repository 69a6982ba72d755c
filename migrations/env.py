"""Alembic's environment: one database by URL, one transaction a migration.

On PostgreSQL a migration may leave its transaction (`autocommit_block`) to build an
index while the version before goes on writing. A build that is cut off leaves an index that
is not valid, which `IF NOT EXISTS` takes for made: such indexes are built anew first.

On SQLite a batch migration copies a table and drops the old one; with foreign keys on,
that would delete every row that refers to it. They are off while migrating, and
checked after.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Connection, Engine, event, text

from config import Settings
from moderation.store.database import open_database
from moderation.store.migrating import invalid_indexes
from moderation.store.tables import Base

MIGRATION_LOCK = 726_331_409
"""PostgreSQL advisory lock: several starting processes migrate one after the other."""


def run() -> None:
    url = context.config.attributes.get("database_url") or Settings.from_env().database_url
    engine = open_database(url).engine
    on_sqlite = engine.dialect.name == "sqlite"
    if not on_sqlite:
        event.listen(engine, "before_cursor_execute", _wait_as_is_fit)
    with _alone(engine), engine.connect() as connection:
        if on_sqlite:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # an index of many rows takes its time
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=on_sqlite,
            transaction_per_migration=not on_sqlite,
            compare_type=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        if on_sqlite:
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise RuntimeError(f"foreign keys broken by the migration: {broken[:5]}")
        connection.commit()
    engine.dispose()


def _wait_as_is_fit(_connection, cursor, statement, *_rest) -> None:
    """Wait a short time for a lock that others wait behind, and as long as need be for any other.

    An index that is built beside writers waits for whatever began before it, a backup say.
    """
    beside_writers = "CONCURRENTLY" in statement.upper()
    cursor.execute("SET lock_timeout = 0" if beside_writers else "RESET lock_timeout")


def _build_anew(connection: Connection) -> None:
    connection.execute(text("SET statement_timeout = 0"))
    for name in invalid_indexes(connection):
        left_over = name.rstrip("0123456789").endswith(("_ccnew", "_ccold"))  # by a REINDEX
        doing = "DROP" if left_over else "REINDEX"
        connection.execute(text(f"{doing} INDEX CONCURRENTLY {name}"))


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Wait for processes that migrate the same database; SQLite's own lock does that."""
    if engine.dialect.name == "sqlite":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard:
        # Tried again and again: who waits inside a statement has a snapshot, for the end
        # of which an index that is built concurrently would wait in turn.
        while not guard.scalar(text("SELECT pg_try_advisory_lock(:id)"), {"id": MIGRATION_LOCK}):
            time.sleep(0.1)
        try:
            _build_anew(guard)
            yield
        finally:
            guard.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": MIGRATION_LOCK})


run()
