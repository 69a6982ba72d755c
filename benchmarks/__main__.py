"""`python -m benchmarks`: measure, print the tables, write build/bench.json and plots.

Everything runs on this machine in one go, so read the ratios: a figure of another run is
another machine's, as far as anyone can tell.
"""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import engines, growth, hostile, report, services, steps
from benchmarks.comments import comments
from benchmarks.local import Desk
from moderation.scoring.engine.model import cores

COUNT = 512
ENGINE_TEXTS = {"original": 64, "original-small": 32, "multilingual": 32}
"""Shape → comments to score, in rounds of 16."""
ROUND = 16
PARTS = ("engines", "services", "steps", "growth")


def main() -> None:
    """Run the parts that are asked for, all by default."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    options.add_argument("parts", nargs="*", choices=[*PARTS, []], help=", ".join(PARTS))
    options.add_argument("--data", type=Path, help="labelled sets; without, our own sentences")
    options.add_argument("--out", type=Path, default=Path("build"), help="where to write")
    given = options.parse_args()
    texts, source = comments(COUNT, given.data)
    measures: dict[str, Callable[[Path], Any]] = {
        "engines": lambda folder: {
            shape: engines.measure(shape, folder, texts[:count], count // ROUND)
            for shape, count in ENGINE_TEXTS.items()
        },
        "services": lambda folder: services.measure(folder, texts),
        "steps": lambda folder: steps.measure(folder / "steps", texts),
        "growth": lambda folder: _growth(folder, texts),
    }
    found: dict[str, Any] = {
        "machine": {"cores": cores(), "processor": platform.processor() or platform.machine()},
        "comments": source,
    }
    with tempfile.TemporaryDirectory(prefix="copydesk-bench-") as scratch:
        for part in given.parts or PARTS:
            began = time.monotonic()
            found[part] = measures[part](Path(scratch))
            report.show(part, found[part], time.monotonic() - began)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "bench.json").write_text(json.dumps(found, indent=1), "utf-8")
    for name, drawing in report.plots(found).items():
        (given.out / f"bench-{name}.svg").write_text(drawing, "utf-8")
    print(f"written: {given.out}/bench.json and its plots; comments: {source}")


def _growth(folder: Path, texts: list[str]) -> dict[str, Any]:
    with Desk(folder / "lengths") as desk:
        lengths = growth.with_length(desk, texts)
        nasty = hostile.measure(desk, texts)
    return {
        "cores": growth.with_cores(folder, texts, services.CLIENTS, services.CLOSED_S),
        "waiting": growth.with_waiting(folder),
        "terms": growth.with_terms(),
        "length": lengths,
        "hostile": nasty,
    }


if __name__ == "__main__":
    main()
