"""`flask db`: bring the database to this version, or back."""

import click
from flask.cli import AppGroup

from moderation.commands.console import as_command, json_option, runtime, show
from moderation.store import migrating

group = AppGroup("db", help="Bring the database to this version.")


def database_url() -> str:
    """Where this instance's database is, password and all."""
    return str(runtime().sessions.engine.url.render_as_string(hide_password=False))


@group.command("upgrade")
@click.argument("revision", default="head")
@json_option
@as_command
def upgrade(revision: str, as_json: bool) -> None:
    """Migrate up to this version. Does nothing where it is current."""
    before = migrating.current(runtime().sessions)
    migrating.upgrade(database_url(), revision)
    show({"from": before, "to": migrating.current(runtime().sessions)}, as_json)


@group.command("downgrade")
@click.argument("revision")
@json_option
@as_command
def downgrade(revision: str, as_json: bool) -> None:
    """Migrate down to REVISION, or to base: an empty database."""
    before = migrating.current(runtime().sessions)
    migrating.downgrade(database_url(), revision)
    show({"from": before, "to": migrating.current(runtime().sessions)}, as_json)


@group.command("current")
@json_option
@as_command
def current(as_json: bool) -> None:
    """Show at which revision the database is, and at which it should be."""
    show({"current": migrating.current(runtime().sessions), "head": migrating.head()}, as_json)
