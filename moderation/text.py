"""What a reader sees behind what was typed, with spans that map back to it.

A comment is stored as it was typed, but it is read as it is shown: without tags,
with entities decoded, with `f<b>u</b>ck` as one word. The checks look at the second
and must point into the first, so every text here carries, for each code point, the
place of the body it came from.

Two steps go further, for two kinds of readers. `fold` is for lists of words: small
letters without accents, look-alikes and stretching. `plain` is for models, which are
trained on ordinary writing: it undoes the disguises and leaves the rest as it was.

Everything is linear in the length of the body. The room `reading/` does the work; this
is its door.
"""

import re
import unicodedata
from hashlib import blake2b

from moderation.core.comment import Format
from moderation.reading.letters import fold, folded_ascii, folded_char, shorten, spelled, unadorn
from moderation.reading.markup import targets, without_marks, without_tags
from moderation.reading.plain import plain
from moderation.reading.reading import Reading, as_is

__all__ = [
    "Reading",
    "content_key",
    "fold",
    "plain",
    "read",
    "shorten",
    "spelled",
    "targets",
    "unadorn",
]


def read(body: str, format: Format = Format.TEXT) -> Reading:
    """Give the text that a reader sees of a body in this format."""
    # Half a surrogate pair is nothing that can be shown, or handed to other libraries.
    shown = as_is(body if body.isascii() else _SURROGATE.sub("\ufffd", body))
    if format is Format.HTML:
        return without_tags(shown)
    if format is Format.MARKDOWN:
        return without_marks(without_tags(shown))
    return shown


def content_key(body: str) -> str:
    """Give a short hash by which a repeated comment is known; equal keys read the same.

    Case, spacing and punctuation don't count; emoji and other symbols do.
    """
    if body.isascii():
        folded = folded_ascii(body)
        bare = folded.translate(_ASCII_THAT_COUNTS)
    else:
        folded = "".join(folded_char(char) for char in body)
        bare = "".join(char if _counts(char) else " " for char in folded)
    squeezed = " ".join((bare if bare.strip() else _STRETCHED.sub(r"\1", folded)).split())
    return blake2b(squeezed.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


_SURROGATE = re.compile("[\ud800-\udfff]")
_STRETCHED = re.compile(r"(.)\1+", re.DOTALL)


def _counts(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char)[0] not in "PC"


_ASCII_THAT_COUNTS = {at: chr(at) if _counts(chr(at)) else " " for at in range(128)}
