"""How the stages' logits become scores: fitted on the calibration tenth, of which none learnt.

First a logistic regression for each attribute says how much each stage counts (stacking,
Wolpert 1992). Then a second one of that sum alone says what it is worth (Platt 1999), on rows
that come as comments come; where a set was picked to be toxic its rows are weighted so
that as many are as in life. A score of 0.7 is to mean that seven in ten such comments are
what it says.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from moderation.scoring.model import ATTRIBUTES
from moderation.training.row import GRADED, Row
from moderation.training.transformer import Examples

NATURAL = ("jigsaw_train", "jigsaw_workers4", "civil_spans_train", "perspective2k")
"""Sources whose rows are comments as they came."""
TOXIC_IN_LIFE = {"civil_spans_train": 0.08}
"""Source → share of toxic comments in the whole of which its rows were picked by toxicity.

Civil Comments, Borkan et al. 2019: 8 % of the comments were rated toxic.
"""
HEADS: dict[str, dict[str, dict[str, float]]] = {
    "linear": {"toxicity": {"toxicity": 4 / 7, "insult": 2 / 7, "identity_attack": 1 / 7}}
}
"""Stage → attribute → whose logits it is made of, with their shares; else of its own alone.

The shares are set, not fitted: on the comments of its own sources the own head is best
alone, and on those of others it is not, because what raters call toxic differs more
from place to place than what they call an insult. The encoder has learnt two opinions of
toxicity, and needs no such help.
"""
PRIOR = (0.3, 0.7)
"""Where the weights of the linear stage and the encoder stay without evidence."""
CERTAINTY = 3.0
"""Rows that the prior weighs as much as."""

LIMITS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

Floats = NDArray[np.float64]
Blend = dict[str, dict[str, Any]]
"""Attribute → for each stage the weight of each of its logits, and the offset."""


def as_in_life(rows: Sequence[Row]) -> Floats:
    """Give each row its weight; 0 for what does not come as comments come."""
    weights = np.array([float(row.source in NATURAL) for row in rows])
    toxic = np.array([row.targets[0] >= 0.5 for row in rows])
    for source, share in TOXIC_IN_LIFE.items():
        here = np.array([row.source == source for row in rows])
        if (here & toxic).any():
            fair, rude = (here & ~toxic).sum(), (here & toxic).sum()
            weights[here & toxic] *= share / (1 - share) * fair / rude
    return weights


def fit(stages: dict[str, Floats], rows: Sequence[Row], data: Examples) -> Blend:
    """Weigh the stages, or calibrate the one that there is.

    stages  name → its logits of each row and attribute
    """
    ordinary = np.array([row.source in {*NATURAL, *GRADED} for row in rows])
    life = as_in_life(rows)
    said = np.array([row.targets for row in rows])
    blend: Blend = {}
    for at, name in enumerate(ATTRIBUTES):
        heads = {stage: HEADS.get(stage, {}).get(name, {name: 1.0}) for stage in stages}
        own = [
            sum(stages[stage][:, ATTRIBUTES.index(h)] * w for h, w in of.items())
            for stage, of in heads.items()
        ]
        columns = np.stack(own, axis=1)
        weight = data.weights[:, at]
        prior = np.array(PRIOR if len(stages) > 1 else [1.0])
        found = _regression(columns, data.targets[:, at], weight * ordinary, prior)
        summed = columns @ found[:-1]
        # The chance is that of the raters' own label, not of how we grade it.
        label = np.where(np.isnan(said[:, at]), data.targets[:, at], said[:, at])
        slope, offset = _regression(summed[:, None], label, weight * life, np.ones(1))
        blend[name] = {
            stage: {head: round(float(part * slope * share), 4) for head, share in of.items()}
            for (stage, of), part in zip(heads.items(), found[:-1], strict=True)
        } | {"offset": round(float(offset), 4)}
    return blend


def combined(blend: Blend, stages: dict[str, Floats]) -> Floats:
    """Give the logits that a blend makes of its stages'; shape (rows, attributes)."""
    columns = []
    for name in ATTRIBUTES:
        summed = sum(
            logits[:, ATTRIBUTES.index(head)] * weight
            for stage, logits in stages.items()
            for head, weight in blend[name].get(stage, {}).items()
        )
        columns.append(summed + blend[name]["offset"])
    return np.stack(columns, axis=1)


def reached(blend: Blend, stages: dict[str, Floats], rows: Sequence[Row]) -> dict[str, Any]:
    """Tell what a threshold would hold, which the default policy's are chosen by.

    Attribute → threshold → share of the harmless rows that reach it, as in life, and share
    of those that their raters gave the attribute.
    """
    said = np.array([row.targets for row in rows])
    weights = as_in_life(rows)
    harmless = np.where(said[:, 0] < 0.5, weights, 0)
    found = {}
    every = expit(combined(blend, stages))
    for at, name in enumerate(ATTRIBUTES):
        scores = every[:, at]
        guilty = np.where(said[:, at] >= 0.5, weights, 0)
        found[name] = {
            str(limit): [_share(scores >= limit, harmless), _share(scores >= limit, guilty)]
            for limit in LIMITS
        }
    return found


def _share(chosen: Floats, weights: Floats) -> float | None:
    return round(float(weights[chosen].sum() / weights.sum()), 4) if weights.any() else None


def _regression(columns: Floats, target: Floats, weight: Floats, prior: Floats) -> Floats:
    """Give the weight of each column, none below 0, and the offset."""

    def loss(found: Floats) -> tuple[float, Floats]:
        logits = columns @ found[:-1] + found[-1]
        error = np.logaddexp(0, logits) - target * logits
        slope = weight * (expit(logits) - target)
        away = found[:-1] - prior
        value = (weight * error).sum() + CERTAINTY * (away**2).sum()
        return float(value), np.append(slope @ columns + 2 * CERTAINTY * away, slope.sum())

    # A stage that speaks against an attribute by being for it would explain nothing.
    bounds = [(0, None)] * len(prior) + [(None, None)]
    answer: Floats = minimize(
        loss, np.append(prior, 0), jac=True, bounds=bounds, method="L-BFGS-B"
    ).x
    return answer
