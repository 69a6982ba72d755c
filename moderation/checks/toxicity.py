"""Toxicity: what a model makes of the text that a reader sees.

The model is loaded once a process, by `warm_up` or by the first comment. While it
loads, and where it can't be loaded, the score is missing and the policy says what
that means: comments are never scored by a lesser model without being asked.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from threading import Lock

from moderation import text
from moderation.checks.check import Result
from moderation.core.comment import FIRST_STAGE, Comment, Finding
from moderation.scoring.model import ModelUnavailable, StagedModel, ToxicityModel

log = logging.getLogger(__name__)

EXPLAINED_FROM = 0.4
"""Scores below this are not explained, unless something follows from them."""
AUDITED = 0.01
"""Share of what the gate releases that is scored whole all the same."""
RETRY_AFTER_S = 60.0
"""Seconds before loading is tried again after it failed."""


class ToxicityCheck:
    """Asks a model that is loaded when it is first needed."""

    name = "toxicity"

    def __init__(
        self,
        load: Callable[[], ToxicityModel],
        clock: Callable[[], float] = time.monotonic,
        *,
        gate: bool = False,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Take the function that loads the model, which may raise; nothing is loaded yet.

        gate  let the first stage of a model that has one decide what the second can't change
        draw  a chance in [0, 1): below `AUDITED`, what the gate releases is scored anyway
        """
        self._load = load
        self._clock = clock
        self._gate, self._draw = gate, draw
        self._loading = Lock()
        self._model: ToxicityModel | None = None
        self._staged: StagedModel | None = None
        self._failed: tuple[float, str] | None = None

    @property
    def version(self) -> str:
        """Name the model in use."""
        return self._model.name if self._model else "not loaded"

    @property
    def attributes(self) -> tuple[str, ...]:
        """Name what the model scores; toxicity alone until it is loaded."""
        return self._model.attributes if self._model else ("toxicity",)

    @property
    def cost_ms(self) -> float:
        """Tell what a comment costs; until the model is loaded, more than any other check."""
        return self._model.cost_ms if self._model else 10_000.0

    @property
    def ready(self) -> bool:
        """Tell whether a comment would be scored now."""
        return self._model is not None

    @property
    def why_not(self) -> str | None:
        """Tell why a comment would not be scored now; None if it would."""
        if self._model:
            return None
        return self._failed[1] if self._failed else "the model is not loaded yet"

    def warm_up(self) -> bool:
        """Load the model, or wait for who is loading it. Never raises; tells if it is there."""
        with self._loading:
            try:
                self._loaded()
            except ModelUnavailable as error:
                log.warning("the toxicity model is unavailable: %s", error.why)
        return self.ready

    def score(self, comment: Comment) -> Result:
        """Score the visible text. Raises `ModelUnavailable`, at once while others load."""
        model = self._model or self._load_unless_loading()
        reading = seen(comment)
        released = self._released(reading.text, comment.acting_from)
        if released is not None and self._draw() >= AUDITED:
            # No score reaches anything, so there is nothing to explain.
            return Result(released, version=model.name + FIRST_STAGE)
        scores = model.score(reading.text, comment.until)
        if released is not None:
            _audit(scores, comment.acting_from or {})
        telling = _telling(scores, comment.acting_from or {})
        return Result(scores, tuple(self._findings(model, reading, telling)))

    def _released(
        self, shown: str, acting_from: Mapping[str, float] | None
    ) -> dict[str, float] | None:
        if self._staged is None or acting_from is None:
            return None
        return self._staged.released(shown, acting_from)

    def _load_unless_loading(self) -> ToxicityModel:
        # Waiting here would fill the pool with comments that wait for the same model.
        if not self._loading.acquire(blocking=False):
            raise ModelUnavailable("the model is still loading")
        try:
            return self._loaded()
        finally:
            self._loading.release()

    def _loaded(self) -> ToxicityModel:
        if self._model:
            return self._model
        if self._failed and self._clock() - self._failed[0] < RETRY_AFTER_S:
            raise ModelUnavailable(self._failed[1])
        try:
            model = self._load()
        except Exception as error:  # it is told as the reason of each missing score
            self._failed = (self._clock(), str(error) or type(error).__name__)
            raise ModelUnavailable(self._failed[1]) from error
        self._failed = None
        # Asked once: whether a model has stages costs as much as its first.
        self._staged = model if self._gate and isinstance(model, StagedModel) else None
        self._model = model
        return model

    def _findings(
        self, model: ToxicityModel, reading: text.Reading, scores: dict[str, float]
    ) -> Iterator[Finding]:
        for attribute, score in scores.items():
            message = f"Carries the {attribute.replace('_', ' ')} score"
            for start, end in _merged(model.explain(reading.text, attribute), reading.text):
                place = reading.span(start, end)
                yield Finding(self.name, attribute, score, *place, message)


def seen(comment: Comment) -> text.Reading:
    """Give what a model is shown: the text that a reader sees, behind its disguises."""
    return text.plain(text.read(comment.body, comment.format))


def _telling(scores: Mapping[str, float], acting_from: Mapping[str, float]) -> dict[str, float]:
    """Give the scores to be explained: high ones, and all that something follows from."""
    return {
        name: score
        for name, score in scores.items()
        if score >= min(EXPLAINED_FROM, acting_from.get(name, EXPLAINED_FROM))
    }


def _audit(scores: Mapping[str, float], acting_from: Mapping[str, float]) -> None:
    """Tell of a comment that the gate would have let past a threshold."""
    missed = [name for name, limit in acting_from.items() if scores.get(name, 0) >= limit]
    if missed:
        log.warning("the gate would have released a comment that reaches %s", ", ".join(missed))


def _merged(words: list[tuple[int, int, float]], shown: str) -> Iterator[tuple[int, int]]:
    """Join words with nothing but space between them."""
    begun: tuple[int, int] | None = None
    for start, end, _weight in words:
        if begun and not shown[begun[1] : start].strip():
            begun = (begun[0], end)
            continue
        if begun:
            yield begun
        begun = (start, end)
    if begun:
        yield begun
