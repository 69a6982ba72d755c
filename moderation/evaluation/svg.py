"""Drawing in SVG by hand: axes, lines and bars, in one size that fits a phone.

matplotlib was turned down: 30 MB for five plots, and its text becomes outlines that no
reader of a page can search, copy or hear.
"""

from collections.abc import Iterable, Mapping
from html import escape

WIDTH = 360
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9")
"""Okabe and Ito's, told apart by people with any colour vision."""
DASHES = ("", "6 3", "2 2", "8 2 2 2", "4 4", "1 3")
GREY = "#767676"
PALE = "#dddddd"

Point = tuple[float, float]


def figure(title: str, description: str, height: float, parts: Iterable[str]) -> str:
    """One drawing, with a title and a description for those who don't see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="#1b1b1b">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


def words(text: str, x: float, y: float, *, anchor: str = "start", **more: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{_rest(more)}>{escape(text)}</text>'
    )


def line(start: Point, end: Point, colour: str = GREY, **more: str) -> str:
    (x1, y1), (x2, y2) = start, end
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}"{_rest(more)}/>'
    )


def path(points: Iterable[Point], model: int) -> str:
    """A line through points, in the colour and dashes of a model."""
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<polyline points="{joined}" fill="none" stroke="{colour_of(model)}" '
        f'stroke-width="1.8" stroke-dasharray="{DASHES[model % len(DASHES)]}"/>'
    )


def dot(at: Point, model: int, radius: float = 3) -> str:
    x, y = at
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour_of(model)}"/>'


def bar(at: Point, width: float, height: float, colour: str) -> str:
    x, y = at
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" '
        f'fill="{colour}"/>'
    )


def colour_of(model: int) -> str:
    return COLOURS[model % len(COLOURS)]


def legend(models: Mapping[str, int], top: float, *, dots: bool = False) -> list[str]:
    """A line for each model; each takes `LEGEND_LINE` of height.

    dots  how a model is drawn: from the second on by a dot, not a line
    """
    parts = []
    for at, (name, model) in enumerate(models.items()):
        y = top + at * LEGEND_LINE
        if not dots:
            parts.append(path([(12, y), (36, y)], model))
        elif model:
            parts.append(dot((24, y), model))
        else:
            parts.append(bar((12, y - 4), 24, 8, colour_of(model)))
        parts.append(words(name, 42, y + 4))
    return parts


LEGEND_LINE = 15


def _rest(more: dict[str, str]) -> str:
    return "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in more.items())
