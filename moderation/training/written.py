"""What we wrote ourselves: sentences with gaps, and whole comments.

Real comments rarely say the same thing both as abuse and about abuse, so a model that
has seen only them learns words. The sentences of `texts/patterns.txt` are pairs in the
spirit of contrast sets (Gardner et al. 2020, "Evaluating Models' Local Decision Boundaries
via Contrast Sets") and of the bias mitigation of Dixon et al. 2018. The comments of
`texts/comments` are what readers write below news, both sides close together; `texts/GUIDE.md`
tells how they came to be. None was taken from a test set; what is in one is not learnt from.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from moderation.scoring.model import ATTRIBUTES
from moderation.training.row import COARSE, Row, as_seen

TEXTS = Path(__file__).parent / "texts"
LETTERS = dict(zip("tsohidx", ("toxicity", "severe_toxicity", "obscene", "threat", "insult",
                               "identity_attack", "sexual_explicit"), strict=True))  # fmt: skip
CERTAIN, LIKELY = 1.0, 0.6
FILLINGS = 80
"""Ways in which a sentence with a group or a slur is filled; one without gaps is repeated less."""

_GAP = re.compile(r"\{([A-Z]\d?)\}")


def written(seed: int) -> Iterator[Row]:
    """Yield every sentence, filled in several ways; the same ones for the same seed."""
    slots = {name: values.split("; ") for name, values in _entries("slots.txt")}
    choose = random.Random(seed)
    for labels, sentence in _entries("patterns.txt"):
        gaps = _GAP.findall(sentence)
        ways = FILLINGS if any(gap[0] in "GSLR" for gap in gaps) else 12 if gaps else 4
        meant = targets(labels)
        for filled in sorted({_fill(sentence, slots, choose) for _ in range(ways)}):
            told = _retouched(filled, choose)
            yield Row(told, meant, 0.5, source="written", sure=True)


def comments(seed: int) -> Iterator[Row]:
    """Yield every comment twice, as a model sees it; the second may begin or end otherwise."""
    choose = random.Random(seed)
    for path in sorted((TEXTS / "comments").glob("*.txt")):
        for labels, comment in _entries(f"comments/{path.name}"):
            shown = as_seen(comment)
            meant = targets(labels)
            for told in (shown, _retouched(shown, choose)):
                yield Row(told, meant, 0.7, source="comments", sure=True)


def targets(labels: str) -> tuple[float, ...]:
    """Give the chance of each attribute that raters' letters tell; of two raters, the mean."""
    return tuple(np.mean([_targets(rater) for rater in labels.split()], axis=0).tolist())


def _entries(name: str) -> Iterator[tuple[str, str]]:
    for line in (TEXTS / name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            before, _, after = line.partition(" | ")
            yield before, after


def _targets(rater: str) -> tuple[float, ...]:
    given = {LETTERS[char.lower()]: CERTAIN if char.isupper() else LIKELY
             for char in rater if char != "-"}  # fmt: skip
    if given.get("obscene") == CERTAIN:
        given["toxicity"] = max(COARSE, given.get("toxicity", 0.0))
    return tuple(given.get(name, 0.0) for name in ATTRIBUTES)


def _fill(sentence: str, slots: dict[str, list[str]], choose: random.Random) -> str:
    pairs = {kind: choose.choice(slots[kind]).split("/") for kind in "GLR"}

    def filling(gap: re.Match[str]) -> str:
        kind = gap[1]
        if kind in ("S", "S1"):
            one = pairs["G"][1]
            return one if kind == "S" else one.removeprefix("an ").removeprefix("a ")
        if kind[0] in pairs:
            many, one = pairs[kind[0]]
            return one if kind.endswith("1") else many
        value = choose.choice(slots[kind[0]])
        article = "an " if value[0] in "aeiou" else "a "
        return article + value if kind == "A1" else value

    return _GAP.sub(filling, sentence)


def _retouched(typed: str, choose: random.Random) -> str:
    """Vary case and the full stop, which carry no meaning here but would be learnt."""
    if choose.random() < 0.6:
        typed = typed[0].upper() + typed[1:]
    if typed[-1].isalnum() and choose.random() < 0.5:
        typed += choose.choice([".", ".", "!"])
    return typed
