"""What the fused pass leaves alone: other windows, other rows, other statistics, samples that are missing."""

from __future__ import annotations

import numpy as np
import pytest

import ews
from ews._kernels.moments import (
    _each_by_itself,
    rolling_moments,
    rolling_moments_gappy,
    rolling_moments_of,
    statistics_array,
)
from ews._kernels.sharing import place_tiles
from ews._kernels.slides import BLOCK, longest_slide, slides, sliding_moments
from tests.reference import naive

ALL = (0, 1, 2, 3, 4)


def _moments(x: np.ndarray, window: int, lag: int = 1, which: tuple[int, ...] = ALL) -> np.ndarray:
    rows = np.atleast_2d(x)
    out = np.full((len(which), *rows.shape), -1.0)
    rolling_moments(rows, window, lag, np.array(which), out)
    return out


def _gappy(x: np.ndarray, window: int, min_count: int, lag: int = 1) -> np.ndarray:
    out = np.full((len(ALL), 1, x.size), -1.0)
    rolling_moments_gappy(x[None, :], window, min_count, lag, np.array(ALL), out)
    return out[:, 0]


def _series(n: int = 200, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n).cumsum()


@pytest.mark.parametrize("window", [4, 20, 61, 200])
@pytest.mark.parametrize("lag", [1, 3])
def test_every_statistic_follows_its_definition(window: int, lag: int) -> None:
    x = _series()
    mean, variance, skewness, kurtosis, correlation = _moments(x, window, lag)[:, 0, window - 1 :]
    np.testing.assert_allclose(mean, naive.mean(x, window).astype(float), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(variance, naive.variance(x, window).astype(float), rtol=1e-12)
    np.testing.assert_allclose(skewness, naive.skewness(x, window).astype(float), atol=1e-10)
    np.testing.assert_allclose(kurtosis, naive.kurtosis(x, window).astype(float), atol=1e-10)
    np.testing.assert_allclose(correlation, naive.correlation(x, window, lag).astype(float), atol=1e-10)


@pytest.mark.parametrize("which", [(0,), (1,), (4,), (1, 4), (4, 1), (2,), (3, 0), (1, 1)])
def test_statistics_do_not_depend_on_which_others_are_asked_for(which: tuple[int, ...]) -> None:
    x = _series()
    np.testing.assert_allclose(_moments(x, 40, which=which), _moments(x, 40)[list(which)], rtol=1e-12, atol=1e-13)


def test_rows_do_not_see_each_other() -> None:
    rows = np.stack([_series(seed=1), np.full(200, np.nan), _series(seed=2) * 1e9, np.ones(200)])
    together = _moments(rows, 50)
    for row in range(4):
        np.testing.assert_array_equal(together[:, row], _moments(rows[row], 50)[:, 0])


@pytest.mark.jit
@pytest.mark.parametrize("threads", [1, 2, 3, 16])
def test_rows_are_the_same_on_any_number_of_threads(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(3).normal(size=(7, 80_000))
    rows[2, 5] = np.nan
    monkeypatch.setenv("EWS_NUM_THREADS", str(threads))
    found = ews.rolling(rows, window=300, indicators=("variance", "ac1"))
    np.testing.assert_array_equal([found["variance"], found["ac1"]], _moments(rows, 300, which=(1, 4)))


@pytest.mark.jit
@pytest.mark.parametrize("lag", [1, 2])
def test_statistics_are_the_same_wherever_they_are_written(lag: int) -> None:
    """Long answers go past the cache where lines of it allow: none, some or all."""
    which, x = np.array(ALL), np.random.default_rng(4).normal(size=(1, 150_001))
    whole = statistics_array(len(ALL), 1, x.size)
    memory = np.full(len(ALL) * x.size + 9, -1.0)
    odd = memory[-(memory.ctypes.data // 8) % 8 + 1 :][: len(ALL) * x.size].reshape(len(ALL), -1)
    for out in (whole, odd):
        rolling_moments_of(x, 0, 1, 301, lag, which, out)
    whole = whole[:, : x.size]
    np.testing.assert_array_equal(whole, odd)
    # With the mean, which does not slide, no sum does; alone one may, and has other last digits.
    summed = np.concatenate([_moments(x[0], 301, lag, (code, 0))[:1] for code in ALL])
    np.testing.assert_array_equal(whole[:, None], summed)
    alone = np.concatenate([_moments(x[0], 301, lag, (code,)) for code in ALL])
    np.testing.assert_allclose(alone, whole[:, None], rtol=1e-12, atol=1e-13)
    assert memory[-1] == -1.0


@pytest.mark.jit
@pytest.mark.parametrize("lag", [1, 3])
def test_a_row_is_the_same_whatever_lies_beside_it(lag: int) -> None:
    # Neighbouring tiles have outputs in common where the record is no whole number of them: it must not matter which
    # tiles are worked on together.
    generator = np.random.default_rng(6)
    which = np.arange(5)
    for n in (*range(20, 76), 130, 251, 500, 4500):
        x = generator.standard_normal((11, n))
        for window in {lag + 11, max(n // 3, lag + 11), max(n // 2, lag + 11)}:
            together, alone = np.empty((5, 11, n)), np.empty((5, 1, n))
            rolling_moments(x, window, lag, which, together)
            for row in range(11):
                rolling_moments(x[[row]], window, lag, which, alone)
                np.testing.assert_array_equal(together[:, row], alone[:, 0], err_msg=f"{n=} {window=} {row=}")


def _messy_rows(n: int) -> np.ndarray:
    """What slides, what slides but for a few stretches, and what is given up."""
    rng = np.random.default_rng(8)
    rows = rng.normal(size=(9, n))
    rows[1, n // 2 :] += 1e8
    rows[2, [n // 3, n // 2]] = 1e9, -1e9
    rows[3] = rows[3].cumsum()
    rows[4, n // 4 : n // 3] = 7.0
    rows[5, [n // 5, -1]] = np.nan
    rows[6, n // 2] = np.inf
    rows[7] = rng.standard_t(2, n)
    rows[8] = rows[0]
    return rows


@pytest.mark.jit
@pytest.mark.parametrize("window", [60, 250])
@pytest.mark.parametrize("which", [(1,), (1, 2, 3, 4)])
def test_long_rows_are_the_same_whatever_lies_beside_them(window: int, which: tuple[int, ...]) -> None:
    rows = _messy_rows(9000)
    together = _moments(rows, window, which=which)
    expected = np.empty((len(which), *rows.shape))
    _each_by_itself(rows, 0, len(rows), window, 1, np.array(which), np.arange(len(which)), expected)
    np.testing.assert_array_equal(np.isnan(together), np.isnan(expected))
    np.testing.assert_allclose(together, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(together[:, 0], together[:, 8])
    for row, values in enumerate(rows):
        np.testing.assert_array_equal(together[:, row], _moments(values, window, which=which)[:, 0])


@pytest.mark.jit
def test_sums_slide_as_long_as_they_keep_their_digits() -> None:
    n, window = 40_000, 250
    tile, count = place_tiles(n, window, longest_slide(window))
    blocks = -(-tile // BLOCK)
    listed, out = np.empty((9 * count * blocks, 2), dtype=np.int64), np.empty(4 * 9 * n)

    def lost(rows: np.ndarray) -> int:
        where = np.arange(len(rows))
        to = (np.array([1, 2, 3, 4]), np.arange(4) * rows.size, where, n, -1, listed, out)
        return int(sliding_moments(4, True)(rows.reshape(-1), len(rows), n, n, window, tile, count, *to))

    rows = _messy_rows(n)
    assert slides(n, window)
    assert not slides(n, 20)
    assert not slides(4000, window)
    assert [lost(rows[[k]]) for k in (0, 3, 7)] == [0, -1, -1]
    for k in (1, 2, 4, 6):
        assert 0 < lost(rows[[k]]) < count * blocks // 2
    # Several rows are judged when all are done, each by itself.
    assert lost(rows[[3, 7]]) > 0


@pytest.mark.parametrize("window", [12, 60, 93, 100])
@pytest.mark.parametrize("lag", [1, 5])
def test_many_rows_with_gaps_and_levels_equal_each_by_itself(window: int, lag: int) -> None:
    """More rows than lanes, in which those that need mending share tiles with those that do not."""
    rows = np.random.default_rng(7).normal(size=(11, 100))
    rows[2] = 3.0
    rows[3, 20:90] = -1.5
    rows[5, [0, 50]] = np.nan, np.inf
    rows[6] = np.nan
    rows[8, 99] = -np.inf
    rows[9] *= 1e-200
    together = _moments(rows, window, lag)
    for row, values in enumerate(rows):
        np.testing.assert_array_equal(together[:, row], _moments(values, window, lag)[:, 0])
        for t in range(window - 1, 100):
            inside = values[t - window + 1 : t + 1]
            if not np.isfinite(inside).all():
                assert np.isnan(together[:, row, t]).all()
            elif (inside == inside[0]).all():
                np.testing.assert_array_equal(together[:, row, t], [inside[0], 0.0, np.nan, np.nan, np.nan])
            elif row != 9:
                assert np.isclose(together[1, row, t], inside.var(ddof=1), rtol=1e-12)


@pytest.mark.jit
@pytest.mark.parametrize("seed", range(150))
def test_any_shape_equals_each_window_by_itself(seed: int) -> None:
    """Rows with a gap, a level, an infinity or another scale among others, any window and lag."""
    rng = np.random.default_rng(seed)
    n, rows = int(rng.choice([9, 10, 17, 40, 100, 257, 800])), int(rng.choice([1, 2, 7, 8, 9, 20]))
    window = int(rng.integers(2, n + 3))
    lag = min(int(rng.choice([1, 1, 2, 5, max(1, window // 2), window - 1])), window - 1)
    x = rng.normal(size=(rows, n)).cumsum(1) * 10.0 ** rng.integers(-5, 5) + rng.choice([0.0, 1e3, -1e6])
    for row in x:
        place, kind = int(rng.integers(n)), int(rng.integers(6))
        if kind == 0:
            row[place] = rng.choice([np.nan, np.inf, -np.inf])
        elif kind == 1:
            row[place : place + int(rng.integers(1, n + 1))] = row[place]
        elif kind == 2:
            row *= rng.choice([1e-200, 1e180])
    expected = np.empty((len(ALL), rows, n))
    _each_by_itself(x, 0, rows, window, lag, np.array(ALL), np.array(ALL), expected)
    found = _moments(x, window, lag)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found[:2], expected[:2], rtol=1e-9)
    np.testing.assert_allclose(found[2:], expected[2:], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("window", [5, 33, 120])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_sample_blanks_its_windows_and_changes_no_other(window: int, bad: float) -> None:
    x = _series(400)
    places = [0, 150, 399]
    spoilt = x.copy()
    spoilt[places] = bad
    holds = np.zeros(400, dtype=bool)
    for place in places:
        holds[place : place + window] = True
    values = _moments(spoilt, window)[:, 0]
    assert np.isnan(values[:, holds]).all()
    np.testing.assert_array_equal(values[:, ~holds], _moments(x, window)[:, 0][:, ~holds])


@pytest.mark.parametrize("window", [6, 40])
def test_a_window_depends_on_its_own_samples_only(window: int) -> None:
    x = _series(300)
    changed = x.copy()
    changed[100:110] += 1e6
    outside = np.ones(300, dtype=bool)
    outside[100 : 110 + window - 1] = False
    np.testing.assert_array_equal(_moments(x, window)[:, 0][:, outside], _moments(changed, window)[:, 0][:, outside])


def test_the_series_is_left_as_it_was() -> None:
    x = _series()
    x[7] = np.nan
    before = x.copy()
    _moments(x, 30)
    _gappy(x, 30, 5)
    np.testing.assert_array_equal(x, before)


def test_a_window_longer_than_the_series_gives_nan() -> None:
    assert np.isnan(_moments(_series(20), 21)).all()


def test_too_few_samples_for_a_statistic_give_nan() -> None:
    mean, variance, skewness, kurtosis, correlation = _moments(_series(9), 1)[:, 0]
    np.testing.assert_array_equal(mean, _series(9))
    for values in (variance, skewness, kurtosis, correlation):
        assert np.isnan(values).all()
    assert np.isnan(_moments(_series(9), 3)[3]).all()


def test_correlation_stays_within_one() -> None:
    line = np.arange(500.0) * 0.1
    values = _moments(line, 100)[4, 0, 99:]
    np.testing.assert_allclose(values, 1.0, atol=1e-12)
    assert (np.abs(values) <= 1.0).all()


def test_the_gappy_pass_equals_the_full_one_where_nothing_is_missing() -> None:
    x = _series()
    np.testing.assert_allclose(_gappy(x, 30, 10)[:, 29:], _moments(x, 30)[:, 0, 29:], rtol=1e-10, atol=1e-10)


def test_the_gappy_pass_skips_missing_samples() -> None:
    x = np.array([1.0, 2.0, np.nan, 4.0, 8.0, np.nan, np.nan, np.nan, 3.0, np.inf, 1.0, 2.0])
    mean, variance, _, _, correlation = _gappy(x, 4, 2)
    nan = np.nan
    np.testing.assert_allclose(mean, [nan, 1.5, 1.5, 7 / 3, 14 / 3, 6.0, 6.0, nan, nan, nan, nan, nan])
    np.testing.assert_allclose(variance[1:5], [0.5, 0.5, 7 / 3, 28 / 3])
    # Windows with a single pair have no correlation; the first with two pairs would be samples 0, 1 and 3, 4 together.
    assert np.isnan(correlation).all()
    two_pairs = _gappy(x, 5, 2)[4]
    np.testing.assert_allclose(two_pairs[4], 1.0)
