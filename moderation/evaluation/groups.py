"""Figures of parts of sets: functionalities, languages, identities, and what is held."""

from collections.abc import Mapping, Sequence

import numpy as np

from moderation.evaluation.metrics import Bias, bias, power_mean, ranking, share
from moderation.evaluation.outcome import Headline, OfBias, OfGroup, OfHeld, OfIdentity
from moderation.evaluation.reading import Array, Rows
from moderation.evaluation.scores import Scores, Texts
from moderation.evaluation.sets import LabelledSet

WAR = "war"
POLITICS = "politics"
RUDE = "rude words"
BY_RATERS = "by raters"

GRAVE = ("threat", "identity_attack", "severe_toxicity")
"""Labels that make a comment clear abuse."""
IDENTITY_COLUMN = {"madlibs_dev": "identity", "hatecheck_dev": "target_ident"}
"""Template sets that name identities, and the column that says which."""

Sets = Sequence[tuple[LabelledSet, Rows]]


def functionalities(sets: Sets, models: Sequence[Scores], texts: Texts, seed: int) -> list[OfGroup]:
    """HateCheck by functionality, the hateful ones first."""
    found = _grouped("hatecheck_dev", "functionality", sets, models, texts, seed)
    return sorted(found, key=lambda one: (not one.hateful, one.name))


def languages(sets: Sets, models: Sequence[Scores], texts: Texts, seed: int) -> list[OfGroup]:
    """Multilingual HateCheck by language."""
    return _grouped("mhc_dev", "lang", sets, models, texts, seed)


def _grouped(
    stem: str, column: str, sets: Sets, models: Sequence[Scores], texts: Texts, seed: int
) -> list[OfGroup]:
    rows = next((rows for one, rows in sets if one.stem == stem), None)
    if rows is None:
        return []
    values = np.array(rows.columns[column])
    labels, index = rows.labels["toxicity"], texts.index(rows.texts)
    return [
        _of_group(str(value), labels[part], index[part], rows.weights[part], models, seed)
        for value in np.unique(values)
        for part in (values == value,)
    ]


def _of_group(
    name: str, labels: Array, index: Array, weights: Array, models: Sequence[Scores], seed: int
) -> OfGroup:
    classes = set(labels.tolist())
    asked = [one for one in models if "toxicity" in one.by_attribute]
    right = {one.name: int((one.flagged[index] == (labels == 1)).sum()) for one in asked}
    scores = {one.name: one.by_attribute["toxicity"][index] for one in asked}
    return OfGroup(
        name=name,
        hateful=classes == {1} if len(classes) == 1 else None,
        rows=len(labels),
        accuracy={model: share(hits, len(labels)) for model, hits in right.items()},
        mean_score={model: float(values.mean()) for model, values in scores.items()},
        by_model={
            model: ranking(labels, values, weights, seed=seed) for model, values in scores.items()
        },
    )


def held(
    sets: Sets, others: Mapping[str, Rows], models: Sequence[Scores], texts: Texts
) -> list[OfHeld]:
    """What the default policy holds: of harmless comments first, then of abuse."""
    by_stem = {one.stem: rows for one, rows in sets}
    found = []

    def add(
        title: str, chosen: list[str], harmless: bool, headline: bool, trained_on: bool = False
    ) -> None:
        if not chosen:
            return
        index = texts.index(chosen)
        shares = {one.name: share(int(one.held[index].sum()), len(index)) for one in models}
        found.append(OfHeld(title, harmless, headline, len(index), trained_on, shares))

    for name, title in (
        (WAR, "Harmless comments about war"),
        (POLITICS, "Harmless comments about politics"),
    ):
        if rows := others.get(name):
            add(title, list(rows.texts), True, True)
    if rows := by_stem.get("jigsaw_dev6"):
        add("Clear abuse: threat, hate or severe", _grave(rows), False, True)
    if rows := others.get(BY_RATERS):
        title = "Clear abuse: threat or hate, by most raters"
        add(title, _grave(rows), False, False, trained_on=True)
    if rows := by_stem.get("hatecheck_dev"):
        for prefix, title in (("threat_", "threats"), ("derog_", "derogation")):
            names = rows.columns["functionality"]
            chosen = [
                text for text, of in zip(rows.texts, names, strict=True) if of.startswith(prefix)
            ]
            add(f"HateCheck: {title}", chosen, False, False)
    if rows := others.get(RUDE):
        add("Rude words and phrases on their own", list(rows.texts), False, False)
    return found


def _grave(rows: Rows) -> list[str]:
    grave = np.zeros(len(rows), bool)
    for attribute in GRAVE:
        if attribute in rows.labels:
            grave |= rows.labels[attribute] == 1
    return [rows.texts[at] for at in np.flatnonzero(grave).tolist()]


def headlines(found: Sequence[OfHeld], names: Sequence[str]) -> list[Headline]:
    """Put each model into one line: harmless held, clear abuse held."""

    def pooled(model: str, harmless: bool) -> tuple[int, int]:
        parts = [
            (round(estimate.value * one.rows), one.rows)
            for one in found
            if one.in_headline and one.is_harmless is harmless
            if (estimate := one.by_model[model])
        ]
        return sum(hits for hits, _ in parts), sum(rows for _, rows in parts)

    if not any(one.in_headline for one in found):
        return []
    return [
        Headline(name, share(*pooled(name, True)), share(*pooled(name, False))) for name in names
    ]


def bias_of(
    sets: Sets, models: Sequence[Scores], texts: Texts
) -> tuple[list[OfIdentity], list[OfBias]]:
    """How comments that name an identity fare, one by one and in one figure a set."""
    identities, means = [], []
    for labelled, rows in sets:
        column = IDENTITY_COLUMN.get(labelled.stem)
        if column is None:
            continue
        of_set = _identities(labelled, rows, column, models, texts)
        identities += of_set
        names = list(of_set[0].bias) if of_set else []
        means.append(
            OfBias(
                labelled.stem,
                labelled.title,
                {name: _mean_bias([one.bias[name] for one in of_set]) for name in names},
            )
        )
    return identities, means


def _mean_bias(found: Sequence[Bias]) -> Bias:
    return Bias(
        power_mean([one.subgroup for one in found]),
        power_mean([one.bpsn for one in found]),
        power_mean([one.bnsp for one in found]),
    )


def _identities(
    labelled: LabelledSet, rows: Rows, column: str, models: Sequence[Scores], texts: Texts
) -> list[OfIdentity]:
    values, labels = np.array(rows.columns[column]), rows.labels["toxicity"]
    index = texts.index(rows.texts)
    asked = [one for one in models if "toxicity" in one.by_attribute]
    found = []
    for identity in np.unique(values[values != ""]):
        named = values == identity
        harmless = named & (labels == 0)
        found.append(
            OfIdentity(
                stem=labelled.stem,
                title=labelled.title,
                identity=str(identity),
                rows=int(named.sum()),
                bias={
                    one.name: bias(labels, one.by_attribute["toxicity"][index], named)
                    for one in asked
                },
                false_positives={
                    one.name: share(int(one.flagged[index][harmless].sum()), int(harmless.sum()))
                    for one in asked
                },
            )
        )
    return found
