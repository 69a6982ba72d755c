"""Letters without their disguises: the form in which the lists of words are matched.

`fold` gives a text without accents, look-alike letters of other alphabets, invisible
and stretched letters. Digits for letters (`sh1t`) stay, because the matcher of
`checks/terms.py` reads both ways. It is not for reading: `plain.py` is.
"""

import re
import unicodedata
from functools import cache, lru_cache

from confusable_homoglyphs.confusables import confusables_data

from moderation.reading.reading import Draft, Reading


def fold(reading: Reading) -> Reading:
    """Give the text without accents, look-alikes, invisible and stretched letters."""
    return shorten(unadorn(reading), 1)


def unadorn(reading: Reading) -> Reading:
    """Give the text in small letters, without accents, look-alikes and invisible letters."""
    if reading.text.isascii():
        return Reading(folded_ascii(reading.text), reading.starts, reading.ends)
    draft, same_from = Draft(reading), 0
    for at, char in enumerate(reading.text):
        folded = folded_char(char)
        if folded != char:
            draft.keep(same_from, at)
            draft.put(folded, at, at + 1)
            same_from = at + 1
    draft.keep(same_from, len(reading.text))
    return draft.done()


def shorten(reading: Reading, longest_run: int) -> Reading:
    """Give the text with stretched letters cut short.

    longest_run  what three or more of the same letter become: 1 reads `fuuuck`,
                 2 reads `asssss`
    """
    draft, at = Draft(reading), 0
    for run in _STRETCHED_LETTER.finditer(reading.text):
        draft.keep(at, run.start() + longest_run - 1)
        draft.put(run[1], run.start() + longest_run - 1, run.end())
        at = run.end()
    if at == 0:
        return reading
    draft.keep(at, len(reading.text))
    return draft.done()


def spelled(reading: Reading) -> Reading:
    """Give the words that are spelled letter by letter (`f u c k`, `f.u.c.k`), joined.

    One word a line; empty where there is none. Groups of letters are left
    alone, so that `as s` stays as it is.
    """
    draft = Draft(reading)
    for run in _SPELLED.finditer(reading.text):
        letters = [at for at in range(*run.span()) if reading.text[at].isalnum()]
        if sum(reading.text[at].isalpha() for at in letters) * 2 < len(letters):
            continue
        for at in letters:
            draft.keep(at, at + 1)
        draft.put("\n", run.end() - 1, run.end())
    return draft.done()


# Of a spelled word each letter stands alone, with the same few separators between.
_SPELLED = re.compile(r"(?<![^\W_])[^\W_](?:[ .\-_*·•/|,~+]{1,3}+[^\W_](?![^\W_])){2,}+")
_STRETCHED_LETTER = re.compile(r"([^\W\d_])\1{2,}+")


def folded_ascii(text: str) -> str:
    """Give a text of ASCII alone as it folds."""
    # An underscore joins words for a program, not for a reader.
    return text.lower().replace("_", " ")


@lru_cache(maxsize=16384)
def folded_char(char: str) -> str:
    """Give one code point as it folds; may be none, or several."""
    if char.isascii():
        return folded_ascii(char)
    looks_like = _look_alikes()
    parts = unicodedata.normalize("NFKD", char).casefold()
    # Casefolding may compose or expand again, so marks are dropped after it.
    bare = (part for part in unicodedata.normalize("NFKD", parts) if not _is_ornament(part))
    return "".join(looks_like.get(part, part) for part in bare)


def _is_ornament(char: str) -> bool:
    """Whether a character changes how a word looks, but not how it is read.

    Vowel signs and voicing marks of other scripts are letters to their readers, and
    stay; accents, overlays, Hebrew and Arabic points go.
    """
    category = unicodedata.category(char)
    if category == "Mn":
        place = unicodedata.combining(char)
        return place == 1 or 10 <= place <= 35 or place >= 200 or char in _SELECTORS
    return category in ("Cf", "Me") or char in "\u115f\u1160\u3164\uffa0"


_SELECTORS = frozenset(
    [chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))] + ["\u034f"]
)


@cache
def _look_alikes() -> dict[str, str]:
    """Small letters of other alphabets that look like an ASCII one.

    Only small ones, and after casefolding: Cyrillic `В` looks like B but `в` does
    not, and a word must fold the same in either case.
    """
    scripts = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE")
    table: dict[str, str] = {}
    for letter in "abcdefghijklmnopqrstuvwxyz":
        for entry in confusables_data[letter]:
            char = entry["c"].strip("\u200e")
            if len(char) == 1 and char == char.casefold() and entry["n"].startswith(scripts):
                table.setdefault(char, letter)
    # Letters with a stroke have no decomposition and no single-letter look-alike.
    return table | dict(zip("øłđħŧıɨʉƀɇɍƒ", "oldhtiiuberf", strict=True))
