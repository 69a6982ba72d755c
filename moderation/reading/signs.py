"""What signs are to a reader: letters of other alphabets, letters in boxes, none at all.

Unlike `letters.py`, which folds every letter by itself, this keeps case and accents,
and looks at the word around a letter before it takes it for another one. Each function
yields the pieces of a text that are read as something else, in order.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache

from confusable_homoglyphs.confusables import confusables_data

from moderation.reading.reading import Edit

MOST_MARKS = 4
"""Marks on one letter of another script than ours that are composed with it."""

# Zero-width, joining and bidi characters, fillers, selectors and tags. A joiner within
# an Arabic or Indic word is part of its spelling.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U0001f3fb-\U0001f3ff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
    "|(?<![\u0600-\u109f\u1780-\u17ff])[\u200c\u200d]+"
)
_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"
FOREIGN_WORD = re.compile(r"(?<![^\W\d_])[A-Za-z]*+[^\W\d_\x00-\x7f][^\W\d_]*+")
"""A word with letters that are not ASCII's."""
_WORD = re.compile(r"[^\W\d_]++")
_ALPHABETS = ("GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE")


def invisible_edits(text: str) -> Iterator[Edit]:
    """Yield what takes no room on the screen."""
    for match in _INVISIBLE.finditer(text):
        yield *match.span(), ""


def composed_edits(text: str) -> Iterator[Edit]:
    """Yield letters that are written in another way than usual, and letters with marks.

    Compatibility forms become what they stand for. Marks stay where a letter with them
    is one character, `e\u0301`; else they are ornaments, and a Latin letter loses all of
    them.
    """
    for match in _unusual().finditer(text):
        start, end = match.span()
        if start and _MARK.match(text[start]):
            start -= 1  # the letter under the marks is a usual one
        shown = _composed(text[start : min(end, start + 1 + MOST_MARKS)])
        if shown != text[start:end]:
            yield start, end, shown


@cache
def _unusual() -> re.Pattern[str]:
    """Letters with marks, and all else that `_compatible` changes."""
    blocks = ((0x80, 0x3400), (0xA640, 0xAC00), (0xF900, 0x10000))
    codes = (code for first, last in blocks for code in range(first, last))
    singles = "".join(chr(code) for code in codes if _compatible(chr(code)) != chr(code))
    # Single ones beyond the first plane would be looked through one by one.
    beyond = "\U0001d400-\U0001d7ff\U0001ee00-\U0001eeff\U0001f100-\U0001f2ff\U0001fbf0-\U0001fbf9"
    return re.compile(f"[{re.escape(singles)}{beyond}][{_MARKS}]*|[{_MARKS}]+")


@lru_cache(maxsize=16384)
def _composed(cluster: str) -> str:
    if len(cluster) == 1:
        return _compatible(cluster)
    first = _MARK.search(cluster)
    cut = first.start() if first else len(cluster)
    base, marks = _compatible(cluster[:cut]), cluster[cut:]
    if not base.isalpha():
        return base
    whole = unicodedata.normalize("NFC", base + marks)
    if len(whole) <= len(base):
        return whole
    bare = unicodedata.normalize("NFD", base)
    return _MARK.sub("", bare) if is_latin(bare[0]) else whole


_MARK = re.compile(f"[{_MARKS}]")


def _compatible(char: str) -> str:
    if "\U0001f150" <= char <= "\U0001f189":
        return _boxed(char)
    if small := small_capitals().get(char):
        return small
    normal = unicodedata.normalize("NFKC", char)
    # A mark that stands for itself, such as the one in `don´t`, is not a space and a mark.
    return char if " " in normal and not char.isspace() else normal


def _boxed(char: str) -> str:
    place = (ord(char) - 0x1F150) % 32
    return chr(ord("A") + place) if place < 26 else char


def is_latin(letter: str) -> bool:
    """Whether a letter belongs to the Latin alphabet."""
    return letter.isascii() or unicodedata.name(letter, "").startswith(("LATIN", "FEMININE"))


@cache
def small_capitals() -> dict[str, str]:
    """Give the letters that are drawn like capitals, but small, with ordinary ones."""
    found = {}
    for letter in "abcdefghijklmnopqrstuvwxyz":
        try:
            found[unicodedata.lookup(f"LATIN LETTER SMALL CAPITAL {letter.upper()}")] = letter
        except KeyError:
            continue
    return found


def alphabet_edits(text: str) -> Iterator[Edit]:
    """Yield the letters of other alphabets that stand for Latin ones they look like.

    In a word with Latin letters, and in a text whose other words are Latin, where all
    letters of a word have a Latin twin.
    """
    latin_around: bool | None = None
    for word in FOREIGN_WORD.finditer(text):
        kinds = [_kind(char) for char in word[0]]
        if "other" in kinds or not ({"twin", "cousin"} & set(kinds)):
            continue
        if "latin" not in kinds:
            if len(kinds) < 2 or "cousin" in kinds:
                continue
            if latin_around is None:
                latin_around = _is_latin_but_for_twins(text)
            if not latin_around:
                continue
        for at, char in enumerate(word[0], word.start()):
            if _kind(char) in ("twin", "cousin"):
                yield at, at + 1, _twins().get(char) or _cousins()[char]


def _is_latin_but_for_twins(text: str) -> bool:
    """Whether a text has Latin words, and no other but those made of twins."""
    some = False
    for word in _WORD.finditer(text):
        if word[0].isascii():
            some = True
        elif {_kind(char) for char in word[0]} - {"latin", "twin"}:
            return False
    return some


@lru_cache(maxsize=8192)
def _kind(char: str) -> str:
    if is_latin(char):
        return "latin"
    if char in _twins():
        return "twin"
    return "cousin" if char in _cousins() else "other"


@cache
def _twins() -> dict[str, str]:
    """Letters that can't be told from a Latin one, in either case."""
    table: dict[str, str] = {}
    for char, name, latin in _confusable():
        if name.startswith(_ALPHABETS):
            table.setdefault(char, latin.upper() if char.isupper() else latin)
    return table


@cache
def look_alikes() -> dict[str, str]:
    """Give Latin letters that are drawn much like a usual one, with that one.

    To be taken for it only where a known word comes out: Turkish and phonetic writing
    have them too.
    """
    table = {"ƒ": "f"}
    for char, _name, latin in _confusable():
        if is_latin(char):
            table.setdefault(char, latin)
    return table


def _confusable() -> Iterator[tuple[str, str, str]]:
    """Yield letters that are confused with an ASCII one: the letter, its name, that one."""
    for latin in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        for entry in confusables_data.get(latin, ()):
            char = entry["c"]
            if len(char) == 1 and char.isalpha() and not char.isascii():
                yield char, entry["n"], latin


@cache
def _cousins() -> dict[str, str]:
    """Letters that pass for a Latin one only within a Latin word. Not in the table."""
    greek = dict(zip("εκητωΣςβΛ", "ekntwEsbA", strict=True))
    return greek | dict(zip("вкмнтипгяДЯИП", "bkmhtunrrARNN", strict=True))
