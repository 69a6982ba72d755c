"""What the default policy holds: of harmless comments as few as possible, of abuse as many.

The rows are picked out of whole sets, not out of their samples: clear abuse is rare, and
half of thirty rows says nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from moderation.evaluation.metrics import share
from moderation.evaluation.outcome import Headline, OfHeld
from moderation.evaluation.reading import Array, Rows, number
from moderation.evaluation.scores import Scores, Texts
from moderation.evaluation.sets import (
    POLITICS_FROM,
    PROFANE_WORDS,
    RUDE_FROM,
    WAR,
    is_about_politics,
)

GRAVE = ("threat", "identity_attack", "severe_toxicity")
"""Labels that make a comment clear abuse."""

Read = Mapping[str, Rows]
"""Every set that is there, whole, by its stem."""


def _war(read: Read) -> Iterator[str]:
    if rows := read.get(WAR.stem):
        yield from rows.texts


def _politics(read: Read) -> Iterator[str]:
    for stem in POLITICS_FROM:
        if rows := read.get(stem):
            harmless = np.flatnonzero(rows.labels["toxicity"] == 0).tolist()
            yield from filter(is_about_politics, (rows.texts[at] for at in harmless))


def _grave(stem: str) -> Callable[[Read], Iterator[str]]:
    def pick(read: Read) -> Iterator[str]:
        if rows := read.get(stem):
            labels = [rows.labels[name] for name in GRAVE if name in rows.labels]
            for at in np.flatnonzero(np.max(labels, axis=0) == 1).tolist():
                yield rows.texts[at]

    return pick


def _hatecheck(prefix: str) -> Callable[[Read], Iterator[str]]:
    def pick(read: Read) -> Iterator[str]:
        if rows := read.get("hatecheck_dev"):
            for text, name in zip(rows.texts, rows.columns["functionality"], strict=True):
                if name.startswith(prefix):
                    yield text

    return pick


def _rude(read: Read) -> Iterator[str]:
    if rows := read.get(PROFANE_WORDS.stem):
        for text, severity in zip(rows.texts, rows.columns["severity_rating"], strict=True):
            if number(severity or "0", PROFANE_WORDS.stem, "severity_rating") >= RUDE_FROM:
                yield text


@dataclass(frozen=True, slots=True)
class Sort:
    """Comments that belong together, and how they are picked out of the sets."""

    title: str
    short: str
    """For a label of a plot."""
    pick: Callable[[Read], Iterator[str]]
    is_harmless: bool = False
    in_headline: bool = False
    trained_on: bool = False


SORTS: tuple[Sort, ...] = (
    Sort("Harmless comments about war", "harmless: war", _war, True, True),
    Sort("Harmless comments about politics", "harmless: politics", _politics, True, True),
    Sort(
        "Clear abuse: threat, hate or severe",
        "clear abuse",
        _grave("jigsaw_dev6"),
        in_headline=True,
    ),
    Sort(
        "Clear abuse: threat or hate, by most raters",
        "clear abuse, by raters",
        _grave("jigsaw_workers4"),
        trained_on=True,
    ),
    Sort("HateCheck: threats", "HateCheck threats", _hatecheck("threat_")),
    Sort("HateCheck: derogation", "HateCheck derogation", _hatecheck("derog_")),
    Sort("Rude words and phrases on their own", "rude words alone", _rude),
)


def picked(read: Read, cap: int, seed: int) -> dict[str, list[str]]:
    """Give the distinct texts of each sort by its title; of a large one a sample.

    cap  most texts of a sort; 0 is all
    """
    found = {one.title: list(dict.fromkeys(one.pick(read))) for one in SORTS}
    return {title: _sample(texts, cap, seed) for title, texts in found.items() if texts}


def _sample(texts: list[str], cap: int, seed: int) -> list[str]:
    if not cap or len(texts) <= cap:
        return texts
    chosen = np.random.default_rng(seed).choice(len(texts), cap, replace=False)
    return [texts[at] for at in np.sort(chosen).tolist()]


def held(
    sorts: Mapping[str, Sequence[str]], models: Sequence[Scores], texts: Texts
) -> list[OfHeld]:
    """Tell for each sort what share the default policy holds."""
    return [
        OfHeld(
            title=one.title,
            short=one.short,
            is_harmless=one.is_harmless,
            in_headline=one.in_headline,
            rows=len(index),
            trained_on=one.trained_on,
            by_model={
                model.name: share(int(model.held[index].sum()), len(index)) for model in models
            },
        )
        for one in SORTS
        if one.title in sorts
        for index in (texts.index(sorts[one.title]),)
    ]


def headlines(
    sorts: Mapping[str, Sequence[str]], models: Sequence[Scores], texts: Texts
) -> list[Headline]:
    """Put each model into one line: harmless held, clear abuse held.

    A comment on war and politics is one comment.
    """

    def pooled(harmless: bool) -> Array:
        titles = [one.title for one in SORTS if one.in_headline and one.is_harmless is harmless]
        every = chain.from_iterable(sorts.get(title, ()) for title in titles)
        return texts.index(dict.fromkeys(every))

    fair, abuse = pooled(True), pooled(False)
    if not len(fair) and not len(abuse):
        return []
    return [
        Headline(
            model.name,
            share(int(model.held[fair].sum()), len(fair)),
            share(int(model.held[abuse].sum()), len(abuse)),
        )
        for model in models
    ]
