"""A model that scores a text once, however often and however suddenly it is posted."""

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Lock
from typing import Any

from moderation.scoring.model import StagedModel, ToxicityModel

MOST_ANSWERS = 4096
MOST_BYTES = 4 << 20
"""Bytes of memory that the answers of one process may take, estimated from above."""
Place = tuple[int, int, float]


class RememberingModel:
    """Asks a model about each text once. Safe to share between threads."""

    def __init__(
        self, model: ToxicityModel, most: int = MOST_ANSWERS, most_bytes: int = MOST_BYTES
    ) -> None:
        """Take the model, and how many answers and bytes of them to keep."""
        self.name, self.attributes, self.cost_ms = model.name, model.attributes, model.cost_ms
        self._model, self._most, self._most_bytes = model, most, most_bytes
        self._staged = model if isinstance(model, StagedModel) else None
        self._answers: OrderedDict[bytes, Future[Any]] = OrderedDict()
        self._sizes: dict[bytes, int] = {}
        self._lock = Lock()
        self._bytes = 0

    def score(self, text: str, until: float = math.inf) -> dict[str, float]:
        """Give the model's scores. Raises what the model raises, and forgets that at once."""
        return dict(self._once(("score", text), lambda: self._model.score(text, until), until))

    def explain(self, text: str, attribute: str) -> list[Place]:
        """Give the places that carry a score, as the model tells them."""
        asked = ("explain", attribute, text)
        return list(self._once(asked, lambda: self._model.explain(text, attribute)))

    def released(self, text: str, acting_from: Mapping[str, float]) -> dict[str, float] | None:
        """Give what the model's first stage says, if it has one. Cheap, so it isn't kept."""
        return self._staged.released(text, acting_from) if self._staged else None

    def _once(self, asked: tuple[str, ...], ask: Callable[[], Any], until: float = math.inf) -> Any:
        key = hashlib.blake2b(repr(asked).encode(), digest_size=16).digest()
        with self._lock:
            answer = self._answers.get(key)
            if answer:
                self._answers.move_to_end(key)
            else:
                mine = self._answers[key] = Future()
        if not answer:
            return self._asked(key, mine, ask)
        try:
            return answer.result(None if until == math.inf else max(until - time.monotonic(), 0))
        except TimeoutError:
            # Whoever asked first may have had less time than we have.
            if not answer.done() or time.monotonic() >= until:
                raise
            return self._once(asked, ask, until)

    def _asked(self, key: bytes, mine: Future[Any], ask: Callable[[], Any]) -> Any:
        try:
            given = ask()
        except BaseException as error:
            with self._lock:
                del self._answers[key]
            mine.set_exception(error)
            raise
        mine.set_result(given)
        self._keep(key, 1024 + 256 * len(given))
        return given

    def _keep(self, key: bytes, size: int) -> None:
        with self._lock:
            self._sizes[key] = size
            self._bytes += size
            while len(self._sizes) > self._most or self._bytes > self._most_bytes:
                # Only what is answered has a size: what others wait for stays.
                oldest = next(one for one in self._answers if one in self._sizes)
                del self._answers[oldest]
                self._bytes -= self._sizes.pop(oldest)
