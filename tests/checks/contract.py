"""What every check promises, whatever it looks at."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.checks.check import Check
from moderation.core.comment import ATTRIBUTES, Comment, Earlier, Format, Words
from moderation.text import content_key

LONGEST = 64 * 1024
SANE_S = 5.0
"""Far above what a check takes; a quadratic one takes minutes."""

ODD = [
    "",
    " \n\t ",
    "👍🏽👩‍👩‍👧‍👦🏳️‍🌈",
    "\u200b\u200d\ufeff",
    "\u202egnihton\u202c",
    "Z̸̡̛a̵l̶g̷o̸",
    "ﷺ ß İ ŉ ǆ",
    "שָׁלוֹם عَرَبِيّ हिन्दी ไทย 中文 한국어",
    "\ud800 lone surrogate",
    "\U000e0041\U000e0042 tags",
    "<p>unclosed <b",
    "&#0;&#x110000;&notanentity;&amp",
    "[a](b [c](d) **e",
]
LONG = {
    "one letter": "a" * LONGEST,
    "words": "damn idiot example.com " * (LONGEST // 23),
    "open tags": "<a " * (LONGEST // 3),
    "open quotes": "<a\"'" * (LONGEST // 4),
    "open links": "[a](" * (LONGEST // 4),
    "brackets": "http://a.com/(" * (LONGEST // 14),
    "stars": "f*" * (LONGEST // 2),
    "spelled": "f u c k " * (LONGEST // 8),
    "accents": "fück " * (LONGEST // 5),
}


def assert_kept(check: Check, comment: Comment) -> None:
    """Assert that a check's answer on one comment is as promised."""
    result = check.score(comment)
    assert set(result.scores) == set(check.attributes)
    assert all(math.isfinite(value) and 0 <= value <= 1 for value in result.scores.values())
    for finding in result.findings:
        assert finding.check == check.name
        assert 0 <= finding.start <= finding.end <= len(comment.body)
        assert 0 <= finding.score <= 1
        assert finding.message


class CheckContract:
    """Mixed into the test of every check, which gives a `check` and something it finds."""

    found = "a comment in which the check finds something"

    @pytest.fixture(scope="class")
    @classmethod
    def check(cls) -> Check:
        raise NotImplementedError

    def comment(self, body: str, format: Format = Format.TEXT) -> Comment:
        """Build a comment that gives every check something to look for."""
        words = Words(reject=("barf", "foo bar"), hold=("idiot",), allow=("damn",))
        return Comment(body, format, words=words, history=(Earlier(content_key(body), 12.0),))

    def test_its_attributes_are_known_and_it_names_its_version(self, check: Check) -> None:
        check.score(Comment("hello"))
        assert set(check.attributes) <= set(ATTRIBUTES)
        assert check.name and check.version and check.cost_ms > 0

    @pytest.mark.parametrize("format", Format)
    @pytest.mark.parametrize("body", ODD)
    def test_odd_text_is_scored_like_any_other(
        self, check: Check, body: str, format: Format
    ) -> None:
        assert_kept(check, self.comment(body, format))

    @pytest.mark.parametrize("format", Format)
    @pytest.mark.parametrize("kind", LONG)
    def test_the_longest_body_takes_a_sane_time(
        self, check: Check, kind: str, format: Format
    ) -> None:
        check.score(Comment("warm"))
        comment = self.comment(LONG[kind], format)
        started = time.monotonic()
        assert_kept(check, comment)
        assert time.monotonic() - started < SANE_S

    def test_any_text_is_scored_as_promised(self, check: Check) -> None:
        @given(st.text(alphabet=st.characters(), max_size=80), st.sampled_from(Format))
        def scored_as_promised(body: str, format: Format) -> None:
            assert_kept(check, self.comment(body, format))

        check.score(self.comment(self.found))  # loads what is loaded with the first use
        scored_as_promised()

    def test_the_same_comment_scores_the_same_twice(self, check: Check) -> None:
        comment = self.comment(self.found)
        assert check.score(comment) == check.score(comment)

    def test_it_finds_what_it_is_for(self, check: Check) -> None:
        assert check.score(self.comment(self.found)).findings

    def test_no_message_repeats_the_words_of_the_body(self, check: Check) -> None:
        comment = self.comment(self.found)
        for finding in check.score(comment).findings:
            said = comment.body[finding.start : finding.end]
            assert f" {said} " not in f" {finding.message} "
