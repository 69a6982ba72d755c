import pytest

from moderation.scoring.bundled import BundledModel
from moderation.scoring.loading import load_model

TEXTS = [
    "You are a pathetic idiot",
    "Our army has liberated the town, the enemy was destroyed",
    "",
    "👍",
    "Thanks for the article, fuck the weather",
]


@pytest.fixture(scope="module")
def model() -> BundledModel:
    return BundledModel()


@pytest.mark.parametrize("text", TEXTS)
def test_our_arithmetic_gives_the_scores_of_the_package(model: BundledModel, text: str):
    from profanity_check import predict_prob

    assert model.score(text)["toxicity"] == pytest.approx(predict_prob([text])[0], abs=1e-9)


def test_an_insult_is_toxic_and_war_news_are_not(model: BundledModel):
    assert model.score(TEXTS[0])["toxicity"] >= 0.6
    assert all(value < 0.6 for value in model.score(TEXTS[1]).values())


def test_the_words_that_carry_the_score_are_told(model: BundledModel):
    words = [TEXTS[0][start:end] for start, end, _ in model.explain(TEXTS[0], "toxicity")]
    assert "idiot" in words
    assert not {"You", "are"} & set(words)


def test_weights_are_shares_of_the_heaviest_word(model: BundledModel):
    weights = [weight for *_, weight in model.explain("you stupid pathetic idiot", "toxicity")]
    assert max(weights) == 1.0 and min(weights) > 0


def test_a_text_without_known_words_is_not_explained(model: BundledModel):
    assert model.explain("👍 xqzt", "toxicity") == []


def test_auto_without_a_fetched_checkpoint_is_the_bundled_model(tmp_path):
    assert load_model("auto", tmp_path).name.startswith("alt-profanity-check@")
