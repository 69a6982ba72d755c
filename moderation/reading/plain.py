"""The text behind its disguises, for models that have learnt from ordinary writing.

Where `letters.fold` turns every text into another one, `plain` leaves ordinary writing
as it is, with its case, accents and punctuation, and undoes only what was done to hide
a word: letters from elsewhere, stretched letters, letters set apart, digits and
signs for letters, stars.

Digits, stars, stretching and letters that only look alike are undone only where a word that
we know comes out, rude (`lexicon.strengths`) or often hidden (`lexicon.disguised`): `C3PO`,
`mp3`, `covid19` and `ch4nnel4` show how often the general rule would be wrong.

Each step looks for its own signs and takes the text as it is where there are none, so
that an ordinary comment costs a few searches. What is looked up is bounded in length,
so all steps are linear.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise, product

from moderation.reading import lexicon
from moderation.reading.masked import MaskedWords
from moderation.reading.pictures import emoji_edits
from moderation.reading.reading import Edit, Reading, edited
from moderation.reading.signs import (
    FOREIGN_WORD,
    alphabet_edits,
    composed_edits,
    invisible_edits,
    look_alikes,
)

LONGEST_WORD = 32
"""Letters of the longest disguised word that is looked up."""
LONGEST_RUN = 1024
"""Letters of the longest spelled text that is parted into words."""
LONGEST_PART = 16
"""Letters of the longest word that is looked for in such a text."""
MOST_RUNS = 4
"""Stretched letters of one word that are tried both short and double."""


def plain(reading: Reading) -> Reading:
    """Give what a reader reads behind what was typed; ordinary words stay as they are."""
    if not reading.text.isascii():
        reading = edited(reading, emoji_edits(reading.text))
        reading = edited(reading, invisible_edits(reading.text))
        reading = edited(reading, composed_edits(reading.text))
    elif _CONTROL.search(reading.text):
        reading = edited(reading, invisible_edits(reading.text))
    reading = edited(reading, _gap_edits(reading.text))
    if not reading.text.isascii():
        reading = edited(reading, alphabet_edits(reading.text))
        reading = edited(reading, _look_alike_edits(reading.text))
    reading = edited(reading, _stretched_edits(reading.text))
    reading = edited(reading, _digit_edits(reading.text))
    return edited(reading, _star_edits(reading.text))


_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")


@cache
def _ordered() -> list[str]:
    """Single words that a disguise may hide, in small letters; English ones first."""
    words = [*lexicon.strengths(), *sorted(lexicon.disguised())]
    return list(dict.fromkeys(word for word in words if word.isalpha()))


@cache
def _known() -> frozenset[str]:
    return frozenset(_ordered())


# --- Letters set apart ------------------------------------------------------------

_SEPARATED = re.compile(r"[ .\-_*·•/|,~+][^\W_][ .\-_*·•/|,~+]{1,3}[^\W_](?![^\W_])")
_APART = re.compile(r"(?<![^\W_])(?<!['’])[^\W_](?:[ .\-_*·•/|,~+]{1,3}+[^\W_](?![^\W_])){2,}+")
_LOOSE = frozenset(" .-_*·•")
_BETWEEN = frozenset(
    "a an i u r am are be is it he she we you your they them this that the and all so to of off"
    " go get up my me in on no not will should must can yes big little such what who".split()
)
"""Words between the known ones, in texts that are spelled from end to end."""


def _gap_edits(text: str) -> Iterator[Edit]:
    """Yield the gaps in words that are spelled letter by letter."""
    if not _SEPARATED.search(text):
        return
    for run in _APART.finditer(text):
        yield from _joined(text, run.start(), run.end())


def _joined(text: str, start: int, end: int) -> list[Edit]:
    places = [at for at in range(start, end) if text[at].isalnum()]
    gaps = [(a + 1, b) for a, b in pairwise(places)]
    narrow = min(end - start for start, end in gaps)
    words: list[list[int]] = [[places[0]]]
    for at, (first, last) in zip(places[1:], gaps, strict=True):
        if last - first > narrow:
            words.append([])
        words[-1].append(at)
    spelled = ["".join(text[at] for at in word) for word in words]
    if not _is_spelled(spelled, set(text[start:end])):
        return []
    return [edit for word in words for edit in _closed(text, word)]


def _closed(text: str, places: list[int]) -> Iterator[Edit]:
    """Close the gaps of one group of letters, but for those where a word ends."""
    parts = _words_in("".join(text[at] for at in places).lower())
    for at, (before, after) in enumerate(pairwise(places), 1):
        shown = " " if at in parts else ""
        if text[before + 1 : after] != shown:
            yield before + 1, after, shown


def _words_in(letters: str) -> set[int]:
    """Where the words of a run of letters begin, if it is made of known and common ones.

    As few words as possible; none where it is not, or is one.
    """
    if letters in _known() or len(letters) > LONGEST_RUN:
        return set()
    best: list[tuple[int, int] | None] = [(0, 0)]  # how many words reach here, the last one's start
    for end in range(1, len(letters) + 1):
        ways = (
            (before[0] + 1, start)
            for start in range(max(0, end - LONGEST_PART), end)
            if (before := best[start]) and _is_part(letters[start:end])
        )
        best.append(min(ways, default=None))
    parts: set[int] = set()
    at = len(letters)
    while reached := best[at]:
        at = reached[1]
        if at == 0:
            return parts
        parts.add(at)
    return set()


def _is_part(word: str) -> bool:
    return word in _known() or word in _BETWEEN


def _is_spelled(words: list[str], signs: set[str]) -> bool:
    """Whether letters set apart are words: not a list, an abbreviation or a sum."""
    if any(_reading(word) for word in words if len(word) <= LONGEST_WORD):
        return True
    if not all(word.isalpha() for word in words) or max(map(len, words)) < 4:
        return False
    separators = {sign for sign in signs if not sign.isalnum()}
    if not separators <= _LOOSE:
        return False
    # U.S.S.R. and its kin; a list of letters in order.
    abbreviated = "." in separators and words[0].isupper()
    return not abbreviated and not any(_in_order(word.lower()) for word in words)


def _in_order(word: str) -> bool:
    return len(word) > 2 and all(ord(a) < ord(b) for a, b in pairwise(word))


def _reading(word: str) -> str | None:
    """The known word behind one that may have digits in it."""
    lower = word.lower()
    return lower if lower in _known() else _behind_digits(lower)


# --- Letters that look like others ------------------------------------------------


def _look_alike_edits(text: str) -> Iterator[Edit]:
    """Yield unusual Latin letters by whose usual look-alikes a known word comes out."""
    table = look_alikes()
    for word in FOREIGN_WORD.finditer(text):
        if len(word[0]) > LONGEST_WORD:
            continue
        shown = "".join(table.get(char, char) for char in word[0])
        if shown != word[0] and shown.lower() in _known():
            for at, (typed, char) in enumerate(zip(word[0], shown, strict=True), word.start()):
                if typed != char:
                    yield at, at + 1, char


# --- Stretched letters ------------------------------------------------------------

# A wide net of characters is looked through faster than the letters alone.
_STRETCHED = re.compile(r"([A-Za-z\xaa-\U0010ffff])(?i:\1){2,}+")

# www, XXX, iii; Louis XVIII; AmeriKKKa; 0xFFFF has a digit beside it.
_NO_STRETCH = re.compile("...|[IVXLCDM]+|[A-Za-z]*?KKK[a-z]*")


def _stretched_edits(text: str) -> Iterator[Edit]:
    """Yield what is too much of stretched letters: two stay, or one in a known word."""
    done = 0
    for run in _STRETCHED.finditer(text):
        if run.start() < done or not run[1].isalpha():
            continue
        start, end = _word_around(text, *run.span()) or run.span()
        done = end
        beside = text[max(start - 1, 0) : start] + text[end : end + 1]
        if _NO_STRETCH.fullmatch(text, start, end) or any(map(str.isdigit, beside)):
            continue
        runs = [one.span() for one in _STRETCHED.finditer(text, start, end) if one[1].isalpha()]
        lengths = _lengths(text, start, end, runs)
        for (first, last), length in zip(runs, lengths, strict=True):
            if last - first > length:
                yield first + length, last, ""


def _lengths(text: str, start: int, end: int, runs: list[tuple[int, int]]) -> tuple[int, ...]:
    """How many letters of each run stay."""
    kept = end - start - sum(last - first for first, last in runs)
    if len(runs) <= MOST_RUNS and kept <= LONGEST_WORD:
        for lengths in product((1, 2), repeat=len(runs)):
            if _shortened(text, start, end, runs, lengths).lower() in _known():
                return lengths
    return (2,) * len(runs)


def _shortened(
    text: str, start: int, end: int, runs: list[tuple[int, int]], lengths: tuple[int, ...]
) -> str:
    pieces, at = [], start
    for (first, last), length in zip(runs, lengths, strict=True):
        pieces.append(text[at : first + length])
        at = last
    return "".join(pieces) + text[at:end]


def _word_around(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The letters around a piece of a word; None if they are more than a word has."""
    first, last = start, end
    while first > 0 and text[first - 1].isalpha():
        first -= 1
        if start - first > LONGEST_WORD:
            return None
    while last < len(text) and text[last].isalpha():
        last += 1
        if last - end > LONGEST_WORD:
            return None
    return first, last


# --- Digits and signs for letters -------------------------------------------------

_SIGN = re.compile(r"[0-9@$€+|!¡](?:(?=[^\W\d_])|(?<=[^\W\d_].))")
_TOKEN = re.compile(r"[0-9@$€+|!¡]|[^\W_]")
_PUNCTUATION = "!|+¡"
_CLASSES = {"o": "0", "i": "1l!|¡", "e": "3€", "a": "4@", "s": "5$", "t": "7+", "b": "8", "g": "96"}
_CLASSES |= {"z": "2"}
_CLASS_OF = str.maketrans({sign: key for key, signs in _CLASSES.items() for sign in signs})


def _digit_edits(text: str) -> Iterator[Edit]:
    """Yield digits and signs that stand for letters in a known word."""
    done = 0
    for sign in _SIGN.finditer(text):
        if sign.start() < done:
            continue
        start, done = _token_around(text, sign.start(), done)
        token = text[start:done].rstrip(_PUNCTUATION)
        if len(token) > LONGEST_WORD or token.isalpha():
            continue
        word = _behind_digits(token.lower())
        for at, letter in enumerate(word or "", start):
            if not text[at].isalpha():
                yield at, at + 1, letter.upper() if _in_capitals(token) else letter


def _token_around(text: str, at: int, after: int) -> tuple[int, int]:
    """Letters, digits and signs around a place, as far as a word may reach."""
    start, end = at, at + 1
    while start > after and at - start <= LONGEST_WORD and _TOKEN.match(text[start - 1]):
        start -= 1
    while end < len(text) and _TOKEN.match(text[end]):
        end += 1
    return start, end


def _in_capitals(token: str) -> bool:
    return token.isupper() and sum(map(str.isalpha, token)) > 1


def _behind_digits(token: str) -> str | None:
    """The known word that a token of small letters, digits and signs is read as."""
    if len(token) < 3 or not (_SURE.search(token) or sum(map(str.isalpha, token)) > 1):
        return None  # a55 is a road
    for word in _by_class().get(token.translate(_CLASS_OF), ()):
        if all(a == b or not a.isalpha() for a, b in zip(token, word, strict=True)):
            return word
    return None


_SURE = re.compile("[a-z].*[@$€]|[@$€].*[a-z]")


@cache
def _by_class() -> dict[str, list[str]]:
    """The known words by what they are when letters with the same signs are one."""
    found: dict[str, list[str]] = {}
    for word in _ordered():
        found.setdefault(word.translate(_CLASS_OF), []).append(word)
    return found


# --- Stars ------------------------------------------------------------------------

_STAR = re.compile(r"[*#•@%&?^~+$!_-](?:(?<=[*#•])|(?<=--)|(?<=[^*#•-])(?=[^\W\d_]))")


def _star_edits(text: str) -> Iterator[Edit]:
    """Yield the stars in the middle of a word that we know."""
    if not _STAR.search(text):
        return
    for word, start, end in _masked().find(text):
        shout = _in_capitals(text[start:end])
        for at, letter in zip(range(start, end), word, strict=True):
            if not text[at].isalpha():
                yield at, at + 1, letter.upper() if shout else letter


@cache
def _masked() -> MaskedWords:
    words = lexicon.strengths()
    return MaskedWords({word: words[word] for word in words if word.isascii()})
