"""Figures of parts of sets: functionalities, languages, identities."""

from collections.abc import Sequence

import numpy as np

from moderation.evaluation.metrics import Bias, bias, power_mean, ranking, share
from moderation.evaluation.outcome import OfBias, OfGroup, OfIdentity
from moderation.evaluation.reading import Array, Rows
from moderation.evaluation.scores import Scores, Texts
from moderation.evaluation.sets import LabelledSet

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
