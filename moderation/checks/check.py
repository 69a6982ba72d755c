"""The protocol of a check, and the one function that runs them.

A check reads a `Comment` and returns scores and findings. It compares nothing with
a threshold (the policy does) and reads no database, clock or network.
"""

import logging
import math
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Protocol

from moderation import metrics
from moderation.core.comment import Assessment, Comment, Finding, Missing, Score

log = logging.getLogger(__name__)

OUT_OF_TIME = "out of time"


@dataclass(frozen=True, slots=True)
class Result:
    """What one check says: attribute → score in [0, 1], and where it saw it."""

    scores: Mapping[str, float]
    findings: tuple[Finding, ...] = ()
    version: str | None = None
    """What scored, where it isn't the check's `version`."""


class Check(Protocol):
    """One way of looking at a comment.

    `version` names the model or the list in use with its version, and `cost_ms` is
    the typical time of one comment in milliseconds; cheap checks run first. Both
    may change while a model is still loading, so they are read at each run.
    """

    name: str

    @property
    def version(self) -> str: ...

    @property
    def attributes(self) -> tuple[str, ...]: ...

    @property
    def cost_ms(self) -> float: ...

    def score(self, comment: Comment) -> Result:
        """Score a comment. May raise: the caller turns that into `Missing`.

        One that knows it would be late, by `comment.until`, raises `TimeoutError`.
        """
        ...


def run_checks(
    checks: Iterable[Check],
    comment: Comment,
    budget_ms: float,
    pool: Executor,
    *,
    most_ms: float = math.inf,
) -> Assessment:
    """Score a comment with every check that fits into the time budget.

    Cheapest check first. Each attribute of each check is in the answer: a `Score`,
    or a `Missing` where the check failed or would not fit. Never raises for a
    failing check; the cause is in `Missing.why` and in the log.

    The checks run in `pool`, because a model that hangs must not hang the caller:
    what it says after the budget is dropped.

    budget_ms  wall time from now, in milliseconds
    most_ms    what a check may cost; dearer ones are left out, as if there were no time
    """
    started = time.monotonic()
    deadline = started + budget_ms / 1000
    comment = replace(comment, until=deadline)
    ordered = sorted(checks, key=lambda check: check.cost_ms)
    done: dict[str, Result | Missing] = {}
    chosen = [check for check in ordered if check.cost_ms <= most_ms]
    logged = copy_context()  # so that what the pool logs is logged for this request
    running = pool.submit(logged.run, _run_in_order, chosen, comment, deadline, done)
    wait([running], timeout=budget_ms / 1000)
    return _assessment(ordered, dict(done), (time.monotonic() - started) * 1000)


def warm_up(checks: Iterable[Check], pool: Executor) -> None:
    """Load the models and score one text, so that no reader's comment pays for the first time.

    Never raises: a model that can't be loaded is missing, and says so where it is asked.
    """
    checks = tuple(checks)
    for check in checks:
        if hasattr(check, "warm_up"):
            check.warm_up()
    run_checks(checks, Comment("A first text, https://example.org"), 60_000, pool)


def _run_in_order(
    checks: Iterable[Check], comment: Comment, deadline: float, done: dict[str, Result | Missing]
) -> None:
    for check in checks:
        if time.monotonic() >= deadline:
            return
        done[check.name] = _run_one(check, comment)


def _run_one(check: Check, comment: Comment) -> Result | Missing:
    try:
        with metrics.CHECKS.labels(check.name).time():
            result = check.score(comment)
        _refuse_nonsense(check, result)
        return result
    except TimeoutError:
        return Missing(check.name, OUT_OF_TIME)
    except Exception as error:  # a check's failure is a value: the policy decides on it
        log.exception("check %s failed", check.name)
        return Missing(check.name, f"failed: {type(error).__name__}: {error}")


def _refuse_nonsense(check: Check, result: Result) -> None:
    if set(result.scores) != set(check.attributes):
        raise ValueError(f"scored {sorted(result.scores)}, not {sorted(check.attributes)}")
    for attribute, value in result.scores.items():
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise ValueError(f"{attribute} is {value!r}, not in [0, 1]")


def _assessment(
    checks: Iterable[Check], done: Mapping[str, Result | Missing], took_ms: float
) -> Assessment:
    scores: dict[str, Score] = {}
    missing: dict[str, Missing] = {}
    findings: list[Finding] = []
    versions: dict[str, str] = {}
    for check in checks:
        result = done.get(check.name) or Missing(check.name, OUT_OF_TIME)
        if isinstance(result, Missing):
            late = result.why == OUT_OF_TIME
            metrics.MISSING.labels(check.name, "late" if late else "failed").inc()
            # A check that can't even say what it scores is missing under its own name.
            missing |= dict.fromkeys(check.attributes or (check.name,), result)
            continue
        versions[check.name] = result.version or check.version
        for name, value in result.scores.items():
            scores[name] = Score(check.name, round(value, 6))
        findings += result.findings
    return Assessment(scores, missing, tuple(findings), versions, round(took_ms, 2))
