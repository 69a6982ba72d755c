"""How every command speaks: JSON with `--json`, one line on standard error when it can't."""

import atexit
import functools
import json
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click
from alembic.util import CommandError
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from moderation import metrics
from moderation.flows.errors import ModerationError
from moderation.flows.runtime import Runtime
from moderation.store import migrating

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
"""How a moment may be written."""
Command = TypeVar("Command", bound=Callable[..., Any])


def runtime() -> Runtime:
    """The Runtime of the app that the command runs in."""
    return cast(Runtime, current_app.extensions["moderation"])


def as_command(function: Command) -> Command:
    """Run in the app, and turn what can't be done into one line and exit code 1."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        atexit.register(metrics.forget)
        try:
            return function(*args, **kwargs)
        except (ModerationError, CommandError, OSError) as error:
            raise click.ClickException(str(error)) from None
        except SQLAlchemyError as error:
            first = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise click.ClickException(f"database: {first}{_what_to_do()}") from None

    return cast("Command", with_appcontext(run))


def _what_to_do() -> str:
    try:
        at = migrating.current(runtime().sessions)
    except SQLAlchemyError:
        return ""
    return "; run flask db upgrade" if migrating.is_behind(at) else ""


def json_option(function: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def show(values: dict[str, Any], as_json: bool) -> None:
    """Print values as JSON, or a line each."""
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        click.echo(f"{name:<{width}}  {value}")
