"""Emoji as words: a model that has learnt from words reads `thumbs up`, not a picture.

Names are those of the `emoji` package, between spaces, without the colour of the skin.
We look emoji up ourselves, because the package gives no places for what it replaces.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from emoji import EMOJI_DATA, demojize

from moderation.reading.reading import Edit

_FIRST = frozenset(one[0] for one in EMOJI_DATA)
_MAYBE = re.compile("[#*0-9]\ufe0f?\u20e3|[\xa9\xae\u203c-\u32ff\U0001f000-\U0001faff]")
_PLAIN_LETTERS = re.compile("[\U0001f150-\U0001f169\U0001f170-\U0001f189]")
_DROPPED = re.compile("[\U0001f3fb-\U0001f3ff\ufe0e\ufe0f]")
_LONGEST = max(map(len, EMOJI_DATA))


def emoji_edits(text: str) -> Iterator[Edit]:
    """Yield each emoji, with the spaces around it, and what is read for it."""
    end = 0
    for maybe in _MAYBE.finditer(text):
        at = maybe.start()
        size = 0 if at < end else _size(text, at)
        if size and not _is_letter(text, at):
            name = _name(text[at : at + size])
            start, last = _with_spaces(text, at, at + size, end)
            # An emoji before this one has left a space behind it.
            yield start, last, name[1:] if start == end and end else name
            end = last


def _size(text: str, at: int) -> int:
    """Code points of the longest emoji that begins here; 0 if none does."""
    if text[at] not in _FIRST:
        return 0
    for size in range(min(_LONGEST, len(text) - at), 0, -1):
        if text[at : at + size] in EMOJI_DATA:
            return size
    return 0


@lru_cache(maxsize=2048)
def _name(picture: str) -> str:
    bare = _DROPPED.sub("", picture)
    named = demojize(bare, delimiters=(" ", " ")).replace("\u200d", " ")
    return " ".join(["", *named.replace("_", " ").replace("-", " ").split(), ""])


def _with_spaces(text: str, start: int, end: int, after: int) -> tuple[int, int]:
    while start > after and text[start - 1] == " ":
        start -= 1
    # Variation selectors and skin colours that don't belong to an emoji of the list.
    while end < len(text) and (text[end] == " " or _DROPPED.match(text[end])):
        end += 1
    return start, end


def _is_letter(text: str, at: int) -> bool:
    """Whether a letter in a box stands for a letter, as it does beside others."""
    if not _PLAIN_LETTERS.match(text[at]):
        return False
    beside = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
    return any(char.isalpha() or _PLAIN_LETTERS.match(char) for char in beside)
