import json
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moderation import text as texts
from moderation.core.policy import DEFAULT
from moderation.evaluation.metrics import calibration_error, reliability
from moderation.evaluation.reading import find_file, read_set
from moderation.evaluation.sets import SETS
from moderation.scoring.bundled import CARD, WEIGHTS, BundledModel
from moderation.scoring.linear import LinearStage, features
from moderation.scoring.loading import load_model
from moderation.scoring.model import ATTRIBUTES, ModelUnavailable
from tests.conftest import DATA

INSULT = "You are a pathetic idiot"
MEGABYTE = 1 << 20
FILES = {CARD, "encoder.onnx", "gate.npz", "head.npz", "linear.npz", "tokenizer.json"}


@pytest.fixture(scope="module")
def model() -> BundledModel:
    return BundledModel()


@pytest.fixture(scope="module")
def linear() -> BundledModel:
    return BundledModel(linear_only=True)


@pytest.mark.parametrize(
    ("harmless", "abuse"),
    [
        ("Our army has liberated the town, the enemy was destroyed", "You should be destroyed"),
        ("The rebels killed forty soldiers at the border", "I will find you and kill you"),
        ("Muslims make up a tenth of the voters here", "Muslims are vermin, kick them all out"),
        ("This is an idiotic law", "You are an idiot, like all your voters"),
        ("They shouted 'death to the Jews' in the street, terrible", "Death to the Jews"),
        (
            "The minister called the protesters 'rats' and should resign",
            "Die, you disgusting rat",
        ),
        ("I don't hate gay people", "I hate gay people"),
    ],
)
def test_the_same_words_are_read_in_their_sentence(model: BundledModel, harmless: str, abuse: str):
    assert not is_held(model.score(harmless))
    assert is_held(model.score(abuse))


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("I will find you and kill you", "threat"),
        ("You are a fucking cunt, die", "severe_toxicity"),
        ("Fuck this shit", "obscene"),
        (INSULT, "insult"),
        ("Muslims are vermin, kick them all out", "identity_attack"),
        ("Suck my dick, I want to fuck your tits", "sexual_explicit"),
    ],
)
def test_each_attribute_is_scored_higher_for_what_it_names(model, text: str, attribute: str):
    kind = model.score("Thank you for this article, I learnt a lot")
    assert model.score(text)[attribute] > max(0.15, 10 * kind[attribute])


def test_every_score_is_a_chance(model: BundledModel, linear: BundledModel):
    for one in (model, linear):
        scores = one.score(INSULT)
        assert tuple(scores) == ATTRIBUTES == one.attributes
        assert all(0 <= score <= 1 for score in scores.values())


@pytest.mark.parametrize("text", ["", " ", "👍", "\x00\u202e", "?" * 5000, "a" * 20_000])
def test_nothing_that_can_be_typed_is_too_odd_to_score(model: BundledModel, text: str):
    assert all(0 <= score <= 1 for score in model.score(text).values())
    assert all(0 <= s <= e <= len(text) for s, e, _ in model.explain(text, "toxicity"))


@pytest.mark.parametrize("at", [0, 900, 2600])
def test_an_insult_is_found_wherever_it_stands_in_a_long_comment(model: BundledModel, at: int):
    words = ("the council met on tuesday to vote about the new road " * 240).split()
    kind = " ".join(words)
    rude = " ".join([*words[:at], "you fucking idiot, go and kill yourself", *words[at:]])
    assert model.score(kind)["toxicity"] < 0.1
    assert model.score(rude)["toxicity"] > 0.5


def test_abuse_that_is_wrapped_in_friendly_words_is_not_released_by_the_gate(model: BundledModel):
    friendly = "the council met on tuesday to vote about the new road "
    acting_from = DEFAULT.acting_from(None)
    for times in (0, 1, 3, 6, 20, 200):
        text = f"{friendly * times}I will find you and kill you {friendly * times}"
        assert model.released(text, acting_from) is None
    assert model.released(friendly * 4, acting_from) is not None


def test_the_words_that_carry_a_score_are_told(model: BundledModel, linear: BundledModel):
    insult = "You stupid moron"
    for one in (model, linear):
        told = one.explain(insult, "toxicity")
        words = [insult[start:end] for start, end, _ in told]
        assert {"stupid", "moron"} <= set(words) and "You" not in words
        weights = [weight for *_, weight in told]
        assert max(weights) == 1.0 and min(weights) > 0


@given(st.text(st.sampled_from("ab cdé!'’ \n👍you idiot"), max_size=80))
@example("idiot idiot you idiot")
@example("")
def test_what_the_words_add_is_all_that_the_linear_stage_scores(text: str):
    stage = LinearStage.load(WEIGHTS / "linear.npz")
    found = features(text)
    nothing = stage.logits(features(""))
    assert stage.parts(found).sum(0) + nothing == pytest.approx(stage.logits(found), abs=1e-6)


def test_threads_may_share_it(model: BundledModel):
    asked = [f"You are {what} number {at}" for at in range(20) for what in ("kind", "an idiot")]
    alone = [model.score(text) for text in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(model.score, asked)) == alone


def test_it_loads_without_torch_or_anything_else_to_train_with():
    code = """
        import sys
        for name in ("torch", "transformers", "sklearn", "scipy", "onnx", "detoxify"):
            sys.modules[name] = None
        from moderation.scoring.bundled import BundledModel
        print(BundledModel().score("You are a pathetic idiot")["toxicity"] > 0.5)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.strip() == "True", ran.stderr


def test_it_ships_figures_only_and_few_of_them():
    found = {path.name: path for path in WEIGHTS.iterdir()}
    assert set(found) == FILES
    assert sum(path.stat().st_size for path in found.values()) <= 40 * MEGABYTE
    for name in ("gate.npz", "head.npz", "linear.npz"):
        with np.load(found[name], allow_pickle=False) as arrays:
            assert all(arrays[key].dtype.kind in "if" for key in arrays)


def test_a_file_that_is_missing_or_not_the_trained_one_is_refused(tmp_path):
    copy = shutil.copytree(WEIGHTS, tmp_path / "weights")
    with (copy / "head.npz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelUnavailable, match=r"head\.npz is not the file that was trained"):
        BundledModel(copy)
    (copy / "linear.npz").unlink()
    (copy / CARD).write_text(json.dumps(json.loads((WEIGHTS / CARD).read_text())))
    with pytest.raises(ModelUnavailable, match="can't be loaded"):
        BundledModel(copy)


def test_an_encoder_that_wants_what_older_ones_were_given_is_refused_by_name(tmp_path):
    from onnx import TensorProto, helper

    wanted = [
        helper.make_tensor_value_info(name, TensorProto.INT64, [1, None])
        for name in ("input_ids", "attention_mask")
    ]
    told = helper.make_tensor_value_info("states", TensorProto.INT64, [1, None])
    node = helper.make_node("Add", [one.name for one in wanted], ["states"])
    graph = helper.make_graph([node], "older", wanted, [told])
    opsets = [helper.make_opsetid("", 17)]
    shutil.copytree(WEIGHTS, tmp_path / "older")
    file = tmp_path / "older" / "encoder.onnx"
    file.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    )
    card = json.loads((tmp_path / "older" / CARD).read_text("utf-8"))
    card["files"] = {}
    (tmp_path / "older" / CARD).write_text(json.dumps(card), "utf-8")

    with pytest.raises(ModelUnavailable, match="before 5: train it again"):
        BundledModel(tmp_path / "older")


def test_auto_without_a_fetched_checkpoint_is_the_bundled_model(tmp_path):
    assert load_model("auto", tmp_path).name.startswith("copydesk@")
    assert load_model("bundled:linear", tmp_path).name.startswith("copydesk-linear@")


@cache
def labelled(stem: str) -> tuple[list[str], np.ndarray]:
    """Texts as a model sees them, and their labels of toxicity."""
    path = find_file(DATA, stem)
    if path is None:
        pytest.skip("the labelled data is not beside this checkout")
    [which] = [one for one in SETS if one.stem == stem]
    rows = read_set(path, which)
    return [texts.plain(texts.read(one)).text for one in rows.texts], rows.labels["toxicity"]


def test_scores_are_chances_on_comments_that_were_not_learnt_from(model: BundledModel):
    shown, labels = labelled("jigsaw_dev6")
    scores = np.array([model.score(text)["toxicity"] for text in shown])
    assert calibration_error(reliability(labels, scores)) < 0.03
    likely = (scores >= 0.6) & (scores < 0.8)
    assert 0.5 < labels[likely].mean() < 0.9


@pytest.mark.parametrize(
    ("stem", "attribute"), [("jigsaw_dev6", "toxicity"), ("hatecheck_dev", "identity_attack")]
)
def test_without_the_words_that_are_told_a_score_falls_more_than_without_others(
    model, stem, attribute
):
    choose, told, others = Random(3), [], []
    for text in labelled(stem)[0]:
        before = model.score(text)[attribute]
        spans = [(start, end) for start, end, _ in model.explain(text, attribute)]
        words = features(text).spans
        if before < 0.5 or len(words) < 2 * len(spans):
            continue
        other = choose.sample(sorted(set(words) - set(spans)), len(spans))
        told.append(before - model.score(without(text, spans))[attribute])
        others.append(before - model.score(without(text, other))[attribute])
    assert len(told) >= 50
    assert np.mean(told) > 4 * np.mean(others)
    assert np.mean(np.array(told) > np.array(others)) > 0.9


def is_held(scores: dict[str, float]) -> bool:
    """Whether the default policy would hold a comment with these scores."""
    limits = {name: limit.hold for name, limit in DEFAULT.thresholds.items() if name in scores}
    return any(scores[name] >= limit for name, limit in limits.items())


def without(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + text[end:]
    return text
