"""q-values: equal to another library's, monotone, and honest about what they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

import ews
from ews.errors import InputTypeError, UnknownNameError, ValueRangeError

OTHER = {"bh": "fdr_bh", "by": "fdr_by"}
levels = st.floats(0.0, 1.0)


@pytest.mark.parametrize("method", ["bh", "by"])
@pytest.mark.parametrize("n", [1, 2, 7, 200])
def test_agrees_with_statsmodels(method, n):
    p = np.random.default_rng(n).uniform(size=n) ** 2
    p[: n // 3] = p[0]  # ties
    np.testing.assert_allclose(ews.false_discovery(p, method=method), multipletests(p, method=OTHER[method])[1])


@given(st.lists(levels, min_size=1, max_size=30), st.randoms())
def test_the_order_of_the_tests_does_not_matter(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    q = ews.false_discovery(p)
    np.testing.assert_array_equal(ews.false_discovery([p[i] for i in order]), q[order])
    assert (q >= np.array(p)).all()
    ranked = q[np.argsort(p, kind="stable")]
    assert (np.diff(ranked) >= 0).all()


@given(st.lists(levels, min_size=1, max_size=20))
def test_any_dependence_costs_more(p):
    assert (ews.false_discovery(p, method="by") >= ews.false_discovery(p)).all()


def test_what_was_not_tested_counts_for_nothing():
    q = ews.false_discovery([0.01, np.nan, 0.03])
    np.testing.assert_array_equal(q[[0, 2]], ews.false_discovery([0.01, 0.03]))
    assert np.isnan(q[1])
    assert np.isnan(ews.false_discovery([np.nan, np.nan])).all()
    assert ews.false_discovery([]).size == 0


def test_shape_is_kept_and_input_untouched():
    p = np.array([[0.01, 0.5], [0.03, np.nan]])
    before = p.copy()
    q = ews.false_discovery(p)
    assert q.shape == p.shape
    np.testing.assert_array_equal(p, before)
    np.testing.assert_array_equal(ews.false_discovery(pd.Series([0.2, 0.1])), [0.2, 0.2])


def test_the_rate_of_false_discoveries_is_held():
    """Of 1000 screenings of 40 tests, 10 of them with an effect: the mean share of false ones among those found."""
    generator = np.random.default_rng(5)
    shares = []
    for _ in range(1000):
        p = generator.uniform(size=40)
        p[:10] = p[:10] ** 12
        found = ews.false_discovery(p) <= 0.1
        shares.append(found[10:].sum() / max(found.sum(), 1))
    assert 0.06 < np.mean(shares) < 0.09  # Benjamini & Hochberg's bound is 30/40 of the level


@pytest.mark.parametrize(
    ("pvalues", "method", "error"),
    [
        ([0.1, 1.2], "bh", ValueRangeError),
        ([-0.1], "bh", ValueRangeError),
        ([np.inf], "bh", ValueRangeError),
        (["a"], "bh", InputTypeError),
        ([[0.1], [0.1, 0.2]], "bh", InputTypeError),
        ([0.1j], "bh", InputTypeError),
        ([0.1], "holm", UnknownNameError),
        ([0.1], None, UnknownNameError),
    ],
)
def test_bad_input_is_named(pvalues, method, error):
    with pytest.raises(error):
        ews.false_discovery(pvalues, method=method)
