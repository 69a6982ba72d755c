"""The yardstick: from labelled sets and loaded models to a report.

Nothing is kept on disk between runs: scores of yesterday's model that are shown as
today's are worse than a minute of waiting.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from zlib import crc32

import numpy as np

from moderation.core.policy import DEFAULT
from moderation.evaluation import groups, held
from moderation.evaluation.metrics import (
    calibration_error,
    ranking,
    reliability,
    roc,
    share,
)
from moderation.evaluation.outcome import Measured, OfCalibration, OfSet, Report
from moderation.evaluation.peers import Scorer, Skipped
from moderation.evaluation.reading import Array, Rows, find_file, read_set, sampled
from moderation.evaluation.scores import Scores, Texts, Tick, distinct, score_all, score_profanity
from moderation.evaluation.sets import (
    PROFANE_WORDS,
    SETS,
    WAR,
    Kind,
    LabelledSet,
)

SEED = 20


@dataclass(frozen=True, slots=True)
class Material:
    """What is measured."""

    sets: Sequence[tuple[LabelledSet, Rows]]
    sorts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Texts of which it is told how many are held, by the title of `held.SORTS`."""
    absent: tuple[str, ...] = ()
    cap: int = 0
    seed: int = SEED


def gather(folder: Path, *, cap: int, trained_on: bool, seed: int = SEED) -> Material:
    """Read every known set that is there, and sample it.

    cap         most rows of a set; 0 is all
    trained_on  also the sets that our own model was trained on
    """
    read: dict[str, Rows] = {}
    absent = []
    for labelled in (*SETS, WAR, PROFANE_WORDS):
        path = find_file(folder, labelled.stem)
        if path is None:
            absent.append(labelled.stem)
        else:
            read[labelled.stem] = read_set(path, labelled)

    def cut(rows: Rows, stem: str) -> Rows:
        return sampled(rows, cap, seed=crc32(stem.encode()) + seed)

    shown = [one for one in SETS if one.stem in read and (trained_on or not one.trained_on)]
    sets = [(one, cut(read[one.stem], one.stem)) for one in shown]
    return Material(sets, held.picked(read, cap, seed), tuple(absent), cap, seed)


def evaluate(
    material: Material, scorers: Sequence[Scorer], skipped: Sequence[Skipped], tick: Tick
) -> Report:
    """Measure models, the one in force first, on all the material."""
    every = [rows.texts for _, rows in material.sets] + list(material.sorts.values())
    texts = distinct(chain.from_iterable(every))
    profanity = score_profanity(texts, tick)
    models = [score_all(one, texts, profanity, tick) for one in scorers]
    tick("figures", 0, len(material.sets))
    sets = []
    for at, (labelled, rows) in enumerate(material.sets):
        sets += _of_set(labelled, rows, models, texts, material.seed)
        tick("figures", at + 1, len(material.sets))
    identities, bias = groups.bias_of(material.sets, models, texts)
    return Report(
        models=[
            Measured(one.name, scorer.attributes, one.median_us, len(texts.all))
            for one, scorer in zip(models, scorers, strict=True)
        ],
        skipped=skipped,
        recorded=sorted({name for one, _ in material.sets for name in one.recorded}),
        sets=sets,
        absent=material.absent,
        functionalities=groups.functionalities(material.sets, models, texts, material.seed),
        languages=groups.languages(material.sets, models, texts, material.seed),
        held=held.held(material.sorts, models, texts),
        headlines=held.headlines(material.sorts, models, texts),
        identities=identities,
        bias=bias,
        calibration=_calibration(material.sets, models, texts),
        thresholds={name: limit.hold for name, limit in DEFAULT.thresholds.items()},
        cap=material.cap,
        seed=material.seed,
        machine=_machine(),
    )


def _of_set(
    labelled: LabelledSet, rows: Rows, models: Sequence[Scores], texts: Texts, seed: int
) -> list[OfSet]:
    index = texts.index(rows.texts)
    return [_of_attribute(name, labelled, rows, models, index, seed) for name in rows.labels]


def _of_attribute(
    attribute: str,
    labelled: LabelledSet,
    rows: Rows,
    models: Sequence[Scores],
    index: Array,
    seed: int,
) -> OfSet:
    labels, weights = rows.labels[attribute], rows.weights
    by_model = {
        one.name: one.by_attribute[attribute][index]
        for one in models
        if attribute in one.by_attribute
    }
    if attribute == "toxicity":
        by_model |= rows.recorded
    known = labels >= 0
    total = float(weights[known].sum())
    return OfSet(
        stem=labelled.stem,
        title=labelled.title,
        kind=labelled.kind.value,
        attribute=attribute,
        trained_on=labelled.trained_on,
        note=labelled.note,
        rows=int(known.sum()),
        all_rows=rows.all_rows if known.all() else round(total),
        blank=rows.blank,
        share_toxic=float(weights[labels == 1].sum()) / total if total else None,
        by_model={
            name: ranking(labels, scores, weights, seed=seed) for name, scores in by_model.items()
        },
        calibration_error={
            name: calibration_error(reliability(labels, scores, weights))
            for name, scores in by_model.items()
        },
        held={
            one.name: (
                share(int(one.held[index][labels == 0].sum()), int((labels == 0).sum())),
                share(int(one.held[index][labels == 1].sum()), int((labels == 1).sum())),
            )
            for one in models
        },
        curves={name: roc(labels, scores, weights) for name, scores in by_model.items()},
    )


def _calibration(
    sets: Sequence[tuple[LabelledSet, Rows]], models: Sequence[Scores], texts: Texts
) -> list[OfCalibration]:
    fresh = [(one, rows) for one, rows in sets if not one.trained_on and "toxicity" in rows.labels]
    news = [(one, rows) for one, rows in fresh if one.kind is Kind.NEWS]
    together = [("News comments", news), ("All sets", fresh)]
    if len(fresh) == 1:
        together = [(fresh[0][0].title, fresh)]
    return [_pooled(title, part, models, texts) for title, part in together if part]


def _pooled(
    title: str,
    part: Sequence[tuple[LabelledSet, Rows]],
    models: Sequence[Scores],
    texts: Texts,
) -> OfCalibration:
    labels = np.concatenate([rows.labels["toxicity"] for _, rows in part])
    weights = np.concatenate([rows.weights for _, rows in part])
    index = np.concatenate([texts.index(rows.texts) for _, rows in part])
    bins = {
        one.name: reliability(labels, one.by_attribute["toxicity"][index], weights)
        for one in models
        if "toxicity" in one.by_attribute
    }
    return OfCalibration(
        title,
        tuple(one.stem for one, _ in part),
        bins,
        {name: calibration_error(found) for name, found in bins.items()},
    )


def _machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
