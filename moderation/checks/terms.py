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
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from profanex import Filter, FilterConfig

from moderation.reading.reading import as_is
from moderation.text import Reading, fold, shorten, spelled, unadorn

SHORTEST_INSIDE = 4
"""Letters that a term needs to be looked for inside a longer spelled-out word."""
LONGEST_COMPOUND = 32
"""Letters of the longest word that is looked at for a rude part of it."""
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

    def __init__(self, terms: Iterable[str], innocent: Container[str] = ()) -> None:
        """Compile a list.

        innocent  folded forms of terms that are ordinary words
        """
        self._written = {
            pattern: term for pattern, term in _patterns(terms) if pattern not in innocent
        }

    def find(self, reading: Reading, views: list[Reading] | None = None) -> list[Hit]:
        """Find every term, as a whole word, in each form of the text.

        The same place may be hit more than once, by several forms or terms.

        views  what `views_of` gives for the reading, where they are at hand
        """
        if not self._written:
            return []
        views = views or views_of(reading)
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


class Stems:
    """Pieces that make any word theirs that holds them, unless the word is known."""

    def __init__(self, stems: Iterable[str], known: Container[str]) -> None:
        """Compile a list.

        known  words that hold a stem, and are judged elsewhere
        """
        self._engine = Filter(
            FilterConfig(banned=tuple(stems), allowlist=(), word_boundaries=False)
        )
        self._known = known

    def find(self, folded: Reading) -> list[Hit]:
        """Find every word of a folded text with a stem in it; the whole word is hit."""
        hits = []
        for match in self._engine.find(folded.text):
            start, end = _word_around(folded.text, match.start, match.end)
            word = folded.text[start:end]
            if len(word) <= LONGEST_COMPOUND and not _CODE.search(word) and word not in self._known:
                hits.append(Hit(match.term, *folded.span(start, end)))
        return hits


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


# More digits than a disguise needs: a part of an address, a key or a hash.
_CODE = re.compile(r"(?:[0-9].*){4}")


def _word_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The word that a piece stands in, as far as a word may reach."""
    first, last = max(0, start - LONGEST_COMPOUND), min(len(text), end + LONGEST_COMPOUND)
    while start > first and text[start - 1].isalnum():
        start -= 1
    while end < last and text[end].isalnum():
        end += 1
    return start, end


def _patterns(terms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each term as it is written and as it folds, with the term itself."""
    for term in terms:
        for form in _forms(term):
            pattern = " ".join(form.casefold().split())
            if any(char.isalnum() for char in pattern) or (pattern and not pattern.isascii()):
                yield pattern, term


def _forms(term: str) -> list[str]:
    if term.isascii() and not _FOLDS.search(term) and not _JOINS.search(term):
        return [term]
    folds = _folds_of(as_is(term))
    apart = _set_apart(folds[1])
    # Two single letters stand beside each other by chance.
    words = any(len(part) > 2 for part in apart.text.split())
    return [view.text for view in ([*folds, apart] if words else folds)]


_FOLDS = re.compile(r"[A-Z_]|(.)\1\1")


def views_of(reading: Reading) -> list[Reading]:
    """Give the text as shown, folded, folded less eagerly, and with its words set apart.

    The last two only where they differ.
    """
    folds = _folds_of(reading)
    apart = _set_apart(folds[1])
    return folds if apart.text == folds[1].text else [*folds, apart]


def _folds_of(reading: Reading) -> list[Reading]:
    plain = unadorn(reading)
    folded = shorten(plain, 1)
    return [reading, folded] if folded is plain else [reading, folded, shorten(plain, 2)]


def _set_apart(reading: Reading) -> Reading:
    """Give the words apart that a sign joins for the engine, but not for a reader.

    It takes `faggot's` for one word, and `faggot.Go` too, as where a space is forgotten.
    """
    return Reading(_JOINS.sub(" ", reading.text), reading.starts, reading.ends)


_SIGNS = "['\u2018\u2019\u02bc.:\u00b7!]"
# Not in a number, and not in `don't`.
_JOINS = re.compile(
    rf"(?!{_SIGNS}t(?![^\W_]))(?:(?<=[^\W\d_]){_SIGNS}(?=[^\W_])|(?<=\d){_SIGNS}(?=[^\W\d_]))"
)


def _spelled_out(folded: Reading) -> Reading:
    joined = spelled(folded)
    return fold(joined) if joined.text else joined
