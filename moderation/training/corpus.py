"""What the bundled model learns from: which sets, how their labels read as ours.

Only sets whose licences let figures learnt from them be shipped. Rows that also stand
in a held-out set, by normalised text, are dropped; so is every row that the yardstick
keeps of a set. A tenth, chosen by a hash of the text, is never learnt from but
calibrated on.
"""

import csv
import gzip
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import replace
from pathlib import Path

from moderation.evaluation.sets import HELD_OUT, is_held_out, normalised
from moderation.scoring.model import ATTRIBUTES
from moderation.training.row import AIMED, GRADED, Row, as_seen, graded
from moderation.training.written import TEXTS, comments, targets, written

UNKNOWN = math.nan
JIGSAW = dict(zip(("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"),
                  ATTRIBUTES, strict=False))  # fmt: skip
PERSPECTIVE = {
    "TOXICITY@6": "toxicity",
    "SEVERE_TOXICITY@2": "severe_toxicity",
    "PROFANITY": "obscene",
    "THREAT": "threat",
    "INSULT": "insult",
    "IDENTITY_ATTACK": "identity_attack",
    "SEXUALLY_EXPLICIT": "sexual_explicit",
}

Record = Mapping[str, str]


def _row(record: Record, known: Mapping[str, float], weight: float, source: str) -> Row:
    return Row(record["text"], tuple(known.get(n, UNKNOWN) for n in ATTRIBUTES), weight, source)


def _jigsaw(record: Record) -> Row:
    known = {ours: float(record[label]) for label, ours in JIGSAW.items() if record[label]}
    return _row(record, known, 1.0 if len(known) == 6 else 0.8, "jigsaw_train")


def _workers(record: Record) -> Row:
    known = {o: float(record[label]) for label, o in JIGSAW.items() if record.get(label)}
    return _row(record, known, 0.7, "jigsaw_workers4")


def _civil(record: Record) -> Row:
    chance = 1 - float(record["frac_not_toxic"])
    return _row(record, {"toxicity": chance}, 0.8, "civil_spans_train")


def _paradetox(record: Record) -> Row:
    return _row(record, {"toxicity": float(record["toxic"])}, 0.4, "paradetox")


def _harmless(record: Record) -> Row:
    return _row(record, dict.fromkeys(ATTRIBUTES, 0.0), 0.4, "wiki_debias_nontoxic")


def _emoji(record: Record) -> Row:
    hateful = float(record["toxic"])
    known = {"toxicity": 0.9 * hateful + 0.05, "identity_attack": hateful}
    return _row(record, known, 0.6, "hatemojibuild_train")


def _implicit(record: Record) -> Row:
    # What its raters called implicit hate is often heated politics: likely, not certain.
    chance = {"explicit_hate": 0.95, "implicit_hate": 0.6, "not_hate": 0.05}[record["cls"]]
    known = {"toxicity": chance, "identity_attack": chance}
    return _row(record, known, 0.4, "implicit_hate")


def _perspective(record: Record) -> Row:
    known = {ours: float(record[label]) for label, ours in PERSPECTIVE.items() if record[label]}
    return _row(record, known, 0.6, "perspective2k")


def _talk(record: Record) -> Row:
    # One in 170 is toxic, by a few raters: what Perspective made of the words tells more.
    chance = (float(record["toxic"]) + float(record["perspective"])) / 2
    return _row(record, {"toxicity": chance}, 0.6, "cat_gn")


def _slang(record: Record) -> Row:
    # Its raters called nearly every swear word offensive, and slang among friends too.
    hate, offensive, neither = "0", "1", "2"
    toxic = {hate: 0.95, offensive: 0.9, neither: 0.05}[record["cls"]]
    return _row(record, {"toxicity": toxic}, 0.5, "davidson_train")


SOURCES: Mapping[str, Callable[[Record], Row]] = {
    "jigsaw_train": _jigsaw,
    "jigsaw_workers4": _workers,
    "civil_spans_train": _civil,
    "paradetox": _paradetox,
    "wiki_debias_nontoxic": _harmless,
    "hatemojibuild_train": _emoji,
    "implicit_hate": _implicit,
    "perspective2k": _perspective,
    "cat_gn": _talk,
    "davidson_train": _slang,
}
"""File → how its rows are read."""
SHARES = {"paradetox": 0.35, "implicit_hate": 0.7, "wiki_debias_nontoxic": 0.6}
"""How much is taken of sets that would otherwise outweigh the comments."""
OURS = ("written", "comments")
"""Sources that are in no set: what we wrote."""


def gathered(folder: Path, seed: int) -> list[Row]:
    """Give every row there is: the corpus, and what we wrote that no held-out set has."""
    kept = held_out(folder)
    own = [*written(seed), *comments(seed)]
    return [*corpus(folder, kept), *(row for row in own if normalised(row.text) not in kept)]


def corpus(folder: Path, kept: Set[str]) -> Iterator[Row]:
    """Yield every row to learn from or calibrate on, its text as a model sees it.

    Of rows with the same normalised text the first is kept.
    kept  normalised texts of which none is yielded, as it was typed or as it is read
    """
    seen = set(kept)
    for stem, read in SOURCES.items():
        for record in records(folder, stem):
            key = normalised(record["text"])
            if key and key not in seen and _byte(key, 1) < 256 * SHARES.get(stem, 1):
                seen.add(key)
                shown = as_seen(record["text"])
                if normalised(shown) not in kept:
                    yield replace(read(record), text=shown)


def ratings() -> dict[str, str]:
    """Give the letters of a second rater by the hash of the words that were rated."""
    lines = (TEXTS / "ratings.txt").read_text("utf-8").splitlines()
    return dict(line.split(" ") for line in lines if not line.startswith("#"))


def hashed(shown: str) -> str:
    """Give what tells a comment in the ratings: no words of anyone's are kept there."""
    return hashlib.sha256(normalised(shown).encode()).hexdigest()[:12]


def rated(row: Row, again: Mapping[str, str]) -> Row:
    """Add what the second rater said of a row, if it was rated again.

    Of toxicity the row then has two opinions. Of an attribute that its set tells too it has the
    mean, of others the second rater's. A set that calls every swear word toxic is graded by how
    far it is aimed in the eyes of either. What is calibrated on stays what the set's own raters
    said: else the same score would mean something else with each version.
    """
    letters = again.get(hashed(row.text))
    if letters is None or is_for_calibration(row):
        return row
    rating = dict(zip(ATTRIBUTES, targets(letters), strict=True))
    known = {n: one for n, one in zip(ATTRIBUTES, row.targets, strict=True) if not math.isnan(one)}
    by_set = known.pop("toxicity", UNKNOWN)
    if row.source in GRADED:
        by_set *= graded(max(max(known.get(name, 0.0), rating[name]) for name in AIMED))
    mean = tuple((known.get(name, one) + one) / 2 for name, one in rating.items())
    return replace(row, targets=mean, sure=True, by_set=by_set)


def held_out(folder: Path) -> set[str]:
    """Give the normalised text of every row that is kept for measuring, as typed and as seen."""
    texts = (
        record["text"]
        for stem in HELD_OUT
        for record in records(folder, stem)
        if is_held_out(stem, record["text"])
    )
    return {normalised(form) for typed in texts for form in (typed, as_seen(typed))}


def is_for_calibration(row: Row) -> bool:
    """Tell whether a row is of the tenth that is not learnt from."""
    return row.source not in OURS and _byte(normalised(row.text), 0) < 26


def _byte(key: str, at: int) -> int:
    return hashlib.sha256(key.encode()).digest()[at]


def records(folder: Path, stem: str) -> Iterator[Record]:
    """Yield the rows of a set; none if its file is absent."""
    for name, opener in ((f"{stem}.csv.gz", gzip.open), (f"{stem}.csv", open)):
        path = folder / name
        if path.is_file():
            with opener(path, "rt", encoding="utf-8", newline="") as file:
                yield from csv.DictReader(file)
            return


def fingerprints(folder: Path) -> dict[str, str]:
    """SHA-256 of every file that is learnt from, the sets' and ours."""
    found = [path for stem in SOURCES for path in sorted(folder.glob(f"{stem}.csv*"))]
    found += sorted(TEXTS.rglob("*.txt"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
