"""What another policy would have done with comments that were already assessed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

from moderation.core.comment import Assessment, Context
from moderation.core.decision import Verdict, decide
from moderation.core.policy import Action, Policy


@dataclass(frozen=True, slots=True)
class Past:
    """An assessed comment: which one, what was seen, and in what context."""

    id: str
    assessment: Assessment
    context: Context
    under_draft: Assessment | None = None
    """The assessment with the draft's own words, where they differ from the live ones."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A comment on which the draft decides otherwise."""

    id: str
    live: Verdict
    draft: Verdict


@dataclass(frozen=True, slots=True)
class Simulation:
    total: int
    counts: Mapping[tuple[Action, Action], int]
    """(live action, draft action) → comments; only pairs that occur."""
    moved: tuple[Moved, ...]
    """Every comment that changes hands, in the order given."""


def simulate(history: Iterable[Past], live: Policy, draft: Policy) -> Simulation:
    """Decide on every past comment under both policies, with production's own `decide`.

    Scores and findings are taken as they were stored: no check runs again.
    """
    counts: Counter[tuple[Action, Action]] = Counter()
    moved = []
    for past in history:
        was = decide(past.assessment, live, past.context)
        would_be = decide(past.under_draft or past.assessment, draft, past.context)
        counts[was.action, would_be.action] += 1
        if was.action is not would_be.action:
            moved.append(Moved(past.id, was, would_be))
    return Simulation(sum(counts.values()), dict(counts), tuple(moved))


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a share, by Wilson (1927); (0, 1) of nothing."""
    if total == 0:
        return 0.0, 1.0
    z = 1.959964
    share = hits / total
    middle = share + z * z / (2 * total)
    half = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
