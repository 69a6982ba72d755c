"""Bringing a database to this version, by Alembic, without an `alembic.ini`."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from moderation.store.database import Sessions

SCRIPTS = Path(__file__).resolve().parents[2] / "migrations"


def upgrade(database_url: str, revision: str = "head") -> None:
    """Migrate up; several processes may do so at once."""
    command.upgrade(_config(database_url), revision)


def downgrade(database_url: str, revision: str) -> None:
    """Migrate down, to `base` or a revision. Data of dropped tables is lost."""
    command.downgrade(_config(database_url), revision)


def head() -> str:
    """The newest revision that this code knows."""
    found = ScriptDirectory.from_config(_config("")).get_current_head()
    assert found is not None
    return found


def current(sessions: Sessions) -> str | None:
    """The revision that a database is at; None if it is empty."""
    with sessions.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["database_url"] = database_url
    return config
