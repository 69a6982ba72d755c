"""What a toxicity model is to the rest of the house.

    ModelUnavailable   there is no model to ask: not fetched, broken, still loading

A model is not a check: it knows text and attributes, but no comment and no markup.
"""

import math
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

ATTRIBUTES = (
    "toxicity",
    "severe_toxicity",
    "obscene",
    "threat",
    "insult",
    "identity_attack",
    "sexual_explicit",
)
"""What a model may score; a subset of the attributes of a comment."""


class ModelUnavailable(RuntimeError):
    """There is no model to ask. Says why, and what would help."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class ToxicityModel(Protocol):
    """A loaded model. Safe to share between threads."""

    name: str
    """Kind, name and version or checksum: `alt-profanity-check@1.9.1`."""
    attributes: tuple[str, ...]
    cost_ms: float
    """Typical time of one comment, in milliseconds."""

    def score(self, text: str, until: float = math.inf) -> dict[str, float]:
        """Give each attribute's score, in [0, 1]. Raises `ValueError` on nonsense.

        until  when an answer is of no more use, by `time.monotonic()`; a model that
               would be late may raise `TimeoutError` and spare its time for others
        """
        ...

    def explain(self, text: str, attribute: str) -> list[tuple[int, int, float]]:
        """Give the words that carry a score: first code point, end, weight in (0, 1].

        In reading order. Empty where the model can't tell at a reasonable price.
        """
        ...


@runtime_checkable
class StagedModel(ToxicityModel, Protocol):
    """A model with a cheap first stage that can spare most comments the second."""

    def released(self, text: str, acting_from: Mapping[str, float]) -> dict[str, float] | None:
        """Give the first stage's scores, if the whole model's would not decide otherwise.

        None where they might: then the text is to be scored. "Would not" holds for a
        stated share of the comments that the whole model would bring to a threshold.

        acting_from  attribute → the lowest score from which anything follows
        """
        ...
