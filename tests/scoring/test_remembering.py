"""A flood of one text costs one scoring, and memory stays bounded."""

import math
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from moderation.scoring.model import ModelUnavailable
from moderation.scoring.remembering import RememberingModel


class Counting:
    """A model that counts what it is asked, and can be told to fail."""

    attributes = ("toxicity",)
    cost_ms = 1.0

    def __init__(self) -> None:
        self.name, self.asked, self.fails = "counting@1", 0, False

    def score(self, text: str, until: float = math.inf) -> dict[str, float]:
        self.asked += 1
        time.sleep(0.02)
        if self.fails:
            raise ModelUnavailable("broken")
        return {"toxicity": len(text) / 100}

    def explain(self, text: str, attribute: str) -> list[tuple[int, int, float]]:
        self.asked += 1
        return [(0, len(text), 1.0)]


def test_a_flood_of_one_text_is_scored_once() -> None:
    model = Counting()
    remembering = RememberingModel(model)
    with ThreadPoolExecutor(50) as pool:
        scores = list(pool.map(remembering.score, ["same"] * 50))
    assert scores == [{"toxicity": 0.04}] * 50
    assert model.asked == 1


@pytest.mark.parametrize("bounds", [(3, 1 << 20), (100, 4000)])
def test_only_the_newest_answers_are_kept(bounds: tuple[int, int]) -> None:
    model = Counting()
    remembering = RememberingModel(model, *bounds)
    for number in range(10):
        remembering.score(str(number))
    assert len(remembering._answers) == len(remembering._sizes) == 3
    remembering.score("9")
    assert model.asked == 10
    remembering.score("0")
    assert model.asked == 11


def test_a_failure_is_told_and_not_kept() -> None:
    model = Counting()
    model.fails = True
    remembering = RememberingModel(model)
    with pytest.raises(ModelUnavailable):
        remembering.score("same")
    model.fails = False
    assert remembering.score("same") == {"toxicity": 0.04}
