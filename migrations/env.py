"""Alembic's environment: one database by URL, one transaction a migration.

On SQLite a batch migration copies a table and drops the old one; with foreign keys on,
that would delete every row that refers to it. They are off while migrating, and
checked after.
"""

from alembic import context
from sqlalchemy import text

from config import Settings
from moderation.store.database import open_database
from moderation.store.tables import Base

MIGRATION_LOCK = 726_331_409
"""PostgreSQL advisory lock: several starting processes migrate one after the other."""


def run() -> None:
    url = context.config.attributes.get("database_url") or Settings.from_env().database_url
    engine = open_database(url).engine
    with engine.connect() as connection:
        on_sqlite = connection.dialect.name == "sqlite"
        if on_sqlite:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": MIGRATION_LOCK})
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=on_sqlite,
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


run()
