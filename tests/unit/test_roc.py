"""ROC curves against loops over all pairs and thresholds, and intervals against other formulas and their promise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm

import ews
from ews._evaluation.resampling import Ordered, auc_of, newcombe_interval, resampled_weights
from ews.errors import (
    ArgumentError,
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
)

# Few distinct values, so that ties are common.
cases = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: 0 < sum(label for _, label in rows) < len(rows)
)


def split(rows):
    scores, labels = zip(*rows, strict=True)
    return np.array(scores, dtype=np.float64), np.array(labels)


def auc_by_pairs(scores, labels):
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels] for n in scores[~labels]]
    return sum(pairs) / len(pairs)


def simulated(m, n, shift, seed):
    generator = np.random.default_rng(seed)
    scores = np.concatenate([generator.standard_normal(m) + shift, generator.standard_normal(n)])
    return scores, np.arange(m + n) < m


# ---- the curve and its area -----------------------------------------------------------------------------------------


@given(cases)
def test_area_is_the_share_of_pairs_in_order(rows):
    scores, labels = split(rows)
    curve = ews.roc(scores, labels, n_bootstrap=0)
    assert curve.auc == pytest.approx(auc_by_pairs(scores, labels), abs=1e-12)
    statistic = mannwhitneyu(scores[labels], scores[~labels], method="asymptotic").statistic
    assert curve.auc == pytest.approx(statistic / (labels.sum() * (~labels).sum()), abs=1e-12)
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(curve.auc, abs=1e-12)


@given(cases)
def test_curve_counts_alarms_at_every_threshold(rows):
    scores, labels = split(rows)
    curve = ews.roc(scores, labels, n_bootstrap=0)
    assert curve.thresholds[0] == np.inf
    for threshold, fpr, tpr in zip(curve.thresholds, curve.fpr, curve.tpr, strict=True):
        assert tpr == pytest.approx(np.mean(scores[labels] >= threshold))
        assert fpr == pytest.approx(np.mean(scores[~labels] >= threshold))
    assert (np.diff(curve.thresholds) < 0).all()
    assert (curve.fpr[-1], curve.tpr[-1]) == (1.0, 1.0)


@given(cases)
def test_turning_the_score_round_mirrors_the_area(rows):
    scores, labels = split(rows)
    area = ews.roc(scores, labels, n_bootstrap=0).auc
    assert ews.roc(-scores, labels, n_bootstrap=0).auc == pytest.approx(1 - area, abs=1e-12)
    assert ews.roc(scores, ~labels, n_bootstrap=0).auc == pytest.approx(1 - area, abs=1e-12)
    assert ews.roc(np.exp(scores), labels, n_bootstrap=0).auc == pytest.approx(area, abs=1e-12)


def test_perfect_inverted_and_tied_scores():
    labels = [0, 0, 1, 1]
    assert ews.roc([1, 2, 3, 4], labels).auc == 1.0
    assert ews.roc([4, 3, 2, 1], labels).auc == 0.0
    assert ews.roc([7, 7, 7, 7], labels).auc == 0.5
    assert ews.roc([-np.inf, 0, 0, np.inf], labels, n_bootstrap=0).auc == 0.875


def test_detection_rate_at_a_false_alarm_rate():
    scores = np.concatenate([np.arange(20.0), [18.5, 17.5, 30.0, 0.0]])
    curve = ews.roc(scores, np.arange(24) >= 20, n_bootstrap=0)
    assert curve.threshold_at(0.05) == 18.5  # reached by one of twenty negatives
    assert curve.detection_rate(0.05) == 0.5
    assert curve.threshold_at(0.1) == 17.5
    assert curve.detection_rate(0.1) == 0.75
    assert curve.threshold_at(0.0) == 30.0
    assert curve.detection_rate(1.0) == 1.0
    with pytest.raises(ValueRangeError):
        curve.detection_rate(1.5)


# ---- intervals ------------------------------------------------------------------------------------------------------


def test_delong_agrees_with_placements_in_a_loop():
    scores, labels = simulated(17, 23, 0.8, 4)
    scores = np.round(scores, 1)
    curve = ews.roc(scores, labels, interval="delong", n_bootstrap=0)

    def beats(a, b):
        return (a > b) + 0.5 * (a == b)

    p, n = scores[labels], scores[~labels]
    v10 = [np.mean([beats(one, other) for other in n]) for one in p]
    v01 = [np.mean([beats(one, other) for one in p]) for other in n]
    reach = norm.isf(0.025) * np.sqrt(np.var(v10, ddof=1) / p.size + np.var(v01, ddof=1) / n.size)
    np.testing.assert_allclose(curve.interval, (curve.auc - reach, curve.auc + reach))


def test_newcombe_solves_its_equation():
    for auc, m, n in [(0.8, 12, 20), (0.5, 5, 5), (0.97, 30, 4)]:
        size = (m + n) / 2 - 1
        for theta in newcombe_interval(auc, m, n, 0.95):
            spread = 1 + size * (1 - theta) / (2 - theta) + size * theta / (1 + theta)
            assert abs(theta - auc) == pytest.approx(norm.isf(0.025) * np.sqrt(theta * (1 - theta) * spread / (m * n)))
    low, high = newcombe_interval(1.0, 10, 10, 0.95)
    assert high == 1.0
    assert 0.7 < low < 0.9
    assert newcombe_interval(0.0, 10, 10, 0.95) == pytest.approx((0.0, 1.0 - low))


def test_perfect_separation_claims_no_certainty():
    curve = ews.roc([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])
    assert curve.interval == newcombe_interval(1.0, 3, 3, 0.95)
    assert curve.interval[0] < 0.8
    assert "Newcombe" in curve.notes[0]
    assert "Newcombe" in curve.summary()


def test_bootstrap_is_near_delong():
    scores, labels = simulated(150, 120, 1.0, 3)
    made = ews.roc(scores, labels, seed=1).interval
    np.testing.assert_allclose(made, ews.roc(scores, labels, interval="delong", n_bootstrap=0).interval, atol=0.012)


def test_bootstrap_agrees_with_a_loop():
    scores, labels = simulated(9, 7, 0.5, 2)
    scores = np.round(scores)
    weights = np.concatenate(list(resampled_weights(labels, np.arange(16), n_bootstrap=20, seed=4)))
    assert (weights[:, labels].sum(axis=1) == 9).all()
    assert (weights[:, ~labels].sum(axis=1) == 7).all()
    for row, area in zip(weights, auc_of(Ordered.of(scores, labels), weights), strict=True):
        drawn = np.repeat(np.arange(16), row.astype(int))
        assert area == pytest.approx(auc_by_pairs(scores[drawn], labels[drawn]), abs=1e-12)


def test_same_seed_same_interval():
    scores, labels = simulated(20, 20, 0.5, 6)
    assert ews.roc(scores, labels, seed=3).interval == ews.roc(scores, labels, seed=3).interval
    assert ews.roc(scores, labels, seed=3).interval != ews.roc(scores, labels, seed=4).interval


def test_band_holds_the_curve():
    scores, labels = simulated(60, 60, 1.0, 8)
    curve = ews.roc(scores, labels)
    upper = np.array([curve.tpr[curve.fpr <= x + 1e-12][-1] for x in curve.band_fpr])
    assert (curve.band_lower <= upper + 0.02).all()
    assert (curve.band_upper[1:] >= upper[1:] - 1e-12).mean() > 0.95
    assert (curve.band_lower <= curve.band_upper).all()


def test_records_with_many_scores_make_the_interval_wider():
    """Ten copies of every case are no more evidence than one."""
    scores, labels = simulated(15, 15, 0.7, 9)
    once = ews.roc(scores, labels, seed=2)
    copies, truth, record = np.repeat(scores, 10), np.repeat(labels, 10), np.repeat(np.arange(30), 10)
    grouped = ews.roc(copies, truth, groups=record, seed=2)
    assert grouped.interval == pytest.approx(once.interval, abs=1e-12)
    assert grouped.n_groups == 30
    naive = ews.roc(copies, truth, seed=2)
    assert np.ptp(naive.interval) < 0.5 * np.ptp(grouped.interval)


def test_groups_that_hold_both_labels_stay_together():
    scores, labels = np.arange(8.0), np.array([0, 1, 0, 1, 0, 1, 0, 0], bool)
    groups = np.array(["a", "a", "b", "b", "c", "c", "d", "e"])
    numbers = np.unique(groups, return_inverse=True)[1]
    for weights in resampled_weights(labels, numbers, n_bootstrap=50, seed=1):
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 0:6:2].sum(axis=1) == 3).all()  # three groups with both labels
        assert (weights[:, 6:].sum(axis=1) == 2).all()  # two without a positive case
    assert ews.roc(scores, labels, groups=groups).n_groups == 5


@pytest.mark.slow
@pytest.mark.parametrize(("interval", "least", "most"), [("bootstrap", 0.91, 0.97), ("newcombe", 0.93, 0.98)])
def test_intervals_cover(interval, least, most):
    """Normal scores, true AUC 0.76, 25 of each: 1000 collections; the standard error of the rate is 0.007."""
    truth, inside = norm.cdf(1 / np.sqrt(2)), 0
    for seed in range(1000):
        scores, labels = simulated(25, 25, 1.0, seed)
        low, high = ews.roc(scores, labels, interval=interval, n_bootstrap=400, seed=seed).interval
        inside += low <= truth <= high
    assert least < inside / 1000 < most


# ---- comparison -----------------------------------------------------------------------------------------------------


def test_a_score_does_not_differ_from_itself():
    scores, labels = simulated(20, 20, 0.5, 1)
    same = ews.compare_roc(scores, 10 * scores + 3, labels)
    assert same.difference == 0.0
    assert same.interval == (0.0, 0.0)
    assert same.pvalue == 1.0


def test_pairing_makes_the_comparison_sharper():
    scores, labels = simulated(80, 80, 0.8, 2)
    noise = np.random.default_rng(3).standard_normal(160)
    paired = ews.compare_roc(scores, scores + 0.3 * noise, labels)
    one, other = ews.roc(scores, labels), ews.roc(scores + 0.3 * noise, labels)
    assert paired.difference == pytest.approx(one.auc - other.auc)
    assert np.ptp(paired.interval) < 0.7 * np.hypot(np.ptp(one.interval), np.ptp(other.interval))
    turned = ews.compare_roc(scores + 0.3 * noise, scores, labels)
    assert turned.interval == pytest.approx((-paired.interval[1], -paired.interval[0]), abs=1e-9)
    assert turned.pvalue == paired.pvalue < 0.5


def test_a_difference_that_is_there_is_found():
    scores, labels = simulated(60, 60, 1.5, 2)
    worthless = np.random.default_rng(4).standard_normal(120)
    found = ews.compare_roc(scores, worthless, labels)
    assert found.interval[0] > 0.1
    assert found.pvalue == 2 / (1 + found.n_bootstrap)  # the least there is: never 0


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6])
def test_the_pvalue_is_the_level_at_which_the_interval_touches_zero(shift):
    scores, labels = simulated(60, 60, 0.6 + shift, 5)
    other = simulated(60, 60, 0.6, 6)[0]
    p = ews.compare_roc(scores, other, labels).pvalue
    assert 0.004 < p < 0.95

    def holds_zero(level):
        low, high = ews.compare_roc(scores, other, labels, level=level).interval
        return low <= 0.0 <= high

    assert holds_zero(1 - 0.9 * p)
    assert not holds_zero(1 - min(1.1 * p + 0.005, 0.99))


# ---- what goes in and out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "labels", "options", "error"),
    [
        ([1, np.nan], [0, 1], {}, MissingValuesError),
        (["a", "b"], [0, 1], {}, InputTypeError),
        ([1, 2], [0, 2], {}, ValueRangeError),
        ([1, 2], [1, 1], {}, SeriesTooShortError),
        ([1, 2], [0, 0], {}, SeriesTooShortError),
        ([1, 2], [0, 1, 1], {}, ArgumentError),
        ([1, 2], ["x", "y"], {}, InputTypeError),
        ([1, 2], "ab", {}, InputTypeError),
        ([1, 2], [0, 1], {"interval": "jackknife"}, UnknownNameError),
        ([1, 2], [0, 1], {"interval": "delong", "groups": [0, 1]}, ArgumentError),
        ([1, 2, 3], [0, 1, 0], {"interval": "delong"}, SeriesTooShortError),
        ([1, 2], [0, 1], {"groups": [0]}, ArgumentError),
        ([1, 2], [0, 1], {"groups": [[0, 1], [1]]}, InputTypeError),
        ([1, 2], [0, 1], {"level": 95}, ValueRangeError),
        ([1, 2], [0, 1], {"n_bootstrap": -1}, ValueRangeError),
        ([1, 2], [0, 1], {"n_bootstrap": 2.5}, ValueRangeError),
    ],
)
def test_bad_input_is_named(scores, labels, options, error):
    with pytest.raises(error):
        ews.roc(scores, labels, **options)


def test_compared_scores_are_of_the_same_cases():
    with pytest.raises(ArgumentError, match="scores_b"):
        ews.compare_roc([1, 2], [1, 2, 3], [0, 1])
    with pytest.raises(ValueRangeError):
        ews.compare_roc([1, 2], [2, 1], [0, 1], n_bootstrap=0)


def test_result_leaves_as_table_text_and_figure():
    scores, labels = simulated(30, 40, 1.0, 8)
    curve = ews.roc(scores, labels)
    frame = curve.to_frame()
    assert list(frame) == ["threshold", "fpr", "tpr"]
    text = json.dumps(curve.to_dict(), allow_nan=False)
    assert json.loads(text)["auc"] == curve.auc
    assert json.loads(text)["thresholds"][0] == "inf"
    assert "30 positive and 40 negative cases." in curve.summary()
    assert f"{curve.auc:.3f}" in curve.summary()
    assert "AUC" in repr(curve)
    axes = curve.plot().axes[0]
    np.testing.assert_array_equal(axes.lines[-1].get_xdata(), curve.fpr)
    assert ews.roc(scores, labels, n_bootstrap=0).plot()
