"""`flask user`: moderators and admins."""

import secrets
import sys

import click
from flask.cli import AppGroup

from moderation.commands.console import as_command, json_option, runtime, show
from moderation.flows import access

group = AppGroup("user", help="Moderators and admins.")


@group.command("add")
@click.argument("email")
@click.option("--role", required=True, type=click.Choice(["admin", "moderator"]))
@click.option("--site", "sites", multiple=True, help="Limit to this site; may be repeated.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@json_option
@as_command
def add(email: str, role: str, sites: tuple[str, ...], password_stdin: bool, as_json: bool) -> None:
    """Make a person. Without --password-stdin, prints a first password that must be changed."""
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    password = secrets.token_urlsafe(12) if given is None else given
    access.add_person(
        runtime(),
        email,
        role,
        password=password,
        sites=sites or None,
        must_change_password=given is None,
    )
    made = {"email": email.strip().lower(), "role": role}
    show(made if given is not None else made | {"password": password}, as_json)
