"""The plots of a report, each with a caption that says what it means."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from moderation.evaluation import svg
from moderation.evaluation.metrics import BINS, Estimate
from moderation.evaluation.outcome import OfCalibration, OfGroup, OfSet, Report
from moderation.evaluation.reading import Array
from moderation.evaluation.svg import LEGEND_LINE, WIDTH, Point

LEFT, RIGHT, TOP, SIDE = 44, 14, 28, 250
"""Margins of a plot with two axes, and the height of its field, in its own units."""
STRICTEST = 0.001
"""False positive rate at the left edge; what lies below is drawn there."""
BAR_LEFT, BAR_RIGHT, BAR_LINE = 138, 40, 17


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot, by the name of its file."""

    name: str
    title: str
    caption: str
    svg: str


def drawn(report: Report) -> list[Drawing]:
    """Every plot that the report has figures for."""
    found = [_roc(one, report) for one in report.sets if _has_curve(one)]
    found += [_reliability(one, report) for one in report.calibration if any(one.bins.values())]
    if report.functionalities:
        found.append(_hatecheck(report))
    if report.held:
        found.append(_held(report))
    found += [_identities(stem, report) for stem in _stems_with_identities(report)]
    return found


def _has_curve(one: OfSet) -> bool:
    return (
        one.attribute == "toxicity"
        and not one.trained_on
        and any(len(curve[0]) for curve in one.curves.values())
    )


# Plots with two axes.


def _roc(one: OfSet, report: Report) -> Drawing:
    names = [name for name in report.names if name in one.curves]
    title = f"ROC: {one.title}"
    parts = _frame(title, "false positives (logarithmic)", "toxic comments found")
    for rate in (0.001, 0.01, 0.05, 0.1, 1):
        x = _log_x(rate)
        parts += [
            svg.line((x, TOP), (x, TOP + SIDE), svg.GREY if rate in (0.01, 0.05) else svg.PALE),
            svg.words(
                f"{100 * rate:g} %", x, TOP + SIDE + 14, anchor="end" if rate == 1 else "middle"
            ),
        ]
    chance = [(_log_x(rate), _y(rate)) for rate in (10 ** (at / 10) for at in range(-30, 1))]
    parts.append(_thin_line(chance))
    for name in names:
        parts.append(svg.path(_steps(*one.curves[name]), report.names.index(name)))
    caption = (
        f"How many of the toxic comments a threshold finds (upwards) while it flags so many of "
        f"the others by mistake (to the right), on {one.rows:,} rows. The further up and left, "
        f"the better. The left half is what counts for a newsroom: at the grey lines 1 % and "
        f"5 % of harmless comments are flagged. The thin line is guessing."
    )
    return _with_legend(f"roc-{_slug(one.stem)}", title, caption, parts, names, report)


def _log_x(rate: float) -> float:
    span = math.log10(max(rate, STRICTEST) / STRICTEST) / -math.log10(STRICTEST)
    return LEFT + span * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return TOP + SIDE * (1 - share)


def _steps(false: Array, found: Array) -> Iterator[Point]:
    """The curve as steps, without points that would fall on the one before."""
    before: Point = (LEFT, _y(0))
    yield before
    for rate, recall in zip(false, found, strict=True):
        point = (_log_x(float(rate)), _y(float(recall)))
        if abs(point[0] - before[0]) + abs(point[1] - before[1]) < 0.5 and rate < 1:
            continue
        yield point[0], before[1]
        yield point
        before = point


def _reliability(one: OfCalibration, report: Report) -> Drawing:
    names = [name for name in report.names if one.bins.get(name)]
    title = f"Reliability: {one.title}"
    parts = _frame(title, "mean score of the comments in a bin", "share that people call toxic")
    span = WIDTH - LEFT - RIGHT
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(svg.words(f"{tick:g}", LEFT + tick * span, TOP + SIDE + 14, anchor="middle"))
    parts.append(_thin_line([(LEFT, _y(0)), (LEFT + span, _y(1))]))
    for name in names:
        at = report.names.index(name)
        points = [(LEFT + part.mean_score * span, _y(part.share)) for part in one.bins[name]]
        total = sum(part.weight for part in one.bins[name])
        parts.append(svg.path(points, at))
        parts += [
            svg.dot(point, at, 2 + 5 * math.sqrt(part.weight / total))
            for point, part in zip(points, one.bins[name], strict=True)
        ]
    errors = "; ".join(f"{name} {one.error[name]:.3f}" for name in names)
    caption = (
        f"Whether a score can be read as a chance: of comments that score 0.8, eight in ten "
        f"should be toxic, which is the thin line. Below it a model exaggerates, above it it "
        f"plays down. {BINS} bins of equal width; a larger dot stands for more comments. "
        f"Expected calibration error: {errors}. Sets: {', '.join(one.sets)}; their share of "
        f"toxic comments is that of the sets, not of a newsroom."
    )
    return _with_legend(f"reliability-{_slug(one.title)}", title, caption, parts, names, report)


def _frame(title: str, across: str, up: str) -> list[str]:
    parts = [svg.words(title, 8, 16, font_weight="600")]
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts += [
            svg.line((LEFT, _y(share)), (WIDTH - RIGHT, _y(share)), svg.PALE),
            svg.words(f"{share:.1f}", LEFT - 5, _y(share) + 4, anchor="end"),
        ]
    middle = TOP + SIDE / 2
    parts.append(svg.words(across, (LEFT + WIDTH - RIGHT) / 2, TOP + SIDE + 30, anchor="middle"))
    turned = f"rotate(-90 12 {middle:.0f})"
    parts.append(svg.words(up, 12, middle, anchor="middle", transform=turned))
    return parts


def _thin_line(points: Sequence[Point]) -> str:
    return "".join(
        svg.line(start, end, svg.GREY, stroke_width="0.8") for start, end in pairwise(points)
    )


def _with_legend(
    name: str, title: str, caption: str, parts: list[str], names: Sequence[str], report: Report
) -> Drawing:
    top = TOP + SIDE + 46
    height = top + LEGEND_LINE * len(names)
    drawing = svg.figure(
        title,
        caption,
        height,
        [*parts, *svg.legend({one: report.names.index(one) for one in names}, top)],
    )
    return Drawing(name, title, caption, drawing)


# Bars, one below the other.


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    colour: str
    by_model: Sequence[Estimate | None]


def _bars(
    name: str, title: str, caption: str, names: Sequence[str], bars: Sequence[_Bar]
) -> Drawing:
    """A bar for the first model with its interval, and a dot for each other one."""
    top = 26 + LEGEND_LINE * len(names) + 8
    parts = [
        svg.words(title, 8, 16, font_weight="600"),
        *svg.legend({one: at for at, one in enumerate(names)}, 30, dots=True),
    ]
    height = top + BAR_LINE * len(bars) + 22
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = _bar_x(tick)
        parts += [
            svg.line((x, top), (x, height - 20), svg.PALE),
            svg.words(f"{100 * tick:.0f} %", x, height - 7, anchor="middle", font_size="10"),
        ]
    for at, one in enumerate(bars):
        parts += _bar(one, top + at * BAR_LINE)
    return Drawing(name, title, caption, svg.figure(title, caption, height, parts))


def _bar(one: _Bar, top: float) -> Iterator[str]:
    middle = top + BAR_LINE / 2
    yield svg.words(one.label, BAR_LEFT - 6, middle + 4, anchor="end", font_size="10")
    for model, estimate in enumerate(one.by_model):
        if estimate is None:
            continue
        x = _bar_x(estimate.value)
        if model:
            yield svg.dot((x, middle), model)
            continue
        yield svg.bar((BAR_LEFT, top + 3), x - BAR_LEFT, BAR_LINE - 6, one.colour)
        yield svg.line((_bar_x(estimate.low), middle), (_bar_x(estimate.high), middle), "#1b1b1b")
        figure = f"{100 * estimate.value:.0f} %"
        yield svg.words(figure, WIDTH - 4, middle + 4, anchor="end", font_size="10")


def _bar_x(share: float) -> float:
    return BAR_LEFT + share * (WIDTH - BAR_LEFT - BAR_RIGHT)


WANTED, UNWANTED = svg.COLOURS[0], svg.COLOURS[4]


def _hatecheck(report: Report) -> Drawing:
    names = [one.name for one in report.models]

    def bar(one: OfGroup) -> _Bar:
        colour = WANTED if one.hateful else UNWANTED
        return _Bar(one.name, colour, [one.accuracy.get(name) for name in names])

    caption = (
        "HateCheck: the share of each sort of sentence that is decided rightly when toxicity or "
        "identity attack alone decide, at the default policy's hold threshold. Blue bars are "
        "hateful sentences (_h) and should be flagged, brown ones are not hateful (_nh) and "
        "should not. The bar and the figure are the first model, its black line the 95 % "
        "interval; dots are the others."
    )
    bars = list(map(bar, report.functionalities))
    return _bars("hatecheck", "HateCheck by functionality", caption, names, bars)


def _held(report: Report) -> Drawing:
    names = [one.name for one in report.models]
    bars = [
        _Bar(
            one.short,
            UNWANTED if one.is_harmless else WANTED,
            [one.by_model.get(name) for name in names],
        )
        for one in report.held
    ]
    caption = (
        "What the default policy holds for a moderator, by every score and without rules on "
        "links or repetition. Brown: harmless comments, of which as few as possible should be "
        "held. Blue: abuse and rude words, of which as many as possible should. The bar and the "
        "figure are the first model, its black line the 95 % interval; dots are the others."
    )
    return _bars("held", "Held under the default policy", caption, names, bars)


def _stems_with_identities(report: Report) -> list[str]:
    return list(dict.fromkeys(one.stem for one in report.identities))


def _identities(stem: str, report: Report) -> Drawing:
    names = [one.name for one in report.models]
    found = [one for one in report.identities if one.stem == stem]
    bars = [
        _Bar(one.identity, UNWANTED, [one.false_positives.get(name) for name in names])
        for one in found
    ]
    title = f"False positives by identity: {found[0].title}"
    caption = (
        "Harmless sentences made from templates that name an identity, and the share of them "
        "that is flagged by mistake at the default policy's hold threshold. Long bars, and bars "
        "of very different length, are bias. The bar and the figure are the first model, its "
        "black line the 95 % interval; dots are the others."
    )
    return _bars(f"identities-{_slug(stem)}", title, caption, names, bars)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower().removesuffix(".gz").removesuffix(".csv")).strip(
        "-"
    )
