"""One fixed list of comments for all, so that every peer does the same work."""

import csv
import gzip
import random
from pathlib import Path
from statistics import NormalDist

from moderation.scoring.engine.prepared import reference_texts

MEDIAN_WORDS, NINTH_TENTH_WORDS = 38, 118
"""Lengths of news comments, as measured on several sites: log-normal, nearly."""
SOURCE = "perspective2k.csv.gz"
SEED = 4


def comments(count: int, data: Path | None) -> tuple[list[str], str]:
    """Give comments, in a fixed order, and where they are from.

    data  folder of labelled sets; without it, sentences of our own are strung together
          to the lengths that news comments have
    """
    chance = random.Random(SEED)
    file = data / SOURCE if data else None
    if file and file.is_file():
        with gzip.open(file, "rt", encoding="utf-8", newline="") as rows:
            texts = sorted({row["text"] for row in csv.DictReader(rows)})
        chance.shuffle(texts)
        return [texts[at % len(texts)] for at in range(count)], "comments of talk pages"
    words = " ".join(reference_texts()).split()
    spread = NormalDist(0, 1)
    ratio = (NINTH_TENTH_WORDS / MEDIAN_WORDS) ** (1 / spread.inv_cdf(0.9))
    lengths = [
        max(1, round(MEDIAN_WORDS * ratio ** spread.inv_cdf((at + 0.5) / count)))
        for at in range(count)
    ]
    chance.shuffle(lengths)
    return [_cut(words, chance.randrange(len(words)), one) for one in lengths], "our own sentences"


def _cut(words: list[str], start: int, length: int) -> str:
    return " ".join(words[(start + at) % len(words)] for at in range(length))
