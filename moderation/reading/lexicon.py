"""The rude words, and how strong each of them is: what the profanity check scores, and
what `plain` knows of when it reads a disguise.

The base is profanex's list (from LDNOOBW, CC BY 4.0). Left out of it are words of
violence, which are the vocabulary of the news, and words that are more often
innocent than not in a reader's comment. Ours stand in `words/`, a file a language.

glin-profanity's dictionaries of 24 languages were turned down: they hold "asbak",
"cerveja", "burro" and "suicide", and a moderator who sees one of those flagged stops
believing the rest. Each word of ours was chosen because it has no innocent reading in
the languages that a comment section is likely to meet. One that has, stands under a
heading with `here`, and counts only in a comment whose language is said to be the
file's.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from profanex import FilterConfig
from profanex.lexicon import Category, load_effective_lexicon

MILD, COARSE, STRONG, SLUR = 0.35, 0.55, 0.75, 0.95
"""Scores of the four strengths."""

WORDS = Path(__file__).with_name("words")
"""The lists: `[strength]` or `[strength here]`, then words and phrases between commas."""

NAMES = frozenset({"dick", "dicks", "cumming", "fanny", "cock"})
"""Words that are somebody's name when only their first letter is a capital."""

INNOCENT_IN = {
    "da": frozenset({"slut", "fag", "fags"}),
    "de": frozenset({"ass", "dick"}),
    "no": frozenset({"slut", "fag", "fags"}),
    "nb": frozenset({"slut", "fag", "fags"}),
    "pt": frozenset({"mofo"}),
    "sv": frozenset({"slut", "fag"}),
}
"""Words that mean something else in the language that the site says a comment is in."""

_BASE = (Category.GENERAL, Category.SEXUAL, Category.EXCRETORY, Category.SLURS)
_STRENGTHS = {"mild": MILD, "coarse": COARSE, "strong": STRONG, "slur": SLUR, "innocent": 0.0}
_HEADING = re.compile(r"\[(\w+)( here)?\]")


@cache
def strengths() -> Mapping[str, float]:
    """Give every word and phrase of the lists with its score, English words first."""
    base = load_effective_lexicon(FilterConfig(categories=frozenset(_BASE)))
    words = {
        entry.term: SLUR if entry.categories == {Category.SLURS} else STRONG
        for entry in base.banned
        if "*" not in entry.term
    }
    for path in _files():
        words |= {word: strength for word, strength, _ in _entries(path)}
    return {word: strength for word, strength in words.items() if strength}


@cache
def only_in() -> Mapping[str, frozenset[str]]:
    """Give the words that count in some languages only, with these languages' codes."""
    found: dict[str, frozenset[str]] = {}
    everywhere = set()
    for path in _files():
        for word, _, here in _entries(path):
            if here:
                found[word] = found.get(word, frozenset()) | {path.stem}
            else:
                everywhere.add(word)
    return {word: languages for word, languages in found.items() if word not in everywhere}


@cache
def disguised() -> frozenset[str]:
    """Give the words that are not rude, but that people disguise."""
    return frozenset(_words((WORDS / "disguised.txt").read_text("utf-8")))


def _files() -> list[Path]:
    # English comes first: where a masked word can be read in several ways, the first counts.
    languages = sorted(path for path in WORDS.glob("*.txt") if path.stem != "disguised")
    return sorted(languages, key=lambda path: path.stem != "en")


def _entries(path: Path) -> Iterator[tuple[str, float, bool]]:
    """Each word of a file, its score, and whether it counts in this language only."""
    head, *rest = _HEADING.split(path.read_text("utf-8"))
    assert not list(_words(head)), f"{path.name}: words before the first heading"
    for strength, here, listed in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        for word in _words(listed):
            yield word, _STRENGTHS[strength], bool(here)


def _words(listed: str) -> Iterator[str]:
    lines = (line for line in listed.splitlines() if not line.startswith("#"))
    for line in lines:
        yield from (" ".join(word.split()) for word in line.split(",") if word.strip())
