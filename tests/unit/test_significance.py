"""p-values against loops that follow the definitions, never 0, uniform where the null holds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import ews
from ews._common.alarms import two_sided, westfall_young
from ews._significance import surrogates as _significance
from ews._significance.pipeline import Pipeline
from ews._significance.resolve import resolve_pipeline


def naive_two_sided(observed: float, surrogate: np.ndarray) -> float:
    """p↑ = (1 + #≥) / (1 + n), p↓ alike; twice the smaller; an undefined surrogate counts on both sides."""
    n = len(surrogate)
    if np.isnan(observed) or n == 0:
        return np.nan
    up = (1 + sum(bool(value >= observed or np.isnan(value)) for value in surrogate)) / (1 + n)
    down = (1 + sum(bool(value <= observed or np.isnan(value)) for value in surrogate)) / (1 + n)
    return min(1.0, 2 * min(up, down))


def naive_min_p(observed: np.ndarray, surrogate: np.ndarray) -> np.ndarray:
    """Each surrogate in the observed one's place, among the others and the observed one: O(n²)."""
    k, n = surrogate.shape
    single = np.array([naive_two_sided(observed[i], surrogate[i]) for i in range(k)])
    used = [i for i in range(k) if not np.isnan(single[i])]
    adjusted = np.full(k, np.nan)
    if not used:
        return adjusted
    smallest = []
    for s in range(n):
        own = []
        for i in used:
            value = surrogate[i, s]
            others = np.append(np.delete(surrogate[i], s), observed[i])
            own.append(2 / (1 + n) if np.isnan(value) else naive_two_sided(value, others))
        smallest.append(min(own))
    for i in used:
        adjusted[i] = max((1 + sum(p <= single[i] + 1e-12 for p in smallest)) / (1 + n), single[i])
    return adjusted


def tables() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(6)
    joint = generator.standard_normal((3, 60))
    mixed = joint.copy()
    mixed[1] = mixed[0] + 0.1 * mixed[1]  # two indicators that say the same
    holes = np.where(generator.random((3, 60)) < 0.1, np.nan, joint)
    return {
        "middle": (np.array([0.1, -0.2, 0.0]), joint),
        "one extreme": (np.array([9.0, 0.0, 0.3]), joint),
        "all extreme": (np.array([9.0, -9.0, 9.0]), joint),
        "correlated": (np.array([1.5, 1.4, -1.0]), mixed),
        "ties": (np.array([1.0, 0.0, -1.0]), np.round(joint)),
        "all equal": (np.zeros(3), np.zeros((3, 60))),
        "undefined surrogates": (np.array([2.0, 0.1, -1.0]), holes),
        "undefined trend": (np.array([np.nan, 1.0, -2.5]), joint),
        "all undefined": (np.full(3, np.nan), joint),
        "one indicator": (np.array([1.9]), joint[:1]),
        "few": (np.array([1.9, 0.3, 0.2]), joint[:, :5]),
    }


TABLES = tables()


@pytest.mark.parametrize("name", TABLES)
def test_p_values_follow_their_definitions(name: str) -> None:
    observed, surrogate = TABLES[name]
    single, adjusted = westfall_young(observed, surrogate)
    expected = [naive_two_sided(observed[i], surrogate[i]) for i in range(len(observed))]
    np.testing.assert_allclose(single, expected, rtol=1e-14)
    np.testing.assert_allclose(adjusted, naive_min_p(observed, surrogate), rtol=1e-14)
    used = ~np.isnan(single)
    assert (adjusted[used] >= single[used]).all()
    assert (single[used] >= 2 / (1 + surrogate.shape[1])).all()
    assert (adjusted[used] <= 1).all()


def test_two_sided_takes_many_trends_at_once() -> None:
    surrogate = TABLES["middle"][1][0]
    observed = np.r_[np.linspace(-3, 3, 31), surrogate[:5], np.nan]
    np.testing.assert_allclose(two_sided(observed, surrogate), [naive_two_sided(x, surrogate) for x in observed])
    assert np.isnan(two_sided(observed, np.empty(0))).all()


def test_undefined_surrogates_only_raise_p() -> None:
    surrogate = np.random.default_rng(1).standard_normal(99)
    before = two_sided(np.array([2.5]), surrogate)[0]
    surrogate[surrogate < 0] = np.nan
    assert two_sided(np.array([2.5]), surrogate)[0] > before
    assert two_sided(np.array([2.5]), np.full(99, np.nan))[0] == 1.0


def pipeline(
    n: int, *, indicators: tuple[str, ...] = ("variance", "ac1", "skewness"), detrend: str | None = None
) -> Pipeline:
    return resolve_pipeline(
        n=n, step=1.0, level=np.zeros(n), detrend=detrend, bandwidth=None, window=0.5, indicators=indicators,
        trend="kendall", causal=False, season=None,
    )  # fmt: skip


@pytest.mark.jit
@pytest.mark.parametrize(
    ("detrend", "coefficient", "null"),
    [("gaussian", 0.5, "ar1"), (None, 0.8, "ar1"), ("gaussian", 0.0, "permutation"), ("gaussian", 0.5, "fourier")],
)
def test_false_alarms_are_as_rare_as_promised(
    detrend: str | None, coefficient: float, null: ews.nulls.NullName
) -> None:
    """400 series from the null, n = 100: the share of adjusted p ≤ 0.05 lies inside the 99.9 % binomial range of 5 %,
    widened on the upper side to that of 7 % for the parameters being estimated; single p-values are near uniform."""
    n, series = 100, 400
    steps = pipeline(n, detrend=detrend)
    rows = ews.nulls.AR1(coefficient, 1.0, n).draw(0, series, seed=20_260_101)
    residual, measured = steps.measure_surrogates(rows)
    taus = steps.tau(measured)
    singles, smallest = [], []
    for i in range(series):
        found = _significance.hold_against(
            steps, taus[:, i], ews.nulls.fit(residual[i], null=null), n_surrogates=199, seed=i, banded=0
        )[0]
        singles.append(list(found.pvalue.values()))
        smallest.append(min(found.pvalue_adjusted.values()))
    alarms = int((np.array(smallest) <= 0.05).sum())
    assert stats.binom.ppf(0.0005, series, 0.05) <= alarms <= stats.binom.ppf(0.9995, series, 0.07)
    for p in np.array(singles).T:
        assert stats.kstest(p, "uniform").statistic < 0.12  # 1.95 / √400 is the 0.1 % point; ties of 1/100 widen it


def test_significance_is_what_detect_says() -> None:
    x = ews.nulls.AR1(0.5, 1.0, 120).draw(0, 1, seed=2)[0] + np.linspace(0, 2, 120)
    detected = ews.detect(x, method="kendall", n_surrogates=80, seed=4)
    found = ews.significance(detected.residual, n_surrogates=80, seed=4)  # type: ignore[union-attr]
    for field in ("tau", "pvalue", "pvalue_adjusted", "null_sentence"):
        assert getattr(found, field) == getattr(detected, field)
    for name, taus in found.surrogate_tau.items():
        np.testing.assert_array_equal(taus, detected.surrogate_tau[name])  # type: ignore[union-attr]
    assert (found.n_surrogates, found.seed) == (80, 4)


@pytest.mark.parametrize("hand_over_the_first", [True, False])
def test_differences_are_tested_as_differences(hand_over_the_first: bool) -> None:
    x = np.cumsum(ews.nulls.AR1(0.5, 1.0, 120).draw(0, 1, seed=2)[0])
    detected = ews.detect(x, detrend="difference", method="kendall", n_surrogates=50)
    residual = detected.residual if hand_over_the_first else np.diff(x)  # type: ignore[union-attr]
    found = ews.significance(residual, detrend="difference", n_surrogates=50, window=60)
    assert found.pvalue == detected.pvalue  # type: ignore[union-attr]


def test_no_surrogates_no_p_values() -> None:
    found = ews.significance(TABLES["middle"][1][0], n_surrogates=0)
    assert np.isnan(list(found.pvalue.values())).all()
    assert np.isfinite(found.tau["variance"])


def test_the_band_is_the_quantiles_of_the_surrogates() -> None:
    n = 90
    steps = pipeline(n, detrend="gaussian")
    null = ews.nulls.AR1(0.4, 1.0, n)
    measured = steps.measure_surrogates(null.draw(0, 150, seed=3))[1]
    bands = _significance.hold_against(steps, np.zeros(len(measured)), null, n_surrogates=150, seed=3)[1]
    for curves, values in zip(bands.values(), measured, strict=True):
        ordered = np.sort(values, axis=0)
        np.testing.assert_allclose(curves.median[44:], ordered[75, 44:], rtol=1e-12)
        np.testing.assert_allclose(curves.lower[44:], ordered[3, 44:], rtol=1e-12)
        np.testing.assert_allclose(curves.upper[44:], ordered[146, 44:], rtol=1e-12)
        assert np.isnan(curves.lower[:44]).all()
