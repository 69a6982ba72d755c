"""Scoring: each distinct text once, as production sees it and decides on it."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moderation.checks.profanity import ProfanityCheck
from moderation.checks.toxicity import ToxicityCheck, seen
from moderation.core.comment import Assessment, Comment, Context, Score
from moderation.core.decision import action_for, decide
from moderation.core.policy import DEFAULT, Action
from moderation.evaluation.peers import Scorer
from moderation.evaluation.reading import Array, EvaluationError

FLAGGING = ("toxicity", "identity_attack")
"""Attributes whose hold threshold decides on a template: it is hateful or it is not."""
DIGITS = 6
"""As many as a stored score has."""

Tick = Callable[[str, int, int], None]
"""Called with what is being done, how much is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Distinct texts, and where each one stands."""

    all: Sequence[str]
    place: Mapping[str, int]

    def index(self, texts: Iterable[str]) -> Array:
        return np.array([self.place[text] for text in texts], int)


@dataclass(frozen=True, slots=True)
class Scores:
    """What one model says of every distinct text."""

    name: str
    by_attribute: Mapping[str, Array]
    held: Array
    """True where the default policy doesn't publish."""
    flagged: Array
    """True where an attribute of `FLAGGING` alone would hold."""
    median_us: float


def distinct(texts: Iterable[str]) -> Texts:
    once = dict.fromkeys(texts)
    return Texts(list(once), {text: at for at, text in enumerate(once)})


def score_profanity(texts: Texts, tick: Tick) -> Array:
    """Give the profanity of every text, whatever the model."""
    check = ProfanityCheck()
    scores = np.zeros(len(texts.all))
    for at, text in enumerate(texts.all):
        scores[at] = check.score(Comment(text)).scores["profanity"]
        _tell(tick, "profanity", at, len(texts.all))
    return scores


def score_all(scorer: Scorer, texts: Texts, profanity: Array, tick: Tick) -> Scores:
    """Ask a model about every text, one at a time, and decide as production does.

    Raises `EvaluationError` if it answers with something that is no score.
    """
    _use_one_thread()
    values = np.full((len(texts.all), len(scorer.attributes)), np.nan)
    took_ns = np.zeros(len(texts.all))
    for at, text in enumerate(texts.all):
        shown = seen(Comment(text)).text
        started = time.perf_counter_ns()
        try:
            scores = scorer.score(shown)
        except ValueError as error:
            raise EvaluationError(f"{scorer.name} can't score a comment: {error}") from None
        took_ns[at] = time.perf_counter_ns() - started
        values[at] = [scores[name] for name in scorer.attributes]
        _tell(tick, scorer.name, at, len(texts.all))
    values = np.round(values, DIGITS)
    if not ((values >= 0) & (values <= 1)).all():
        raise EvaluationError(f"{scorer.name} gave a score that is not in [0, 1]")
    return _decided(scorer, values, profanity, float(np.median(took_ns)) / 1000)


def _decided(scorer: Scorer, values: Array, profanity: Array, median_us: float) -> Scores:
    rows = [dict(zip(scorer.attributes, map(float, row), strict=True)) for row in values]
    held = [is_held(row, rude) for row, rude in zip(rows, profanity, strict=True)]
    return Scores(
        scorer.name,
        {name: values[:, at] for at, name in enumerate(scorer.attributes)},
        np.array(held, bool),
        np.array([is_flagged(row) for row in rows], bool),
        median_us,
    )


def is_held(scores: Mapping[str, float], profanity: float) -> bool:
    """Tell whether the default policy keeps a comment with these scores from its readers.

    The decision is production's own; links, repetition and word lists have no say.
    """
    every = {name: Score(ToxicityCheck.name, value) for name, value in scores.items()}
    every["profanity"] = Score(ProfanityCheck.name, float(profanity))
    return decide(Assessment(every), DEFAULT, Context()).action is not Action.PUBLISH


def is_flagged(scores: Mapping[str, float]) -> bool:
    """Tell whether toxicity or identity attack alone would hold, at the default threshold."""
    return any(
        action_for(scores[name], DEFAULT.thresholds[name]) is not Action.PUBLISH
        for name in FLAGGING
        if name in scores
    )


def _tell(tick: Tick, what: str, at: int, total: int) -> None:
    if at % 50 == 49 or at + 1 == total:
        tick(what, at + 1, total)


def _use_one_thread() -> None:
    """So that the time of a comment is the same on a machine with more cores."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
