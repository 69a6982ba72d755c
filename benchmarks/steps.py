"""What each step of a comment's way costs, one comment at a time in one process."""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.local import Desk
from moderation.api import screening as endpoint
from moderation.flows import screening

STEPS: dict[str, tuple[Any, str]] = {
    "find the site and its secrets": (endpoint.access, "site_door"),
    "verify the signature": (endpoint, "_verified_id"),
    "parse and check the payload": (endpoint, "_parsed"),
    "look up what is known (short read)": (screening, "_looked_up"),
    "run the checks": (screening, "run_checks"),
    "decide, store, render (short write)": (screening, "conclude_new"),
}
"""Step → the function that takes it. What they leave is Flask's."""
COMMENTS = 300


def measure(folder: Path, texts: Sequence[str]) -> dict[str, float]:
    """Give the mean ms of each step, the rest, and the whole."""
    spent = dict.fromkeys(STEPS, 0.0)
    whole = []
    with Desk(folder) as desk, ExitStack() as stack:
        for number in range(30):
            desk.post(f"{texts[number]} warm")
        for step, (module, name) in STEPS.items():
            timed = _timed(getattr(module, name), step, spent)
            stack.enter_context(patch.object(module, name, timed))
        for number in range(COMMENTS):
            began = time.perf_counter()
            desk.post(f"{texts[number % len(texts)]} {number}")
            whole.append(time.perf_counter() - began)
    steps = {step: total * 1000 / COMMENTS for step, total in spent.items()}
    mean = statistics.fmean(whole) * 1000
    return steps | {"the rest: Flask, headers, JSON": mean - sum(steps.values()), "whole": mean}


def _timed(function: Callable[..., Any], step: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*given: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*given, **named)
        finally:
            spent[step] += time.perf_counter() - began

    return timed
