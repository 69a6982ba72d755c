"""Texts that are written to take long: how much longer than ordinary ones of their length?

Each is scored whole by every check, the gate aside, as a comment is that it does not
release. Nobody is to be able to stop a service by what he writes.
"""

import itertools
import statistics
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.local import Desk
from moderation.core.comment import Comment, Format

KINDS = {
    "stars": "*",
    "stars after a letter": "f**",
    "marks": "\u0300\u0316",
    "points of another script": "\u05b0\u05b7\u05bc",
    "letters apart": "f u c k ",
    "letters apart without an end": "a.",
    "letters apart, wide": "a . ",
    "opened tags": "<",
    "scripts in turn": "aа",
    "twins": "оса ",
    "zero width": "\u200b",
    "joiners": "👩\u200d",
    "digits": "4",
    "digits and letters": "1a",
    "signs": "a!",
    "one stretched letter": "o",
    "stretched letters": "aaabbb",
    "a word without an end": "ab",
    "spaces and pictures": "   👍",
    "flags": "🇺",
    "skin": "🏽",
    "expanding": "ﷺ",
    "dashes": "a--",
}
"""Kind → what it says over and over."""
LENGTHS = (1_000, 8_000, 20_000)
TRIES = 3


def measure(desk: Desk, texts: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Give, by length in characters, the ms of ordinary text, of the worst, and their ratio."""
    return {length: _worst(desk, " ".join(texts), length) for length in LENGTHS}


def _worst(desk: Desk, whole: str, length: int) -> dict[str, Any]:
    starts = itertools.islice(itertools.count(0, 997), 2 * TRIES)
    ordinary = statistics.median(
        _ms(desk, Comment(whole[start : start + length])) for start in starts
    )
    slowest, kind = 0.0, ""
    for (name, piece), format in itertools.product(KINDS.items(), Format):
        text = (piece * length)[:length]
        # What was scored before is remembered: each try is another text.
        tries = [f"{number}{text}"[:length] for number in range(TRIES)]
        first = _ms(desk, Comment(tries[0], format))
        if first > slowest:
            median = statistics.median(_ms(desk, Comment(one, format)) for one in tries[1:])
            slowest, kind = max((slowest, kind), (min(first, median), f"{name}, {format}"))
    return {"ordinary": ordinary, "worst": slowest, "ratio": slowest / ordinary, "kind": kind}


def _ms(desk: Desk, comment: Comment) -> float:
    began = time.perf_counter()
    for check in desk.rt.checks:
        check.score(comment)
    return (time.perf_counter() - began) * 1000
