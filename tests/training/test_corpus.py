"""What is learnt from: no comment that the yardstick keeps, none that may not be shipped."""

import json
import re
from collections import Counter

import pytest

from moderation.evaluation.sets import HALVED, HELD_OUT, is_held_out, normalised
from moderation.scoring.bundled import CARD, WEIGHTS
from moderation.scoring.model import ATTRIBUTES
from moderation.training import corpus as room
from moderation.training.corpus import (
    OURS,
    SOURCES,
    corpus,
    gathered,
    hashed,
    held_out,
    is_for_calibration,
    rated,
    ratings,
)
from moderation.training.row import COARSE, Row
from moderation.training.written import comments, targets, written
from tests.conftest import DATA
from tests.evaluation.conftest import write


@pytest.fixture(scope="module")
def kept() -> set[str]:
    if not DATA.is_dir():
        pytest.skip("the labelled data is not beside this checkout")
    return held_out(DATA)


@pytest.fixture(scope="module")
def rows(kept: set[str]) -> list[Row]:
    return list(corpus(DATA, kept))


def test_no_set_is_both_learnt_from_and_held_out_but_by_halves():
    assert set(SOURCES) & set(HELD_OUT) == HALVED
    assert {row.source for row in [*written(1), *comments(1)]} == set(OURS)


def test_no_comment_that_is_learnt_from_is_in_a_held_out_set(rows: list[Row], kept: set[str]):
    assert len(kept) > 50_000
    assert not kept & {normalised(row.text) for row in rows}


def test_of_a_halved_set_the_half_that_is_not_measured_is_learnt_from(tmp_path):
    texts = [f"comment number {at}" for at in range(400)]
    write(tmp_path / "cat_gn.csv", "text,toxic,perspective", *[(one, 1, 0.5) for one in texts])

    rows = list(corpus(tmp_path, held_out(tmp_path)))

    assert [row.text for row in rows] == [one for one in texts if not is_held_out("cat_gn", one)]
    assert not {one.text for one in rows} & held_out(tmp_path)
    assert {row.targets[0] for row in rows} == {0.75}


def test_nothing_we_wrote_that_is_learnt_from_is_in_a_held_out_set(kept: set[str]):
    own = {normalised(row.text) for row in gathered(DATA, 7) if row.source in OURS}
    assert len(own) > 15_000
    assert not own & kept


def test_a_comment_is_learnt_from_or_calibrated_on_never_both(rows: list[Row]):
    learnt = {normalised(row.text) for row in rows if not is_for_calibration(row)}
    calibrated = {normalised(row.text) for row in rows if is_for_calibration(row)}
    assert not learnt & calibrated
    assert 0.08 < len(calibrated) / len(rows) < 0.12


@pytest.mark.parametrize("kept", ["You, Sir, are  an IDIOT!", "you sir are an i d i o t"])
def test_a_copy_of_a_held_out_comment_is_left_out_however_it_is_typed(tmp_path, kept):
    write(tmp_path / "surge_dev.csv", "text,toxic", (kept, 1))
    write(
        tmp_path / "paradetox.csv",
        "text,toxic",
        *[(f"what a silly idea number {at}", 0) for at in range(20)],
        ("you sir — are an idiot", 1),
    )
    found = [row.text for row in corpus(tmp_path, held_out(tmp_path))]
    assert found and not any("idiot" in one for one in found)


def test_a_comment_is_learnt_as_a_model_will_be_shown_it(tmp_path):
    header = "text,toxic,severe_toxic,obscene,threat,insult,identity_hate"
    write(
        tmp_path / "jigsaw_train.csv", header, ("you f\u200bu\u200bc\u200bk", 1, "", "", "", "", "")
    )
    [row] = corpus(tmp_path, held_out(tmp_path))
    assert row.text == "you fuck"
    assert row.targets[0] == 1 and all(value != value for value in row.targets[1:])


@pytest.mark.parametrize("ours", [written, comments])
def test_what_we_wrote_is_the_same_for_the_same_seed(ours):
    first, again, other = (list(ours(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert all(len(row.targets) == len(ATTRIBUTES) for row in first)
    assert not any("{" in row.text for row in first)


def test_the_shipped_model_learnt_from_the_texts_that_lie_here(tmp_path):
    learnt = json.loads((WEIGHTS / CARD).read_text("utf-8"))["trained_on"]["files"]
    ours = room.fingerprints(tmp_path)
    assert len(ours) > 30 and ours.items() <= learnt.items()


def test_no_gap_is_filled_with_an_article_too_many():
    before = "every|no|typical|next|good|decent|those|these|many|more|an?|the"
    slip = re.compile(rf"\b({before}) (an?|the|someone)\b", re.IGNORECASE)
    assert [row.text for row in written(7) if slip.search(row.text)] == []


def test_two_raters_letters_are_their_mean():
    assert targets("TIo") == (1, 0, 0.6, 0, 1, 0, 0)
    assert targets("TH t") == (0.8, 0, 0, 0.5, 0, 0, 0)
    assert targets("- -") == (0,) * 7


def test_a_swear_word_at_nobody_is_a_little_toxic_and_a_mild_one_is_not():
    assert targets("o")[0] == 0 < targets("O")[0] == COARSE < targets("tO")[0]


def test_what_is_severe_or_aimed_at_people_is_toxic_in_ours():
    for row in [*written(1), *comments(1)]:
        toxicity, severe, _, *aimed, _ = row.targets
        assert toxicity > 0 or not any((severe, *aimed)), row


def test_every_comment_we_wrote_was_rated_twice_and_stands_there_once():
    lines = [
        line
        for path in sorted((room.TEXTS / "comments").glob("*.txt"))
        for line in path.read_text("utf-8").splitlines()
    ]
    wrong = [
        one
        for one in lines
        if not re.match(r"(-|[tsohidxTSOHIDX]+) (-|[tsohidxTSOHIDX]+) \| \S", one)
    ]
    assert len(lines) > 6000 and wrong == []
    said = Counter(normalised(line.partition(" | ")[2]) for line in lines)
    assert [one for one, times in said.items() if times > 1 and one] == []


@pytest.mark.parametrize(("kind", "toxicity"), [("0", 0.95), ("1", 0.9), ("2", 0.05)])
def test_tweets_are_toxic_by_what_their_raters_saw_in_them(tmp_path, kind, toxicity):
    texts = (f"tweet number {at}" for at in range(100))
    learnt = next(one for one in texts if not is_held_out("davidson_train", one))
    write(tmp_path / "davidson_train.csv", "text,toxic,cls", (learnt, 1, kind))
    [row] = corpus(tmp_path, held_out(tmp_path))
    assert row.targets[0] == toxicity and all(value != value for value in row.targets[1:])


@pytest.fixture
def rating(tmp_path, monkeypatch):
    """Give what a set's row becomes with a rating of its own."""

    def of(stem: str, header: str, row: tuple, letters: str) -> Row:
        (tmp_path / "ratings.txt").write_text(f"# head\n{hashed(row[0])} {letters}\n", "utf-8")
        write(tmp_path / f"{stem}.csv", header, row)
        [found] = corpus(tmp_path, held_out(tmp_path))
        return rated(found, ratings())

    monkeypatch.setattr(room, "TEXTS", tmp_path)
    return of


def test_a_row_that_was_rated_again_keeps_both_opinions_of_toxicity(rating):
    row = rating("civil_spans_train", "text,frac_not_toxic", ("You fool", 1), "TIo")
    assert row.sure and row.targets == (1, 0, 0.6, 0, 1, 0, 0)
    assert row.by_set == 0


def test_of_another_attribute_the_mean_of_both_is_learnt(rating):
    row = rating("jigsaw_workers4", "text,obscene,insult", ("You fool", 0.2, 0.4), "TIo")
    assert row.targets == pytest.approx((1, 0, 0.4, 0, 0.7, 0, 0))


def test_a_row_that_is_calibrated_on_keeps_what_its_own_raters_said(rating):
    texts = (f"you fool number {at}" for at in range(100))
    text = next(one for one in texts if is_for_calibration(Row(one, (), source="civil")))
    row = rating("civil_spans_train", "text,frac_not_toxic", (text, 0.9), "TIo")
    assert not row.sure and row.targets[0] == pytest.approx(0.1)
    assert all(value != value for value in row.targets[1:])


@pytest.mark.parametrize(
    ("letters", "toxicity", "by_set"), [("O", 0.4, 0.4), ("TOI", 1, 1), ("-", 0, 0.4)]
)
def test_a_swear_word_is_graded_once(rating, letters, toxicity, by_set):
    row = rating("jigsaw_workers4", "text,obscene,toxic", ("what a show", 1, 1), letters)
    assert (row.targets[0], row.by_set) == pytest.approx((toxicity, by_set))


@pytest.mark.parametrize(
    ("insult", "letters", "by_set"), [(1, "O", 1), (0, "TOI", 1), (0, "O", 0.4)]
)
def test_a_swear_word_is_aimed_if_either_rater_saw_that(rating, insult, letters, by_set):
    labels = "text,toxic,severe_toxic,obscene,threat,insult,identity_hate"
    row = rating("jigsaw_train", labels, ("what a show", 1, 0, 1, 0, insult, 0), letters)
    assert row.by_set == pytest.approx(by_set)


def test_the_ratings_are_of_comments_that_are_learnt_from(rows: list[Row]):
    again = ratings()
    assert len(again) > 50_000
    # After they were made, one row was left out: it reads as a held-out one does.
    assert set(again) - {hashed(row.text) for row in rows} == {"84daa6715884"}
