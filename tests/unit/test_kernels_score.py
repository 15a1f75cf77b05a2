"""What the score tests are computed with: draws, smoothing in tiles, medians, logarithms and far outliers."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ews._analysis.score_tests.statistics import bounded, robust_residual
from ews._kernels.autoregression import draw_ar1, draw_ar2
from ews._kernels.logarithm import logarithms
from ews._kernels.score import far_rows
from ews._kernels.select import median_size
from ews.detrend import plan
from ews.detrend.local_polynomial import smoother_of


def median(x: np.ndarray) -> float:
    return median_size(x, np.empty_like(x))


@pytest.mark.parametrize("n", [1, 2, 3, 31, 32, 33, 200, 501])
def test_the_median_size_is_numpys(n: int) -> None:
    rng = np.random.default_rng(n)
    noise = rng.standard_normal(n)
    for x in (noise, np.exp(4 * noise), np.round(noise), np.full(n, -3.0), np.zeros(n), np.linspace(9.0, 10.0, n)):
        assert median(x) == pytest.approx(np.median(np.abs(x)), rel=1e-15)
        gappy = np.where(rng.random(n) < 0.3, np.nan, x)
        np.testing.assert_allclose(median(gappy), np.nanmedian(np.abs(gappy)) if n > 3 else median(gappy), rtol=1e-15)
    assert np.isnan(median(np.full(n, np.nan)))


def test_logarithms_are_right_to_the_last_digits() -> None:
    rng = np.random.default_rng(1)
    edges = np.array([1e-300, np.sqrt(0.5), np.nextafter(1.0, 0.0), 1.0, np.nextafter(1.0, 2.0), 2.0, 1e300])
    for x in (edges, np.exp(rng.uniform(-600, 600, 2000)), rng.uniform(0.5, 2.0, 2000)):
        found = np.empty_like(x)
        logarithms(x, np.empty_like(x), found)
        assert np.max(np.abs(found - np.log(x)) / np.maximum(1.0, np.abs(np.log(x)))) < 5e-16
    near = 1.0 + rng.uniform(-1e-3, 1e-3, 500)
    found = np.empty_like(near)
    logarithms(near, np.empty_like(near), found)
    np.testing.assert_allclose(found, np.log1p(near - 1.0), rtol=1e-14)


@pytest.mark.parametrize("n", [8, 50, 401])
def test_rows_with_far_outliers_are_found(n: int) -> None:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((60, n)) * np.exp(rng.standard_normal((60, n)) * np.linspace(0.0, 1.5, 60)[:, None])
    x[5], x[6, : n // 2 + 1], x[7, 2:4] = 0.0, 0.0, np.nan
    scale = 1.4826 * np.nanmedian(np.abs(x), axis=1)
    expected = (np.nanmax(np.abs(x), axis=1) > 5.0 * scale) & (scale > 0)
    found = np.empty(60, dtype=np.bool_)
    far_rows(x, 5.0, found)
    np.testing.assert_array_equal(found, expected)
    assert 5 < found.sum() < 55


def test_a_robust_residual_is_that_of_the_row_with_its_outliers_pulled_in() -> None:
    smooth = plan("local_linear", n=120).rows
    rows = np.random.default_rng(2).standard_normal((5, 120))
    rows[1, 40], rows[3, [80, 81]] = 30.0, -50.0
    found = robust_residual(rows, lambda x: x - smooth(x))
    np.testing.assert_array_equal(found[[0, 2, 4]], (rows - smooth(rows))[[0, 2, 4]])
    for row, residual in zip(rows, found, strict=True):
        assert np.array_equal(robust_residual(row[None], lambda x: x - smooth(x))[0], residual)
        trend = row - residual
        pulled = trend + bounded(residual[None], 5.0)[0]
        assert np.abs(smooth(pulled[None])[0] - trend).max() < 0.02


@pytest.mark.parametrize("n", [9, 63, 64, 65, 130, 131, 700])
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_tiles_and_transforms_weigh_as_direct_sums_do(n: int, share: float) -> None:
    rng = np.random.default_rng(n)
    observed = rng.random(n) < share
    observed[[0, n // 2]] = False, True
    observed |= share == 1.0
    x = rng.standard_normal((19, n)).cumsum(axis=1) + 1e3
    x[:, ~observed] = np.nan
    for sd in (1.3, 0.07 * n, 0.2 * n, 90.0):  # few and many weights, some beyond the record
        direct = _direct(observed, sd, x)
        smooth = smoother_of(observed, sd)
        np.testing.assert_allclose(smooth(x), direct, rtol=1e-13)
        np.testing.assert_array_equal(smooth(x)[17], smooth(x[17:18])[0])


def test_a_row_alone_is_summed_as_beside_others_between_gaps() -> None:
    observed = np.ones(700, dtype=np.bool_)
    observed[[0, 150, 151, 330, 605]] = False  # stretches of tiles that weigh alike, whole sixes of them or not
    x = np.random.default_rng(3).standard_normal((7, 700)).cumsum(axis=1)
    x[:, ~observed] = np.nan
    smooth = smoother_of(observed, 2.6)
    np.testing.assert_allclose(smooth(x), _direct(observed, 2.6, x), rtol=0, atol=1e-13 * np.nanmax(np.abs(x)))
    for row, trend in zip(x, smooth(x), strict=True):
        np.testing.assert_array_equal(smooth(row[None])[0], trend)


def test_where_nothing_is_in_reach_there_is_no_trend() -> None:
    observed = np.ones(60, dtype=np.bool_)
    observed[20:45] = False
    trend = smoother_of(observed, 1.3)(np.where(observed, 1.0, np.nan)[None])[0]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(trend)), np.arange(25, 40))


@pytest.mark.parametrize("n", [130, 131])
def test_a_wide_smoother_is_mirrored_and_turns_with_the_record(n: int) -> None:
    x = np.random.default_rng(n).standard_normal((5, n)).cumsum(axis=1)
    smooth = smoother_of(np.ones(n, dtype=np.bool_), 0.11 * n, degree=2)
    assert type(smooth.__self__).__name__ == "_Mirrored"  # type: ignore[attr-defined]
    np.testing.assert_allclose(smooth(x[:, ::-1]), smooth(x)[:, ::-1], rtol=0, atol=1e-13 * np.abs(x).max())
    assert (smooth(np.full((1, n), 3.3)) == 3.3).all()
    narrow = smoother_of(np.ones(n, dtype=np.bool_), 0.02 * n, degree=2)
    assert type(narrow.__self__).__name__ == "_Tiles"  # type: ignore[attr-defined]


@pytest.mark.parametrize("share", [1.0, 0.8])
@pytest.mark.parametrize("degree", [1, 2])
def test_segments_of_a_long_record_are_one_transform(
    share: float, degree: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(degree)
    observed = rng.random(5000) < share
    observed[0] = True
    x = rng.standard_normal((2, 5000)).cumsum(axis=1) + 1e3
    x[:, ~observed] = np.nan
    whole = smoother_of(observed, 80.0, degree=degree)(x)
    monkeypatch.setattr(sys.modules["ews.detrend.local_polynomial"], "_SEGMENT", 1000)
    parts = smoother_of(observed, 80.0, degree=degree)
    assert parts.__self__.length < 2000  # type: ignore[attr-defined]
    np.testing.assert_allclose(parts(x)[:, observed], whole[:, observed], rtol=1e-12)


def _direct(observed: np.ndarray, sd: float, x: np.ndarray) -> np.ndarray:
    """A weighted line at each sample, by the normal equations about it."""
    t, out = np.arange(observed.size), np.full(x.shape, np.nan)
    for i in t:
        away = (t - i)[observed] / sd
        w = np.exp(-0.5 * away**2) * (np.abs(t - i)[observed] <= min(int(4.0 * sd), t.size - 1))
        if np.count_nonzero(w) < 2:
            out[:, i] = np.nan if not w.any() else x[:, observed][:, np.flatnonzero(w)[0]]
            continue
        s0, s1, s2 = w.sum(), (w * away).sum(), (w * away**2).sum()
        out[:, i] = x[:, observed] @ (w * (s2 - s1 * away) / (s0 * s2 - s1 * s1))
    return out


def test_a_second_order_draw_starts_from_its_law_and_holds_the_first_order() -> None:
    n, seed = 6, np.uint64(3)
    a, b = 1.2, -0.7
    rows = np.empty((60_000, n))
    draw_ar2(np.full(n, a), np.full(n, b), np.ones(n), seed, 0, rows)
    correlation = a / (1 - b)
    variance = 1 / ((1 - b * b) * (1 - correlation**2))
    lags = [1.0, correlation]
    for _ in range(4):
        lags.append(a * lags[-1] + b * lags[-2])
    expected = variance * np.array([[lags[abs(i - j)] for j in range(n)] for i in range(n)])
    np.testing.assert_allclose(np.cov(rows.T), expected, atol=0.04 * variance)
    phi, sigma = np.linspace(0.2, 0.99, 300), np.linspace(1.0, 3.0, 300)
    first, second = np.empty((3, 300)), np.empty((3, 300))
    draw_ar1(phi, sigma, seed, 4, first)
    draw_ar2(phi, np.zeros(300), sigma, seed, 4, second)
    np.testing.assert_allclose(second, first, rtol=1e-11, atol=1e-12)
    alone = np.empty((1, 300))
    draw_ar2(phi, np.full(300, -0.2), sigma, seed, 6, alone)
    draw_ar2(phi, np.full(300, -0.2), sigma, seed, 4, second)
    np.testing.assert_array_equal(second[2], alone[0])


def test_gaps_in_long_records_are_weighed_by_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    observed = rng.random(900) < 0.8
    observed[200:330] = False
    x = rng.standard_normal((2, 900))
    direct = smoother_of(observed, 40.0)(x)
    monkeypatch.setattr(sys.modules["ews.detrend.local_polynomial"], "_MANY_PRODUCTS", 0.0)
    np.testing.assert_allclose(smoother_of(observed, 40.0)(x), direct, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("causal", [False, True])
def test_samples_in_the_middle_weigh_alike_at_any_length(causal: bool) -> None:
    """The line through what a sample sees, however much longer the record is."""
    x = np.random.default_rng(6).standard_normal(2000)
    long = plan("local_linear", n=2000, bandwidth=20.0, causal=causal).rows(x[None])[0]
    short = plan("local_linear", n=250, bandwidth=20.0, causal=causal).rows(x[None, 700:950])[0]
    np.testing.assert_allclose(long[780:870], short[80:170], rtol=1e-11, atol=1e-12)
