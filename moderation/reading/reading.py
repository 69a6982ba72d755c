"""A text as it is read, with the place of the body behind each of its code points.

Every step from what was typed to what is read keeps these places, so that whatever a
check finds in the last step can be marked in what the author wrote.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Span = tuple[int, int]
"""First code point, and one past the last."""

Edit = tuple[int, int, str]
"""A piece of a text, and what is read for it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, and where in the body each of its code points came from."""

    text: str
    starts: Sequence[int]
    """First code point of the body behind each code point of the text."""
    ends: Sequence[int]
    """One past the last code point of the body behind each code point of the text."""

    def span(self, start: int, end: int) -> Span:
        """Give the place of the body that `text[start:end]` came from."""
        if start < end:
            return self.starts[start], self.ends[end - 1]
        if start < len(self.text):
            return self.starts[start], self.starts[start]
        return (self.ends[-1], self.ends[-1]) if self.text else (0, 0)


class Draft:
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


def as_is(body: str) -> Reading:
    """Give a body as it was typed."""
    return Reading(body, range(len(body)), range(1, len(body) + 1))


def edited(reading: Reading, edits: Iterable[Edit]) -> Reading:
    """Give the reading with these pieces replaced: in order, none over another."""
    draft, at = Draft(reading), 0
    for start, end, text in edits:
        draft.keep(at, start)
        draft.put(text, start, end)
        at = end
    if at == 0:
        return reading
    draft.keep(at, len(reading.text))
    return draft.done()
