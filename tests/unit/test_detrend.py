"""Detrending: definitions against slow oracles, bad input, and what the result says of itself."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
import scipy.ndimage

from ews import detrend
from ews.detrend.local_polynomial import smoother_of
from ews.errors import (
    ArgumentError,
    InputTypeError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
)

FloatArray = npt.NDArray[np.float64]

SMOOTHERS: dict[str, tuple[Callable[..., detrend.Detrended], str]] = {
    "gaussian": (detrend.gaussian, "bandwidth"),
    "ksmooth": (detrend.ksmooth, "bandwidth"),
    "local_linear": (detrend.local_linear, "bandwidth"),
    "local_quadratic": (detrend.local_quadratic, "bandwidth"),
    "lowess": (detrend.lowess, "span"),
    "loess": (detrend.loess, "span"),
    "running_mean": (detrend.running_mean, "window"),
}


def _walk(n: int, seed: int = 0) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).normal(size=n).cumsum())


def _weighted_fit(x: FloatArray, weight: FloatArray, at: float, degree: int) -> float:
    """Value at `at` of the polynomial that minimises the weighted squares, by a plain solver."""
    away = np.arange(x.size) - at
    root = np.sqrt(weight)
    design = np.vander(away / x.size, degree + 1, increasing=True) * root[:, None]
    return float(np.linalg.lstsq(design, x * root, rcond=None)[0][0])


# Gaussian


@pytest.mark.parametrize("n", [20, 97, 200, 1009])
@pytest.mark.parametrize("bandwidth", [0.05, 0.2, 1.0, 7, 20])
def test_gaussian_is_scipys_filter(n: int, bandwidth: float) -> None:
    x = _walk(n)
    samples = bandwidth * n if isinstance(bandwidth, float) else bandwidth
    expected = scipy.ndimage.gaussian_filter1d(x, 0.25 / 0.675 * samples, mode="reflect", truncate=4.0)
    np.testing.assert_allclose(detrend.gaussian(x, bandwidth=bandwidth).trend, expected, rtol=0, atol=1e-12 * np.ptp(x))


def test_gaussian_of_an_offset_keeps_its_digits() -> None:
    x = np.round(_walk(500), 6)
    offset = 2.0**27  # exact in floating point beside six decimals rounded to it
    rounded = (x + offset) - offset
    np.testing.assert_allclose(
        detrend.gaussian(rounded + offset).residual, detrend.gaussian(rounded).residual, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(("method", "bandwidth"), [("gaussian", 0.1), ("ksmooth", 40), ("ksmooth", 150)])
def test_a_spike_blurs_nothing_beyond_the_kernel(method: str, bandwidth: float) -> None:
    n = 1000
    x, spiked = _walk(n), _walk(n)
    spiked[n - 1] += 1e12
    function = SMOOTHERS[method][0]
    reach = 4 * 0.371 * (bandwidth if bandwidth > 1 else bandwidth * n) + 2
    quiet = slice(0, int(n - reach))
    error = function(spiked, bandwidth=bandwidth).trend[quiet] - function(x, bandwidth=bandwidth).trend[quiet]
    assert np.max(np.abs(error)) < 1e-10


def test_causal_gaussian_weighs_the_past_by_half_a_kernel() -> None:
    x, sd = _walk(50), detrend.sd_from_quartile_bandwidth(12)
    trend = detrend.gaussian(x, bandwidth=12, causal=True).trend
    reach = int(4 * sd + 0.5)
    for t in range(50):
        age = np.arange(min(t, reach) + 1)
        assert trend[t] == pytest.approx(np.average(x[t - age], weights=np.exp(-0.5 * (age / sd) ** 2)), rel=1e-12)


# Local linear regression, in both ways of computing it


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n", "sd"), [(30, 3), (60, 60), (500, 20), (500, 90), (500, 200)])
@pytest.mark.parametrize("degree", [1, 2])
def test_local_regression_fits_a_polynomial_at_each_sample(n: int, sd: int, causal: bool, degree: int) -> None:
    x = _walk(n)
    smooth = detrend.local_linear if degree == 1 else detrend.local_quadratic
    trend = smooth(x, bandwidth=sd, causal=causal).trend
    for t in range(3, n, 7):
        away = np.arange(n) - t
        weight = np.exp(-0.5 * (away / sd) ** 2) * (np.abs(away) <= 4 * sd)
        if causal:
            weight[away > 0] = 0
        assert trend[t] == pytest.approx(_weighted_fit(x, weight, t, degree), rel=1e-8, abs=1e-8)
    for t in range(degree):  # of fewer samples than a polynomial has coefficients the degree is lower
        if causal:
            assert trend[t] == pytest.approx(x[t], abs=1e-9)


def test_local_quadratic_follows_a_parabola_to_the_ends() -> None:
    x = 3.0 + np.linspace(-1.0, 4.0, 300) ** 2
    for bandwidth in (None, 0.05, 60):
        assert np.abs(detrend.local_quadratic(x, bandwidth=bandwidth).residual).max() < 1e-9
    assert np.abs(detrend.local_linear(x).residual[-1]) > 1e-3


def test_local_linear_lags_behind_no_moving_mean() -> None:
    mean = np.linspace(0.0, 5.0, 300) ** 2
    wide = detrend.quartile_bandwidth_from_sd(30.0)  # the same kernel
    lag = detrend.gaussian(mean, bandwidth=wide).residual[-1]
    assert abs(detrend.local_linear(mean, bandwidth=30).residual[-1]) < 0.1 * abs(lag)


@pytest.mark.parametrize("degree", [1, 2])
def test_a_local_fit_never_looks_at_what_was_not_observed(degree: int) -> None:
    x, observed = _walk(300), np.random.default_rng(3).random(300) < 0.6
    observed[100:130] = False
    for sd in (5.0, 60.0):
        smooth = smoother_of(observed, sd, degree=degree)
        trend = smooth(np.where(observed, x, np.nan)[None])[0]
        for t in range(0, 300, 11):
            away = np.arange(300) - t
            weight = np.exp(-0.5 * (away / sd) ** 2) * (np.abs(away) <= 4 * sd) * observed
            assert trend[t] == pytest.approx(_weighted_fit(x, weight, t, degree), rel=1e-8, abs=1e-8)


# ksmooth and running mean, in both ways of computing them


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n", "bandwidth"), [(60, 1), (60, 10), (60, 60), (500, 30), (500, 300)])
def test_ksmooth_is_the_weighted_mean_within_the_record(n: int, bandwidth: int, causal: bool) -> None:
    x, sd = _walk(n), 0.3706506 * bandwidth
    trend = detrend.ksmooth(x, bandwidth=bandwidth, causal=causal).trend
    for t in range(0, n, 7):
        away = np.arange(n) - t
        weight = np.exp(-0.5 * (away / sd) ** 2) * (np.abs(away) <= 4 * sd)
        if causal:
            weight[away > 0] = 0
        assert trend[t] == pytest.approx(np.average(x, weights=weight), rel=1e-10)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n", "window"), [(30, 2), (30, 9), (30, 30), (700, 250), (700, 251)])
def test_running_mean_by_slices(n: int, window: int, causal: bool) -> None:
    x, half = _walk(n), window // 2
    trend = detrend.running_mean(x, window=window, causal=causal).trend
    if causal:
        expected = [x[max(t - window + 1, 0) : t + 1].mean() for t in range(n)]
    else:
        expected = [x[max(t - half, 0) : t + half + 1].mean() for t in range(n)]
    np.testing.assert_allclose(trend, expected, rtol=0, atol=1e-12 * np.ptp(x))


# Local regression


@pytest.mark.parametrize(("n", "span"), [(40, 0.2), (41, 0.35), (30, 1.0), (60, 4), (60, 7), (25, 25)])
@pytest.mark.parametrize("kind", ["walk", "heavy", "counts", "spike"])
def test_lowess_is_statsmodels(n: int, span: float, kind: str) -> None:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    rng = np.random.default_rng(n)
    x = {
        "walk": rng.normal(size=n).cumsum(),
        "heavy": rng.standard_cauchy(size=n),
        "counts": rng.poisson(0.4, size=n).astype(float),  # most residuals are 0, so that their median is too
        "spike": np.where(np.arange(n) == n // 3, 1e6, rng.normal(size=n)),
    }[kind]
    fraction = span if isinstance(span, float) else span / n
    expected = lowess(x, np.arange(n), frac=fraction, return_sorted=False)
    np.testing.assert_allclose(detrend.lowess(x, span=span).trend, expected, rtol=1e-9, atol=1e-12 * np.ptp(x))


def test_lowess_is_not_moved_by_outliers_where_loess_is() -> None:
    x = 0.1 * np.arange(100.0) + np.random.default_rng(1).normal(size=100)
    spoilt = x.copy()
    spoilt[50] += 1000
    assert np.max(np.abs(detrend.lowess(spoilt, span=30).trend - detrend.lowess(x, span=30).trend)) < 0.5
    assert np.max(np.abs(detrend.loess(spoilt, span=30).trend - detrend.loess(x, span=30).trend)) > 50
    causal = detrend.lowess(spoilt, span=30, causal=True).trend - detrend.lowess(x, span=30, causal=True).trend
    assert np.max(np.abs(np.delete(causal, 50))) < 1.0  # at the outlier itself the past alone cannot tell


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_loess_fits_its_vertices_and_blends_between_them(degree: int) -> None:
    n, q = 60, 20
    x = _walk(n)
    trend = detrend.loess(x, span=q, degree=degree).trend
    # 60 samples halved until at most int(0.2 * 20) = 4 are left: among the cuts, after samples 29 and 14 (from 0).
    for vertex in (14, 29):
        distance = np.abs(np.arange(n) - vertex)
        radius = np.sort(distance)[q - 1]
        weight = np.clip(1 - (distance / radius) ** 3, 0, None) ** 3
        assert trend[vertex] == pytest.approx(_weighted_fit(x, weight, vertex, degree), rel=1e-9)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_causal_loess_is_the_end_of_the_fit_to_the_past(degree: int) -> None:
    n, q = 50, 15
    x = _walk(n) + 100
    trend = detrend.loess(x, span=q, degree=degree, causal=True).trend
    np.testing.assert_allclose(trend[: degree + 1], x[: degree + 1], rtol=1e-10)
    for t in range(degree + 1, n):
        age = t - np.arange(t + 1)
        weight = np.clip(1 - (age / (q - 1)) ** 3, 0, None) ** 3
        assert trend[t] == pytest.approx(_weighted_fit(x[: t + 1], weight, t, degree), rel=1e-9)


# Lines, differences, nothing


def test_linear_is_the_least_squares_line_and_causal_its_end_so_far() -> None:
    x, t = _walk(40), np.arange(40)
    slope, level = np.polyfit(t, x, 1)
    np.testing.assert_allclose(detrend.linear(x).trend, level + slope * t, rtol=0, atol=1e-12)
    causal = detrend.linear(x, causal=True).trend
    assert causal[0] == x[0]
    for end in range(1, 40):
        assert causal[end] == pytest.approx(detrend.linear(x[: end + 1]).trend[-1], abs=1e-12)


def test_difference_keeps_the_length_and_is_causal() -> None:
    split = detrend.difference([1.0, 4.0, 2.0])
    np.testing.assert_array_equal(split.residual, [np.nan, 3.0, -2.0])
    assert split.causal
    assert detrend.plan("difference", n=3).causal


def test_no_detrending_takes_nothing_out() -> None:
    plan = detrend.plan(None, n=3)
    np.testing.assert_array_equal(plan.rows(np.ones((2, 3))), np.zeros((2, 3)))
    assert plan.sentence == "no detrending"
    assert plan.causal


# Season


@pytest.mark.parametrize(
    ("n", "period"),
    [
        (96, 12),
        (100, 12),
        (24, 12),
        (25, 12),
        (47, 12),
        (60, 2),
        (4, 2),
        (5, 2),
        (61, 7),
        (160, 80),
        (170, 80),
        (4500, 5),
    ],
)
def test_season_is_the_seasonal_component_of_statsmodels_stl(n: int, period: int) -> None:
    from statsmodels.tsa.seasonal import STL

    x = _walk(n) + 5 * np.sin(2 * np.pi * np.arange(n) / period)
    expected = STL(x, period=period).fit().seasonal
    np.testing.assert_allclose(detrend.season(x, period=period).trend, expected, rtol=0, atol=1e-10 * np.ptp(x))


@pytest.mark.parametrize("causal", [False, True])
def test_season_goes_and_the_trend_stays(causal: bool) -> None:
    t = np.arange(120)
    pattern = np.tile(np.random.default_rng(3).normal(size=12), 10)
    pattern -= pattern[:12].mean()
    residual = detrend.season(0.5 * t + pattern, period=12, causal=causal).residual
    settled = slice(60, None)
    assert np.ptp((residual - 0.5 * t)[settled]) < (0.05 if not causal else 0.2) * np.ptp(pattern)
    assert np.polyfit(t[settled], residual[settled], 1)[0] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("causal", [False, True])
def test_season_of_a_constant_is_zero(causal: bool) -> None:
    np.testing.assert_array_equal(detrend.season(np.full(40, 0.1), period=7, causal=causal).trend, np.zeros(40))


@pytest.mark.parametrize("method", [None, "gaussian", "linear"])
def test_a_plan_takes_the_season_out_first(method: str | None) -> None:
    x = _walk(60)
    plan = detrend.plan(method, n=60, season=12)
    seasonal = detrend.season(x, period=12).trend
    expected = seasonal + detrend.plan(method, n=60).apply(x - seasonal).trend
    np.testing.assert_array_equal(plan.apply(x).trend, expected)
    assert plan.season == 12
    assert plan.sentence.startswith("season of 12 samples taken out")
    assert "STL, centred" in plan.sentence
    assert not plan.causal


def test_a_centred_season_makes_differences_look_ahead() -> None:
    assert not detrend.plan("difference", n=60, season=12).causal
    assert detrend.plan("difference", n=60, season=12, causal=True).causal


# Bandwidths


def test_bandwidth_conversions() -> None:
    assert detrend.sd_from_quartile_bandwidth(100) == pytest.approx(100 * 0.25 / 0.675)
    assert detrend.quartile_bandwidth_from_sd(detrend.sd_from_quartile_bandwidth(31.0)) == pytest.approx(31.0)
    assert detrend.sd_from_ksmooth_bandwidth(100) == pytest.approx(37.06506)


def test_a_float_up_to_one_is_a_fraction_and_an_int_is_samples() -> None:
    x = _walk(80)
    whole = detrend.gaussian(x, bandwidth=1.0).trend
    np.testing.assert_array_equal(detrend.gaussian(x, bandwidth=80).trend, whole)
    assert not np.allclose(detrend.gaussian(x, bandwidth=1).trend, whole)
    for same in (np.int64(20), np.float64(0.25), np.float32(0.25), 20.0):
        np.testing.assert_array_equal(
            detrend.gaussian(x, bandwidth=same).trend, detrend.gaussian(x, bandwidth=20).trend
        )


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        (name, bad)
        for name in SMOOTHERS
        for bad in (0, 0.0, -1, -0.1, np.nan, np.inf, 51, 50.5, True, "0.2", [0.2], 1e-9, None)
        if not (bad is None and name in ("ksmooth", "local_linear", "local_quadratic"))  # there None asks for a default
    ],
)
def test_bad_bandwidths_are_refused_by_name(name: str, bad: object) -> None:
    function, argument = SMOOTHERS[name]
    with pytest.raises(ValueRangeError, match=f"^{argument}: got ") as caught:
        function(_walk(50), **{argument: bad})
    assert caught.value.given is bad
    if bad is not None:
        with pytest.raises(ValueRangeError, match=r"^bandwidth: got "):
            detrend.plan(name, n=50, bandwidth=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(("function", "fewest"), [(detrend.lowess, 4), (detrend.loess, 5)])
def test_a_span_of_too_few_samples_is_refused(function: Callable[..., detrend.Detrended], fewest: int) -> None:
    x = _walk(40)
    assert np.isfinite(function(x, span=fewest).trend).all()
    with pytest.raises(ValueRangeError, match=f"^span: got {fewest - 1}; allowed: a span of at least {fewest} samples"):
        function(x, span=fewest - 1)


@pytest.mark.parametrize("degree", [-1, 3, 1.5, 1.0, True, "2"])
def test_a_bad_degree_is_refused(degree: object) -> None:
    with pytest.raises(ValueRangeError, match=r"^degree: got .*; allowed: 0, 1 or 2"):
        detrend.loess(_walk(40), degree=degree)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["linear", "difference", None])
def test_a_bandwidth_where_there_is_none_is_refused(method: str | None) -> None:
    with pytest.raises(ArgumentError, match=r"^bandwidth: got 0\.2; allowed: None"):
        detrend.plan(method, n=50, bandwidth=0.2)


@pytest.mark.parametrize("method", ["gausian", "Gaussian", "", 3, []])
def test_an_unknown_method_is_refused(method: object) -> None:
    with pytest.raises(UnknownNameError, match=r"^detrend: got "):
        detrend.plan(method, n=50)  # type: ignore[arg-type]


def test_the_nearest_method_is_suggested() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'gaussian'\?"):
        detrend.plan("gausian", n=50)


@pytest.mark.parametrize("period", [0, 1, -3, 2.5, "12", True, None])
def test_a_bad_period_is_refused(period: object) -> None:
    with pytest.raises(ValueRangeError, match=r"^period: got "):
        detrend.season(_walk(50), period=period)  # type: ignore[arg-type]


def test_a_record_of_less_than_two_periods_is_refused() -> None:
    with pytest.raises(SeriesTooShortError, match="at least two periods of 12 samples"):
        detrend.season(_walk(23), period=12)


# Bad series

ALL: list[Callable[..., detrend.Detrended]] = [
    detrend.gaussian,
    detrend.ksmooth,
    detrend.lowess,
    detrend.loess,
    detrend.linear,
    detrend.difference,
    lambda x: detrend.running_mean(x, window=5),
    lambda x: detrend.season(x, period=5),
]


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_missing_values_are_refused_not_spread(function: Callable[..., detrend.Detrended], missing: float) -> None:
    x = _walk(50)
    x[17] = missing
    with pytest.raises(MissingValuesError, match="1 missing or infinite values, the first at position 17"):
        function(x)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("bad", [["a", "b"], [1j, 2], np.ones((3, 3)), 3.0, [[1], [1, 2]], [None, 1.0], [{}, {}]])
def test_what_is_no_series_is_refused(function: Callable[..., detrend.Detrended], bad: object) -> None:
    with pytest.raises(InputTypeError, match=r"^x: got .*allowed: a one-dimensional array of real numbers"):
        function(bad)


@pytest.mark.parametrize("function", ALL)
def test_an_empty_series_is_refused(function: Callable[..., detrend.Detrended]) -> None:
    with pytest.raises(SeriesTooShortError):
        function([])


@pytest.mark.parametrize("function", [detrend.linear, detrend.difference])
def test_one_sample_has_no_line(function: Callable[..., detrend.Detrended]) -> None:
    with pytest.raises(SeriesTooShortError, match="at least 2 samples"):
        function([1.0])


def test_rows_of_another_shape_are_refused() -> None:
    plan = detrend.plan("linear", n=10)
    for shape in [(10,), (2, 9), (1, 2, 10)]:
        with pytest.raises(InputTypeError, match="shape"):
            plan.rows(np.ones(shape))
    with pytest.raises(MissingValuesError):
        plan.rows(np.full((2, 10), np.nan))


# Results and plans


def test_results_are_frozen_and_leave_the_series_alone() -> None:
    x = _walk(50)
    given = x.copy()
    for function in ALL:
        split = function(x)
        np.testing.assert_array_equal(x, given)
        assert not np.shares_memory(split.trend, x)
        np.testing.assert_array_equal(split.residual, x - split.trend)
        with pytest.raises(dataclasses.FrozenInstanceError):
            split.causal = True  # type: ignore[misc]


def test_integers_and_lists_are_series_too() -> None:
    counts = [3, 1, 4, 1, 5, 9, 2, 6]
    np.testing.assert_array_equal(detrend.linear(counts).trend, detrend.linear(np.array(counts, dtype=float)).trend)


@pytest.mark.parametrize("method", detrend.METHODS)
@pytest.mark.parametrize("causal", [False, True])
def test_a_plan_is_the_function_and_says_what_it_does(method: str, causal: bool) -> None:
    x = _walk(60)
    plan = detrend.plan(method, n=60, causal=causal)
    if method == "difference":
        split = detrend.difference(x)
    elif method == "running_mean":
        split = detrend.running_mean(x, window=0.2, causal=causal)
    else:
        split = getattr(detrend, method)(x, causal=causal)
    np.testing.assert_array_equal(plan.apply(x).trend, split.trend)
    assert (split.method, split.bandwidth, split.causal) == (plan.method, plan.bandwidth, plan.causal)
    assert plan.causal == (causal or method == "difference")
    assert ("causal" in plan.sentence) == plan.causal
    assert ("each residual uses later samples too" in plan.sentence) != plan.causal
    assert "\n" not in plan.sentence


def test_the_sentence_gives_the_width_in_samples() -> None:
    assert detrend.plan("gaussian", n=1000).sentence == (
        "Gaussian kernel smoother, bandwidth 0.2 of the record (kernel SD 74.07 samples), "
        "centred: each residual uses later samples too"
    )
    assert "span 0.3 of the record (30 samples), centred" in detrend.plan("lowess", n=100, bandwidth=0.3).sentence
    assert "span 30 samples, centred" in detrend.plan("lowess", n=100, bandwidth=30).sentence
    assert "running mean of 61 samples (window 60 samples)" in detrend.plan("running_mean", n=99, bandwidth=60).sentence


@pytest.mark.parametrize("method", [*detrend.METHODS, None])
def test_plans_can_be_pickled_and_shared_by_threads(method: str | None) -> None:
    x = np.random.default_rng(0).normal(size=(8, 64))
    plan = detrend.plan(method, n=64, season=8)
    alone = plan.rows(x)
    with ThreadPoolExecutor(4) as pool:
        for trend in pool.map(plan.rows, [x] * 8):
            np.testing.assert_array_equal(trend, alone)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(plan)).rows(x), alone)


def test_no_rows_give_no_trends() -> None:
    for method in (*detrend.METHODS, None):
        assert detrend.plan(method, n=30).rows(np.empty((0, 30))).shape == (0, 30)


@pytest.mark.jit
def test_long_series_are_fast() -> None:
    import time

    x = _walk(10_000)
    detrend.gaussian(x)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        detrend.gaussian(x)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.005  # 0.6 ms when written; 17 ms by scipy.ndimage
