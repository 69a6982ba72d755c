import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.core.comment import Format
from moderation.text import (
    Reading,
    content_key,
    fold,
    read,
    shorten,
    spelled,
    targets,
    unadorn,
)

bodies = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            ["<b>", "</b>", "<!--", "-->", "<script>", "</script>", "<p x='>'>", "&amp;", "&#65;"]
            + ["**", "_", "`", "[", "](", ")", "\\*", "# ", "\n\n", "ﬁ", "é", "ß", "\u200b", "ﷺ"]
            + ["fuuuck", "f u c k", "а", "İ", " ", "a", "'", '"', "<", ">"]
        ),
        max_size=30,
    ).map("".join),
)


def assert_in_place(reading: Reading, body: str) -> None:
    """Assert that each code point has a place in the body, in the body's order."""
    assert len(reading.starts) == len(reading.ends) == len(reading.text)
    last = 0
    for at in range(len(reading.text)):
        start, end = reading.span(at, at + 1)
        assert last <= start < end <= len(body)
        last = start
    assert reading.span(0, len(reading.text))[1] <= len(body)


@given(bodies, st.sampled_from(Format))
def test_every_shown_character_has_its_place_in_the_body(body: str, format: Format):
    assert_in_place(read(body, format), body)


@given(bodies, st.sampled_from(Format))
def test_every_folded_character_has_its_place_in_the_body(body: str, format: Format):
    reading = read(body, format)
    for view in (fold(reading), shorten(unadorn(reading), 2), spelled(fold(reading))):
        assert_in_place(view, body)


@given(bodies)
def test_plain_text_is_read_as_it_was_typed(body: str):
    reading = read(body)
    assert reading.text == body
    assert all(reading.span(at, at + 1) == (at, at + 1) for at in range(len(body)))


@given(st.text(max_size=100))
def test_folding_twice_changes_nothing(body: str):
    once = fold(read(body)).text
    assert fold(read(once)).text == once


@given(
    st.text(alphabet="abc xyz", max_size=50), st.sampled_from(["<b>", "</i>", "<br/>", "<!---->"])
)
def test_a_shown_piece_maps_to_the_same_piece_around_a_tag(words: str, tag: str):
    body = words + tag + words
    reading = read(body, Format.HTML)
    start, end = reading.span(0, len(words))
    assert body[start:end] == words


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        # Inline tags join, blocks part.
        ("<p>f<b>u</b>ck</p><p>you</p>", "\nfuck\n\nyou\n"),
        # Entities are what they stand for.
        ("a &amp; b &#33; &lt;b&gt;", "a & b ! <b>"),
        # What no reader sees is gone.
        ("x<!-- y -->z<script>q</script>", "xz"),
        # An attribute may hold the sign that ends a tag.
        ('<a title="a > b">c</a>', "c"),
        # A bare sign is text, and so is a tag that never ends.
        ("1 < 2 <b", "1 < 2 <b"),
        ("x <!-- y", "x <!-- y"),
        ("x <script> y", "x  y"),
    ],
)
def test_html_is_read_as_it_is_shown(body: str, shown: str):
    assert read(body, Format.HTML).text == shown


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("**bold** and _em_ and `code`", "bold and em and code"),
        ("[text](https://example.com) ![alt](x)", "text alt"),
        ("# head\n> quote", " head\n quote"),
        # Neither the words of a program nor a lone star mark anything up.
        ("snake_case_x 2 * 3", "snake_case_x 2 * 3"),
        ("f**k", "f**k"),
        (r"\*not\*", "*not*"),
    ],
)
def test_markdown_is_read_as_it_is_shown(body: str, shown: str):
    assert read(body, Format.MARKDOWN).text == shown


@pytest.mark.parametrize(
    ("typed", "folded"),
    [
        ("FÜCK", "fuck"),
        ("ｆｕｃｋ", "fuck"),
        ("fu\u200bck", "fuck"),
        ("ѕhіt", "shit"),
        ("fuuuck", "fuck"),
        ("f̶u̶c̶k̶", "fuck"),
        ("as soon", "as soon"),
        ("ﬁt", "fit"),
    ],
)
def test_disguises_fold_away(typed: str, folded: str):
    assert fold(read(typed)).text == folded


def test_vowel_signs_of_other_scripts_stay():
    assert fold(read("हिन्दी")).text == "हिन्दी"


def test_stretched_letters_may_be_cut_to_two():
    assert shorten(read("asssss"), 2).text == "ass"


def test_a_folded_span_covers_all_that_was_stretched():
    body = "so fuuuuck it"
    folded = fold(read(body))
    at = folded.text.index("fuck")
    start, end = folded.span(at, at + 4)
    assert body[start:end] == "fuuuuck"


@pytest.mark.parametrize("body", ["f u c k", "f.u.c.k", "f-u-c-k", "F * U * C * K"])
def test_spelled_out_words_are_joined(body: str):
    assert spelled(fold(read(body))).text == "fuck\n"


@pytest.mark.parametrize("body", ["as s", "a-b", "4-5-5 1", "ab cd ef"])
def test_words_that_are_not_spelled_out_are_left(body: str):
    assert spelled(fold(read(body))).text == ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, World!", "hello   world"),
        ("BUY NOW", "buy nоw"),  # a Cyrillic о
        ("café", "cafe\u0301"),
        ("in\u200bvisible", "invisible"),
        ("!!!", "!"),
    ],
)
def test_texts_that_read_the_same_have_the_same_key(one: str, other: str):
    assert content_key(one) == content_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("yes", "no"), ("👍", "👎"), ("great 👍", "great 👎"), ("!", "?"), ("", "a")]
)
def test_texts_that_read_otherwise_have_other_keys(one: str, other: str):
    assert content_key(one) != content_key(other)


def test_the_targets_of_an_html_body_are_found_where_they_stand():
    body = "<a href='https://example.com/?a=1&amp;b=2'>x</a> <a href=/local>y</a>"
    found = list(targets(body))
    assert [url for url, _, _ in found] == ["https://example.com/?a=1&b=2", "/local"]
    assert [body[start:end] for _, start, end in found] == [
        "https://example.com/?a=1&amp;b=2",
        "/local",
    ]
