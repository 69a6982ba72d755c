"""What a reader sees behind what was typed, with spans that map back to it.

A comment is stored as it was typed, but it is read as it is shown: without tags,
with entities decoded, with `f<b>u</b>ck` as one word. The checks look at the second
and must point into the first, so every text here carries, for each code point, the
place of the body it came from.

`fold` goes one step further, to a form in which the usual disguises are gone:
accents, look-alike letters of other alphabets, invisible characters, stretched
letters. Digits for letters (`sh1t`) stay, because the matcher of
`checks/terms.py` reads both ways.

Everything is linear in the length of the body: markup is read by our own scanner,
because the parsers at hand give no positions for what they leave out. What can't be
told from markup (a tag that never ends) is shown, not hidden.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b

from confusable_homoglyphs.confusables import confusables_data

from moderation.core.comment import Format

LONGEST_TAG = 4096
"""Code points up to which a `<` is looked at as a tag; bounds the work on a body
that opens tags and never closes them."""

_SPAN = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, and where in the body each of its code points came from."""

    text: str
    starts: Sequence[int]
    """First code point of the body behind each code point of the text."""
    ends: Sequence[int]
    """One past the last code point of the body behind each code point of the text."""

    def span(self, start: int, end: int) -> _SPAN:
        """Give the place of the body that `text[start:end]` came from."""
        if start < end:
            return self.starts[start], self.ends[end - 1]
        if start < len(self.text):
            return self.starts[start], self.starts[start]
        return (self.ends[-1], self.ends[-1]) if self.text else (0, 0)


class _Draft:
    """A reading in the making: pieces of another one, kept or replaced."""

    def __init__(self, source: Reading) -> None:
        self._source = source
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []

    def keep(self, start: int, end: int) -> None:
        """Take over a piece of the source as it is."""
        if start < end:
            self._pieces.append(self._source.text[start:end])
            self._starts.extend(self._source.starts[start:end])
            self._ends.extend(self._source.ends[start:end])

    def put(self, text: str, start: int, end: int) -> None:
        """Show `text` for a piece of the source."""
        first, last = self._source.span(start, end)
        self._pieces.append(text)
        self._starts.extend([first] * len(text))
        self._ends.extend([last] * len(text))

    def done(self) -> Reading:
        """Close the draft."""
        return Reading("".join(self._pieces), self._starts, self._ends)


def read(body: str, format: Format = Format.TEXT) -> Reading:
    """Give the text that a reader sees of a body in this format."""
    if format is Format.HTML:
        return _without_tags(body)
    if format is Format.MARKDOWN:
        return _without_marks(_without_tags(body))
    return _as_is(body)


def content_key(body: str) -> str:
    """Give a short hash by which a repeated comment is known; equal keys read the same.

    Case, spacing and punctuation don't count; emoji and other symbols do.
    """
    folded = "".join(_folded_char(char) for char in body)
    bare = "".join(char if _counts(char) else " " for char in folded)
    squeezed = " ".join((bare if bare.strip() else _STRETCHED.sub(r"\1", folded)).split())
    return blake2b(squeezed.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def fold(reading: Reading) -> Reading:
    """Give the text without accents, look-alikes, invisible and stretched letters."""
    return shorten(unadorn(reading), 1)


def unadorn(reading: Reading) -> Reading:
    """Give the text in small letters, without accents, look-alikes and invisible letters."""
    if reading.text.isascii():
        return Reading(_folded_ascii(reading.text), reading.starts, reading.ends)
    draft, same_from = _Draft(reading), 0
    for at, char in enumerate(reading.text):
        folded = _folded_char(char)
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
    draft, at = _Draft(reading), 0
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
    draft = _Draft(reading)
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
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRETCHED = re.compile(r"(.)\1+", re.DOTALL)
_STRETCHED_LETTER = re.compile(r"([^\W\d_])\1{2,}+")


def _as_is(body: str) -> Reading:
    # Half a surrogate pair is nothing that can be shown, or handed to other libraries.
    body = body if body.isascii() else _SURROGATE.sub("\ufffd", body)
    return Reading(body, range(len(body)), range(1, len(body) + 1))


def _counts(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char)[0] not in "PC"


def _folded_ascii(text: str) -> str:
    # An underscore joins words for a program, not for a reader.
    return text.lower().replace("_", " ")


@lru_cache(maxsize=16384)
def _folded_char(char: str) -> str:
    if char.isascii():
        return _folded_ascii(char)
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
    return table | dict(zip("øłđħŧıɨʉƀɇɍ", "oldhtiiuber", strict=True))


# --- HTML -------------------------------------------------------------------------

_MARKUP = re.compile(
    r"<(?=[a-zA-Z/!?])|&(?:#\d{1,16}|#[xX][0-9a-fA-F]{1,16}|[a-zA-Z][a-zA-Z0-9]{1,31});?"
)
# Possessive throughout: no way of reading a tag is tried twice.
_TAG = re.compile(
    r"""</?([a-zA-Z][a-zA-Z0-9-]{0,31}+)(?=[\s/>])(?:[^<>"']++|"[^"]*+"|'[^']*+')*+>"""
)
_DECLARATION = re.compile(r"<[!?][^>]*+>")
_HREF = re.compile(
    r"""\bhref\s{0,8}=\s{0,8}(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++))""", re.IGNORECASE
)
_SOURCE_END = re.compile(r"</(?:script|style)\b", re.IGNORECASE)
_BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt figure footer form h1 h2 h3 h4 h5 h6"
    " header hr li main nav ol p pre section table td th tr ul".split()
)


def targets(body: str) -> Iterable[tuple[str, int, int]]:
    """Yield each `href` of an HTML body: its decoded value, first code point, end."""
    for tag in _tags(body):
        for href in _HREF.finditer(body, *tag.span()):
            kind = href.lastindex or 0
            if kind:
                yield html.unescape(href[kind]).strip(), *href.span(kind)


def _tags(body: str) -> Iterable[re.Match[str]]:
    at = body.find("<")
    while at >= 0:
        tag = _TAG.match(body, at, at + LONGEST_TAG)
        if tag:
            yield tag
        at = body.find("<", tag.end() if tag else at + 1)


def _without_tags(body: str) -> Reading:
    draft, at = _Draft(_as_is(body)), 0
    skips = _Skips(body)
    for mark in _MARKUP.finditer(body):
        start = mark.start()
        if start < at:
            continue
        if body[start] == "&":
            draft.keep(at, start)
            draft.put(html.unescape(mark[0]), *mark.span())
            at = mark.end()
            continue
        end, breaks = skips.over(start)
        if end > start:
            draft.keep(at, start)
            if breaks:
                draft.put("\n", start, end)
            at = end
    draft.keep(at, len(body))
    return draft.done()


class _Skips:
    """Where the markup that begins at a `<` ends. Never searches the rest twice in vain."""

    def __init__(self, body: str) -> None:
        self._body = body
        self._no_comment_end = self._no_source_end = False

    def over(self, start: int) -> tuple[int, bool]:
        """Give the end of the markup, or `start` if it is none, and if it breaks a line."""
        if self._body.startswith("<!--", start):
            return self._comment(start), False
        declaration = _DECLARATION.match(self._body, start, start + LONGEST_TAG)
        if declaration:
            return declaration.end(), False
        tag = _TAG.match(self._body, start, start + LONGEST_TAG)
        if not tag:
            return start, False
        name = tag[1].lower()
        if name in ("script", "style") and self._body[start + 1] != "/":
            return self._source(tag.end()), False
        return tag.end(), name in _BLOCKS

    def _comment(self, start: int) -> int:
        end = -1 if self._no_comment_end else self._body.find("-->", start + 2)
        self._no_comment_end = end < 0
        return start if end < 0 else end + 3

    def _source(self, start: int) -> int:
        end = None if self._no_source_end else _SOURCE_END.search(self._body, start)
        self._no_source_end = end is None
        return end.start() if end else start


# --- Markdown ---------------------------------------------------------------------

_MARK = re.compile(
    r"""(?P<escape>\\[!-/:-@\[-`{-~])
    |(?P<line>^[ ]{0,3}(?:\#{1,6}(?=\s)|>{1,9}|[-*+](?=\s)|`{3,9}[^\n`]*+$|~{3,9}[^\n~]*+$))
    |(?P<gap>\n[ \t]*+\n)
    |(?P<run>\*++|_++|~~++|`++)
    |(?P<open>!?\[)
    |(?P<link>\]\()
    |(?P<close>\])""",
    re.VERBOSE | re.MULTILINE,
)


def _without_marks(source: Reading) -> Reading:
    draft, at = _Draft(source), 0
    for start, end in sorted(_Marks(source.text).dropped()):
        if start >= at:
            draft.keep(at, start)
            at = end
    draft.keep(at, len(source.text))
    return draft.done()


class _Marks:
    """The characters of a Markdown text that mark it up: emphasis, headings, links.

    Close to CommonMark where readers of comments would notice, and no closer.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._dropped: list[_SPAN] = []
        self._runs: dict[str, list[_SPAN]] = {}
        self._brackets: list[_SPAN] = []
        self._link_end = 0

    def dropped(self) -> list[_SPAN]:
        """Give the spans to leave out, in no order."""
        for mark in _MARK.finditer(self._text):
            if mark.start() >= self._link_end:
                self._take(mark.lastgroup or "", *mark.span())
        return self._dropped

    def _take(self, kind: str, start: int, end: int) -> None:
        match kind:
            case "escape":
                self._dropped.append((start, start + 1))
            case "line":
                self._dropped.append((start, end))
            case "gap":
                self._runs.clear()
                self._brackets.clear()
            case "run":
                self._pair(start, end)
            case "open":
                self._brackets.append((start, end))
            case "close" if self._brackets:
                self._brackets.pop()
            case "link" if self._brackets:
                self._link(self._brackets.pop(), start)

    def _link(self, opened: _SPAN, start: int) -> None:
        end = self._text.find(")", start, start + LONGEST_TAG)
        if end >= 0 and "\n\n" not in self._text[start:end]:
            self._dropped += [opened, (start, end + 1)]
            self._link_end = end + 1

    def _pair(self, start: int, end: int) -> None:
        """Match a run of `*`, `_`, `~` or a backtick with the one that opened it."""
        kind = self._text[start]
        before, after = self._text[start - 1 : start], self._text[end : end + 1]
        inside_word = kind == "_" and before.isalnum() and after.isalnum()
        opened = self._runs.setdefault(kind, [])
        if before.strip() and opened and not inside_word:
            first, last = opened.pop()
            length = min(last - first, end - start)
            self._dropped += [(last - length, last), (start, start + length)]
        elif after.strip() and not inside_word:
            opened.append((start, end))
