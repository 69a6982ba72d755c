"""Alembic's environment: one database by URL, one transaction a migration.

On PostgreSQL a migration may leave its transaction (`autocommit_block`) to build an
index while the version before goes on writing.

On SQLite a batch migration copies a table and drops the old one; with foreign keys on,
that would delete every row that refers to it. They are off while migrating, and
checked after.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from sqlalchemy import Engine, text

from config import Settings
from moderation.store.database import open_database
from moderation.store.tables import Base

MIGRATION_LOCK = 726_331_409
"""PostgreSQL advisory lock: several starting processes migrate one after the other."""


def run() -> None:
    url = context.config.attributes.get("database_url") or Settings.from_env().database_url
    engine = open_database(url).engine
    on_sqlite = engine.dialect.name == "sqlite"
    with _alone(engine), engine.connect() as connection:
        if on_sqlite:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:  # an index of many rows takes its time; a lock is still not waited for for long
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
            yield
        finally:
            guard.execute(text("SELECT pg_advisory_unlock(:id)"), {"id": MIGRATION_LOCK})


run()
