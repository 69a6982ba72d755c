"""`flask init`, `flask demo` and `flask settings`: what a first start needs."""

import secrets

import click

from moderation.commands.console import as_command, json_option, runtime, show
from moderation.commands.database import database_url
from moderation.demo import store
from moderation.flows import access, sites
from moderation.store import migrating

FIRST_ADMIN = "admin@localhost"
EVENTS = "/demo/events"


@click.command("init")
@as_command
def command() -> None:
    """Migrate the database; on the first run make an admin, whose password is printed once."""
    rt = runtime()
    migrating.upgrade(database_url())
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


@click.command("demo")
@as_command
def demo() -> None:
    """Make the demo news site, once: a site like any other, told at /demo/events.

    It is this service that is told, so its address goes with the service's own.
    """
    rt = runtime()
    folder = rt.settings.instance_dir
    callback = f"{rt.settings.base_url}{EVENTS}"
    kept = store.setup(folder)
    if kept is not None:
        sites.move_endpoints(rt, kept.slug, EVENTS, callback)
    else:
        made = sites.add_site(
            rt, "demo", "The Daily Lantern (demo)", callback=callback, by="flask demo"
        )
        store.keep_setup(folder, made["site"], made["webhook_secret"])
    click.echo(f"  Copydesk        {rt.settings.base_url}/")
    click.echo(f"  demo article    {rt.settings.base_url}/demo/bridge")
    click.echo(f"  moderators      {rt.settings.base_url}/desk")
    click.echo(f"  admins          {rt.settings.base_url}/settings")


@click.command("settings")
@json_option
@as_command
def settings(as_json: bool) -> None:
    """Show every setting as it is in force; secrets are masked."""
    show(runtime().settings.shown(), as_json)  # type: ignore[attr-defined]
