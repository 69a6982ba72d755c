import pytest

from moderation.checks.repetition import RepetitionCheck
from moderation.core.comment import Comment, Earlier
from moderation.text import content_key
from tests.checks.contract import CheckContract


def earlier(body: str, age_s: float) -> Earlier:
    return Earlier(content_key(body), age_s)


def score(body: str, *history: Earlier):
    return RepetitionCheck().score(Comment(body, history=history))


class TestRepetitionCheck(CheckContract):
    found = "the same again"

    @pytest.fixture(scope="class")
    @classmethod
    def check(cls) -> RepetitionCheck:
        return RepetitionCheck()


def test_a_first_comment_repeats_nothing():
    assert score("hello").scores == {"repetition": 0.0, "flooding": 0.0}


@pytest.mark.parametrize("body", ["Buy now!", "buy  NOW", "👍", "ok", "!"])
def test_the_same_text_is_a_repetition_however_short(body: str):
    assert score(body, earlier(body.lower(), 40)).scores["repetition"] == 1.0


def test_another_text_is_no_repetition():
    assert score("hello", earlier("good bye", 40)).scores["repetition"] == 0.0


def test_an_empty_comment_repeats_nothing():
    assert score(" ", earlier("", 40)).scores["repetition"] == 0.0


def test_the_finding_tells_the_age_of_the_newest_repeat():
    result = score("again", earlier("else", 5), earlier("again", 40), earlier("again", 300))
    (finding,) = result.findings
    assert finding.age_s == 40
    assert (finding.start, finding.end) == (0, 5)
    assert finding.message == "The same text from this author 40 seconds ago"


@pytest.mark.parametrize(
    ("age_s", "ago"), [(1, "1 second"), (59.9, "59 seconds"), (60, "1 minute"), (7300, "2 hours")]
)
def test_the_age_is_told_in_the_largest_unit(age_s: float, ago: str):
    assert score("x", earlier("x", age_s)).findings[0].message.endswith(f" {ago} ago")


@pytest.mark.parametrize(("count", "flooding"), [(0, 0.0), (15, 0.5), (30, 1.0), (90, 1.0)])
def test_comments_of_the_last_minute_are_a_flood(count: int, flooding: float):
    history = [earlier(str(n), 10) for n in range(count)] + [earlier("old", 61)] * 40
    result = score("new", *history)
    assert result.scores["flooding"] == flooding
    assert result.findings == ()
