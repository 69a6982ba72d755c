"""Bringing a database to this version, by Alembic, without an `alembic.ini`."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from moderation.store.database import Sessions, open_database

SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up; several processes may do so at once.

    Does nothing where a newer version than this has migrated the database.
    """
    sessions = open_database(database_url)
    newer = is_newer(current(sessions))
    sessions.engine.dispose()
    if not newer:
        command.upgrade(_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down, to `base` or a revision. Data of dropped tables is lost."""
    command.downgrade(_config(database_url), revision)


@cache
def head() -> str:
    """The newest revision that this code knows."""
    found = ScriptDirectory.from_config(_config("")).get_current_head()
    assert found is not None
    return found


def is_newer(revision: str | None) -> bool:
    """Whether a revision is none that this code knows, so one of a version to come.

    A version runs on with the tables of the next: nodes are updated one after the other.
    """
    return revision is not None and revision not in _known()


def is_behind(revision: str | None) -> bool:
    """Whether a database has to be migrated before this code can use it."""
    return revision != head() and not is_newer(revision)


@cache
def _known() -> frozenset[str]:
    scripts = ScriptDirectory.from_config(_config(""))
    return frozenset(script.revision for script in scripts.walk_revisions())


def current(sessions: Sessions) -> str | None:
    """The revision that a database is at; None if it is empty."""
    with sessions.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def invalid_indexes(connection: Connection) -> list[str]:
    """Give the names of indexes whose building was cut off; on PostgreSQL.

    They are kept up to date, and no query uses them.
    """
    query = text(
        "SELECT pg_class.relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace"
    )
    return list(connection.scalars(query))


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["database_url"] = database_url
    return config
