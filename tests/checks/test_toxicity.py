import threading
from pathlib import Path

import pytest

from moderation.checks.toxicity import EXPLAINED_FROM, RETRY_AFTER_S, ToxicityCheck
from moderation.core.comment import Comment, Format
from moderation.core.policy import DEFAULT
from moderation.scoring.bundled import BundledModel
from moderation.scoring.loading import load_model
from moderation.scoring.model import ATTRIBUTES, ModelUnavailable
from tests.checks.contract import CheckContract

INSULT = Comment("You are a pathetic idiot")


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Broken:
    """Fails to load, and counts how often it was tried."""

    def __init__(self):
        self.tries = 0

    def __call__(self):
        self.tries += 1
        raise ModelUnavailable("no disk")


class TestToxicityCheck(CheckContract):
    found = INSULT.body

    @pytest.fixture(scope="class")
    @classmethod
    def check(cls):
        return ToxicityCheck(BundledModel)


@pytest.fixture(scope="module")
def check():
    return ToxicityCheck(lambda: load_model("bundled", Path("models")))


def test_the_first_comment_loads_the_model():
    check = ToxicityCheck(BundledModel)
    assert (check.ready, check.version, check.attributes) == (False, "not loaded", ("toxicity",))
    waiting_cost = check.cost_ms
    assert check.score(INSULT).scores["toxicity"] >= 0.6
    assert (check.ready, check.why_not) == (True, None)
    assert check.version.startswith("copydesk@")
    assert check.cost_ms < waiting_cost


def test_war_news_are_not_toxic(check):
    news = Comment("Our army has liberated the town, the enemy was destroyed")
    assert all(value < 0.6 for value in check.score(news).scores.values())


def test_the_words_that_carry_the_score_are_shown_in_the_body(check):
    comment = Comment("<p>You <b>stupid</b> moron</p>", Format.HTML)
    found = check.score(comment).findings
    [finding] = [one for one in found if one.attribute == "toxicity"]
    assert comment.body[finding.start : finding.end] == "stupid</b> moron"
    assert finding.message == "Carries the toxicity score"


def test_a_low_score_is_not_explained(check):
    assert check.score(Comment("Thanks for the article")).findings == ()


def test_a_model_that_cannot_be_loaded_is_told_with_each_comment():
    check = ToxicityCheck(Broken())
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="no disk"):
            check.score(INSULT)
    assert (check.ready, check.why_not) == (False, "no disk")


def test_loading_is_tried_again_after_a_minute_and_not_before():
    load, clock = Broken(), Clock()
    check = ToxicityCheck(load, clock)
    for clock.now, tries in ((0.0, 1), (RETRY_AFTER_S - 1, 1), (RETRY_AFTER_S, 2)):
        with pytest.raises(ModelUnavailable):
            check.score(INSULT)
        assert load.tries == tries


def test_warming_up_never_raises():
    assert not ToxicityCheck(Broken()).warm_up()


def test_a_comment_does_not_wait_for_a_model_that_another_loads():
    begun, finish = threading.Event(), threading.Event()

    def load():
        begun.set()
        finish.wait(30)
        return BundledModel()

    check = ToxicityCheck(load)
    loading = threading.Thread(target=check.warm_up)
    loading.start()
    assert begun.wait(30), "loading did not begin"
    with pytest.raises(ModelUnavailable, match="still loading"):
        check.score(INSULT)
    finish.set()
    loading.join(30)
    assert check.ready


KIND = "The council votes on the new bridge on Tuesday, and I hope that many come to listen."
DEFAULTS = DEFAULT.acting_from(None)


def gated(draw: float, acting_from=DEFAULTS, body: str = KIND):
    check = ToxicityCheck(BundledModel, gate=True, draw=lambda: draw)
    return check.score(Comment(body, acting_from=acting_from))


def test_a_comment_far_from_every_threshold_is_decided_by_the_first_stage():
    result = gated(draw=0.5)
    assert result.version is not None and result.version.endswith(" first stage")
    assert all(result.scores[name] < DEFAULTS[name] for name in ATTRIBUTES)
    assert result.findings == ()


def test_one_in_a_hundred_of_these_is_scored_whole_all_the_same():
    assert gated(draw=0.005).version is None


@pytest.mark.parametrize("body", ["You are a pathetic idiot", "Muslims are vermin"])
def test_a_comment_that_might_be_held_is_scored_whole(body: str):
    result = gated(draw=0.5, body=body)
    assert result.version is None and result.findings


def test_without_thresholds_that_it_knows_the_gate_stays_shut():
    assert gated(draw=0.5, acting_from=None).version is None


def test_a_stricter_policy_lets_more_comments_through_to_the_second_stage():
    strict = dict.fromkeys(ATTRIBUTES, 0.02)
    assert gated(draw=0.5, acting_from=strict).version is None


def test_a_low_score_that_something_follows_from_is_explained():
    result = gated(draw=0.5, body="Pensioners are arrogant")
    assert DEFAULTS["identity_attack"] <= result.scores["identity_attack"] < EXPLAINED_FROM
    assert [one for one in result.findings if one.attribute == "identity_attack"]
