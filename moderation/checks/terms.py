"""Finding the words of a list in what a reader sees, disguises included.

The one matcher behind the profanity check and the sites' own lists, so that a
disguise which one of them sees through, the other does too. The engine is
profanex's Aho-Corasick automaton, which reads digits and signs as letters (`sh1t`,
`$hit`) and knows where words begin and end. It runs over the text as it is shown,
over its folded form, and over words that are spelled letter by letter.

An automaton for each disguise, because a regular expression over thousands of words
is slow, and one with gaps between the letters finds `ass` in "as soon".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from profanex import Filter, FilterConfig

from moderation.reading.reading import as_is
from moderation.text import Reading, fold, shorten, spelled, unadorn

SHORTEST_INSIDE = 4
"""Letters that a term needs to be looked for inside a longer spelled-out word."""
MOST_FINDINGS = 100
"""Findings that a check tells of one comment; a moderator looks at fewer."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A term of a list, and where in the body it was found."""

    term: str
    start: int
    end: int


class Terms:
    """A list of words and phrases, compiled once. Safe to share between threads."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._written = dict(_patterns(terms))

    def find(self, reading: Reading) -> list[Hit]:
        """Find every term, as a whole word, in each form of the text.

        The same place may be hit more than once, by several forms or terms.
        """
        if not self._written:
            return []
        views = _views(reading)
        hits = [hit for view in views for hit in self._run(self._whole, view)]
        joined = _spelled_out(views[1])
        if joined.text:
            hits += self._run(self._whole, joined)
            hits += self._run(self._inside, joined)
        return hits

    def _run(self, engine: Filter, view: Reading) -> Iterator[Hit]:
        for match in engine.find(view.text):
            yield Hit(self._written[match.term], *view.span(match.start, match.end))

    @cached_property
    def _whole(self) -> Filter:
        return Filter(FilterConfig(banned=tuple(self._written), allowlist=()))

    @cached_property
    def _inside(self) -> Filter:
        long = [one for one in self._written if len(one) >= SHORTEST_INSIDE and one.isalpha()]
        return Filter(FilterConfig(banned=tuple(long), allowlist=(), word_boundaries=False))


def outside(hits: Iterable[Hit], allowed: Iterable[Hit]) -> list[Hit]:
    """Give the hits that don't lie within an allowed one.

    Linear in both after sorting: of the allowed ones that begin before a hit, only
    the one that reaches furthest matters.
    """
    left, reach = sorted(allowed, key=lambda hit: hit.start), -1
    kept, at = [], 0
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        while at < len(left) and left[at].start <= hit.start:
            reach = max(reach, left[at].end)
            at += 1
        if hit.end > reach:
            kept.append(hit)
    return kept


def _patterns(terms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each term as it is written and as it folds, with the term itself."""
    for term in terms:
        for form in _views(as_is(term)):
            pattern = " ".join(form.text.casefold().split())
            if any(char.isalnum() for char in pattern) or (pattern and not pattern.isascii()):
                yield pattern, term


def _views(reading: Reading) -> list[Reading]:
    """The text as shown, folded, and (if that differs) folded less eagerly."""
    plain = unadorn(reading)
    folded = shorten(plain, 1)
    return [reading, folded] if folded is plain else [reading, folded, shorten(plain, 2)]


def _spelled_out(folded: Reading) -> Reading:
    joined = spelled(folded)
    return fold(joined) if joined.text else joined
