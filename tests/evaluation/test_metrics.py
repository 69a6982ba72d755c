"""The figures, against scikit-learn's and against counting by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.evaluation import metrics
from moderation.evaluation.metrics import FIGURES, Bias, Estimate

skm = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")

SAMPLE = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)
"""(label, score in twentieths) pairs with both classes, and many ties."""


def split(rows):
    labels, scores = zip(*rows, strict=True)
    return np.array(labels), np.array(scores) / 20


def random_rows(size=3000, *, ties=False, seed=3):
    rng = np.random.default_rng(seed)
    labels = (rng.random(size) < 0.2).astype(int)
    scores = np.clip(rng.normal(0.3 + 0.3 * labels, 0.2), 0, 1)
    return labels, np.round(scores, 2) if ties else scores, np.where(labels, 1.0, 3.5)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_ranking_figure_is_scikit_learns(ties, weighted):
    labels, scores, weights = random_rows(ties=ties)
    weights = weights if weighted else None

    ours = metrics.ranking(labels, scores, weights)

    false, found, _ = skm.roc_curve(labels, scores, sample_weight=weights)
    theirs = {
        "auc": skm.roc_auc_score(labels, scores, sample_weight=weights),
        "average_precision": skm.average_precision_score(labels, scores, sample_weight=weights),
        "recall_at_1": found[false <= 0.01].max(),
        "recall_at_5": found[false <= 0.05].max(),
    }
    for name, value in theirs.items():
        assert ours[name].value == pytest.approx(value, abs=1e-12), name


def test_the_curve_is_scikit_learns():
    labels, scores, _ = random_rows(ties=True)
    false, found = metrics.roc(labels, scores)

    their_false, their_found, _ = skm.roc_curve(labels, scores, drop_intermediate=False)
    assert false == pytest.approx(their_false[1:])
    assert found == pytest.approx(their_found[1:])


def test_figures_counted_by_hand():
    # Ranked: toxic .9 | harmless .8 | toxic .6 | toxic and harmless .3 | harmless .1
    labels = np.array([1, 0, 1, 1, 0, 0])
    scores = np.array([0.9, 0.8, 0.6, 0.3, 0.3, 0.1])

    found = metrics.ranking(labels, scores)

    assert found["auc"].value == pytest.approx((3 + 2 + 1.5) / 9)
    assert found["average_precision"].value == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)
    # No false positive is allowed among three harmless: only the first toxic one is found.
    assert found["recall_at_1"].value == found["recall_at_5"].value == pytest.approx(1 / 3)


@given(SAMPLE)
def test_auc_is_unchanged_by_a_monotone_transform(rows):
    labels, scores = split(rows)
    assert metrics.auc(labels, scores) == pytest.approx(metrics.auc(labels, scores**3 / 2 + 0.1))


@given(SAMPLE)
def test_auc_of_the_opposite_is_the_rest(rows):
    labels, scores = split(rows)
    assert metrics.auc(labels, scores) + metrics.auc(labels, -scores) == pytest.approx(1)


@given(SAMPLE)
def test_the_order_of_rows_does_not_matter(rows):
    labels, scores = split(rows)
    backwards = metrics.ranking(labels[::-1], scores[::-1])
    for name, estimate in metrics.ranking(labels, scores).items():
        assert estimate.value == pytest.approx(backwards[name].value)


@given(SAMPLE)
def test_an_interval_holds_its_figure_and_stays_within_bounds(rows):
    for estimate in metrics.ranking(*split(rows)).values():
        assert -1e-9 <= estimate.low <= estimate.value <= estimate.high <= 1 + 1e-9


def test_where_all_scores_are_equal_auc_is_a_half_and_nothing_is_found():
    found = metrics.ranking(np.array([1, 0, 1, 0]), np.full(4, 0.5))
    assert found["auc"] == Estimate(0.5, 0.5, 0.5)
    assert found["recall_at_5"].value == 0


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], []])
def test_one_class_only_is_not_defined(labels):
    scores = np.linspace(0, 1, len(labels))
    assert metrics.ranking(np.array(labels), scores) == dict.fromkeys(FIGURES)
    assert metrics.auc(np.array(labels), scores) is None
    assert len(metrics.roc(np.array(labels), scores)[0]) == 0


def test_unknown_labels_and_missing_scores_are_left_out():
    labels = np.array([1, 0, -1, 1, 0])
    scores = np.array([0.9, 0.1, 0.0, math.nan, 0.2])
    assert metrics.auc(labels, scores) == 1


def test_the_same_seed_draws_the_same_interval():
    labels, scores, weights = random_rows(400)
    first, second = (metrics.ranking(labels, scores, weights, seed=7) for _ in range(2))
    other = metrics.ranking(labels, scores, weights, seed=8)
    assert first == second
    assert first["auc"].low != other["auc"].low


def test_drawing_in_parts_draws_as_many_samples(monkeypatch):
    labels, scores, weights = random_rows(400)
    whole = metrics.ranking(labels, scores, weights)["auc"]
    monkeypatch.setattr(metrics, "_CELLS", 400 * 7)
    parts = metrics.ranking(labels, scores, weights)["auc"]
    assert parts.value == whole.value
    assert parts.low == pytest.approx(whole.low, abs=0.01)


def test_the_interval_of_auc_is_about_as_wide_as_theory_says():
    labels, scores, _ = random_rows(3000)
    estimate = metrics.ranking(labels, scores)["auc"]
    area, toxic = estimate.value, int(labels.sum())
    harmless = len(labels) - toxic
    # Hanley and McNeil 1982
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (toxic - 1) * (first - area**2)
    variance = (variance + (harmless - 1) * (second - area**2)) / (toxic * harmless)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.2)


# Newcombe 1998, table I, method 3 (Wilson's score without continuity correction).
@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_of_a_share_is_wilsons(hits, rows, low, high):
    estimate = metrics.share(hits, rows)
    assert estimate.value == hits / rows
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_is_not_defined():
    assert metrics.share(0, 0) is None


def test_the_reliability_diagram_is_scikit_learns():
    calibration = pytest.importorskip("sklearn.calibration")
    labels, scores, _ = random_rows()
    shares, means = calibration.calibration_curve(labels, scores, n_bins=metrics.BINS)

    bins = metrics.reliability(labels, scores)

    # Zero is clipped often and lies in our first bin as in theirs; no score is on another edge.
    assert [one.share for one in bins] == pytest.approx(shares)
    assert [one.mean_score for one in bins] == pytest.approx(means)


def test_calibration_error_counted_by_hand():
    # Two bins: .1 and .1 with one toxic of two (off by .4), .9 and .9 both toxic (off by .1).
    bins = metrics.reliability(np.array([1, 0, 1, 1]), np.array([0.1, 0.1, 0.9, 0.9]))
    assert [one.weight for one in bins] == [2, 2]
    assert metrics.calibration_error(bins) == pytest.approx((0.4 + 0.1) / 2)


def test_weights_stand_for_rows_in_the_calibration_error():
    labels, scores = np.array([1, 0]), np.array([0.9, 0.5])
    once = metrics.reliability(labels, scores, np.array([3, 1]))
    thrice = metrics.reliability(np.array([1, 1, 1, 0]), np.array([0.9, 0.9, 0.9, 0.5]))
    assert metrics.calibration_error(once) == pytest.approx(metrics.calibration_error(thrice))


def test_a_score_of_one_is_in_the_last_bin():
    [one] = metrics.reliability(np.array([1]), np.array([1.0]))
    assert (one.mean_score, one.share) == (1, 1)
    assert metrics.calibration_error([]) is None


def test_bias_counted_by_hand():
    labels = np.array([1, 0, 0, 1, 1, 0])
    scores = np.array([0.9, 0.8, 0.2, 0.7, 0.5, 0.1])
    named = np.array([1, 1, 1, 0, 0, 0])

    found = metrics.bias(labels, scores, named)

    # Within: .9 beats .8 and .2. Background toxic .7 and .5 against harmless ones that name
    # it, .8 and .2: each beats one of two. Toxic .9 that names it beats the background's .1.
    assert found == Bias(subgroup=1.0, bpsn=0.5, bnsp=1.0)


def test_bias_without_a_background_is_not_defined():
    found = metrics.bias(np.array([1, 0]), np.array([0.9, 0.1]), np.array([1, 1]))
    assert found == Bias(subgroup=1.0, bpsn=None, bnsp=None)


def test_the_generalised_mean_leans_to_the_worst():
    assert metrics.power_mean([0.8, 0.8]) == pytest.approx(0.8)
    assert metrics.power_mean([1, 0.5]) == pytest.approx(((1 + 0.5**-5) / 2) ** (-1 / 5))
    assert 0.5 < metrics.power_mean([1, 0.5]) < 0.75
    assert metrics.power_mean([1, 0.5], power=1) == pytest.approx(0.75)
    assert metrics.power_mean([0.9, None]) == pytest.approx(0.9)
    assert metrics.power_mean([0.9, 0]) == 0
    assert metrics.power_mean([None]) is None
