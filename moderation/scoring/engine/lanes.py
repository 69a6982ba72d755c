"""Lanes: the texts of all request threads, scored in packs, one thread a core.

A pack is what waits when a lane is free. Nobody waits for company, so a lone text is
scored at once; under load the packs fill by themselves.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.engine.packing import Ids, chosen

Scores = NDArray[np.float32]
Run = Callable[[Sequence[Ids]], Scores]
"""Scores texts; gives one row for each. Called by several threads at once."""

CONSIDERED = 64
"""Waiting texts, the oldest first, of which a pack is made."""
LEARNING = 0.1
"""Share of the latest pack in what is known of the time of a token."""


@dataclass(slots=True, eq=False)
class _Waiting:
    ids: Ids
    until: float
    answer: Future[Scores] = field(default_factory=Future)


class Lanes:
    """Threads that score what waits, the oldest first. Safe to share."""

    def __init__(self, run: Run, count: int, budget: int) -> None:
        """Start the threads.

        count   lanes; one a core, each computing in its own thread
        budget  tokens of a pack
        """
        self._run, self._budget = run, budget
        self._waiting: list[_Waiting] = []
        self._changed = Condition()
        self._token_s = 0.0
        for number in range(count):
            Thread(target=self._work, name=f"lane-{number}", daemon=True).start()

    def ask(self, ids: Ids, until: float) -> Future[Scores]:
        """Give the promise of a text's scores, one for each label.

        The promise is broken with `TimeoutError` if the answer would come too late: its
        time goes to those that can still be answered.

        until  when the answer is too late, by `time.monotonic()`
        """
        asked = _Waiting(ids, until)
        with self._changed:
            self._waiting.append(asked)
            self._changed.notify()
        return asked.answer

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                pack, late = self._next()
            for one in late:
                one.answer.set_exception(TimeoutError("out of time"))
            if pack:
                self._score(pack)

    def _next(self) -> tuple[list[_Waiting], list[_Waiting]]:
        """Take a pack off the waiting, and those that are too late for any."""
        now = time.monotonic()
        late = [x for x in self._waiting if now + len(x.ids) * self._token_s > x.until]
        for one in late:
            self._waiting.remove(one)
        if not self._waiting:
            return [], late
        lengths = [len(one.ids) for one in self._waiting[:CONSIDERED]]
        pack = [self._waiting[at] for at in chosen(lengths, self._budget)]
        for one in pack:
            self._waiting.remove(one)
        return pack, late

    def _score(self, pack: list[_Waiting]) -> None:
        started = time.monotonic()
        try:
            rows = self._run([one.ids for one in pack])
        except Exception as error:  # whoever asked is told; the lane goes on
            for one in pack:
                one.answer.set_exception(error)
            return
        for one, row in zip(pack, rows, strict=True):
            one.answer.set_result(row)
        took = (time.monotonic() - started) / sum(len(one.ids) for one in pack)
        self._token_s += LEARNING * (took - self._token_s)
