"""Tables for the terminal and plots for the documents. Ratios first."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import services
from moderation.evaluation import svg

Found = Mapping[str, Any]


def show(part: str, found: Found, took_s: float) -> None:
    """Print what a part has found."""
    console = Console()
    for table in TABLES[part](found):
        console.print(table)
    console.print(f"[dim]{part}: {took_s:.0f} s[/dim]\n")


def plots(found: Found) -> dict[str, str]:
    """Draw what there is to draw: name → SVG."""
    drawn = {}
    if "engines" in found:
        ways = found["engines"]["original"]["times_naive"]
        drawn["engines"] = _bars("BERT-base on one core, times Detoxify.predict", ways)
    if "services" in found:
        ratios = {name: one["times_naive"] for name, one in found["services"].items()}
        drawn["services"] = _bars("Decisions a second, times Flask + Detoxify", ratios)
    return drawn


def _engines(found: Found) -> list[Table]:
    tables = []
    for shape, one in found.items():
        table = _table(f"{shape}: one core", "way", "× naive", "comments a core-second")
        for way, ratio in one["times_naive"].items():
            table.add_row(way, f"{ratio:.2f}", f"{one['per_core_second'][way]:.1f}")
        packs = one["pack_ms"]
        table.caption = (
            f"engine: {one['engine_share_of_raw']:.0%} of the network with packs ready; a pack "
            f"takes {packs['median']:.0f} ms, p99 {packs['p99']:.0f} ms; int8 {one['agreement']}"
        )
        tables.append(table)
    return tables


def _services(found: Found) -> list[Table]:
    capacity = _table(
        f"services, {services.CLIENTS} clients",
        *("service", "× naive", "decisions a second", "rounds", "idle ms", "ready s", "MB"),
    )
    latency = _table(
        "open loop: ms at a share of each one's own capacity",
        *("service", *(f"{share:.0%} p50 / p99 / p99.9" for share in services.SHARES), "failed"),
    )
    for name, one in found.items():
        capacity.add_row(
            name,
            f"{one['times_naive']:.1f}",
            f"{one['per_second']:.1f}",
            " ".join(f"{rate:.0f}" for rate in one["rounds"]),
            f"{one['idle_ms']:.0f}",
            f"{one['ready_s']:.1f}",
            f"{one['memory_mb']:.0f} in {one['processes']}",
        )
        opened = one["open"].values()
        latency.add_row(
            name,
            *(
                " / ".join(_ms(at[key]) for key in ("p50_ms", "p99_ms", "p99.9_ms"))
                for at in opened
            ),
            str(sum(at["failed"] for at in opened)),
        )
    share = found[services.WITH_DETOXIFY]["share_of_network_alone"]
    capacity.caption = (
        f"{services.WITH_DETOXIFY}: {share:.0%} of what its network scores alone on all cores, "
        "with nothing else to do and nobody asking"
    )
    return [capacity, latency]


def _steps(found: Found) -> list[Table]:
    table = _table("one comment, one process", "step", "ms", "share")
    for step, ms in found.items():
        table.add_row(step, f"{ms:.2f}", f"{ms / found['whole']:.0%}")
    return [table]


def _growth(found: Found) -> list[Table]:
    first = found["cores"][min(found["cores"])]
    by_cores = _table("decisions a second by web processes", "processes", "× one", "a second")
    for processes, rate in found["cores"].items():
        by_cores.add_row(str(processes), f"{rate / first:.2f}", f"{rate:.0f}")
    return [
        by_cores,
        _by("ms by comments that wait", "waiting", found["waiting"]),
        _by("ms by terms of a site's word list", "terms", found["terms"]),
        _by("ms of each check by characters of a comment", "characters", found["length"]),
        _hostile(found["hostile"]),
    ]


def _hostile(found: Found) -> Table:
    table = _table(
        "ms of all checks by characters, text written to take long",
        *("characters", "× ordinary", "ordinary", "the worst", "which is"),
    )
    for length, of in found.items():
        figures = (f"{of['ratio']:.1f}", f"{of['ordinary']:.0f}", f"{of['worst']:.0f}")
        table.add_row(f"{length:,}", *figures, of["kind"])
    return table


TABLES: Mapping[str, Callable[[Found], list[Table]]] = {
    "engines": _engines,
    "services": _services,
    "steps": _steps,
    "growth": _growth,
}


def _by(title: str, what: str, rows: Mapping[int, Mapping[str, float]]) -> Table:
    columns = list(next(iter(rows.values())))
    table = _table(title, what, *columns)
    for size, values in rows.items():
        table.add_row(f"{size:,}", *(f"{values[column]:.2f}" for column in columns))
    return table


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _bars(title: str, values: Mapping[str, float]) -> str:
    row, left, top = 26, 170, 34
    longest = max(values.values())
    parts = [svg.words(title, 8, 18, **{"font-weight": "bold"})]
    for number, (name, value) in enumerate(values.items()):
        y = top + row * number
        width = (svg.WIDTH - left - 52) * value / longest
        parts += [
            svg.words(name, left - 6, y + 13, anchor="end"),
            svg.bar((left, y), width, row - 8, svg.COLOURS[0]),
            svg.words(f"{value:.1f} ×", left + width + 5, y + 13),
        ]
    told = "; ".join(f"{name} {value:.1f}" for name, value in values.items())
    return svg.figure(title, told, top + row * len(values) + 6, parts)
