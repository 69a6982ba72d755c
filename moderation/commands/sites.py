"""`flask site` and `flask deliveries`."""

import json
from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from moderation.commands.console import TIMES, as_command, json_option, runtime, show
from moderation.flows import delivery_log, sites
from moderation.store.reading import shown_delivery

group = AppGroup("site", help="Sites whose comments are moderated.")
deliveries = AppGroup("deliveries", help="Events that sites were or will be told.")


@group.command("add")
@click.argument("slug")
@click.option("--name", required=True, help="What people read.")
@click.option("--callback", help="URL that hears of every event.")
@json_option
@as_command
def add(slug: str, name: str, callback: str | None, as_json: bool) -> None:
    """Make a site; prints its webhook secret and API key, once.

    Events to --callback are signed with the same secret.
    """
    show(sites.add_site(runtime(), slug, name, callback=callback, by="flask site add"), as_json)


@deliveries.command("list")
@click.option("--site", help="Only this site's.")
@click.option("--status", type=click.Choice(["pending", "delivered", "dead", "withheld"]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
@as_command
def list_deliveries(site: str | None, status: str | None, limit: int, as_json: bool) -> None:
    """What was sent and what failed, newest first."""
    found = [
        shown_delivery(row)
        for row in delivery_log.listed(runtime(), site=site, status=status, limit=limit)
    ]
    if as_json:
        show({"deliveries": found}, as_json)
        return
    for row in found:
        tries = "1 try" if row["attempts"] == 1 else f"{row['attempts']} tries"
        if row["status"] == "pending" and row["attempts"]:
            tries += f", next {_second(row['next_attempt_at'])}"
        click.echo(
            f"{row['id']:>6}  {_second(row['created_at'])}  {row['status']:<9}  "
            f"{row['event']:<17}  {tries}  {row['answered'] or row['error'] or '-'}  {row['url']}"
        )
    if not found:
        click.echo("no deliveries")


def _second(instant: str) -> str:
    """An instant of the API, to the second; RFC 3339 in UTC."""
    return f"{instant[:19]}Z"


@deliveries.command("show")
@click.argument("id", type=click.IntRange(min=1))
@as_command
def show_delivery(id: int) -> None:
    """One delivery with its body, as JSON."""
    click.echo(json.dumps(delivery_log.shown(runtime(), id), ensure_ascii=False, indent=2))


@deliveries.command("replay")
@click.argument("ids", nargs=-1, type=int)
@click.option("--site", help="All of this site's; with --failed, those that did not arrive.")
@click.option("--failed", is_flag=True, help="Only those that did not arrive.")
@click.option("--since", type=click.DateTime(TIMES), help="Decided from then on, in UTC.")
@click.option("--until", type=click.DateTime(TIMES), help="Decided before then, in UTC.")
@json_option
@as_command
def replay(
    ids: tuple[int, ...],
    site: str | None,
    failed: bool,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Send deliveries again: by number, by --site, by --since and --until, or --failed."""
    if not (ids or site or failed or since or until):
        raise click.UsageError("name deliveries, or give --site, --failed, --since or --until")
    due = delivery_log.replay(
        runtime(),
        ids=ids,
        site=site,
        failed=failed,
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
    )
    show({"due": due}, as_json)
