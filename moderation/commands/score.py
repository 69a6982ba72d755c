"""Commands to try the checks and to look after the model.

flask score        what every check makes of a text
flask model show   which model is in use
flask model fetch  download a published Detoxify checkpoint
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn
from rich.table import Table

from moderation.checks.check import run_checks
from moderation.checks.toxicity import ToxicityCheck
from moderation.core.comment import Assessment, Comment
from moderation.scoring.fetch import BASES, fetch
from moderation.scoring.loading import load_model
from moderation.scoring.model import ModelUnavailable
from moderation.scoring.naming import DETOXIFY

BUDGET_MS = 60_000.0
"""Generous, because a model is loaded before the first text is scored."""


@click.command("score")
@click.argument("text", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@with_appcontext
def score_command(text: str | None, as_json: bool) -> None:
    """Show what every check makes of TEXT.

    With `-`, each line of the standard input is a text, and each line of the output
    its JSON.
    """
    if text is None:
        raise click.UsageError("Give a TEXT, or - to read one text per line.")
    if text == "-":
        for line in sys.stdin:
            click.echo(_as_json(_assess(line.rstrip("\r\n"))))
        return
    assessment = _assess(text)
    if as_json:
        click.echo(_as_json(assessment))
    else:
        _print_tables(assessment, text)
    if not assessment.scores:
        raise click.ClickException("no check could score the text")


@click.group("model")
def model_group() -> None:
    """Look after the toxicity model."""


@model_group.command("show")
@with_appcontext
def show_model() -> None:
    """Load the model in use, and name it with what it scores."""
    for check in _runtime().checks:
        if isinstance(check, ToxicityCheck):
            if not check.warm_up():
                raise click.ClickException(str(check.why_not))
            click.echo(f"{check.version}: {', '.join(check.attributes)}")
            return
    raise click.ClickException("no toxicity check is in use")


@model_group.command("fetch")
@click.argument("name", type=click.Choice(list(BASES)))
@with_appcontext
def fetch_model(name: str) -> None:
    """Download the published Detoxify checkpoint NAME, with its tokenizer."""
    models_dir = Path(_runtime().settings.models_dir)
    try:
        path = _fetch_with_progress(name, models_dir)
        click.echo(f"Fetched {path}. Preparing it for the engine takes half a minute.")
        model = load_model(DETOXIFY + name, models_dir, exact=_runtime().settings.exact)
    except ModelUnavailable as error:
        raise click.ClickException(error.why) from error
    click.echo(f"{model.name} is ready. The next start uses it, if the model setting is auto.")


def _runtime() -> Any:
    return current_app.extensions["moderation"]


def _assess(text: str) -> Assessment:
    runtime = _runtime()
    return run_checks(runtime.checks, Comment(text), BUDGET_MS, runtime.pool)


def _fetch_with_progress(name: str, models_dir: Path) -> Path:
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        return fetch(
            name,
            models_dir,
            lambda done, total: progress.update(task, completed=done, total=total or None),
        )


def _as_json(assessment: Assessment) -> str:
    document = {
        "scores": {name: score.value for name, score in assessment.scores.items()},
        "missing": {name: missing.why for name, missing in assessment.missing.items()},
        "findings": [dataclasses.asdict(finding) for finding in assessment.findings],
        "versions": dict(assessment.versions),
        "took_ms": assessment.took_ms,
    }
    return json.dumps(document, ensure_ascii=False)


def _print_tables(assessment: Assessment, text: str) -> None:
    console = Console()
    console.print(_score_table(assessment))
    if assessment.findings:
        console.print(_finding_table(assessment, text))


def _score_table(assessment: Assessment) -> Table:
    table = Table("attribute", "score", "check")
    ranked = sorted(assessment.scores.items(), key=lambda item: -item[1].value)
    for name, score in ranked:
        by = assessment.versions.get(score.check, score.check)
        table.add_row(name, f"{score.value:.3f}", f"{score.check} ({by})")
    for name, missing in assessment.missing.items():
        table.add_row(name, "missing", escape(missing.why))
    return table


def _finding_table(assessment: Assessment, text: str) -> Table:
    table = Table("place", "text", "finding")
    for finding in assessment.findings:
        # The operator typed the text, so here the words may be shown.
        words = json.dumps(text[finding.start : finding.end], ensure_ascii=False)
        table.add_row(f"{finding.start}–{finding.end}", escape(words), finding.message)
    return table
