"""Profanity: words that are rude whatever they are about.

A score says how strong the strongest word is, not how many there are: a comment
with one slur is worse than one with five "damn". What the word is used for is the
toxicity check's business.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from heapq import nlargest
from importlib.metadata import version

from moderation import text
from moderation.checks.check import Result
from moderation.checks.terms import MOST_FINDINGS, Hit, Stems, Terms, outside, views_of
from moderation.core.comment import Comment, Finding, Format
from moderation.reading import lexicon
from moderation.reading.masked import MaskedWords

LIST_VERSION = "3"
"""Raised with each change to the lists or to how they are read, to tell old scores apart."""


class ProfanityCheck:
    """Finds rude words, disguised or not. Compiled when built, about 0.1 s."""

    name = "profanity"
    attributes = ("profanity",)
    cost_ms = 3.0

    def __init__(self) -> None:
        words, stems = lexicon.strengths(), lexicon.inside()
        self._strength = {**stems, **words}
        apart = _without_stems(words, stems)
        self._terms = Terms(apart, lexicon.innocent())
        self._stems = Stems(stems, apart | lexicon.innocent())
        self._phrases = Terms(one for one in lexicon.innocent() if " " in one)
        self._masked = MaskedWords({word: words[word] for word in words if word.isascii()})
        self.version = f"profanex@{version('profanex')}+copydesk.{LIST_VERSION}"

    def score(self, comment: Comment) -> Result:
        """Score the strongest word that the site does not allow; 0 without one."""
        reading = text.read(comment.body, comment.format)
        views = views_of(reading)
        hits = self._terms.find(reading, views) + self._stems.find(views[1])
        hits += self._starred(_with_stars(comment, reading))
        hits = [hit for hit in hits if _counts(hit, comment)]
        if hits:
            hits = outside(hits, self._phrases.find(reading, views))
        if hits and comment.words.allow:
            hits = outside(hits, _allowed(comment.words.allow).find(reading))
        strongest = max((self._strength[hit.term] for hit in hits), default=0.0)
        apart = self._strongest_apart(hits)
        told = nlargest(MOST_FINDINGS, apart, key=lambda hit: self._strength[hit.term])
        in_order = sorted(told, key=lambda hit: hit.start)
        return Result({"profanity": strongest}, tuple(map(self._finding, in_order)))

    def _starred(self, reading: text.Reading) -> list[Hit]:
        found = self._masked.find(reading.text)
        return [Hit(term, *reading.span(start, end)) for term, start, end in found]

    def _strongest_apart(self, hits: Iterable[Hit]) -> list[Hit]:
        """Of hits that overlap keep the strongest, then the longest; in reading order."""
        kept: list[Hit] = []
        for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
            if not kept or hit.start >= kept[-1].end:
                kept.append(hit)
            elif self._weight(hit) > self._weight(kept[-1]):
                kept[-1] = hit
        return kept

    def _weight(self, hit: Hit) -> tuple[float, int]:
        return self._strength[hit.term], hit.end - hit.start

    def _finding(self, hit: Hit) -> Finding:
        strength = self._strength[hit.term]
        kind = "A slur" if strength >= lexicon.SLUR else "Profanity"
        return Finding(self.name, "profanity", strength, hit.start, hit.end, kind)


@lru_cache(maxsize=16)
def _allowed(words: tuple[str, ...]) -> Terms:
    return Terms(words)


def _with_stars(comment: Comment, reading: text.Reading) -> text.Reading:
    # In Markdown two starred words make emphasis of what lies between them, and the
    # stars are gone from what is shown.
    return text.read(comment.body) if comment.format is Format.MARKDOWN else reading


def _without_stems(words: Mapping[str, float], stems: Mapping[str, float]) -> frozenset[str]:
    """The words that the stems would not find, or not rate the same; a third less to compile."""
    stem = re.compile("|".join(stems))
    found = (
        word
        for word, strength in words.items()
        if word.isalpha() and word not in stems
        if (held := stem.search(word)) and stems[held[0]] == strength
    )
    return frozenset(words) - frozenset(found)


def _counts(hit: Hit, comment: Comment) -> bool:
    """Whether a word is a rude one in the comment's language, and no name."""
    language = (comment.language or "")[:2].lower()
    if hit.term in lexicon.INNOCENT_IN.get(language, ()):
        return False
    if language not in lexicon.only_in().get(hit.term, (language,)):
        return False
    typed = comment.body[hit.start : hit.end]
    return hit.term not in lexicon.NAMES or typed != hit.term.capitalize()
