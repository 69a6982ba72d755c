"""`flask db`: bring the database to this version, check it, copy it and put a copy back."""

from pathlib import Path

import click
from flask.cli import AppGroup

from moderation.commands.console import as_command, json_option, runtime, show
from moderation.store import keeping, migrating

group = AppGroup("db", help="The database: its version, its soundness, its copies.")


def database_url() -> str:
    """Where this instance's database is, password and all."""
    return str(runtime().sessions.engine.url.render_as_string(hide_password=False))


def shown_url() -> str:
    """Where it is, without the password."""
    return str(runtime().sessions.engine.url)


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
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
@as_command
def downgrade(revision: str, yes: bool, as_json: bool) -> None:
    """Migrate down to REVISION, or to base: an empty database. Stop the service first."""
    before = migrating.current(runtime().sessions)
    if not yes:
        what = "everything" if revision == "base" else "what later revisions added"
        click.confirm(f"Delete {what} in {shown_url()}?", abort=True)
    migrating.downgrade(database_url(), revision)
    show({"from": before, "to": migrating.current(runtime().sessions)}, as_json)


@group.command("current")
@json_option
@as_command
def current(as_json: bool) -> None:
    """Show at which revision the database is, and at which it should be."""
    show({"current": migrating.current(runtime().sessions), "head": migrating.head()}, as_json)


@group.command("check")
@json_option
@as_command
def check(as_json: bool) -> None:
    """Tell whether the database is sound: its file, its references, and what it promises."""
    found = keeping.faults(runtime().sessions)
    if as_json:
        show({"sound": not found, "faults": found}, as_json)
    else:
        for line in found or ["sound"]:
            click.echo(line)
    if found:
        raise SystemExit(1)


@group.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@as_command
def backup(file: Path, as_json: bool) -> None:
    """Copy the SQLite database to FILE while the service runs; FILE appears whole, last."""
    _only_sqlite("pg_dump --format=custom --file=FILE DATABASE")
    try:
        keeping.back_up(runtime().sessions, file)
    except keeping.Unsound as error:
        raise click.ClickException(str(error)) from None
    show({"file": str(file), "bytes": file.stat().st_size}, as_json)


@group.command("restore")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Don't ask.")
@as_command
def restore(file: Path, yes: bool) -> None:
    """Put the backup FILE in the place of the SQLite database. Stop the service first."""
    _only_sqlite("pg_restore --clean --if-exists --single-transaction --dbname=DATABASE FILE")
    if not file.is_file():
        raise click.ClickException(f"there is no file {file}")
    if not yes:
        click.confirm(f"Replace everything in {shown_url()} by {file}?", abort=True)
    try:
        keeping.restore(runtime().sessions, file)
    except keeping.Unsound as error:
        raise click.ClickException(str(error)) from None
    migrating.upgrade(database_url())
    click.echo("restored, and brought to this version; what waited in it goes on")


def _only_sqlite(instead: str) -> None:
    if runtime().sessions.engine.dialect.name != "sqlite":
        raise click.ClickException(f"PostgreSQL has tools for this: {instead}")
