import time

import pytest

from moderation.checks.words import WordsCheck
from moderation.core.comment import Comment, Format, Words
from tests.checks.contract import CheckContract

WORDS = Words(
    reject=("foo bar", "Ünïcode", "中国", "24/7", "both"),
    hold=("barf", "shibboleth", "both"),
    allow=("barf bag",),
)


def found(body: str, words: Words = WORDS, format: Format = Format.TEXT) -> list[tuple]:
    findings = WordsCheck().score(Comment(body, format, words=words)).findings
    return [(one.listed, body[one.start : one.end]) for one in findings]


class TestWordsCheck(CheckContract):
    found = "do not barf"

    @pytest.fixture(scope="class")
    @classmethod
    def check(cls) -> WordsCheck:
        return WordsCheck()


@pytest.mark.parametrize("typed", ["foo bar", "FOO  bar", "foo-bar", "unicode", "24/7", "f00 bar"])
def test_a_rejected_word_is_found(typed: str):
    assert found(f"so {typed} it is") == [("reject", typed)]


@pytest.mark.parametrize("typed", ["barf", "BARF", "b a r f", "baaarf", "bärf", "ba\u200brf"])
def test_a_word_to_look_at_is_found_in_any_disguise(typed: str):
    assert found(f"so {typed} it is") == [("hold", typed)]


@pytest.mark.parametrize(
    "typed", ["barf's", "barf\u2019s", "barf.Now", "barf!you", "l'barf", "barf:so"]
)
def test_a_word_is_found_beside_a_sign_without_a_space(typed: str):
    assert found(f"so {typed} it is") == [("hold", "barf")]


@pytest.mark.parametrize("typed", ["o'neill", "O'Neill", "o’neill", "o neill"])
def test_a_listed_word_with_a_sign_in_it_is_found(typed: str):
    for sentence in (f"so {typed} it is", f"{typed}'s pub", f"with.{typed}"):
        assert found(sentence, Words(reject=("o'neill",))) == [("reject", typed)]


@pytest.mark.parametrize("body", ["I don't", "we won’t", "9.88 and 3.14", "give a I mean"])
def test_contractions_and_numbers_are_one_word(body: str):
    assert found(body, Words(reject=("don", "won", "88", "14", "10", "a.i"))) == []


def test_a_word_within_another_is_not_found():
    assert found("barfly and shibboleths") == []


def test_a_chinese_word_needs_no_spaces_around_it():
    assert found("在中国人") == [("reject", "中国")]


def test_the_allow_list_wins():
    assert found("a barf bag, a barf") == [("hold", "barf")]


def test_a_word_on_both_lists_is_rejected():
    assert found("both") == [("reject", "both")]


def test_without_lists_nothing_is_found():
    assert found("barf", Words()) == []


def test_blank_terms_match_nothing():
    assert found("so it is", Words(reject=("", "  ", "\u200b"))) == []


def test_a_listed_word_is_found_across_tags():
    assert found("<b>ba</b>rf", format=Format.HTML) == [("hold", "ba</b>rf")]


def test_the_word_itself_is_not_in_the_message():
    finding = WordsCheck().score(Comment("barf", words=WORDS)).findings[0]
    assert "barf" not in finding.message
    assert (finding.score, finding.attribute) == (1.0, "words")


def test_a_hundred_thousand_terms_are_compiled_once():
    words = Words(reject=tuple(f"term{number}x" for number in range(100_000)))
    check = WordsCheck()
    check.score(Comment("warm", words=words))
    started = time.monotonic()
    result = check.score(Comment("so term77x it is", words=words))
    assert len(result.findings) == 1
    assert time.monotonic() - started < 0.5
