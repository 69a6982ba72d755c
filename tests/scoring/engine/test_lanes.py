"""Lanes answer everyone, in any order, and don't work for those who have gone."""

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from moderation.scoring.engine.lanes import Lanes, Scores
from moderation.scoring.engine.packing import Ids


def summed(texts: Sequence[Ids]) -> Scores:
    return np.array([[sum(ids), len(ids)] for ids in texts], np.float32)


class Gate:
    """Scores like `summed`, once it is opened; tells what it was given."""

    def __init__(self) -> None:
        self.opened, self.begun = threading.Event(), threading.Event()
        self.packs: list[list[Ids]] = []

    def __call__(self, texts: Sequence[Ids]) -> Scores:
        self.packs.append(list(texts))
        self.begun.set()
        assert self.opened.wait(10)
        return summed(texts)


def test_everyone_gets_their_own_answer() -> None:
    lanes = Lanes(summed, count=3, budget=64)
    asked = [[number] * (number % 40 + 1) for number in range(500)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda ids: lanes.ask(ids, math.inf).result(10), asked))
    assert [answer.tolist() for answer in answers] == [[sum(x), len(x)] for x in asked]


def test_what_waits_is_scored_together_the_oldest_first() -> None:
    gate = Gate()
    lanes = Lanes(gate, count=1, budget=30)
    answers = [lanes.ask([0], math.inf)]
    assert gate.begun.wait(10)
    answers += [lanes.ask([number] * 10, math.inf) for number in range(1, 6)]
    gate.opened.set()
    for answer in answers:
        answer.result(10)
    assert [[ids[0] for ids in pack] for pack in gate.packs] == [[0], [1, 2, 3], [4, 5]]


def test_what_is_too_late_is_dropped_unscored_and_told_so() -> None:
    gate = Gate()
    lanes = Lanes(gate, count=1, budget=30)
    first = lanes.ask([1], math.inf)
    assert gate.begun.wait(10)
    late = lanes.ask([2], time.monotonic() + 0.01)
    patient = lanes.ask([3], math.inf)
    time.sleep(0.02)
    gate.opened.set()
    with pytest.raises(TimeoutError):
        late.result(10)
    assert first.result(10)[0] == 1 and patient.result(10)[0] == 3
    assert [2] not in [ids for pack in gate.packs for ids in pack]


def test_a_failing_pack_is_told_and_the_lane_goes_on() -> None:
    def fail_on_zero(texts: Sequence[Ids]) -> Scores:
        if [0] in texts:
            raise RuntimeError("broken")
        return summed(texts)

    lanes = Lanes(fail_on_zero, count=1, budget=30)
    with pytest.raises(RuntimeError, match="broken"):
        lanes.ask([0], math.inf).result(10)
    assert lanes.ask([7], math.inf).result(10)[0] == 7
