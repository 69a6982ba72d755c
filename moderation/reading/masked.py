"""Words whose middle is starred or dashed out: `f*ck`, `motherf***er`, `f--k`, `f@ck`."""

import re
from collections.abc import Iterator, Mapping

LONGEST_MASKED = 24
"""Characters of the longest word with stars that is looked up."""
MOST_MASKED = 200
"""Different words with stars that are looked up in one comment."""

USUAL = (
    "fuck fucks fucked fucker fucking fuckers fuckin motherfucker motherfuckers motherfucking"
    " shit shits shitty bullshit bitch bitches ass asses asshole assholes bastard bastards"
    " damn dick dicks crap cunt cunts nigger niggers nigga pussy whore slut"
).split()
"""What everybody reads, where several words would fit: the first that does."""


class MaskedWords:
    """Finds the words that can only be read as one of a list; the mildest of those."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._by_shape: dict[tuple[str, int], list[str]] = {}
        self._values = {word: value for word, value in values.items() if word.isalpha()}
        for word in self._values:
            self._by_shape.setdefault((word[0], len(word)), []).append(word)

    def find(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Yield each word that is read, and where in the text it stands; in order."""
        known: dict[str, str | None] = {}
        for token in _MASKED.finditer(text):
            word = token[0].lower().replace(_DOTTED, "i")
            if word not in known and len(known) < MOST_MASKED:
                known[word] = self._read(word)
            if term := known.get(word):
                yield term, *token.span()

    def _read(self, word: str) -> str | None:
        first_gap = next(at for at, char in enumerate(word) if not char.isalpha())
        if not 3 <= len(word) <= LONGEST_MASKED or len(word) - first_gap == 1:
            return None
        usual = next((one for one in USUAL if one in self._values and _fits(word, one)), None)
        if word[first_gap] not in _GAPS and len(word) == 3:
            return None
        if usual or not _is_masked(word):
            return usual
        fits = (term for term in self._by_shape.get((word[0], len(word)), ()) if _fits(word, term))
        return min(fits, key=self._values.__getitem__, default=None)


_DOTTED = "İ".lower()
"""The one letter whose small form is two code points; places would shift behind it."""
_GAPS = "*#•-"
# A letter, then letters and gaps; a single dash is a hyphen, not a gap. Or one other sign.
_MASKED = re.compile(
    r"(?<![\w*#-])[^\W\d_]++"
    r"(?:(?:(?:[*#•]|-(?=-)|(?<=-)-)++[^\W\d_]*+)++|[@%&?^~+$!_][^\W\d_]++(?![\w@%&]))"
)


def _is_masked(word: str) -> bool:
    """Whether signs in a word hide letters; else they may be a dash, or the dots of a list."""
    return not word.endswith("-") and sum(map(str.isalpha, word)) > 1 and bool(_GAP.search(word))


_GAP = re.compile(f"[{_GAPS}]")


def _fits(masked: str, term: str) -> bool:
    return len(masked) == len(term) and all(
        a == b or not a.isalpha() for a, b in zip(masked, term, strict=True)
    )
