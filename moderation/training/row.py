"""One comment to learn from."""

import math
from dataclasses import dataclass
from typing import Any

from moderation.checks.toxicity import seen
from moderation.core.comment import Comment

COARSE = 0.4
"""How toxic words are that are vulgar and aimed at nobody; an insult is 1."""
AIMED = ("threat", "insult", "identity_attack")
GRADED = ("jigsaw_train", "jigsaw_workers4", "paradetox")
"""Sources in which a swear word alone makes a comment toxic."""


def graded(aimed: Any) -> Any:
    """Give how much of such a source's toxicity counts, a number or an array.

    aimed  how far the words are aimed at people, the greatest of `AIMED`
    """
    return COARSE + (1 - COARSE) * aimed


def as_seen(typed: str) -> str:
    """Give what a model will be shown of a comment."""
    return seen(Comment(typed)).text


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    targets: tuple[float, ...]
    """For each of `scoring.model.ATTRIBUTES` the chance that it applies; NaN is unknown."""
    weight: float = 1.0
    source: str = ""
    """The set it comes from."""
    sure: bool = False
    """Its targets need no second opinion: we wrote it, or it was rated again."""
    by_set: float = math.nan
    """Toxicity as its set's raters gave it, where the targets tell a second rater's."""
