"""Figures of a model: pure functions of labels, scores and weights, in numpy alone.

scikit-learn was turned down: a server would install 40 MB for four sums, and its
functions take one sample at a time, so that a thousand bootstrap samples take minutes.
Here the samples are rows of a matrix; the tests compare every figure with theirs.

The figures of bias are those of Borkan, Dixon, Sorensen, Thain and Vasserman, "Nuanced
Metrics for Measuring Unintended Bias with Real Data for Text Classification", 2019.

A figure that is not defined (one class only, no row) is None, never 0.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from moderation.evaluation.reading import Array

SAMPLES = 1000
"""Bootstrap samples; the ends of an interval then move by less than they matter."""
BINS = 15
"""Bins of equal width of the reliability diagram and of the calibration error."""
POWER = -5
"""Exponent of the generalised mean over identities: near the worst, but not only it."""
FIGURES = ("auc", "average_precision", "recall_at_1", "recall_at_5")
_AT_MOST = (0.01, 0.05)
_CELLS = 4_000_000
"""Numbers held in memory at a time while sampling."""
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Comments with about the same score."""

    mean_score: float
    share: float
    """Share of them that people call toxic."""
    weight: float
    """Rows of the whole set that they stand for."""


@dataclass(frozen=True, slots=True)
class _Ranked:
    """One class: the rank of each row's score (0 is the highest) and its weight."""

    rank: Array
    weight: Array


def ranking(
    labels: Array, scores: Array, weights: Array | None = None, *, seed: int = 0
) -> dict[str, Estimate | None]:
    """Give every one of `FIGURES` with its interval.

    Recall at 1 % is the greatest share of the toxic comments that a threshold finds
    while it flags at most 1 % of the others. Equal scores are never parted.

    The interval is that of a percentile bootstrap within each class, widened where it
    would not hold the figure itself.
    """
    parts = _ranked(labels, scores, weights)
    if parts is None:
        return dict.fromkeys(FIGURES)
    toxic, others, ranks = parts
    points = _figures(_sum(toxic, ranks), _sum(others, ranks))
    drawn = np.concatenate(list(_drawn(toxic, others, ranks, seed)))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return {
        name: Estimate(
            float(points[at]), min(float(low[at]), float(points[at])),
            max(float(high[at]), float(points[at])),
        )
        for at, name in enumerate(FIGURES)
    }  # fmt: skip


def auc(labels: Array, scores: Array, weights: Array | None = None) -> float | None:
    """Give the chance that a toxic comment scores above another; a tie is a half."""
    parts = _ranked(labels, scores, weights)
    if parts is None:
        return None
    toxic, others, ranks = parts
    return float(_figures(_sum(toxic, ranks), _sum(others, ranks))[0])


def roc(labels: Array, scores: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Give false and true positive rates from the strictest threshold to the loosest."""
    parts = _ranked(labels, scores, weights)
    if parts is None:
        return np.array([]), np.array([])
    toxic, others, ranks = parts
    found, false = np.cumsum(_sum(toxic, ranks)), np.cumsum(_sum(others, ranks))
    return false / false[-1], found / found[-1]


def _ranked(
    labels: Array, scores: Array, weights: Array | None
) -> tuple[_Ranked, _Ranked, int] | None:
    labels, scores = np.asarray(labels), np.asarray(scores, float)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    known = (labels >= 0) & np.isfinite(scores)
    labels, weights = labels[known], weights[known]
    values, rank = np.unique(-scores[known], return_inverse=True)
    is_toxic = labels == 1
    if is_toxic.all() or not is_toxic.any():
        return None
    return (
        _Ranked(rank[is_toxic], weights[is_toxic]),
        _Ranked(rank[~is_toxic], weights[~is_toxic]),
        len(values),
    )


def _sum(part: _Ranked, ranks: int) -> Array:
    return np.bincount(part.rank, weights=part.weight, minlength=ranks)


def _drawn(toxic: _Ranked, others: _Ranked, ranks: int, seed: int) -> Iterator[Array]:
    """The figures of each bootstrap sample, some samples at a time."""
    rng = np.random.default_rng(seed)
    left = SAMPLES
    while left:
        size = min(left, max(1, _CELLS // max(ranks, len(toxic.rank), len(others.rank))))
        yield _figures(_resampled(toxic, ranks, size, rng), _resampled(others, ranks, size, rng))
        left -= size


def _resampled(part: _Ranked, ranks: int, size: int, rng: np.random.Generator) -> Array:
    """Weight at each rank, a sample a row."""
    drawn = rng.integers(0, len(part.rank), (size, len(part.rank)))
    cells = part.rank[drawn] + np.arange(size)[:, None] * ranks
    flat = np.bincount(cells.ravel(), part.weight[drawn].ravel(), size * ranks)
    return flat.reshape(size, ranks)


def _figures(toxic: Array, others: Array) -> Array:
    """`FIGURES` along the last axis, from the weight of each class at each rank."""
    found, false = np.cumsum(toxic, -1), np.cumsum(others, -1)
    all_toxic, all_others = found[..., -1], false[..., -1]
    area = ((found - toxic / 2) * others).sum(-1) / (all_toxic * all_others)
    flagged = found + false
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    average = (toxic * precision).sum(-1) / all_toxic
    recalls = [
        np.where(false <= most * all_others[..., None] * (1 + 1e-9), found, 0).max(-1) / all_toxic
        for most in _AT_MOST
    ]
    return np.stack([area, average, *recalls], -1)


def share(hits: int, rows: int) -> Estimate | None:
    """Give a share with its Wilson score interval.

    A bootstrap of 0 in 20 would say that 0 is certain; Wilson's says at most 16 %.
    """
    if not rows:
        return None
    part, spread = hits / rows, _Z**2 / rows
    middle = (part + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(part * (1 - part) / rows + spread / (4 * rows)) / (1 + spread)
    return Estimate(part, max(0.0, min(middle - half, part)), min(1.0, max(middle + half, part)))


def reliability(labels: Array, scores: Array, weights: Array | None = None) -> list[Bin]:
    """Sort comments into `BINS` bins of equal width of their score; empty ones are left out."""
    labels, scores = np.asarray(labels), np.asarray(scores, float)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    known = (labels >= 0) & np.isfinite(scores)
    labels, scores, weights = labels[known], scores[known], weights[known]
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    sums = [
        np.bincount(place, weights * values, BINS)
        for values in (np.ones(len(place)), scores, labels)
    ]
    return [
        Bin(float(score / weight), float(toxic / weight), float(weight))
        for weight, score, toxic in zip(*sums, strict=True)
        if weight > 0
    ]


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Give the expected calibration error: how far a score is from the share it stands for."""
    total = sum(one.weight for one in bins)
    if not total:
        return None
    return sum(one.weight * abs(one.mean_score - one.share) for one in bins) / total


@dataclass(frozen=True, slots=True)
class Bias:
    """How a model treats comments that name one identity; each is an AUC in [0, 1]."""

    subgroup: float | None
    """Among the comments that name it."""
    bpsn: float | None
    """Background positive, subgroup negative: low where harmless ones score too high."""
    bnsp: float | None
    """Background negative, subgroup positive: low where toxic ones score too low."""


def bias(labels: Array, scores: Array, named: Array) -> Bias:
    """Compare the comments that name an identity with the background, all the others.

    named  true where a comment names it
    """
    labels, scores, named = np.asarray(labels), np.asarray(scores), np.asarray(named, bool)
    bpsn = np.where(named, labels == 0, labels == 1)
    bnsp = np.where(named, labels == 1, labels == 0)
    return Bias(*(auc(labels[part], scores[part]) for part in (named, bpsn, bnsp)))


def power_mean(values: Sequence[float | None], power: float = POWER) -> float | None:
    """Give the generalised mean of what is defined; with -5 the worst weighs most."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    if power < 0 and min(known) == 0:
        return 0.0
    return float((sum(value**power for value in known) / len(known)) ** (1 / power))
