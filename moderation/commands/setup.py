"""`flask init` and `flask settings`: what a first start needs."""

import secrets

import click

from moderation.commands.console import as_command, json_option, runtime, show
from moderation.commands.database import _url
from moderation.flows import access
from moderation.store import migrating

FIRST_ADMIN = "admin@localhost"


@click.command("init")
@as_command
def command() -> None:
    """Migrate the database; on the first run make an admin, whose password is printed once."""
    rt = runtime()
    migrating.upgrade(_url())
    if not access.has_people(rt):
        password = secrets.token_urlsafe(9)
        access.add_person(rt, FIRST_ADMIN, "admin", password=password, name="Admin")
        click.echo("")
        click.secho(
            "  Your first login, shown this once; you will choose a new password:", bold=True
        )
        click.echo(f"    e-mail    {FIRST_ADMIN}")
        click.echo(f"    password  {password}")
        click.echo("")


@click.command("settings")
@json_option
@as_command
def settings(as_json: bool) -> None:
    """Show every setting as it is in force; secrets are masked."""
    show(runtime().settings.shown(), as_json)  # type: ignore[attr-defined]
