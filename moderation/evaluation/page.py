"""The report as one page: no script, nothing from elsewhere, readable on a phone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from moderation.evaluation.metrics import FIGURES, Estimate
from moderation.evaluation.outcome import Report
from moderation.evaluation.plots import Drawing, drawn
from moderation.evaluation.table import (
    BIAS_HEADS,
    HEADS,
    SET_HEADS,
    UNSCORED,
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

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 72rem;
  color: #1b1b1b; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
p { max-width: 44rem; }
.line { font-weight: 600; border-left: 4px solid #0072b2; padding: .25rem .75rem; }
.scroll { overflow-x: auto; border: 1px solid #ddd; }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: left; white-space: nowrap;
  border-bottom: 1px solid #e5e5e5; }
thead th { background: #f4f4f4; }
.plots { display: grid; gap: 1.5rem; grid-template-columns:
  repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
figure { margin: 0; } svg { width: 100%; height: auto; border: 1px solid #ddd; }
figcaption, .note { font-size: .85rem; color: #444; }
"""
EXPLAINED = (
    "Figures in square brackets are 95 % intervals. ROC-AUC is the chance that a toxic comment "
    "scores above another. Average precision is the mean share of toxic comments among those "
    "flagged; it falls with the share of toxic comments in a set, so compare models within a "
    "set only. Recall at 1 % is the share of the toxic comments that is found while 1 % of the "
    "others are flagged. ECE is the expected calibration error over 15 bins of equal width. "
    "Held is what the default policy keeps for a moderator."
)


def page(report: Report) -> str:
    """Give the whole page."""
    title = f"Evaluation of {report.models[0].name}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
            f"<h1>{escape(title)}</h1>",
            *_head(report),
            *_tables(report),
            *_plots(drawn(report)),
            "</main></body></html>",
        ]
    )


def _head(report: Report) -> Iterator[str]:
    for line in headline(report):
        yield f'<p class="line">{escape(line)}</p>'
    yield f"<p>{escape(EXPLAINED)}</p>"
    yield f"<p>{escape(thresholds(report))} {escape(timing(report))}</p>"
    if report.cap:
        yield (
            f"<p>Of a set with more than {report.cap:,} rows a stratified sample of so many was "
            f"used (seed {report.seed}), weighted so that it stands for the whole set.</p>"
        )
    for one in report.skipped:
        yield f'<p class="note">Skipped {escape(one.spec)}: {escape(one.why)}</p>'
    if report.absent:
        yield f'<p class="note">Sets that were not there: {escape(", ".join(report.absent))}</p>'


def _tables(report: Report) -> Iterator[str]:
    yield from _table(
        "By set",
        ("set", "rows", "toxic", "model", *HEADS, *SET_HEADS),
        (
            [set_name(one), used(one), percent(one.share_toxic), model, *cells]
            for one, model, cells in set_rows(report)
        ),
    )
    for note in notes(report):
        yield f'<p class="note">{escape(note)}</p>'
    yield from _held(report)
    yield from _groups(report)
    yield from _bias(report)


def _held(report: Report) -> Iterator[str]:
    names = [one.name for one in report.models]
    if report.held:
        yield from _table(
            "Held under the default policy, in %",
            ("comments", "rows", *names),
            (
                [
                    f"{one.title} (trained on)" if one.trained_on else one.title,
                    f"{one.rows:,}",
                    *(with_interval(one.by_model[name], percent=True) for name in names),
                ]
                for one in report.held
            ),
        )


def _groups(report: Report) -> Iterator[str]:
    names = [one.name for one in report.models]
    if report.functionalities:
        yield from _table(
            "HateCheck by functionality",
            (
                "functionality",
                "rows",
                *(f"right, {n}, %" for n in names),
                *(f"mean score, {n}" for n in names),
            ),
            (
                [
                    one.name,
                    f"{one.rows:,}",
                    *(_or_unscored(one.accuracy, name) for name in names),
                    *(short(one.mean_score[n]) if n in one.mean_score else UNSCORED for n in names),
                ]
                for one in report.functionalities
            ),
        )
    if report.languages:
        yield from _table(
            "Multilingual HateCheck",
            ("language", "rows", "model", *HEADS, "right, %"),
            (
                [
                    one.name,
                    f"{one.rows:,}",
                    model,
                    *(with_interval(found[name]) for name in FIGURES),
                    with_interval(one.accuracy[model], percent=True),
                ]
                for one in report.languages
                for model, found in one.by_model.items()
            ),
        )


def _or_unscored(accuracy: Mapping[str, Estimate | None], name: str) -> str:
    return with_interval(accuracy[name], percent=True) if name in accuracy else UNSCORED


def _bias(report: Report) -> Iterator[str]:
    if not report.identities:
        return
    yield from _table(
        "Bias, generalised mean over identities (p = −5)",
        ("set", "model", *BIAS_HEADS),
        (
            [one.title, model, *bias_cells(found)]
            for one in report.bias
            for model, found in one.by_model.items()
        ),
    )
    yield from _table(
        "Bias by identity",
        ("set", "identity", "rows", "model", *BIAS_HEADS, "false positives, %"),
        (
            [
                one.title,
                one.identity,
                f"{one.rows:,}",
                model,
                *bias_cells(found),
                with_interval(one.false_positives[model], percent=True),
            ]
            for one in report.identities
            for model, found in one.bias.items()
        ),
    )


def _table(title: str, heads: Iterable[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f'<h2>{escape(title)}</h2><div class="scroll" tabindex="0"><table><thead><tr>'
    yield "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"


def _plots(drawings: Sequence[Drawing]) -> Iterator[str]:
    if not drawings:
        return
    yield '<h2>Plots</h2><div class="plots">'
    for one in drawings:
        yield f"<figure>{one.svg}<figcaption>{escape(one.caption)}</figcaption></figure>"
    yield "</div>"
