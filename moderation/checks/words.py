"""The site's own words: those it rejects, those it wants to see, those it allows.

The lists belong to the policy and come with the comment, so this check scores no
attribute: a match is a finding, and the policy says that `listed="reject"` rejects.
"""

from dataclasses import dataclass
from functools import lru_cache

from moderation import text
from moderation.checks.check import Result
from moderation.checks.terms import MOST_FINDINGS, Hit, Terms, outside
from moderation.core.comment import Comment, Finding, Words

MESSAGES = {
    "reject": "On the site's list of rejected words",
    "hold": "On the site's list of words to look at",
}


class WordsCheck:
    """Finds the words of the site's own lists, disguised or not.

    The first comment after a change of the lists pays for compiling them: 15 ms for
    a thousand words, about 2 s for 100,000.
    """

    name = "words"
    version = "2"
    attributes: tuple[str, ...] = ()
    cost_ms = 2.0

    def score(self, comment: Comment) -> Result:
        """Find every listed word that the allow list does not cover."""
        if not (comment.words.reject or comment.words.hold):
            return Result({})
        lists = _compiled(comment.words)
        reading = text.read(comment.body, comment.format)
        hits = lists.listed.find(reading)
        if hits and comment.words.allow:
            hits = outside(hits, lists.allowed.find(reading))
        found = _once(hits, lists)[:MOST_FINDINGS]
        return Result({}, tuple(_finding(hit, lists.rejected) for hit in found))


@dataclass(frozen=True, slots=True)
class _Lists:
    listed: Terms
    allowed: Terms
    rejected: frozenset[str]


@lru_cache(maxsize=16)
def _compiled(words: Words) -> _Lists:
    listed = Terms(dict.fromkeys(words.reject + words.hold))
    return _Lists(listed, Terms(words.allow), frozenset(words.reject))


def _once(hits: list[Hit], lists: _Lists) -> list[Hit]:
    """Keep one hit for each place; rejected words come first, then reading order."""
    places: dict[tuple[int, int], Hit] = {}
    for hit in sorted(hits, key=lambda hit: (hit.term not in lists.rejected, hit.start, hit.end)):
        places.setdefault((hit.start, hit.end), hit)
    return list(places.values())


def _finding(hit: Hit, rejected: frozenset[str]) -> Finding:
    listed = "reject" if hit.term in rejected else "hold"
    return Finding("words", "words", 1.0, hit.start, hit.end, MESSAGES[listed], listed=listed)
