import pytest

from moderation.checks.links import LinksCheck
from moderation.core.comment import Comment, Format
from tests.checks.contract import CheckContract


@pytest.fixture(scope="module")
def check() -> LinksCheck:
    return LinksCheck()


def found(check: LinksCheck, body: str, format: Format = Format.TEXT) -> list[str]:
    return [body[one.start : one.end] for one in check.score(Comment(body, format)).findings]


class TestLinksCheck(CheckContract):
    found = "see https://example.com/a"

    @pytest.fixture(scope="class")
    @classmethod
    def check(cls) -> LinksCheck:
        return LinksCheck()


@pytest.mark.parametrize(
    "link",
    ["https://example.com/a?b=c", "example.com", "www.example.co.uk/x", "http://1.2.3.4/"]
    + ["https://пример.рф/х", "ftp://example.org/x"],
)
def test_a_link_is_found_where_it_stands(check: LinksCheck, link: str):
    assert found(check, f"look at {link} now") == [link]


@pytest.mark.parametrize(
    "text", ["ask me@example.com", "mailto:me@example.com", "node.js e.g.this a.m.", "done.Then"]
)
def test_what_is_no_link_is_not_found(check: LinksCheck, text: str):
    assert found(check, text) == []


def test_more_links_score_higher_and_never_reach_one(check: LinksCheck):
    scores = [
        check.score(Comment(" ".join(f"site{n}.com" for n in range(count)))).scores["links"]
        for count in (0, 1, 2, 9)
    ]
    assert scores == [0.0, 0.5, pytest.approx(2 / 3), 0.9]


def test_the_same_link_twice_counts_once(check: LinksCheck):
    body = "https://example.com/ and HTTP://www.Example.com"
    assert check.score(Comment(body)).scores["links"] == 0.5


def test_a_target_hidden_behind_a_text_counts(check: LinksCheck):
    body = '<a href="https://example.com/?a&amp;b">click</a>'
    assert found(check, body, Format.HTML) == ["https://example.com/?a&amp;b"]


def test_a_target_that_is_shown_too_counts_once(check: LinksCheck):
    body = '<a href="https://example.com">https://example.com</a>'
    assert check.score(Comment(body, Format.HTML)).scores["links"] == 0.5


def test_a_markdown_link_counts(check: LinksCheck):
    body = "[click](https://example.com/a_b) and <https://example.org>"
    assert found(check, body, Format.MARKDOWN) == [
        "https://example.com/a_b",
        "https://example.org",
    ]


def test_a_link_within_the_site_is_none(check: LinksCheck):
    assert found(check, '<a href="/about">us</a>', Format.HTML) == []
