"""The public functions of windowed indicators: what they accept, what they refuse, and their options."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from scipy import signal, stats

import ews
from ews.errors import (
    ArgumentError,
    InputTypeError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
    WindowError,
)
from ews.indicators import registry
from ews.indicators.building import read_window
from ews.indicators.fused import Windows
from ews.indicators.memory import decay_time
from ews.indicators.welch import power_spectrum

RNG = np.random.default_rng(3)
X = RNG.standard_normal(40).cumsum()


# --- windows


@pytest.mark.parametrize(("window", "samples"), [(10, 10), (np.int64(10), 10), (10.0, 10), (0.25, 10), (40, 40)])
def test_window_in_samples_or_as_a_fraction(window: float, samples: int) -> None:
    assert read_window(window, 40) == samples
    np.testing.assert_array_equal(ews.variance(X, window=window), ews.variance(X, window=samples))


def test_fraction_is_rounded_to_the_nearest_sample() -> None:
    assert read_window(0.29, 100) == 29  # 0.29 * 100 lies just below 29 in floating point
    assert read_window(0.5, 861) == 430


@pytest.mark.parametrize(
    "window", [0, 1, -5, 41, 0.0, 0.01, 1.5, -0.5, np.nan, np.inf, "10", None, True, np.True_, [10], 1j]
)
def test_impossible_window(window: object) -> None:
    with pytest.raises(
        WindowError, match=r"window: got .*; allowed: a whole number of samples from 2 to 40, or a frac"
    ):
        ews.variance(X, window=window)
    with pytest.raises(WindowError, match="window"):
        ews.rolling(X, window=window, indicators="variance")


def test_message_says_what_a_fraction_comes_to() -> None:
    with pytest.raises(WindowError, match=r"0\.01 of 40 observations, which is 0 sample"):
        ews.variance(X, window=0.01)


@pytest.mark.parametrize("lag", [1, 5])
def test_window_must_hold_two_pairs(lag: int) -> None:
    assert np.isfinite(ews.autocorrelation(X, window=lag + 2, lag=lag)).any()
    with pytest.raises(WindowError, match=f"from {lag + 2} to 40"):
        ews.autocorrelation(X, window=lag + 1, lag=lag)


@pytest.mark.parametrize("min_count", [0, -1, 11, 2.5, "3", True, np.nan])
def test_impossible_min_count(min_count: object) -> None:
    with pytest.raises(ValueRangeError, match=r"min_count: got .* from 1 to the window of 10 samples"):
        ews.variance(X, window=10, min_count=min_count)


def test_min_count_as_pandas() -> None:
    x = X.copy()
    x[[0, 7, 8, 20]] = np.nan
    expected = pd.Series(x).rolling(10, min_periods=4)
    np.testing.assert_allclose(ews.variance(x, window=10, min_count=4), expected.var(), rtol=1e-12)
    np.testing.assert_allclose(ews.skewness(x, window=10, min_count=4), expected.skew(), rtol=1e-9)
    np.testing.assert_allclose(ews.kurtosis(x, window=10, min_count=4), expected.kurt(), rtol=1e-9)


# --- data


@pytest.mark.parametrize("data", [[], np.array([]), pd.Series([], dtype=float), np.empty((3, 0))])
def test_empty(data: object) -> None:
    with pytest.raises(SeriesTooShortError, match="x: got an empty series"):
        ews.variance(data, window=2)


def test_no_rows_give_no_rows() -> None:
    assert ews.variance(np.empty((0, 5)), window=2).shape == (0, 5)


@pytest.mark.parametrize(
    ("data", "given"),
    [
        (["1.0", "2.0", "3.0"], "strings"),
        (np.array(["1.0", 2.0, 3.0], dtype=object), "not real numbers"),
        (pd.Series(["a", "b", "c"]), "not real numbers"),
        ([1j, 2.0, 3.0], "complex numbers"),
        (np.array([1j, 2.0, 3.0], dtype=object), "not real numbers"),
        ([[1.0, 2.0], [3.0]], "ragged"),
        (np.array(["2001-01-01", "2001-01-02"], dtype="datetime64[D]"), "dates"),
        (np.array([1, 2], dtype="timedelta64[D]"), "time differences"),
        ([b"a", b"b"], "bytes"),
        ([{}, {}, {}], "not real numbers"),
        (3.0, "a single number"),
        (None, "single number|not real"),
        ("text", "strings"),
    ],
)
def test_data_of_the_wrong_kind(data: object, given: str) -> None:
    with pytest.raises(InputTypeError, match=f"x: got .*({given})"):
        ews.variance(data, window=2)
    with pytest.raises(TypeError):
        ews.rolling(data, window=2, indicators="variance")


@pytest.mark.parametrize("axis", [2, -3])
def test_axis_out_of_range(axis: int) -> None:
    with pytest.raises(ValueRangeError, match=r"axis: got .* from -2 to 1"):
        ews.variance(np.ones((4, 5)), window=2, axis=axis)


def test_axis_that_is_no_number() -> None:
    with pytest.raises(InputTypeError, match="axis"):
        ews.variance(np.ones((4, 5)), window=2, axis="time")


@pytest.mark.parametrize(
    "data",
    [
        X.tolist(),
        tuple(X),
        X.astype(object),
        np.ma.masked_invalid(X),
        X[::-1][::-1],
        np.repeat(X, 2)[::2],
        X.astype(">f8"),
    ],
    ids=["list", "tuple", "object", "masked", "reversed view", "strided view", "big-endian"],
)
def test_arrays_of_any_layout(data: object) -> None:
    values = ews.variance(data, window=10)
    assert type(values) is np.ndarray
    np.testing.assert_array_equal(values, ews.variance(X, window=10))


def test_integers_and_single_precision_are_measured_in_double() -> None:
    whole = np.arange(10) ** 2
    assert ews.variance(whole, window=4).dtype == np.float64
    np.testing.assert_array_equal(ews.variance(whole, window=4), ews.variance(whole.astype(float), window=4))
    single = X.astype(np.float32)
    np.testing.assert_array_equal(ews.variance(single, window=9), ews.variance(single.astype(np.float64), window=9))


def test_read_only_data() -> None:
    frozen = X.copy()
    frozen.setflags(write=False)
    np.testing.assert_array_equal(ews.kurtosis(frozen, window=10), ews.kurtosis(X, window=10))


def test_masked_and_null_are_missing() -> None:
    expected = X.copy()
    expected[5] = np.nan
    masked = np.ma.masked_array(X, mask=np.arange(40) == 5)
    nulls = X.astype(object)
    nulls[5] = None
    nullable = pd.Series(expected).convert_dtypes()
    for data in (masked, nulls, nullable):
        np.testing.assert_array_equal(np.asarray(ews.variance(data, window=10)), ews.variance(expected, window=10))


def test_pandas_series_comes_back_with_index_and_name() -> None:
    series = pd.Series(X, index=pd.date_range("2001-01-01", periods=40), name="chlorophyll")
    values = ews.variance(series, window=10)
    pd.testing.assert_series_equal(values, pd.Series(ews.variance(X, window=10), index=series.index, name=series.name))


def test_pandas_frame_has_one_series_a_column() -> None:
    frame = pd.DataFrame({"a": X, "b": X[::-1]}, index=np.arange(40) * 2.0)
    values = ews.rolling(frame, window=10, indicators=["ac1"])["ac1"]
    expected = {"a": ews.autocorrelation(X, window=10), "b": ews.autocorrelation(X[::-1], window=10)}
    pd.testing.assert_frame_equal(values, pd.DataFrame(expected, index=frame.index))


def test_polars_and_xarray_are_read_as_arrays() -> None:
    for data in (pl.Series(X), xr.DataArray(X, dims="time")):
        np.testing.assert_array_equal(ews.variance(data, window=10), ews.variance(X, window=10))


# --- options


def test_ddof() -> None:
    window = X[-10:]
    for ddof in (0, 1, 3):
        np.testing.assert_allclose(ews.variance(X, window=10, ddof=ddof)[-1], window.var(ddof=ddof), rtol=1e-12)
        np.testing.assert_allclose(ews.std(X, window=10, ddof=ddof)[-1], window.std(ddof=ddof), rtol=1e-12)
    with pytest.raises(WindowError, match="from 4 to 40"):
        ews.variance(X, window=3, ddof=3)
    for bad in (-1, 0.5, True, "1"):
        with pytest.raises(ValueRangeError, match="ddof"):
            ews.std(X, window=10, ddof=bad)


def test_ddof_with_gaps_counts_what_is_there() -> None:
    x = X.copy()
    x[35:38] = np.nan
    values = ews.variance(x, window=10, ddof=0, min_count=2)
    np.testing.assert_allclose(values[-1], np.nanvar(x[-10:]), rtol=1e-12)
    assert np.isnan(ews.variance(x, window=10, ddof=7, min_count=2)[-1])  # seven samples, none left to divide by


@pytest.mark.parametrize("gaps", [0, 3])
def test_biased_moments(gaps: int) -> None:
    x = X.copy()
    x[31 : 31 + gaps] = np.nan
    window = x[-10:][np.isfinite(x[-10:])]
    least = 10 - gaps
    skew = ews.skewness(x, window=10, bias=True, min_count=least)[-1]
    np.testing.assert_allclose(skew, stats.skew(window), rtol=1e-10)
    kurt = ews.kurtosis(x, window=10, bias=True, min_count=least)[-1]
    np.testing.assert_allclose(kurt, stats.kurtosis(window), rtol=1e-10)
    ratio = ews.kurtosis(x, window=10, bias=True, excess=False, min_count=least)[-1]
    np.testing.assert_allclose(ratio, stats.kurtosis(window, fisher=False), rtol=1e-10)
    adjusted = ews.kurtosis(x, window=10, excess=False, min_count=least)[-1]
    np.testing.assert_allclose(adjusted, stats.kurtosis(window, bias=False) + 3.0, rtol=1e-10)


def test_cv_divides_by_the_raw_mean() -> None:
    residual = X - X.mean()
    raw = X + 100.0
    values = ews.cv(residual, window=10, raw=raw)
    np.testing.assert_allclose(values[-1], residual[-10:].std(ddof=1) / raw[-10:].mean(), rtol=1e-12)
    np.testing.assert_array_equal(ews.rolling(residual, window=10, indicators="cv", raw=raw)["cv"], values)
    np.testing.assert_allclose(ews.cv(residual, window=10, raw=-raw), values)  # an absolute mean


def test_cv_about_a_mean_of_zero_is_undefined() -> None:
    assert np.isnan(ews.cv([1.0, -1.0], window=2)[-1])


def test_raw_of_another_shape() -> None:
    with pytest.raises(
        ArgumentError, match=r"raw: got 1 series of 39 observations; allowed: the shape of x: 1 series of"
    ):
        ews.cv(X, window=10, raw=X[1:])


@pytest.mark.parametrize("method", ["ols", "acf"])
@pytest.mark.parametrize("lag", [1, 3])
def test_autocorrelation_about_one_mean(method: str, lag: int) -> None:
    values = ews.autocorrelation(X, window=15, lag=lag, method=method)
    assert np.isnan(values[:14]).all()
    for t in range(14, 40):
        d = X[t - 14 : t + 1] - X[t - 14 : t + 1].mean()
        divisor = np.sum(d[:-lag] ** 2) if method == "ols" else np.sum(d**2)
        np.testing.assert_allclose(values[t], np.sum(d[lag:] * d[:-lag]) / divisor, rtol=1e-10)


@pytest.mark.parametrize("method", ["ols", "acf"])
def test_autocorrelation_about_one_mean_skips_gaps(method: str) -> None:
    x = X.copy()
    x[30] = np.nan
    assert np.isnan(ews.autocorrelation(x, window=15, method=method)[-1])
    d = x[-15:] - np.nanmean(x[-15:])
    both = np.isfinite(d[1:]) & np.isfinite(d[:-1])
    divisor = np.sum(d[:-1][both] ** 2) if method == "ols" else np.nansum(d**2)
    value = ews.autocorrelation(x, window=15, method=method, min_count=10)[-1]
    np.testing.assert_allclose(value, np.sum(d[1:][both] * d[:-1][both]) / divisor, rtol=1e-10)


def test_autocorrelation_keeps_its_digits_on_an_offset() -> None:
    x = np.round(X * 2.0**16) / 2.0**16  # so that adding 1e8 is exact
    for method in ("pearson", "ols", "acf"):
        plain = ews.autocorrelation(x, window=15, method=method)
        np.testing.assert_allclose(ews.autocorrelation(x + 1e8, window=15, method=method), plain, rtol=1e-12)


@pytest.mark.parametrize("lag", [0, -1, 1.0, True, "1"])
def test_impossible_lag(lag: object) -> None:
    with pytest.raises(ValueRangeError, match=r"lag: got .* an integer of 1 or more"):
        ews.autocorrelation(X, window=10, lag=lag)


def test_unknown_method_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'pearson'"):
        ews.autocorrelation(X, window=10, method="person")
    with pytest.raises(UnknownNameError, match="did you mean 'welch'"):
        ews.spectral_exponent(X, window=10, method="welsh")


def test_rates_are_per_unit_of_time_and_need_positive_autocorrelation() -> None:
    correlation = ews.autocorrelation(X, window=10)
    rate = ews.return_rate(X, window=10, step=0.5)
    positive = correlation > 0
    np.testing.assert_allclose(rate[positive], -np.log(correlation[positive]) / 0.5, rtol=1e-12)
    np.testing.assert_allclose(decay_time(X, window=10, step=0.5)[positive], 1.0 / rate[positive], rtol=1e-12)
    alternating = np.tile([1.0, -1.0], 10)
    assert np.isnan(ews.return_rate(alternating, window=10)).all()
    assert np.isnan(decay_time(alternating, window=10)).all()


def test_perfect_memory_has_rate_zero_and_endless_decay() -> None:
    line = np.arange(10.0)
    np.testing.assert_allclose(ews.return_rate(line, window=5)[4:], 0.0, atol=1e-15)
    assert (decay_time(line, window=5)[4:] > 1e14).all()


@pytest.mark.parametrize("step", [0.0, -1.0, np.nan, np.inf, "1", None, True])
def test_impossible_step(step: object) -> None:
    with pytest.raises(ValueRangeError, match=r"step: got .* positive"):
        ews.return_rate(X, window=10, step=step)


def test_density_ratio_between_chosen_frequencies() -> None:
    phi = ews.autocorrelation(X, window=20, method="acf")[-1]
    low, high = (1 + phi**2 - 2 * phi * np.cos(2 * np.pi * f) for f in (0.05, 0.25))
    np.testing.assert_allclose(ews.density_ratio(X, window=20, low=0.05, high=0.25)[-1], high / low, rtol=1e-12)
    for bad in (-0.1, 0.6, np.nan, "0.1", True):
        with pytest.raises(ValueRangeError, match="low"):
            ews.density_ratio(X, window=20, low=bad)
        with pytest.raises(ValueRangeError, match="high"):
            ews.density_ratio(X, window=20, high=bad)


@pytest.mark.parametrize("taper", ["hamming", "hann"])
@pytest.mark.parametrize("sides", ["one", "two"])
@pytest.mark.parametrize(("segment", "overlap"), [(40, 0.5), (16, 0.25), (15, 0.0), (9, 0.9)])
def test_power_spectrum_is_that_of_scipy(taper: str, sides: str, segment: int, overlap: float) -> None:
    ours = power_spectrum(X, window=30, segment=segment, overlap=overlap, taper=taper, sides=sides, step=0.5)
    length = min(segment, 30)
    shared = {"fs": 2.0, "window": taper, "nperseg": length, "noverlap": int(overlap * length), "scaling": "spectrum"}
    frequency, power = signal.welch(X[-30:], **shared, return_onesided=sides == "one")
    kept = len(ours.frequency)
    np.testing.assert_allclose(ours.frequency, np.abs(frequency[:kept]), rtol=1e-12)
    np.testing.assert_allclose(ours.power[-1], power[:kept], rtol=1e-9)
    assert np.isnan(ours.power[:29]).all()


def test_power_spectrum_keeps_the_layout() -> None:
    x = np.stack([X, X[::-1]])
    assert power_spectrum(x, window=20).power.shape == (2, 40, 11)
    columns = power_spectrum(x.T, window=20, axis=0)
    assert columns.power.shape == (40, 2, 11)
    np.testing.assert_array_equal(columns.power[:, 1], power_spectrum(X[::-1], window=20).power)
    assert power_spectrum(pd.Series(X), window=20).power.shape == (40, 11)


def test_smax_options() -> None:
    one = ews.smax(X, window=20, segment=8, overlap=0.25, taper="hann")
    spectrum = power_spectrum(X, window=20, segment=8, overlap=0.25, taper="hann")
    np.testing.assert_array_equal(one[19:], spectrum.power[19:].max(axis=-1))
    for argument, bad in (("segment", 3), ("segment", 8.0), ("overlap", 1.0), ("overlap", -0.1), ("overlap", True)):
        with pytest.raises(ValueRangeError, match=argument):
            ews.smax(X, window=20, **{argument: bad})
    for argument, bad in (("taper", "haming"), ("sides", "both")):
        with pytest.raises(UnknownNameError, match=argument):
            ews.smax(X, window=20, **{argument: bad})


def test_spectral_exponent_by_welch() -> None:
    spectrum = power_spectrum(X, window=30, segment=40)
    inside = slice(1, -1)
    expected = np.polyfit(np.log(spectrum.frequency[inside]), np.log(spectrum.power[-1, inside]), 1)[0]
    np.testing.assert_allclose(ews.spectral_exponent(X, window=30, method="welch")[-1], expected, rtol=1e-10)


def test_long_windows_are_measured_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ews.spectral_exponent(X, window=10)
    monkeypatch.setattr(sys.modules["ews.indicators.spectrum"], "_BLOCK", 25)  # two windows at a time
    np.testing.assert_array_equal(ews.spectral_exponent(X, window=10), whole)


# --- several at once


def test_rolling_gives_the_names_in_the_order_asked_for() -> None:
    values = ews.rolling(X, window=10, indicators=("skewness", "mean"))
    assert list(values) == ["skewness", "mean"]
    assert list(ews.rolling(X, window=10, indicators="ac2")) == ["ac2"]


def test_rolling_suggests_the_nearest_indicator() -> None:
    with pytest.raises(UnknownNameError, match=r"indicators: got 'varience'.*did you mean 'variance'"):
        ews.rolling(X, window=10, indicators=["mean", "varience"])


@pytest.mark.parametrize("indicators", [None, 3, [1], [None], {"mean"}, [["mean"]]])
def test_rolling_needs_names(indicators: object) -> None:
    with pytest.raises(InputTypeError, match=r"indicators: got .* a sequence of names"):
        ews.rolling(X, window=10, indicators=indicators)


def test_rolling_asks_for_the_window_that_all_indicators_can_use() -> None:
    with pytest.raises(WindowError, match="from 4 to 40"):
        ews.rolling(X, window=3, indicators=["variance", "kurtosis"])


# --- registry


def test_families_come_in_one_order_and_own_indicators_last() -> None:
    names = registry.names()
    assert names[:3] == ("mean", "variance", "std")
    own = dataclasses.replace(
        registry.get("variance"), name="own", compute=lambda windows: 2 * windows.moment("variance")
    )
    ews.indicators.register(own)
    try:
        assert ews.indicators.names() == (*names, "own")
        np.testing.assert_array_equal(
            ews.rolling(X, window=10, indicators="own")["own"], 2 * ews.variance(X, window=10)
        )
        with pytest.raises(ValueError, match="'own' is registered already"):
            registry.register(own)
    finally:
        registry.unregister("own")
    assert registry.names() == names


def test_windows_count_finite_samples() -> None:
    x = np.array([[1.0, np.nan, 3.0, 4.0, np.inf, 6.0]])
    assert Windows(x, window=3).count().tolist() == [[1, 1, 2, 2, 2, 2]]
    assert Windows(x, window=6).count().tolist() == [[1, 1, 2, 3, 3, 4]]
