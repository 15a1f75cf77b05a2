"""What must not change an evaluation: units, order, what is beside a series; and what a sensitivity map inherits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ews

QUICK = {"n_bootstrap": 20, "n_times": 3}
seeds = st.integers(0, 2**32 - 1)
pytestmark = pytest.mark.jit
few = settings(settings.get_profile("fixed"), max_examples=15)


def rows(seed, count=6, n=50):
    generator = np.random.default_rng(seed)
    return np.cumsum(generator.standard_normal((count, n)), axis=1) * 0.3 + generator.standard_normal((count, n))


@few
@given(seeds, st.sampled_from([-3.0, 0.5, 4.0]), st.sampled_from([-100.0, 0.0, 8.0]))
def test_units_do_not_matter(seed, factor, shift):
    data, labels = rows(seed), [1, 0] * 3
    one, other = (ews.evaluate(x, labels, **QUICK) for x in (data, factor * data + shift))
    for name in one.methods:  # skewness warns either way, so that a mirror image is no other
        np.testing.assert_allclose(one.running[name], other.running[name], atol=0.02)
    np.testing.assert_allclose(one.scores["ac1"], other.scores["ac1"], atol=0.02)


@few
@given(seeds, st.permutations(range(6)))
def test_order_of_the_series_does_not_matter(seed, order):
    data, labels = rows(seed), np.array([1, 0, 0, 1, 1, 0])
    one = ews.evaluate(data, labels, **QUICK)
    other = ews.evaluate(data[list(order)], labels[list(order)], **QUICK)
    for name in one.methods:
        np.testing.assert_array_equal(one.running[name][list(order)], other.running[name])
        assert one.roc[name].auc == pytest.approx(other.roc[name].auc, abs=1e-12)
        assert one.lead[name].threshold == other.lead[name].threshold


@few
@given(seeds)
def test_a_score_depends_on_its_series_alone(seed):
    data = rows(seed)
    together = ews.evaluate(data, [1, 0] * 3, **QUICK)
    apart = ews.evaluate([data[0], data[1], data[2][:40]], [1, 0, 0], **QUICK)
    for name in together.methods:
        np.testing.assert_allclose(together.running[name][:2], apart.running[name][:2], atol=1e-12)


@few
@given(seeds, st.integers(30, 49))
def test_the_future_does_not_matter(seed, end):
    data = rows(seed)
    whole = ews.evaluate(data, [1, 0] * 3, **QUICK)
    cut = ews.evaluate(data, [1, 0] * 3, until=end - 1, n_bootstrap=20, n_times=1)
    changed = data.copy()
    changed[:, end:] = 1e3
    again = ews.evaluate(changed, [1, 0] * 3, until=end - 1, n_bootstrap=20, n_times=1)
    for name in whole.methods:
        np.testing.assert_array_equal(cut.scores[name], again.scores[name])


@few
@given(seeds)
def test_swapping_the_labels_mirrors_the_area(seed):
    labels = np.array([1, 0, 0, 1, 1, 0], bool)
    one, other = (ews.evaluate(rows(seed), truth, n_bootstrap=5, n_times=1) for truth in (labels, ~labels))
    for name in one.methods:
        assert one.roc[name].auc == pytest.approx(1.0 - other.roc[name].auc, abs=1e-12)


@few
@given(seeds, st.sampled_from([0.01, 1.0, 250.0]), st.sampled_from([-5.0, 0.0, 40.0]))
def test_units_do_not_matter_to_a_sensitivity_map(seed, factor, shift):
    grid = {"windows": (0.3, 0.6), "bandwidths": (0.1, 0.3), "n_surrogates": 15}
    one, other = (ews.sensitivity(x, **grid) for x in (rows(seed)[0], factor * rows(seed)[0] + shift))
    for name in one.tau:
        np.testing.assert_allclose(one.tau[name], other.tau[name], atol=1e-9)
        np.testing.assert_allclose(one.pvalue[name], other.pvalue[name], atol=1e-9)


@few
@given(seeds)
def test_a_larger_grid_holds_the_smaller_one(seed):
    x = rows(seed)[0]
    small = ews.sensitivity(x, windows=(0.5,), bandwidths=(0.2,), n_surrogates=15)
    large = ews.sensitivity(x, windows=(0.3, 0.5), bandwidths=(0.1, 0.2), n_surrogates=15)
    for name in small.tau:
        assert small.tau[name][0, 0] == large.tau[name][1, 1]
        assert small.pvalue[name][0, 0] == large.pvalue[name][1, 1]
        assert small.median_pvalue[name] == small.pvalue[name][0, 0]
