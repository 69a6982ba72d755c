"""Finding the words of a list in what a reader sees, disguises included.

The one matcher behind the profanity check and the sites' own lists, so that a
disguise which one of them sees through, the other does too. The engine is
profanex's Aho-Corasick automaton, which reads digits and signs as letters (`sh1t`,
`$hit`) and knows where words begin and end. It runs over the text as it is shown,
over its folded form, and over words that are spelled letter by letter.

An automaton for each disguise, because a regular expression over thousands of words
is slow, and one with gaps between the letters finds `ass` in "as soon".
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from profanex import Filter, FilterConfig

from moderation.text import Reading, fold, shorten, spelled, unadorn

SHORTEST_INSIDE = 4
"""Letters that a term needs to be looked for inside a longer spelled-out word."""
LONGEST_MASKED = 24
"""Characters of the longest word with stars that is looked up."""
MOST_FINDINGS = 100
"""Findings that a check tells of one comment; a moderator looks at fewer."""
MOST_MASKED = 200
"""Different words with stars that are looked up in one comment."""


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


class MaskedWords:
    """Words whose middle is starred or dashed out: `f*ck`, `motherf***er`, `f--k`."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._by_shape: dict[tuple[str, int], list[str]] = {}
        self._values = {word: value for word, value in values.items() if word.isalpha()}
        for word in self._values:
            self._by_shape.setdefault((word[0], len(word)), []).append(word)

    def find(self, reading: Reading) -> list[Hit]:
        """Find the words that can only be read as one of ours; the mildest of them."""
        known: dict[str, str | None] = {}
        hits = []
        for token in _MASKED.finditer(reading.text):
            word = token[0].lower()
            if word not in known and len(known) < MOST_MASKED:
                known[word] = self._read(word)
            if term := known.get(word):
                hits.append(Hit(term, *reading.span(*token.span())))
        return hits

    def _read(self, word: str) -> str | None:
        first_gap = next(at for at, char in enumerate(word) if not char.isalpha())
        trailing = word[first_gap:]
        if len(word) > LONGEST_MASKED or len(word) < 3 or len(trailing) == 1:
            return None
        fits = [term for term in self._by_shape.get((word[0], len(word)), ()) if _fits(word, term)]
        return min(fits, key=self._values.__getitem__, default=None)


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


# A letter, then letters and gaps; a single dash is a hyphen, not a gap.
_MASKED = re.compile(r"(?<![\w*#-])[^\W\d_]++(?:(?:[*#•]|-(?=-)|(?<=-)-)++[^\W\d_]*+)++")


def _fits(masked: str, term: str) -> bool:
    return all(a == b or not a.isalpha() for a, b in zip(masked, term, strict=True))


def _patterns(terms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each term as it is written and as it folds, with the term itself."""
    for term in terms:
        for form in _views(Reading(term, range(len(term)), range(1, len(term) + 1))):
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
