"""HTML and Markdown as they are shown.

Markup is read by our own scanner, in time linear in the length of the body, because
the parsers at hand give no positions for what they leave out. What can't be told from
markup (a tag that never ends) is shown, not hidden.
"""

import html
import re
from collections.abc import Iterable

from moderation.reading.reading import Draft, Reading, Span

LONGEST_TAG = 4096
"""Code points up to which a `<` is looked at as a tag; bounds the work on a body
that opens tags and never closes them."""

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


def without_tags(source: Reading) -> Reading:
    """Give an HTML body, as it was typed, as a browser shows it."""
    draft, at, body = Draft(source), 0, source.text
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


def without_marks(source: Reading) -> Reading:
    """Give a Markdown text without the characters that mark it up."""
    draft, at = Draft(source), 0
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
        self._dropped: list[Span] = []
        self._runs: dict[str, list[Span]] = {}
        self._brackets: list[Span] = []
        self._link_end = 0

    def dropped(self) -> list[Span]:
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

    def _link(self, opened: Span, start: int) -> None:
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
