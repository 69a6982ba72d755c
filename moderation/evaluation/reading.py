"""Labelled files: read, checked to the last row, and sampled.

A labelled file is where a mistake hides best: a shifted column or a label that is
"yes" gives a table that looks like any other. So a newsroom's own file is read
strictly, and the first row that breaks a rule is named. pandas was turned down: it
guesses types, and it is larger than all the rest of the service.

    EvaluationError   the file can't be evaluated: which file, which row, which rule
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from moderation.evaluation.sets import HALVED, LabelledSet, is_held_out

UNKNOWN = -1
"""A label that nobody gave."""
LONGEST_SHOWN = 24
"""Characters of the longest value that a message repeats."""
RARE_SHARE = 0.25
"""Share of a sample that the rarer class takes, if it has as many rows."""

Array = Any
"""A numpy array; numpy's own types would say the same at three times the length."""


class EvaluationError(ValueError):
    """A file that can't be evaluated; one line that names file, row and rule."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a set that are measured, and how they stand for all of them."""

    texts: Sequence[str]
    labels: Mapping[str, Array]
    """Attribute → 1, 0 or `UNKNOWN`, a row each."""
    weights: Array
    """How many rows of the whole set each one stands for."""
    columns: Mapping[str, Sequence[str]]
    recorded: Mapping[str, Array]
    """Model → its recorded scores of toxicity."""
    all_rows: int
    """Rows of the whole set."""
    blank: int = 0
    """Rows left out because they have no text."""

    def __len__(self) -> int:
        return len(self.texts)

    def taken(self, index: Array, weights: Array | None = None) -> "Rows":
        """Some of the rows, in the given order."""
        return Rows(
            texts=[self.texts[at] for at in index],
            labels={name: values[index] for name, values in self.labels.items()},
            weights=self.weights[index] if weights is None else weights,
            columns={name: [values[at] for at in index] for name, values in self.columns.items()},
            recorded={name: values[index] for name, values in self.recorded.items()},
            all_rows=self.all_rows,
            blank=self.blank,
        )


def find_file(folder: Path, stem: str) -> Path | None:
    """Give the file of a set, packed or not, or None where there is none."""
    paths = (folder / f"{stem}.csv.gz", folder / f"{stem}.csv")
    return next((path for path in paths if path.is_file()), None)


def read_set(path: Path, labelled: LabelledSet) -> Rows:
    """Read a set that this house knows; fractions of raters are labels from a half.

    Of a halved set only those rows are given that were kept from the model.
    """
    rows = _read(path, labelled, "text", _majority)
    if labelled.stem not in HALVED:
        return rows
    kept = np.flatnonzero([is_held_out(labelled.stem, text) for text in rows.texts])
    return replace(rows.taken(kept), all_rows=len(kept))


def read_own(path: Path, labelled: LabelledSet, text: str) -> Rows:
    """Read a newsroom's own file; each label must be 0 or 1.

    text  the column with the comments

    Raises `EvaluationError`.
    """
    rows = _read(path, labelled, text, _zero_or_one)
    if not rows.texts:
        raise EvaluationError(f"{path.name} has no row with a text under {text}")
    return rows


def sampled(rows: Rows, most: int, *, seed: int) -> Rows:
    """Take at most so many rows, and weigh them so that they stand for all.

    Stratified: of the rarer class of the first label as many as there are, up to a
    quarter of the sample, because a tenth of 59 toxic comments measures nothing; and
    within a class the same share of each value of the first column.

    most  0 is all
    """
    if not most or len(rows) <= most:
        return rows
    labels = next(iter(rows.labels.values()), np.zeros(len(rows), np.int8))
    strata = np.array(next(iter(rows.columns.values()), [""] * len(rows)))
    rng = np.random.default_rng(seed)
    chosen, weights = [], []
    for value, take in _shares(labels, most).items():
        if not take:  # of a sample of one, say
            continue
        members = np.flatnonzero(labels == value)
        chosen.append(_spread(members, strata[members], take, rng))
        weights.append(np.full(take, len(members) / take))
    index, weight = np.concatenate(chosen), np.concatenate(weights)
    order = np.argsort(index)
    return rows.taken(index[order], weight[order])


def _shares(labels: Array, most: int) -> dict[int, int]:
    """How many rows to take of each class; they add up to `most`."""
    values, counts = np.unique(labels, return_counts=True)
    sizes = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    commonest = max(sizes, key=lambda value: sizes[value])
    shares = {
        value: min(size, max(round(most * size / len(labels)), int(most * RARE_SHARE)))
        for value, size in sizes.items()
        if value != commonest
    }
    return shares | {commonest: most - sum(shares.values())}


def _spread(members: Array, strata: Array, take: int, rng: Any) -> Array:
    shuffled = rng.permutation(len(members))
    by_stratum = members[shuffled][np.argsort(strata[shuffled], kind="stable")]
    return by_stratum[np.linspace(0, len(members), take, endpoint=False).astype(int)]


# Reading. `parse` gives a label, or None where the value breaks the rule.


def _majority(value: str) -> int | None:
    if not value:
        return UNKNOWN
    try:
        share = float(value)
    except ValueError:
        return None
    return int(share >= 0.5) if 0 <= share <= 1 else None


def _zero_or_one(value: str) -> int | None:
    return {"0": 0, "1": 1, "0.0": 0, "1.0": 1}.get(value.strip())


RULES = {_majority: "not a share from 0 to 1", _zero_or_one: "not 0 or 1"}


def _read(path: Path, labelled: LabelledSet, text: str, parse: Any) -> Rows:
    header, records = _table(path)
    labels_of, recorded_of = labelled.labels.values(), labelled.recorded.values()
    place = _places(path, header, (text, *labels_of, *labelled.columns, *recorded_of))
    texts: list[str] = []
    labels: dict[str, list[int]] = {attribute: [] for attribute in labelled.labels}
    columns: dict[str, list[str]] = {column: [] for column in labelled.columns}
    recorded: dict[str, list[float]] = {name: [] for name in labelled.recorded}
    blank = 0
    for at, record in records:
        for attribute, column in labelled.labels.items():
            label = parse(record[place[column]])
            if label is None:
                value = _shown(record[place[column]])
                raise EvaluationError(f"{path.name} row {at}: {column} is {value}, {RULES[parse]}")
            labels[attribute].append(label)
        if not record[place[text]].strip():
            blank += 1
            for kept in labels.values():
                kept.pop()
            continue
        texts.append(record[place[text]])
        for column, kept_values in columns.items():
            kept_values.append(record[place[column]])
        for name, column in labelled.recorded.items():
            value = record[place[column]] or "nan"
            recorded[name].append(number(value, f"{path.name} row {at}", column))
    return Rows(
        texts=texts,
        labels={name: np.array(values, np.int8) for name, values in labels.items()},
        weights=np.ones(len(texts)),
        columns=columns,
        recorded={name: np.array(values) for name, values in recorded.items()},
        all_rows=len(texts),
        blank=blank,
    )


def number(value: str, where: str, column: str) -> float:
    """Read a number. Raises `EvaluationError`, which begins with where it stands."""
    try:
        return float(value)
    except ValueError:
        raise EvaluationError(f"{where}: {column} is {_shown(value)}, not a number") from None


def _shown(value: str) -> str:
    """A value for a message; a long one may be a reader's words, which no message repeats."""
    return repr(value) if len(value) <= LONGEST_SHOWN else f"a text of {len(value)} characters"


def _places(path: Path, header: list[str], wanted: Sequence[str]) -> dict[str, int]:
    for column in wanted:
        if column not in header:
            raise EvaluationError(
                f"{path.name} row 1: there is no column {column!r}; "
                f"the columns are {', '.join(map(_shown, header[:20]))}"
            )
        if header.count(column) > 1:
            raise EvaluationError(f"{path.name} row 1: more than one column is named {column!r}")
    return {column: header.index(column) for column in wanted}


def _table(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The header, and every record with its row number as a spreadsheet counts."""
    records = csv.reader(io.StringIO(_decoded(path), newline=""))
    try:
        header = next(records, [])
    except csv.Error as error:
        raise EvaluationError(f"{path.name} row 1: {error}") from None
    if not header:
        raise EvaluationError(f"{path.name} is empty; row 1 must name the columns")
    return header, _records(path, records, len(header))


def _records(path: Path, records: Any, width: int) -> Iterator[tuple[int, list[str]]]:
    number = 1
    while True:
        number += 1
        try:
            record = next(records, None)
        except csv.Error as error:
            raise EvaluationError(f"{path.name} row {number}: {error}") from None
        if record is None:
            return
        if not record:
            continue
        if len(record) != width:
            raise EvaluationError(
                f"{path.name} row {number}: has {len(record)} fields, row 1 has {width}"
            )
        yield number, record


def _decoded(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise EvaluationError(f"{path.name} is packed, but broken: {error}") from None
    except OSError as error:
        raise EvaluationError(f"{path} can't be read: {error.strerror}") from None
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        # One more letter, so that a row that begins with the bad one is counted.
        good = io.StringIO(raw[: error.start].decode("utf-8") + "x", newline="")
        row = 0
        try:
            for _ in csv.reader(good):
                row += 1
        except csv.Error as broken:
            raise EvaluationError(f"{path.name} row {row + 1}: {broken}") from None
        raise EvaluationError(f"{path.name} row {row}: is not UTF-8") from None
