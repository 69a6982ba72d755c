"""The whole of the training on a handful of sentences and a tiny network."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring.encoder import EncoderStage
from moderation.scoring.linear import LinearStage, features
from moderation.scoring.model import ATTRIBUTES
from moderation.training import blend, linear, transformer
from moderation.training.row import COARSE, Row
from tests.scoring.tiny import WORDS

NAN = float("nan")
RUDE, KIND = "you are a pathetic idiot", "hello the army town"


def row(text: str, toxic: float, source: str = "jigsaw_train") -> Row:
    return Row(text, (toxic, *[toxic if at == 3 else 0.0 for at in range(6)]), 1.0, source)


ROWS = [row(f"{RUDE} {'. ' * (at % 5)}", 1.0) for at in range(40)]
ROWS += [row(f"{KIND} {', ' * (at % 5)}", 0.0) for at in range(40)]
NOTHING = np.full((len(ROWS), 6), np.nan, np.float32)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A pretrained model's folder, with random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=128,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def trained(base: Path):
    data = transformer.examples(ROWS, NOTHING)
    return transformer.fine_tune(data, base, epochs=120, seed=3, report=lambda *_: None)


def test_the_same_seed_trains_the_same_network(base: Path):
    first, again = (trained(base).state_dict() for _ in range(2))
    assert all((first[name] == again[name]).all() for name in first)


@given(st.text("xy ", min_size=1, max_size=400), st.integers(0, 2**32))
def test_a_joined_text_is_whole_among_words_of_another(text: str, seed: int):
    others = ["one two three four five six seven eight " * 10, "a short one " * 7]
    told = transformer.joined(text, others, random.Random(seed))

    words = text.split()
    if len(words) > transformer.SHORT:
        assert told == text
        return
    assert told.startswith(text) or told.endswith(text)
    around = told[len(text) :] if told.startswith(text) else told[: -len(text)]
    assert any(around.strip() in " ".join(other.split()) for other in others)
    assert len(words) < len(told.split()) <= transformer.WHOLE


def test_without_others_a_text_stays_alone():
    assert transformer.joined(RUDE, [], random.Random(1)) == RUDE


@given(st.text("xy ", max_size=60), st.integers(0, 2**32))
def test_a_text_that_is_said_to_somebody_is_whole_behind_the_names(text: str, seed: int):
    told = transformer.addressed(text, random.Random(seed))
    names = told.removesuffix(text).split()
    assert told.endswith(f" {text}")
    assert 1 <= len(names) <= 3 and set(names) <= set(transformer.NAMES)


@given(st.text("xy ", max_size=60), st.integers(0, 2**32))
def test_a_text_that_is_smiled_at_is_whole_beside_the_name_of_an_emoji(text: str, seed: int):
    told = transformer.smiled_at(text, random.Random(seed))
    assert told.startswith(f"{text} ") or told.endswith(f" {text}")
    around = (
        told[len(text) :] if told.startswith(f"{text} ") else told[: -len(text) or None]
    ).strip()
    name = next(one for one in transformer.EMOJI if around.startswith(one))
    assert around in (name, f"{name} {name}")


def test_the_names_of_emoji_are_those_that_a_model_is_shown():
    import emoji

    known = {one["en"].strip(":").replace("_", " ") for one in emoji.EMOJI_DATA.values()}
    assert set(transformer.EMOJI) <= known


def test_what_a_tutor_tells_of_a_row_moves_its_target_where_that_is_open_to_doubt(base: Path):
    data = transformer.examples(ROWS, NOTHING)
    told = transformer.chances(trained(base), data.texts, base)
    assert told.shape == data.targets.shape
    assert told[:40, 0].min() > told[40:, 0].max() + 0.3
    doubtful = np.arange(len(ROWS)) % 2 == 0
    mixed = transformer.tutored(data, told, doubtful)
    share = transformer.TUTOR_SHARE
    expected = (1 - share) * data.targets + share * told
    assert mixed.targets[doubtful] == pytest.approx(expected[doubtful])
    assert (mixed.targets[~doubtful] == data.targets[~doubtful]).all()
    assert mixed.by_sets[:, 0] == pytest.approx(
        (1 - share) * data.by_sets[:, 0] + share * told[:, 0]
    )
    assert (mixed.weights == data.weights).all() and mixed.texts == data.texts


def test_what_is_exported_scores_as_what_was_trained(base: Path, tmp_path: Path):
    from transformers import AutoTokenizer

    from moderation.training.export import export

    scorer = trained(base)
    export(scorer, base, tmp_path, tmp_path, seed=7)
    with np.load(tmp_path / "head.npz") as head:
        stage = EncoderStage(
            tmp_path / "encoder.onnx", tmp_path / "tokenizer.json", head["weights"], head["offsets"]
        )
    tokenizer = AutoTokenizer.from_pretrained(base)
    for text in (RUDE, KIND):
        [window] = stage.windows(text, lambda places: [0.0] * len(places))
        fed = tokenizer(text, return_tensors="pt")
        expected = scorer(fed["input_ids"], fed["attention_mask"])[0].detach().numpy()
        assert window.logits == pytest.approx(expected, abs=0.3)
        assert [text[a:b] for a, b in window.spans] == text.split()
    rude, kind = (stage.windows(text, lambda _: [])[0].logits[0] for text in (RUDE, KIND))
    assert rude > kind + 1


@pytest.mark.parametrize("length", [3, 4, 9])
def test_attention_in_one_operator_gives_the_states_that_its_parts_give(
    base: Path, tmp_path: Path, length: int
):
    import torch

    from moderation.scoring.engine.network import session
    from moderation.training.export import export

    scorer = untrained(base, 1)
    with torch.no_grad():  # so that a token attends to some others more than to the rest
        for layer in scorer.base.encoder.layer:
            layer.attention.self.query.weight.mul_(20)
    export(scorer, base, tmp_path, tmp_path, seed=7)

    ids = torch.tensor([[2, *range(5, 4 + length), 3]])
    [states] = session(tmp_path / "encoder.fp32.onnx").run(None, {"input_ids": ids.numpy()})
    expected = scorer.base(input_ids=ids).last_hidden_state.detach().numpy()
    assert states == pytest.approx(expected, abs=1e-4)


def test_the_linear_stage_learns_words_and_is_read_again_as_it_was_saved(tmp_path: Path):
    table, offsets = linear.fit(transformer.examples(ROWS, NOTHING))
    linear.save(tmp_path / "linear.npz", table, offsets)
    stage = LinearStage.load(tmp_path / "linear.npz")
    rude, kind = (stage.logits(features(text)) for text in (RUDE, KIND))
    at = ATTRIBUTES.index("insult")
    assert rude[0] > 0 > kind[0] and rude[at] > 0 > kind[at]
    whole = (linear.matrix([RUDE]) @ table + offsets)[0]
    assert rude == pytest.approx(whole, abs=0.25)


def test_an_unknown_target_is_the_teachers_at_half_weight_or_does_not_count():
    rows = [Row("a", (0.0, *[NAN] * 6)), Row("b", (1.0, *[NAN] * 6))]
    soft = np.array([[0.9] * 6, [0.9] * 6], np.float32)
    data = transformer.examples(rows, soft)
    assert data.targets[0, 1] == pytest.approx(0.1), "what is harmless is no threat"
    assert data.targets[1, 1] == pytest.approx(0.9)
    assert data.weights[1].tolist() == [1.0, *[0.5] * 5, 0.0]


def test_a_swear_word_at_nobody_is_less_toxic_than_an_insult():
    targets = [(1.0, 0.0, 1.0, 0.0, insult, 0.0, 0.0) for insult in (0.0, 1.0)]
    rows = [Row("x", one, source="jigsaw_train") for one in targets]
    data = transformer.examples(rows, np.zeros((2, 6), np.float32))
    assert data.targets[:, 0] == pytest.approx([COARSE, 1.0])


def test_of_toxicity_both_opinions_are_learnt_and_ours_is_in_no_set():
    harmless, severe = (0.0,) * 7, (1.0,) * 7
    data = transformer.examples(
        [
            Row("rated again", harmless, 0.8, "civil_spans_train", sure=True, by_set=0.9),
            Row("not rated", severe, 0.8, "civil_spans_train"),
            Row("ours", severe, 0.7, "comments", sure=True),
        ],
        np.zeros((3, 6), np.float32),
    )
    assert data.targets[:, 0].tolist() == [0, 1, 1]
    assert data.by_sets == pytest.approx(np.array([[0.9, 0.8], [1, 0.8], [1, 0]]))


@pytest.mark.parametrize(("second", "sets"), [(0.0, 1.0), (1.0, 0.0)])
def test_what_two_raters_disagree_about_is_scored_between_them(base: Path, second, sets):
    rows = [replace(one, sure=True, by_set=one.targets[0]) for one in ROWS]
    apart = "hello idiot"
    rows += [Row(apart, (second, *[0.0] * 6), 1.0, "jigsaw_train", sure=True, by_set=sets)] * 20
    soft = np.full((len(rows), 6), np.nan, np.float32)
    data = transformer.examples(rows, soft)
    scorer = transformer.fine_tune(data, base, epochs=120, seed=3, report=lambda *_: None)
    kind, middle, rude = transformer.chances(scorer, [KIND, apart, RUDE], base)[:, 0]
    assert kind + 0.1 < middle < rude - 0.1


def test_training_goes_on_where_an_earlier_version_stands(base: Path):
    earlier = trained(base)
    was = {name: value.clone() for name, value in earlier.state_dict().items()}
    data = transformer.examples(ROWS, NOTHING)
    later, anew = (
        transformer.fine_tune(
            data, base, epochs=5, seed=3, report=lambda *_: None, earlier=begun
        ).state_dict()
        for begun in (earlier, None)
    )
    near, far = (
        max(float((state[name] - value).abs().max()) for name, value in was.items())
        for state in (later, anew)
    )
    assert 0 < near < far / 3
    assert all((earlier.state_dict()[name] == value).all() for name, value in was.items())


def test_a_score_means_the_share_in_life_though_a_set_was_picked_to_be_toxic():
    draw = np.random.default_rng(5)
    rows = [row(f"n{at}", float(at % 10 < 7), "civil_spans_train") for at in range(4000)]
    data = transformer.examples(rows, np.zeros((len(rows), 6), np.float32))
    truth = data.targets[:, :1] * 2 - 1 + draw.normal(0, 1.5, (len(rows), len(ATTRIBUTES)))
    stages = {"linear": truth, "encoder": truth}
    logits = blend.combined(blend.fit(stages, rows, data), stages)[:, 0]
    scores = 1 / (1 + np.exp(-logits))
    life = blend.as_in_life(rows)
    assert np.average(data.targets[:, 0], weights=life) == pytest.approx(0.08, abs=0.001)
    assert np.average(scores, weights=life) == pytest.approx(0.08, abs=0.01)


def test_no_stage_counts_against_what_it_is_for():
    rows = [row(f"n{at}", float(at % 2)) for at in range(200)]
    data = transformer.examples(rows, np.zeros((len(rows), 6), np.float32))
    right = np.repeat(data.targets[:, :1] * 4 - 2, len(ATTRIBUTES), 1).astype(float)
    found = blend.fit({"linear": -right, "encoder": right}, rows, data)
    assert all(
        weight >= 0
        for one in found.values()
        for stage in ("linear", "encoder")
        for weight in one[stage].values()
    )
    assert found["toxicity"]["encoder"]["toxicity"] > found["toxicity"]["linear"]["toxicity"]


def untrained(base: Path, seed: int):
    """A scorer no two weights of which are the same."""
    import torch

    torch.manual_seed(seed)
    scorer = transformer.fresh(base)
    with torch.no_grad():
        for value in scorer.parameters():
            value.add_(torch.randn_like(value) / 20)
    return scorer


WORDS_OF_THE_BASE = "base.embeddings.word_embeddings.weight"


def test_a_version_is_read_again_as_it_was_shipped_but_for_rounding(base: Path, tmp_path: Path):
    from moderation.training.export import export, shipped

    scorer = untrained(base, 1)
    export(scorer, base, tmp_path, tmp_path, seed=7)
    again, of_base = (
        one.state_dict() for one in (shipped(tmp_path, base), transformer.fresh(base))
    )

    for name, value in scorer.state_dict().items():
        if name == WORDS_OF_THE_BASE:
            assert (again[name] == of_base[name]).all()
            continue
        assert (again[name] - value).abs().max() <= 0.02 * value.abs().max(), name


def test_what_was_learnt_since_a_version_is_not_rounded_away(base: Path, tmp_path: Path):
    from moderation.training.export import export, shipped

    export(untrained(base, 1), base, tmp_path, tmp_path, seed=7)
    before, later = shipped(tmp_path, base), shipped(tmp_path, base)
    name = "base.encoder.layer.0.intermediate.dense.weight"
    was = before.state_dict()[name]
    step = was.abs().max() / 64
    draw = torch_draw(was.shape) * step / 4
    later.state_dict()[name].add_(draw)

    export(later, base, tmp_path, tmp_path, seed=7)

    moved = shipped(tmp_path, base).state_dict()[name] - was
    kept = float((moved * draw).sum() / (draw * draw).sum())
    assert kept == pytest.approx(1, abs=0.25)


def torch_draw(shape):
    """Small steps, each up or down."""
    import torch

    return torch.randn(shape, generator=torch.Generator().manual_seed(5)).clamp(-1, 1)


def test_an_average_lies_between_the_two(base: Path):
    from moderation.training.export import EARLIER_SHARE, averaged

    first, second = untrained(base, 1), untrained(base, 2)
    alone = {name: value.clone() for name, value in second.state_dict().items()}

    averaged(second, first)

    was = first.state_dict()
    for name, value in second.state_dict().items():
        mean = (1 - EARLIER_SHARE) * alone[name] + EARLIER_SHARE * was[name]
        assert value.numpy() == pytest.approx(mean.numpy()), name
        assert (alone[name] - was[name]).abs().max() > 0.05, name


def test_a_version_of_another_shape_is_refused(base: Path, tmp_path: Path):
    from moderation.training.export import export, shipped

    export(untrained(base, 1), base, tmp_path, tmp_path, seed=7)
    with np.load(tmp_path / "head.npz") as head:
        weights, offsets = head["weights"], head["offsets"]
    np.savez(tmp_path / "head.npz", weights=weights[:, :-1], offsets=offsets[:-1])
    with pytest.raises(ValueError, match="head.weight"):
        shipped(tmp_path, base)
