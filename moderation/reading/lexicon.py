"""The rude words, and how strong each of them is: what the profanity check scores, and
what `plain` knows of when it reads a disguise.

The base is profanex's list (from LDNOOBW, CC BY 4.0). Left out of it are words of
violence, which are the vocabulary of the news, and words that are more often
innocent than not in a reader's comment. Ours stand in `words/`, a file a language:

    [strength]         words and phrases; a comma or the end of a line parts them
    [strength here]    those that count only where the comment is in the file's language
    [strength inside]  those that are rude in any word that holds them
    [innocent]         what is not rude, though the base list has it, or though it
                       holds, or is without its accents, a word that is
    shit(|s|ty)        the same as: shit, shits, shitty; a line may end after a `|`

glin-profanity's dictionaries of 24 languages were turned down: they hold "asbak",
"cerveja", "burro" and "suicide", and a moderator who sees one of those flagged stops
believing the rest. Each word of ours was chosen because it has no innocent reading in
the languages that a comment section is likely to meet, or else stands under `here`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from profanex import FilterConfig
from profanex.lexicon import Category, load_effective_lexicon

MILD, COARSE, STRONG, SLUR = 0.35, 0.55, 0.75, 0.95
"""Scores of the four strengths."""

WORDS = Path(__file__).with_name("words")

NAMES = frozenset(
    {"dick", "dicks", "cumming", "fanny", "cock", "kock", "fux", "quim", "coon", "coons"}
)
"""Words that are somebody's name when only their first letter is a capital."""

INNOCENT_IN = {
    "da": frozenset({"slut", "fag", "fags", "prick"}),
    "de": frozenset({"ass", "dick"}),
    "fr": frozenset({"douche", "douches", "retard", "retards"}),
    "nb": frozenset({"slut", "slutt", "fag", "fags", "prick"}),
    "nl": frozenset({"douche", "douches", "slut"}),
    "no": frozenset({"slut", "slutt", "fag", "fags", "prick"}),
    "pt": frozenset({"mofo"}),
    "sv": frozenset({"slut", "fag", "kock", "prick"}),
}
"""Words that mean something else in the language that the site says a comment is in."""

_BASE = (Category.GENERAL, Category.SEXUAL, Category.EXCRETORY, Category.SLURS)
_STRENGTHS = {"mild": MILD, "coarse": COARSE, "strong": STRONG, "slur": SLUR, "innocent": 0.0}
_HEADING = re.compile(r"\[(\w+)( here| inside)?\]")
_PLURAL = re.compile("[^s]s$")
_CHOICE = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class _Entry:
    word: str
    strength: float
    language: str
    where: str


@cache
def strengths() -> Mapping[str, float]:
    """Give every word and phrase of the lists with its score, English words first."""
    base = load_effective_lexicon(FilterConfig(categories=frozenset(_BASE)))
    words = {
        entry.term: SLUR if entry.categories == {Category.SLURS} else STRONG
        for entry in base.banned
        if "*" not in entry.term and entry.term not in innocent()
    }
    plurals = {}
    for entry in _entries():
        listed = entry.strength and entry.where != "inside"
        if listed and (entry.language == "en" or entry.word not in words):
            words[entry.word] = entry.strength
            if entry.language == "en" and entry.strength > MILD and _PLURAL.search(entry.word):
                plurals[f"{entry.word[:-1]}z"] = entry.strength
    spoken = plurals.keys() - words.keys() - innocent()
    return words | {word: plurals[word] for word in sorted(spoken)}


@cache
def inside() -> Mapping[str, float]:
    """Give what makes any word rude that holds it, with its score."""
    return {entry.word: entry.strength for entry in _entries() if entry.where == "inside"}


@cache
def innocent() -> frozenset[str]:
    """Give what is not rude, though it looks like a word that is."""
    return frozenset(entry.word for entry in _entries() if not entry.strength)


@cache
def only_in() -> Mapping[str, frozenset[str]]:
    """Give the words that count in some languages only, with these languages' codes."""
    found: dict[str, set[str]] = {}
    for entry in _entries():
        if entry.where == "here":
            found.setdefault(entry.word, set()).add(entry.language)
    everywhere = {entry.word for entry in _entries() if not entry.where}
    return {word: frozenset(found[word]) for word in found.keys() - everywhere}


@cache
def disguised() -> frozenset[str]:
    """Give the words that are not rude, but that people disguise."""
    return frozenset(_words((WORDS / "disguised.txt").read_text("utf-8")))


@cache
def _entries() -> tuple[_Entry, ...]:
    # English comes first: where a masked word can be read in several ways, the first counts.
    files = sorted(path for path in WORDS.glob("*.txt") if path.stem != "disguised")
    files.sort(key=lambda path: path.stem != "en")
    return tuple(entry for path in files for entry in _read(path))


def _read(path: Path) -> Iterator[_Entry]:
    head, *rest = _HEADING.split(path.read_text("utf-8"))
    if list(_words(head)):
        raise ValueError(f"{path.name}: words before the first heading")
    for strength, where, listed in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        for word in _words(listed):
            yield _Entry(word, _STRENGTHS[strength], path.stem, (where or "").strip())


def _words(listed: str) -> Iterator[str]:
    lines = listed.replace("|\n", "|").splitlines()
    written = (one for line in lines if not line.startswith("#") for one in line.split(","))
    for pattern in written:
        if pattern.strip():
            yield from _spelt_out(pattern.strip())


def _spelt_out(pattern: str) -> Iterator[str]:
    """All words of a pattern such as `shit(|s|ty)`."""
    pieces = _CHOICE.split(pattern)
    for way in product(
        *(piece.split("|") if at % 2 else [piece] for at, piece in enumerate(pieces))
    ):
        yield " ".join("".join(way).split())
