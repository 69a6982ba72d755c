"""The figures as Markdown, for the part of a model card that no hand should write."""

from collections.abc import Iterable, Iterator, Sequence

from moderation.evaluation.outcome import OfGroup, Report
from moderation.evaluation.reading import EvaluationError
from moderation.evaluation.table import (
    bias_cells,
    headline,
    notes,
    percent,
    set_name,
    set_rows,
    short,
    thresholds,
    timing,
    used,
    with_interval,
)

BEGIN, END = "<!-- figures: begin, `make evaluate` writes what follows -->", "<!-- figures: end -->"
WRONG_FROM = 0.5
"""Share decided rightly below which a functionality is one that the model fails at."""


def filled(document: str, report: Report) -> str:
    """Put the figures between the two marks of a document. Raises `EvaluationError` without."""
    before, begun, rest = document.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise EvaluationError(f"the card has no lines {BEGIN} and {END} to put the figures between")
    return f"{before}{BEGIN}\n\n{figures(report)}\n{END}{after}"


def figures(report: Report) -> str:
    """Give every table that a model card needs; the model in force is the first one."""
    parts = (_sets, _held, _failing, _groups, _languages, _bias, _calibration, _closing)
    return "\n".join(line for part in parts for line in part(report))


def _sets(report: Report) -> Iterator[str]:
    yield "### By set\n"
    rows = []
    before = None
    for one, model, (auc, average, at_1, at_5, error, *_held) in set_rows(report):
        names = ["", ""] if one is before else [set_name(one), used(one)]
        before = one
        rows.append([*names, model, auc, average, at_1, at_5, error])
    heads = ["set", "rows", "model", "ROC-AUC", "average precision",
             "recall at 1 %", "recall at 5 %", "ECE"]  # fmt: skip
    yield from _table(heads, rows)
    yield "\n".join(f"* {line}" for line in notes(report)) + "\n"


def _held(report: Report) -> Iterator[str]:
    yield "### Held under the default policy, %\n"
    names = [one.name for one in report.models]
    rows = [
        [one.title + " (trained on)" * one.trained_on, f"{one.rows:,}"]
        + [with_interval(one.by_model[name], percent=True) for name in names]
        for one in report.held
    ]
    yield from _table(["comments", "rows", *names], rows)
    yield from (f"{line}.\n" for line in headline(report))


def _failing(report: Report) -> Iterator[str]:
    if not report.functionalities:
        return
    model = report.names[0]
    yield "### Where it fails\n"
    yield f"Functionalities of HateCheck of which {model} decides fewer than half rightly:\n"
    for one in report.functionalities:
        right = one.accuracy.get(model)
        if right and right.value < WRONG_FROM:
            wrong = "missed" if one.hateful else "wrongly flagged"
            yield f"* `{one.name}`: {percent(1 - right.value)} of {one.rows} {wrong}"
    yield ""


def _groups(report: Report) -> Iterator[str]:
    if not report.functionalities:
        return
    yield "### HateCheck by functionality, decided rightly, %\n"
    names = [one.name for one in report.models]
    rows = [
        [f"`{one.name}`", "hateful" if one.hateful else "harmless", str(one.rows)]
        + [with_interval(one.accuracy.get(name), percent=True) for name in names]
        for one in report.functionalities
    ]
    yield from _table(["functionality", "", "rows", *names], rows)


def _languages(report: Report) -> Iterator[str]:
    if not report.languages:
        return
    yield "### Multilingual HateCheck, ROC-AUC\n"
    names = [one.name for one in report.models]

    def area(one: OfGroup, name: str) -> str:
        return with_interval(one.by_model[name]["auc"]) if name in one.by_model else ""

    rows = [
        [one.name, str(one.rows), *(area(one, name) for name in names)] for one in report.languages
    ]
    yield from _table(["language", "rows", *names], rows)


def _bias(report: Report) -> Iterator[str]:
    if not report.identities:
        return
    yield "### Bias, generalised mean over identities (p = −5)\n"
    rows = [
        [one.title, name, *bias_cells(found)]
        for one in report.bias
        for name, found in one.by_model.items()
    ]
    yield from _table(["set", "model", "subgroup AUC", "BPSN AUC", "BNSP AUC"], rows)
    yield "### False positives on harmless sentences that name an identity, %\n"
    names = [one.name for one in report.models]
    rows = [
        [one.title, one.identity, str(one.rows)]
        + [with_interval(one.false_positives.get(name), percent=True) for name in names]
        for one in report.identities
    ]
    yield from _table(["set", "identity", "rows", *names], rows)


def _calibration(report: Report) -> Iterator[str]:
    yield "### Calibration error (ECE)\n"
    names = [one.name for one in report.models]
    rows = [
        [one.title, *(short(one.error[name]) if name in one.error else "" for name in names)]
        for one in report.calibration
    ]
    yield from _table(["sets", *names], rows)


def _closing(report: Report) -> Iterator[str]:
    yield f"{thresholds(report)}\n"
    yield f"{timing(report)}\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
