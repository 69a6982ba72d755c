"""The first stage of the bundled model: hashed words and letters, added up.

A text is the set of its words, its pairs of words, and the runs of two to five letters
in its words; each is hashed to a place in a table of weights (feature hashing,
Weinberger et al. 2009). Letters see through misspelling, pairs see "kill bill".
It takes microseconds, and each word's part in a score is exact.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 18
"""Places of each of the two tables: one for words and pairs, one for runs of letters."""
SHORTEST_RUN, LONGEST_RUN = 2, 5
LONGEST_WORD = 40
"""Letters of a word that are looked at; longer ones are links or noise."""
MOST_WORDS = 10_000
"""As many as the longest comment can have."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[!?]+")

Weights = NDArray[np.float32]
Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Features:
    """What a text consists of, as places of the tables, word by word."""

    spans: Spans
    """First code point and end of each word."""
    words: list[int]
    """Of each word."""
    pairs: list[int]
    """Of each word with the one before; of the first, with nothing."""
    runs: list[Sequence[int]]
    """Of the letters of each word; in the second table."""

    def blocks(self) -> tuple[list[int], list[int]]:
        """Give the different places in the first and the second table."""
        return [*{*self.words, *self.pairs}], [*{at for runs in self.runs for at in runs}]

    def parts(self, length: int) -> Iterator["Features"]:
        """Give so many words at a time, each part half over the one before; none if all fit."""
        count = len(self.spans)
        for start in range(0, count - length // 2, length // 2) if count > length else ():
            cut = slice(start, start + length)
            yield Features(self.spans[cut], self.words[cut], self.pairs[cut], self.runs[cut])


def features(text: str) -> Features:
    """Take a text apart; of a very long one, the first words."""
    spans: Spans = []
    words, pairs, runs = [], [], []
    before = 0
    for found in _WORD.finditer(text):
        if len(spans) == MOST_WORDS:
            break
        code, letters = _word(found[0][:LONGEST_WORD].lower())
        spans.append(found.span())
        words.append(code % BUCKETS)
        pairs.append((before * 31 + code + 7) % BUCKETS)
        runs.append(letters)
        before = code
    return Features(spans, words, pairs, runs)


@lru_cache(maxsize=16_384)  # 94 % of the words of mixed comments
def _word(word: str) -> tuple[int, Sequence[int]]:
    bounded = f" {word} "
    runs = {
        BUCKETS + crc32(bounded[at : at + length].encode("utf-8", "replace")) % BUCKETS
        for length in range(SHORTEST_RUN, LONGEST_RUN + 1)
        for at in range(len(bounded) - length + 1)
    }
    return crc32(word.encode("utf-8", "replace")), array("i", sorted(runs))  # four bytes each


class LinearStage:
    """Weights for each place and attribute. Safe to share between threads."""

    def __init__(self, table: NDArray[np.int8], scales: Weights, offsets: Weights) -> None:
        """Take what training left.

        table    shape (2 · BUCKETS, attributes)
        scales   what one step of the table is worth, for each attribute
        offsets  the logit of a text of which nothing is known
        """
        self._table = table
        self._scales = scales
        self._offsets = offsets

    @classmethod
    def load(cls, path: Path) -> "LinearStage":
        """Read the weights from a `.npz` file."""
        with np.load(path, allow_pickle=False) as file:
            return cls(file["table"], file["scales"], file["offsets"])

    def logits(self, found: Features) -> NDArray[np.float64]:
        """Give the logit of each attribute."""
        total = np.zeros(len(self._scales))
        for places in found.blocks():
            if places:
                total += self._table[places].sum(0, dtype=np.int64) / len(places) ** 0.5
        return np.asarray(total * self._scales + self._offsets)

    def parts(self, found: Features) -> NDArray[np.float64]:
        """Give what each word adds to each logit; shape (words, attributes).

        What occurs more than once counts once, so its part is shared out evenly. They
        and the offsets add up to the logits.
        """
        if not found.spans:
            return np.zeros((0, len(self._scales)))
        whole, norm = self._shared([*found.words, *found.pairs])
        parts = (whole[: len(found.spans)] + whole[len(found.spans) :]) / norm
        letters, norm = self._shared([at for runs in found.runs for at in runs])
        begins = np.cumsum([0, *(len(runs) for runs in found.runs[:-1])])
        parts += np.add.reduceat(letters, begins) / norm
        return np.asarray(parts * self._scales)

    def _shared(self, places: list[int]) -> tuple[NDArray[np.float64], float]:
        """Give each place's steps, divided by how often it occurs, and the block's norm."""
        different, which, often = np.unique(places, return_inverse=True, return_counts=True)
        return self._table[places] / often[which, None], len(different) ** 0.5
