"""Past comments: `flask import` brings them in, `flask rescore` scores them, `flask jobs` tells."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import Progress

from moderation.commands.console import TIMES, as_command, json_option, runtime, show
from moderation.flows import importing, jobs, rescoring
from moderation.flows.errors import Invalid
from moderation.flows.runtime import Runtime
from moderation.wire import instant

group = AppGroup("jobs", help="Long work that the workers do bit by bit.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", required=True, help="Whose comments they are.")
@click.option("--score/--no-score", default=True, show_default=True, help="Have them scored.")
@json_option
@as_command
def import_command(file: Path, site: str, score: bool, as_json: bool) -> None:
    """Bring in past comments from FILE: one a line, as JSON, as in a webhook's `data`.

    "verdict": "published" or "rejected" says what a person decided; without it, a comment
    is published. Nothing is taken in if any line is faulty, and no site is told anything.
    The workers score the comments afterwards, which changes no decision.
    """
    rt = runtime()
    site_id, max_length = importing.site_named(rt, site)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        try:
            importing.count(_lines(file, progress, "Reading"), max_length)
        except Invalid as error:
            for where, why in error.errors:
                click.echo(f"{file}: {where}: {why}", err=True)
            raise click.ClickException("nothing was imported") from None
        new = known = 0
        for taken in importing.take_in(
            rt, site_id, _lines(file, progress, "Importing"), max_length
        ):
            new, known = new + taken.new, known + taken.known
    job = _rescore(rt, site=site, statuses=rescoring.STATUSES, unscored=True) if score else None
    show({"new": new, "known": known, "job": job}, as_json)


@click.command("rescore")
@click.option("--site", help="Only this site's.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice(rescoring.STATUSES),
    multiple=True,
    default=["held"],
    show_default=True,
    help="Where they stand; may be given more than once.",
)
@click.option("--since", type=click.DateTime(TIMES), help="Only those that came since, in UTC.")
@click.option("--unscored", is_flag=True, help="Only those that no check has seen.")
@json_option
@as_command
def rescore_command(
    site: str | None,
    statuses: tuple[str, ...],
    since: datetime | None,
    unscored: bool,
    as_json: bool,
) -> None:
    """Have past comments scored by the checks of today, after a change of model or lists.

    The workers do it, and fresh comments come first. What the policy decided is decided
    anew where the outcome differs, and the site is told; people's decisions stay.
    """
    since = since and since.replace(tzinfo=UTC)
    job = _rescore(runtime(), site=site, statuses=statuses, since=since, unscored=unscored)
    show({"job": job}, as_json)


@group.command("list")
@json_option
@as_command
def list_jobs(as_json: bool) -> None:
    """What the workers are at, and what they have done, newest first."""
    found: list[dict[str, Any]] = [
        {
            "id": job.id,
            "kind": job.kind,
            "details": job.details,
            "seen_to": job.cursor,
            "done": job.done,
            "error": job.error,
            "due_at": instant(job.due_at),
            "created_at": instant(job.created_at),
            "finished_at": instant(job.finished_at),
        }
        for job in jobs.listed(runtime())
    ]
    if as_json:
        show({"jobs": found}, as_json)
        return
    for job in found:
        last = job["details"].get("last")
        share = f"{job['seen_to'] / last:>4.0%}" if last else "    "
        state = "ended" if job["finished_at"] else f"due {job['due_at']}"
        why = f"  {job['error']}" if job["error"] else ""
        click.echo(f"{job['id']}  {job['kind']:<9} {share}  {job['done']} comments  {state}{why}")
    if not found:
        click.echo("no jobs")


@group.command("stop")
@click.argument("job")
@as_command
def stop_job(job: str) -> None:
    """End JOB where it is."""
    jobs.stop(runtime(), job)
    click.echo(f"{job} is stopped")


def _rescore(rt: Runtime, **chosen: object) -> str:
    with rt.sessions.write() as session:
        details = rescoring.details(session, **chosen)  # type: ignore[arg-type]
        return jobs.add(rt, session, "rescoring", details)


def _lines(file: Path, progress: Progress, title: str) -> Iterator[bytes]:
    task = progress.add_task(title, total=file.stat().st_size)
    with file.open("rb") as lines:
        for line in lines:
            yield line
            progress.advance(task, len(line))
