"""The report as tables for a terminal, and as JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from moderation.evaluation.metrics import FIGURES, Bias, Estimate
from moderation.evaluation.outcome import OfGroup, OfSet, Report

UNDEFINED = "not defined"
UNSCORED = "not scored"
DIGITS = 5
HEADS = ("ROC-AUC", "average precision", "recall at 1 %", "recall at 5 %")
SET_HEADS = ("ECE", "held of label 0", "held of label 1")
BIAS_HEADS = ("subgroup AUC", "BPSN AUC", "BNSP AUC")


def document(report: Report) -> dict[str, Any]:
    """The report as plain values for JSON, without the curves of the plots."""
    plain = _plain(report)
    for one in plain["sets"]:
        del one["curves"]
    return dict(plain)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value


# Words for figures, the same in the terminal and on the page.


def with_interval(estimate: Estimate | None, *, percent: bool = False) -> str:
    """A figure with its interval: `.861 [.840–.880]`, or in percent."""
    if estimate is None:
        return UNDEFINED
    form = _percent if percent else _short
    return f"{form(estimate.value)} [{form(estimate.low)}–{form(estimate.high)}]"


def short(value: float | None) -> str:
    return UNDEFINED if value is None else _short(value)


def percent(value: float | None) -> str:
    return UNDEFINED if value is None else f"{_percent(value)} %"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def used(one: OfSet) -> str:
    """How many rows were used, and of how many."""
    return f"{one.rows:,}" if one.rows == one.all_rows else f"{one.rows:,} of {one.all_rows:,}"


def headline(report: Report) -> Iterator[str]:
    for one in report.headlines:
        yield (
            f"{one.model}: harmless held {with_interval(one.harmless, percent=True)} %, "
            f"clear abuse held {with_interval(one.abuse, percent=True)} %"
        )


Cells = list[str]


def set_rows(report: Report) -> Iterator[tuple[OfSet, str, Cells]]:
    """Set, model, and its cells: figures, calibration error, held harmless, held toxic."""
    for one in report.sets:
        for model in report.names:
            found = one.by_model.get(model)
            if found is None and model in report.recorded:
                continue
            held = [_held_share(part) for part in one.held.get(model, (None, None))]
            if found is None:
                yield one, model, [UNSCORED, "", "", "", "", *held]
                continue
            yield (
                one,
                model,
                [
                    *(with_interval(found[name]) for name in FIGURES),
                    short(one.calibration_error[model]),
                    *held,
                ],
            )


def _held_share(estimate: Estimate | None) -> str:
    return "–" if estimate is None else percent(estimate.value)


def bias_cells(bias: Bias | None) -> Cells:
    if bias is None:
        return [UNSCORED] * 3
    return [short(bias.subgroup), short(bias.bpsn), short(bias.bnsp)]


def timing(report: Report) -> str:
    """How long a comment takes, a sentence."""
    times = "; ".join(f"{one.name} {one.median_us:,.0f} µs" for one in report.models)
    return (
        f"The model's time for a comment, as measured on this machine ({report.machine}), one "
        f"call at a time, the median of {report.models[0].calls:,}: {times}."
    )


def thresholds(report: Report) -> str:
    """What the default policy holds from, a sentence."""
    limits = [f"{name} {limit:g}" for name, limit in report.thresholds.items() if limit is not None]
    return f"Hold thresholds of the default policy: {', '.join(limits)}."


def notes(report: Report) -> list[str]:
    """What must be known of a set to read its figures, a line each."""
    return list(dict.fromkeys(f"{one.title}: {one.note}" for one in report.sets if one.note))


# Tables. A model is a letter in them, so that a line fits a terminal.


def tables(report: Report, width: int) -> RenderableType:
    """Everything, one table below the other.

    width  columns of the terminal; in a narrow one an interval stands below its figure
    """
    letters = {name: chr(ord("A") + at) for at, name in enumerate(report.names)}
    key = "\n".join(f"{letter}  {name}" for name, letter in letters.items())
    parts: list[RenderableType] = ["", escape(key), "", _sets(report, letters, width < WIDE)]
    parts += [f"[dim]{escape(line)}[/dim]" for line in notes(report)] + [""]
    if report.functionalities:
        title = "HateCheck by functionality: decided rightly, %, and mean score"
        parts.append(_groups(title, report.functionalities, report, letters))
    if report.languages:
        parts.append(_languages(report, letters, width < WIDE))
    if report.held:
        parts.append(_held(report, letters))
    if report.identities:
        parts += [_bias(report, letters), _identities(report, letters)]
    parts += [f"[bold]{escape(line)}[/bold]" for line in headline(report)]
    parts += [escape(thresholds(report)), escape(timing(report))]
    parts += [escape(f"Skipped {one.spec}: {one.why}") for one in report.skipped]
    if report.absent:
        parts.append(escape(f"Not there: {', '.join(report.absent)}"))
    return Group(*parts)


WIDE = 200
"""Columns of a terminal from which a figure and its interval stand in one line."""


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1),
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _add(table: Table, cells: Sequence[str], *, narrow: bool = False) -> None:
    table.add_row(*(escape(cell.replace(" [", "\n[") if narrow else cell) for cell in cells))


def _sets(report: Report, letters: Mapping[str, str], narrow: bool) -> Table:
    table = _table("By set", "set", "rows", "toxic", "", *HEADS, *SET_HEADS)
    before = None
    for one, model, cells in set_rows(report):
        names = (
            ["", "", ""] if one is before else [set_name(one), used(one), percent(one.share_toxic)]
        )
        before = one
        _add(table, [*names, letters[model], *cells], narrow=narrow)
    return table


def set_name(one: OfSet) -> str:
    """The set as it is told in a row: with its attribute, and a mark if it was trained on."""
    name = one.title if one.attribute == "toxicity" else f"{one.title}: {one.attribute}"
    return f"{name} (trained on)" if one.trained_on else name


def _groups(
    title: str, found: Sequence[OfGroup], report: Report, letters: Mapping[str, str]
) -> Table:
    names = [one.name for one in report.models]
    table = _table(title, "group", "", "rows", *(letters[name] for name in names), "mean score")
    for one in found:
        kind = {True: "hateful", False: "harmless", None: ""}[one.hateful]
        right = [
            with_interval(one.accuracy[name], percent=True) if name in one.accuracy else UNSCORED
            for name in names
        ]
        scores = " / ".join(
            short(one.mean_score[name]) if name in one.mean_score else UNSCORED for name in names
        )
        _add(table, [one.name, kind, str(one.rows), *right, scores])
    return table


def _languages(report: Report, letters: Mapping[str, str], narrow: bool) -> Table:
    title = "Multilingual HateCheck"
    table = _table(title, "language", "rows", "", *HEADS, "decided rightly, %")
    for one in report.languages:
        for model, found in one.by_model.items():
            cells = [with_interval(found[name]) for name in FIGURES]
            right = with_interval(one.accuracy[model], percent=True)
            row = [one.name, str(one.rows), letters[model], *cells, right]
            _add(table, row, narrow=narrow)
    return table


def _held(report: Report, letters: Mapping[str, str]) -> Table:
    names = [one.name for one in report.models]
    title = "Held under the default policy, %"
    table = _table(title, "comments", "rows", *(letters[name] for name in names))
    for one in report.held:
        name = f"{one.title} (trained on)" if one.trained_on else one.title
        cells = [with_interval(one.by_model[model], percent=True) for model in names]
        _add(table, [name, str(one.rows), *cells])
    return table


def _bias(report: Report, letters: Mapping[str, str]) -> Table:
    title = "Bias, generalised mean over identities (p = −5)"
    table = _table(title, "set", "", *BIAS_HEADS)
    for one in report.bias:
        for model, found in one.by_model.items():
            _add(table, [one.title, letters[model], *bias_cells(found)])
    return table


def _identities(report: Report, letters: Mapping[str, str]) -> Table:
    title = "Bias by identity"
    table = _table(title, "set", "identity", "rows", "", *BIAS_HEADS, "false positives, %")
    before = None
    for one in report.identities:
        for model, found in one.bias.items():
            false = with_interval(one.false_positives[model], percent=True)
            row = [one.title, one.identity, str(one.rows)] if one is not before else [""] * 3
            before = one
            _add(table, [*row, letters[model], *bias_cells(found), false])
    return table
