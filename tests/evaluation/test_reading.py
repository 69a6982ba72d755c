"""Labelled files: what is refused, with file, row and rule, and how samples are drawn."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.evaluation.reading import (
    UNKNOWN,
    EvaluationError,
    Rows,
    read_own,
    read_set,
    sampled,
)
from moderation.evaluation.sets import (
    HELD_OUT,
    SETS,
    TOXIC,
    Kind,
    LabelledSet,
    is_about_politics,
    is_held_out,
    normalised,
)

NO_TEXT = "own.csv row 1: there is no column 'text'; the columns are"
OWN = LabelledSet("own", "own", Kind.OWN)


def read(tmp_path, content: bytes | str, name="own.csv", labelled=OWN):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_own(path, labelled, "text")


def refusal(tmp_path, content, **more) -> str:
    with pytest.raises(EvaluationError) as caught:
        read(tmp_path, content, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_read_packed_or_not_with_or_without_a_byte_order_mark(tmp_path):
    content = 'text,toxic\n"two\nlines, and a comma",1\nplain,0\n'
    for raw in (
        content.encode(),
        b"\xef\xbb\xbf" + content.encode(),
        gzip.compress(content.encode(), mtime=0),
    ):
        rows = read(tmp_path, raw)
        assert list(rows.texts) == ["two\nlines, and a comma", "plain"]
        assert rows.labels["toxicity"].tolist() == [1, 0]


def test_rows_without_a_text_are_left_out_and_counted(tmp_path):
    rows = read(tmp_path, "text,toxic\n  ,1\n\nhello,0\n")
    assert (len(rows), rows.blank, rows.all_rows) == (1, 1, 1)
    assert rows.labels["toxicity"].tolist() == [0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        # Nothing to read: empty, a header alone, only blank texts.
        ("", "own.csv is empty; row 1 must name the columns"),
        ("text,toxic\n", "own.csv has no row with a text under text"),
        ("text,toxic\n ,1\n", "own.csv has no row with a text under text"),
        # A column that isn't there, with those that are.
        ("body,toxic\nhello,1\n", f"{NO_TEXT} 'body', 'toxic'"),
        ("text;toxic\nhello;1\n", f"{NO_TEXT} 'text;toxic'"),
        ("text,toxic,toxic\nhello,0,1\n", "own.csv row 1: more than one column is named 'toxic'"),
        # A label that is neither; the row is a spreadsheet's, whatever lines a text has.
        ("text,toxic\nhello,0\nhello,yes\n", "own.csv row 3: toxic is 'yes', not 0 or 1"),
        ('text,toxic\n"a\nb\nc",0\nhello,0.5\n', "own.csv row 3: toxic is '0.5', not 0 or 1"),
        ("text,toxic\nhello,\n", "own.csv row 2: toxic is '', not 0 or 1"),
        # A comma outside of quotes shifts the columns.
        ("text,toxic\nhello, you,1\n", "own.csv row 2: has 3 fields, row 1 has 2"),
        # Latin-1.
        (b"text,toxic\nhello,1\ncaf\xe9,1\n", "own.csv row 3: is not UTF-8"),
        (b"\xff\xfet\0e\0x\0t\0", "own.csv row 1: is not UTF-8"),
        (b'text,toxic\n"' + b"long " * 40_000 + b'\xe9",1\n', "own.csv row 2: field larger than"),
        # Packed, and cut off.
        (gzip.compress(b"text,toxic\nhello,1\n", mtime=0)[:-9], "own.csv is packed, but broken"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_with_file_row_and_rule(tmp_path, content, says):
    assert says in refusal(tmp_path, content)


def test_a_quote_that_never_closes_is_refused_with_its_row(tmp_path):
    endless = 'text,toxic\nhello,0\n"' + "long " * 40_000 + ",1\n"
    assert refusal(tmp_path, endless).startswith("own.csv row 3: ")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(EvaluationError, match="absent.csv can't be read: No such file"):
        read_own(tmp_path / "absent.csv", OWN, "text")


def test_no_refusal_repeats_a_comment(tmp_path):
    words = "what a reader wrote, and it is long"
    assert words not in refusal(tmp_path, f'text,toxic\nhello,"{words}"\n')
    assert words not in refusal(tmp_path, f'"{words}",x\nhello,1\n')


def test_in_a_known_set_half_of_the_raters_is_a_label_and_blank_is_unknown(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("text,toxic,seen\na,0.49,.1\nb,0.5,\nc,,.3\nd,1.0,1\n")
    rows = read_set(path, LabelledSet("set", "set", Kind.TALK, recorded={"other": "seen"}))
    assert rows.labels["toxicity"].tolist() == [0, 1, UNKNOWN, 1]
    assert rows.recorded["other"][0] == 0.1
    assert np.isnan(rows.recorded["other"][1])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("text,toxic\na,0\n", "set.csv row 1: there is no column 'seen'"),
        ("text,toxic,seen\na,0,.1\nb,0,much\n", "set.csv row 3: seen is 'much', not a number"),
        ("text,toxic,seen\na,nan,.1\n", "set.csv row 2: toxic is 'nan', not a share from 0 to 1"),
    ],
)
def test_a_known_set_that_breaks_a_rule_is_refused_too(tmp_path, content, says):
    (tmp_path / "set.csv").write_text(content)
    known = LabelledSet("set", "set", Kind.TALK, recorded={"other": "seen"})
    with pytest.raises(EvaluationError, match=says):
        read_set(tmp_path / "set.csv", known)


def made(labels, groups=None) -> Rows:
    size = len(labels)
    columns = {"group": groups} if groups else {}
    texts = [f"text {at}" for at in range(size)]
    return Rows(texts, {"toxicity": np.array(labels)}, np.ones(size), columns, {}, size)


@given(
    st.lists(st.integers(0, 1), min_size=1, max_size=300), st.integers(1, 100), st.integers(0, 9)
)
def test_a_sample_is_no_larger_than_asked_and_stands_for_all(labels, most, seed):
    rows = sampled(made(labels), most, seed=seed)

    assert len(rows) == min(most, len(labels))
    assert len(set(rows.texts)) == len(rows)
    kept = rows.labels["toxicity"]
    for value in np.unique(kept):
        assert rows.weights[kept == value].sum() == pytest.approx(labels.count(value))


def test_the_rarer_class_is_kept_up_to_a_quarter_of_the_sample():
    few = sampled(made([1] * 30 + [0] * 970), 200, seed=1)
    many = sampled(made([1] * 300 + [0] * 9700), 200, seed=1)
    assert few.labels["toxicity"].sum() == 30
    assert many.labels["toxicity"].sum() == 50


def test_a_sample_has_the_same_share_of_every_group():
    groups = ["common"] * 600 + ["rare"] * 200
    rows = sampled(made([1, 0] * 400, groups), 80, seed=1)
    assert rows.columns["group"].count("rare") == pytest.approx(20, abs=2)


def test_the_same_seed_takes_the_same_rows():
    rows = made([1, 0] * 500)
    first, second, other = (sampled(rows, 50, seed=seed).texts for seed in (1, 1, 2))
    assert first == second != other


def test_a_set_below_the_cap_is_whole():
    rows = made([1, 0, 0])
    assert sampled(rows, 3, seed=1) is rows
    assert sampled(rows, 0, seed=1) is rows


def test_texts_that_differ_in_case_and_marks_are_one_when_normalised():
    assert normalised("  Ｈello,\tWORLD!") == normalised("hello world") == "hello world"


def test_politics_is_told_by_whole_words():
    assert is_about_politics("The SENATE's bill")
    assert not is_about_politics("A voteless trumpet")


def test_of_a_halved_set_only_what_was_kept_from_the_model_is_measured(tmp_path):
    texts = [f"comment number {at}" for at in range(400)]
    lines = [f"{one},{at % 2},0.{at:03}" for at, one in enumerate(texts)]
    (tmp_path / "cat_gn.csv").write_text("\n".join(["text,toxic,perspective", *lines]))
    [halved] = [one for one in SETS if one.stem == "cat_gn"]

    rows = read_set(tmp_path / "cat_gn.csv", halved)

    kept = [at for at, one in enumerate(texts) if is_held_out("cat_gn", one)]
    assert 150 < len(kept) < 250
    assert rows.texts == [texts[at] for at in kept]
    assert rows.labels["toxicity"].tolist() == [at % 2 for at in kept]
    assert rows.recorded["Perspective (recorded)"].tolist() == [at / 1000 for at in kept]
    assert rows.all_rows == rows.weights.sum() == len(kept)
    assert is_held_out("cat_gn", "Comment, number 7!") == is_held_out("cat_gn", texts[7])


def test_no_held_out_set_is_one_that_was_trained_on():
    trained_on = {one.stem for one in SETS if one.trained_on}
    assert not trained_on & set(HELD_OUT)
    assert {one.stem for one in SETS if not one.trained_on} <= set(HELD_OUT)
    assert len({one.stem for one in SETS}) == len(SETS)
    assert all(one.labels is TOXIC or one.labels for one in SETS)
