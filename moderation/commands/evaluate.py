"""The command that measures the model in force, on a newsroom's own file or on known sets.

flask evaluate FILE --text COLUMN --label COLUMN   a file that the newsroom has labelled
flask evaluate --data FOLDER                       every known set that lies in a folder
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from moderation.commands.console import as_command, json_option, runtime
from moderation.core.comment import ATTRIBUTES
from moderation.evaluation import page, plots, table
from moderation.evaluation.card import filled
from moderation.evaluation.outcome import Report
from moderation.evaluation.peers import load_peers, load_scorer
from moderation.evaluation.reading import EvaluationError, read_own, sampled
from moderation.evaluation.run import SEED, Material, evaluate, gather
from moderation.evaluation.scores import Tick
from moderation.evaluation.sets import Kind, LabelledSet
from moderation.scoring.model import ModelUnavailable

ROWS = 2000


@click.command("evaluate")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the known sets.")
@click.option("--text", default="text", show_default=True, help="Column with the comments.")
@click.option(
    "--label", "labels", multiple=True,
    help="Column with 1 for toxic and 0 for not, or ATTRIBUTE=COLUMN; may be repeated.",
)  # fmt: skip
@click.option("--compare", "specs", multiple=True, help="Another model to measure; repeatable.")
@click.option("--rows", "cap", default=ROWS, show_default=True, type=click.IntRange(0),
              help="Most rows of a set, 0 for all.")  # fmt: skip
@click.option("--all", "trained_on", is_flag=True, help="Also sets that the model has seen.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with the plots.")
@click.option("--figures", type=click.Path(path_type=Path), help="Folder for plots as files.")
@click.option("--json-to", type=click.Path(path_type=Path), help="Write the JSON to a file.")
@click.option("--card", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Model card, a Markdown file, to put the figures into.")  # fmt: skip
@json_option
@as_command
def command(
    file: Path | None,
    data: Path | None,
    text: str,
    labels: tuple[str, ...],
    specs: tuple[str, ...],
    cap: int,
    trained_on: bool,
    html: Path | None,
    figures: Path | None,
    json_to: Path | None,
    card: Path | None,
    as_json: bool,
) -> None:
    """Measure the model in force on FILE, a CSV with labelled comments, or on known sets."""
    if (file is None) == (data is None):
        raise click.UsageError("Give a FILE, or a folder of known sets with --data.")
    try:
        if file is not None:
            material = _own(file, text, labels, cap)
        else:
            assert data is not None
            material = _known(data, cap, trained_on)
        report = _measure(material, specs)
        _write(report, html, figures, json_to, card)
    except EvaluationError as error:
        raise click.ClickException(str(error)) from None
    except ModelUnavailable as error:
        raise click.ClickException(error.why) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    if as_json:
        click.echo(_dumped(report))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=table.WIDE)
    console.print(table.tables(report, console.width))


def _own(file: Path, text: str, labels: tuple[str, ...], cap: int) -> Material:
    columns = _attributes(labels or ("toxic",))
    own = LabelledSet(file.name, file.name, Kind.OWN, labels=columns)
    rows = read_own(file, own, text)
    return Material([(own, sampled(rows, cap, seed=SEED))], cap=cap)


def _attributes(labels: tuple[str, ...]) -> dict[str, str]:
    """Attribute → column: `insult=is_insult`, or a column alone, which is toxicity."""
    columns: dict[str, str] = {}
    for label in labels:
        attribute, found, column = label.partition("=")
        if not found:
            attribute, column = "toxicity", label
        if attribute not in ATTRIBUTES:
            raise click.UsageError(
                f"--label {label}: {attribute!r} is no attribute; known are {', '.join(ATTRIBUTES)}"
            )
        if attribute in columns:
            raise click.UsageError(f"--label {label}: {attribute} has a column already")
        columns[attribute] = column
    return columns


def _known(data: Path, cap: int, trained_on: bool) -> Material:
    material = gather(data, cap=cap, trained_on=trained_on)
    if not material.sets:
        raise EvaluationError(f"{data} has none of the known sets, such as jigsaw_dev6.csv.gz")
    return material


def _measure(material: Material, specs: tuple[str, ...]) -> Report:
    settings: Any = runtime().settings
    with _progress() as tick:
        tick("loading", 0, 1)
        folder, exact = settings.models_dir, settings.exact
        first = load_scorer(settings.toxicity_model, folder, exact=exact)
        loaded, skipped = load_peers(specs, folder, first, exact=exact)
        tick("loading", 1, 1)
        return evaluate(material, loaded, skipped, tick)


@contextmanager
def _progress() -> Iterator[Tick]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # Somebody who keeps standard error in a file wants to read errors there.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        tasks: dict[str, int] = {}

        def tick(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)  # type: ignore[arg-type]

        yield tick


def _dumped(report: Report) -> str:
    return json.dumps(table.document(report), ensure_ascii=False, indent=1)


def _write(
    report: Report, html: Path | None, figures: Path | None, json_to: Path | None, card: Path | None
) -> None:
    files: dict[Path, str] = {}
    if card:
        files[card] = filled(card.read_text("utf-8"), report).rstrip("\n")
    if json_to:
        files[json_to] = _dumped(report)
    if html:
        files[html] = page.page(report)
    if figures:
        drawn = plots.drawn(report)
        files |= {figures / f"{one.name}.svg": one.svg for one in drawn}
        files[figures / "figures.json"] = _dumped(report)
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n", "utf-8")
