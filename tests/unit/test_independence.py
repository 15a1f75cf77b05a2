"""BDS, the test of conditional heteroskedasticity and time-varying AR(1): results, refusals, seeds, size and power."""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ews
from ews.errors import ArgumentError, MissingValuesError, SeriesTooShortError


def noise(n: int = 100, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def arch(n: int, seed: int = 1) -> np.ndarray:
    x = noise(n, seed)
    for t in range(1, n):
        x[t] *= (0.4 + 0.6 * x[t - 1] ** 2) ** 0.5
    return x


# ---- BDS -----------------------------------------------------------------------------------------------------------


def test_bds_shape_and_contents() -> None:
    result = ews.bds(noise(), max_dimension=4, distances=(0.5, 1.0), n_surrogates=19)
    assert result.dimensions == (2, 3, 4)
    assert result.distances == (0.5, 1.0)
    assert result.statistic.shape == result.pvalue.shape == result.pvalue_normal.shape == (3, 2)
    assert result.residual_sentence == "first differences"
    np.testing.assert_array_equal(result.residual, np.diff(noise()))
    assert ((result.pvalue >= 2 / 20) & (result.pvalue <= 1)).all()
    assert json.loads(json.dumps(result.to_dict()))["statistic"] == result.statistic.tolist()
    text = result.summary()
    assert max(map(len, text.splitlines())) <= 96
    assert "19 permutations, seed 0" in " ".join(text.split())
    assert f"{result.statistic[2, 1]:.2f}" in text


def test_bds_permutations_follow_the_seed() -> None:
    first, again, other = (ews.bds(noise(40), n_surrogates=70, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.pvalue, again.pvalue)
    assert (first.pvalue != other.pvalue).any()
    np.testing.assert_array_equal(first.statistic, other.statistic)


def test_bds_pvalue_counts_permutations() -> None:
    from ews._kernels.bds import bds_statistics

    x = noise(60)
    result = ews.bds(x, residuals=None, n_surrogates=99, max_dimension=2, distances=(1.0,), seed=3)
    unit = x / x.std(ddof=1)
    rng = np.random.default_rng(3)
    drawn = np.empty((99, 1, 1))
    rows = np.concatenate([rng.permuted(np.tile(unit, (count, 1)), axis=1) for count in (64, 35)])
    bds_statistics(rows, np.array([1.0]), 2, drawn)
    share = min((drawn >= result.statistic).sum(), (drawn <= result.statistic).sum())
    assert result.pvalue[0, 0] == pytest.approx(min(1.0, 2 * (1 + share) / 100))


def test_bds_is_that_of_the_definition() -> None:
    x = noise(50)
    close = np.abs(x[:, None] - x) <= 0.75 * x.std(ddof=1)
    n = 48
    for m in (2, 3):
        joint = np.all([close[k : k + n, k : k + n] for k in range(m)], axis=0)
        above = np.triu_indices(n, 1)
        c, cm = close[:n, :n][above].mean(), joint[above].mean()
        triples = [
            close[i, j] and close[j, k] for i in range(n) for j in range(n) for k in range(n) if i != j != k != i
        ]
        k = np.mean(triples)
        variance = k**m + 2 * sum(k ** (m - j) * c ** (2 * j) for j in range(1, m))
        variance += (m - 1) ** 2 * c ** (2 * m) - m**2 * k * c ** (2 * m - 2)
        expected = np.sqrt(n) * (cm - c**m) / np.sqrt(4 * variance)
        result = ews.bds(x, residuals=None, distances=(0.75,), n_surrogates=0)
        assert result.statistic[m - 2, 0] == pytest.approx(expected, rel=1e-10)


@pytest.mark.jit
def test_bds_holds_its_size_and_finds_what_is_not_linear() -> None:
    """500 series of 100: the standard error of a rate of 0.05 is 0.01."""
    options = {"residuals": None, "max_dimension": 2, "distances": (1.0,), "n_surrogates": 99}
    rng = np.random.default_rng(4)
    p = np.array([ews.bds(rng.standard_normal(100), **options).pvalue[0, 0] for _ in range(500)])
    assert 0.02 <= (p <= 0.05).mean() <= 0.08
    bent = np.array([ews.bds(arch(200, seed), **options).pvalue[0, 0] for seed in range(50)])
    assert (bent <= 0.05).mean() > 0.6


@pytest.mark.jit
def test_bds_arma_takes_linear_memory_out() -> None:
    x = changing(200, 0.9, 0.9)
    raw = ews.bds(x, residuals=None, n_surrogates=99)
    whitened = ews.bds(x, residuals="arma", n_surrogates=99)
    assert raw.pvalue.max() <= 0.02
    assert whitened.pvalue.min() > 0.05
    assert whitened.residual.size == 200
    assert whitened.residual_sentence == "standardised innovations of ARMA(1, 0), orders by AIC"


@pytest.mark.parametrize("residuals", [None, "difference", "arma"])
def test_bds_does_not_depend_on_units(residuals: str | None) -> None:
    x = noise(80)
    order = (1, 0) if residuals == "arma" else None
    plain = ews.bds(x, residuals=residuals, order=order, n_surrogates=19)
    moved = ews.bds(1e6 - 4.0 * x, residuals=residuals, order=order, n_surrogates=19)
    np.testing.assert_allclose(moved.statistic, plain.statistic, atol=0.2 if residuals == "arma" else 1e-9)


def test_bds_garch_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arch.univariate", None)  # as where the package is not installed
    with pytest.raises(ArgumentError, match=r"pip install 'earlywarning\[arch\]'"):
        ews.bds(noise(), residuals="garch")


@pytest.mark.skipif(importlib.util.find_spec("arch") is None, reason="needs the extra earlywarning[arch]")
def test_bds_garch_takes_changing_variance_out() -> None:
    x = arch(500)
    assert ews.bds(x, residuals=None, n_surrogates=99).pvalue.max() <= 0.05
    assert ews.bds(x, residuals="garch", n_surrogates=99).pvalue.min() > 0.05


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"residuals": "ar"}, "residuals"),
        ({"max_dimension": 1}, "max_dimension"),
        ({"max_dimension": 2.5}, "max_dimension"),
        ({"distances": ()}, "distances"),
        ({"distances": (0.5, -1.0)}, "distances"),
        ({"distances": "abc"}, "distances"),
        ({"n_surrogates": -1}, "n_surrogates"),
        ({"order": (1, 0)}, "order"),
        ({"residuals": "arma", "order": (1,)}, "order"),
        ({"residuals": "arma", "order": (1, -1)}, "order"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bds_refusals_name_the_argument(options: dict[str, object], argument: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        ews.bds(noise(), **options)
    assert caught.value.argument == argument


@pytest.mark.parametrize("residuals", [None, "difference", "arma"])
@pytest.mark.parametrize("series", [np.ones(100), np.full(100, 1e9)])
def test_bds_of_a_constant_is_refused(residuals: str | None, series: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match="do not vary"):
        ews.bds(series, residuals=residuals)


def test_bds_of_a_straight_line_is_refused() -> None:
    with pytest.raises(ArgumentError, match="do not vary"):
        ews.bds(np.arange(100.0))


# ---- conditional heteroskedasticity --------------------------------------------------------------------------------


@pytest.mark.jit
def test_heteroskedasticity_test_finds_changing_variance() -> None:
    result = ews.heteroskedasticity_test(arch(400), window=0.5)
    assert result.window == 200
    assert np.isnan(result.r_squared[:199]).all()
    assert not result.signal[:199].any()
    assert result.signal[199:].mean() > 0.9
    np.testing.assert_array_equal(result.r_squared, ews.conditional_heteroskedasticity(arch(400), window=200))
    assert f"{int(result.signal.sum())} of 201 windows" in " ".join(result.summary().split())
    assert result.to_dict()["order"] == result.order.tolist()


@pytest.mark.jit
def test_heteroskedasticity_test_holds_its_level_in_one_window() -> None:
    """2,000 windows of white noise: the standard error of a rate of 0.1 is 0.007."""
    rows = np.random.default_rng(7).standard_normal((2000, 100))
    values = ews.conditional_heteroskedasticity(rows, window=100, order=1)[:, -1]
    critical = ews.heteroskedasticity_test(rows[0], window=100, order=1).critical_value[-1]
    assert 0.06 <= (values > critical).mean() <= 0.12


@pytest.mark.parametrize("alpha", [0.0, 1.0, float("nan"), "0.1"])
def test_heteroskedasticity_test_refuses_levels(alpha: object) -> None:
    with pytest.raises(ArgumentError, match="alpha"):
        ews.heteroskedasticity_test(noise(), alpha=alpha)


# ---- time-varying AR(1) --------------------------------------------------------------------------------------------


def changing(n: int, first: float, last: float, seed: int = 1) -> np.ndarray:
    x = noise(n, seed)
    for t in range(1, n):
        x[t] += (first + (last - first) * t / n) * x[t - 1]
    return x


def test_coefficient_follows_a_change() -> None:
    x = changing(800, 0.0, 0.9)
    fit = ews.time_varying_ar(pd.Series(x, name="lake"))
    truth = 0.9 * np.arange(800) / 800
    inside = (fit.smoothed_lower <= truth) & (truth <= fit.smoothed_upper)
    assert inside[1:].mean() > 0.85
    assert np.abs(fit.smoothed - truth)[1:].mean() < np.nanmean(np.abs(fit.filtered - truth))
    assert np.isnan(fit.filtered[0])
    assert np.isnan(fit.smoothed[0])
    assert fit.filtered[-1] == fit.smoothed[-1]
    assert fit.log_likelihood > fit.log_likelihood_constant + 5
    assert fit.innovation_sd == pytest.approx(1.0, abs=0.1)
    assert fit.series.name == "lake"


def test_constant_coefficient_is_that_of_least_squares() -> None:
    x = changing(400, 0.6, 0.6, seed=3)
    fit = ews.time_varying_ar(x)
    assert fit.step_sd == 0.0
    assert fit.log_likelihood == fit.log_likelihood_constant
    centred = x - x.mean()
    slope = centred[1:] @ centred[:-1] / (centred[:-1] @ centred[:-1])
    np.testing.assert_allclose(fit.smoothed[1:], slope, rtol=1e-10)
    assert "constant at" in fit.summary()


def test_fit_does_not_depend_on_units() -> None:
    x = changing(200, 0.0, 0.9)
    plain, moved = ews.time_varying_ar(x), ews.time_varying_ar(7.0 - 1e5 * x)
    np.testing.assert_allclose(moved.smoothed[1:], plain.smoothed[1:], rtol=1e-5, atol=1e-6)
    assert moved.innovation_sd == pytest.approx(1e5 * plain.innovation_sd, rel=1e-5)
    assert moved.log_likelihood == pytest.approx(plain.log_likelihood - 198 * np.log(1e5), rel=1e-8)


def test_wider_confidence_wider_band() -> None:
    x = changing(200, 0.0, 0.9)
    narrow, wide = (ews.time_varying_ar(x, confidence=level) for level in (0.5, 0.99))
    ratio = (wide.filtered_upper - wide.filtered_lower)[2:] / (narrow.filtered_upper - narrow.filtered_lower)[2:]
    np.testing.assert_allclose(ratio, 2.5758293035489004 / 0.6744897501960817, rtol=1e-9)


def test_dictionary_has_no_nan() -> None:
    assert json.loads(json.dumps(ews.time_varying_ar(noise()).to_dict(), allow_nan=False))["filtered"][0] is None


@pytest.mark.parametrize(
    ("series", "options", "match"),
    [
        (np.ones(50), {}, "one value"),
        (np.tile([1.0, -1.0], 50), {}, "deterministic"),
        (noise(), {"confidence": 1.0}, "confidence"),
        (noise(), {"confidence": 95}, "confidence"),
    ],
)
def test_time_varying_ar_refusals(series: np.ndarray, options: dict[str, float], match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        ews.time_varying_ar(series, **options)


@pytest.mark.parametrize(
    "function", [functools.partial(ews.bds, n_surrogates=0), ews.time_varying_ar, ews.heteroskedasticity_test]
)
def test_input_is_read_as_everywhere(function: Callable[[Any], object]) -> None:
    gap = noise()
    gap[5] = np.nan
    with pytest.raises(MissingValuesError):
        function(gap)
    with pytest.raises(SeriesTooShortError):
        function([1.0, 2.0, 1.0, 3.0])
    kept = noise()
    function(kept)
    np.testing.assert_array_equal(kept, noise())
