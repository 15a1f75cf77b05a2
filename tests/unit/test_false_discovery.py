"""q-values: equal to another library's, monotone, and honest about what they were given."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

import ews
from ews.errors import InputTypeError, UnknownNameError, ValueRangeError
from ews.results import Detections

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


# ---- over the columns of a table ------------------------------------------------------------------------------------


def column(make_detection, **adjusted):
    """A detection with these adjusted p-values: variance and ac1 rise, skewness falls and warns either way."""
    p = {"variance": 1.0, "ac1": 1.0, "skewness": 1.0} | adjusted
    return dataclasses.replace(make_detection(), pvalue_adjusted=p)


def test_a_column_counts_with_the_p_of_its_warning(make_detection):
    falling = column(make_detection, ac1=0.001, variance=0.2)
    falling = dataclasses.replace(falling, tau={**falling.tau, "ac1": -0.9})  # against its direction of alarm
    found = Detections(
        {
            "smallest": column(make_detection, variance=0.04, ac1=0.01),
            "either way": column(make_detection, skewness=0.02),
            "falling": falling,
            "untested": make_detection(n_surrogates=0),
        }
    )
    assert found.pvalue == pytest.approx(
        {"smallest": 0.01, "either way": 0.02, "falling": 0.2, "untested": float("nan")}, nan_ok=True
    )
    expected = [*ews.false_discovery([0.01, 0.02, 0.2]), np.nan]
    np.testing.assert_array_equal(list(found.qvalue.values()), expected)
    assert found.warnings() == ("smallest", "either way")
    assert found.warnings(0.025) == ()
    assert found.warnings(0.05, method="by") == ()
    frame = found.to_frame()
    assert frame.loc[("smallest", "ac1"), "qvalue"] == found.qvalue["smallest"]
    read = json.loads(found.to_json())
    assert read["falling"]["qvalue"] == found.qvalue["falling"]
    assert read["untested"]["qvalue"] is None


def test_no_column_no_warning():
    empty = Detections({})
    assert empty.qvalue == {}
    assert empty.warnings() == ()


def test_too_few_surrogates_are_said(make_detection):
    many = Detections({str(i): column(make_detection, ac1=0.01 + 0.9 * (i > 0)) for i in range(40)})
    assert "With 200 surrogates a series alone among 40 cannot get a q below 0.4: draw more." in " ".join(
        many.summary().split()
    )


@pytest.mark.jit
@pytest.mark.parametrize("method", ["score", "kendall"])
def test_p_is_at_most_alpha_exactly_where_the_verdict_warns(method):
    rows = ews.models.ar1(n=120, coefficient=0.5, replicates=6, seed=2).values
    rows[3] *= np.linspace(0.2, 3.0, 120)
    rows[4] = ews.models.hopf(n=120, seed=2).values
    found = ews.detect(pd.DataFrame(rows.T), n_surrogates=199, method=method)
    for one, p in zip(found.values(), found.pvalue.values(), strict=True):
        assert (one.verdict == "warning") == (p <= 0.05)
    assert found["4" if method == "score" else "3"].verdict == "warning"


@pytest.mark.parametrize(("rate", "method"), [(0, "bh"), (1, "bh"), (True, "bh"), ("0.1", "bh"), (0.05, "fdr")])
def test_rate_and_method_are_checked(make_detection, rate, method):
    with pytest.raises((ValueRangeError, UnknownNameError)):
        Detections({"a": make_detection()}).warnings(rate, method=method)
