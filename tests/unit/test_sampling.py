"""Records as they come: what is done to them (times, gaps, repeats, rounding, filling) is done to their surrogates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ews
from ews._analysis.score_tests.sampling import RecordedNull, Sampling, sampling_of
from ews._analysis.score_tests.shares import SHARES
from ews._analysis.score_tests.statistics import STATISTICS, robust_residual
from ews._common.alarms import westfall_young
from ews._common.durations import steps_in
from ews._common.observations import cells_of
from ews.errors import ArgumentError, UnknownNameError
from ews.indicators import registry
from ews.indicators.fused import fused
from ews.nulls.at_times import AR1AtTimes
from ews.results import Result
from ews.series import Series, as_series

RNG = np.random.default_rng(2)
N = 160
HOLES = np.where(RNG.random(N) < 0.3, np.nan, 1.0)
UNEVEN = np.cumsum(RNG.exponential(size=N))
REPEATED = np.repeat(np.arange(N), np.linspace(4, 1, N).round().astype(int)).astype(float)


def red(n: int, phi: float = 0.5, *, rows: int = 1, seed: int = 1) -> np.ndarray:
    return AR1AtTimes(phi, 1.0, np.arange(n, dtype=float)).draw(0, rows, seed=seed)


def sampled(series: Series, **options: object) -> Sampling:
    plan = ews.detrend.plan("local_linear", n=len(series), bandwidth=None, causal=False)
    found = sampling_of(series, detrended=lambda rows: rows - plan.rows(rows), **options)
    assert found is not None
    return found


def null_of(found: Sampling) -> RecordedNull:
    return found.null(null="ar1", limit=2.5, seed=0)


def warns(series: Series, *, n_surrogates: int = 99) -> bool:
    found = sampled(series)

    def residual(rows: np.ndarray) -> np.ndarray:
        return robust_residual(rows, found.residual)

    null = found.null(null="ar1", limit=2.5, seed=0)
    surrogate = found.score(residual(null.draw(0, n_surrogates, seed=0)), 2.5)[0]
    observed = found.score(residual(series.values[None]), 2.5)[0][:, 0]
    adjusted = westfall_young(
        observed, surrogate, [one.tested(share) for one, share in zip(STATISTICS, SHARES[2], strict=True)]
    )[1]
    return bool(any(p <= 0.05 and one.warns for p, one in zip(adjusted, STATISTICS, strict=True)))


# ---- times as they are ----------------------------------------------------------------------------------------------


def test_observations_keep_their_places_on_a_grid_with_gaps() -> None:
    x = np.arange(12.0)
    x[[0, 3, 4, 11]] = np.nan
    series = as_series(x, missing="keep", timed=True)
    np.testing.assert_array_equal(series.positions, [0, 1, 4, 5, 6, 7, 8, 9])
    np.testing.assert_array_equal(series.values, [1, 2, 5, 6, 7, 8, 9, 10])
    np.testing.assert_array_equal(series.time, [1, 2, 5, 6, 7, 8, 9, 10])
    months = pd.date_range("2000-01-31", periods=40, freq="ME")
    series = as_series(pd.Series(red(40)[0], months).drop(months[[5, 6, 9]]), missing="keep", timed=True)
    np.testing.assert_array_equal(series.positions, np.delete(np.arange(40), [5, 6, 9]))
    assert (series.sampling.unit, series.sampling.filled) == ("month", 0)
    assert series.step == pytest.approx(30.4, abs=0.1)
    even = as_series(x[1:3].tolist() + [4.0] * 9, missing="keep", timed=True)
    assert even.observations is None
    np.testing.assert_array_equal(even.positions, np.arange(11))


def test_uneven_times_are_counted_in_median_steps() -> None:
    series = as_series(red(N)[0], time=UNEVEN, missing="keep", timed=True)
    np.testing.assert_allclose(np.diff(series.positions), np.diff(UNEVEN) / np.median(np.diff(UNEVEN)))
    np.testing.assert_array_equal(series.time, UNEVEN)
    assert series.step == pytest.approx(np.median(np.diff(UNEVEN)))


def test_what_takes_times_for_even_does_not_keep_them() -> None:
    with pytest.raises(UnknownNameError, match="missing"):
        as_series([1.0, np.nan, 2.0], missing="keep")
    for verb in (partial(ews.detect, method="kendall"), ews.bifurcations.potential, ews.abrupt_shift):
        with pytest.raises(UnknownNameError, match="missing"):
            verb(np.r_[np.nan, red(N)[0]], missing="keep")


@pytest.mark.parametrize("verb", [ews.detect, ews.score_tests])
def test_gaps_uneven_times_and_repeats_go_in_as_they_are(verb: Callable[..., Any]) -> None:
    x = red(N)[0]
    gone = np.random.default_rng(2).random(N) < 0.3
    kept = verb(np.where(gone, np.nan, x), n_surrogates=49)
    assert len(kept.series) == (~gone).sum()
    assert "at the times of the record" in kept.null_sentence
    assert "at the times of observation" in kept.detrend_sentence
    if verb is ews.detect:
        assert "oscillation is not looked for" in " ".join(kept.summary().split())
        assert "flip is not seen" not in kept.summary()
    uneven = verb(x, time=np.cumsum(np.random.default_rng(3).uniform(0.2, 2.0, N)), n_surrogates=49)
    assert uneven.config.missing == "keep"
    assert ("flip is not seen" in uneven.summary()) == (verb is ews.detect)
    twice = verb(np.repeat(x, 2), time=np.repeat(np.arange(N), 2), n_surrogates=49)
    assert len(twice.series) == N
    for one in (kept, uneven, twice):
        assert Result.from_json(one.to_json()) == one
        assert max(map(len, one.summary().splitlines())) <= 96
        one.plot()


def test_lengths_of_time_are_windows_and_bandwidths() -> None:
    months = pd.Series(red(240)[0], index=pd.date_range("1990-01", periods=240, freq="MS"))
    dated = ews.detect(months, window="8y", bandwidth="2 years", n_surrogates=19)
    assert (dated.config.window, dated.config.bandwidth) == (96, 24)
    assert dated.tests == ews.detect(months, window=96, bandwidth=24, n_surrogates=19).tests
    with pytest.raises(ArgumentError, match="window"):
        ews.detect(months.to_numpy(), window="8y", n_surrogates=19)


def test_a_season_needs_even_steps() -> None:
    x = red(N)[0].copy()
    x[40] = np.nan
    with pytest.raises(ArgumentError, match=r"interpolate.*season"):
        ews.detect(x, season=12)
    assert ews.detect(x, season=12, missing="interpolate", n_surrogates=19).config.season == 12


# ---- done to the record, done to its surrogates ---------------------------------------------------------------------

WAYS = {
    "kept holes": {"missing": "keep"},
    "filled holes": {"missing": "interpolate"},
    "held holes": {"missing": "interpolate", "causal": True},
    "dropped holes": {"missing": "drop"},
    "kept uneven": {"missing": "keep", "time": UNEVEN},
    "filled uneven": {"missing": "interpolate", "time": UNEVEN},
    "held uneven": {"missing": "interpolate", "causal": True, "time": UNEVEN},
    "repeats": {"duplicates": "mean", "time": REPEATED},
    "kept repeats, uneven": {"duplicates": "mean", "missing": "keep", "time": UNEVEN.round(0)},
    "filled repeats, uneven": {"duplicates": "mean", "missing": "interpolate", "time": UNEVEN.round(0)},
}


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_surrogates_are_recorded_as_the_record_was(way: str, rounded: bool) -> None:
    options = dict(WAYS[way], timed=WAYS[way].get("missing") == "keep")
    raw = 3.0 * red(REPEATED.size if way == "repeats" else N)[0]
    raw = raw * HOLES if "holes" in way else raw
    if rounded:
        raw = np.round(raw / 3.0)
    series = as_series(raw, **options)
    found = sampled(series)
    assert (found.levels is not None) is rounded
    # The process itself, read off at each observation, as the user would have had to hand it in.
    process = 2.0 * red(found.values.size, 0.8, rows=3, seed=9)
    order = found.observations.which
    trend = found.trend
    for row, got in zip(process, found.at_times(process) if found.within == 0 else process, strict=True):
        observed = (row + trend)[order]
        if rounded:
            observed = found.levels[np.abs(found.levels - observed[:, None]).argmin(axis=1)]
        handed = np.full(raw.size, np.nan)
        handed[np.isfinite(raw)] = observed
        again = as_series(handed, **options)
        back = found.observations.averaged(trend[order][None])
        wanted = again.values
        if found.within == 0:
            mine = found.observations.filled(got[None] + back)[0]
        elif rounded:
            continue
        else:
            mine = found.observations.filled(found.observations.averaged(observed[None]))[0]
        np.testing.assert_allclose(mine, wanted, rtol=1e-9, atol=1e-9)
    rows = found.as_recorded(process, seed=3)
    assert rows.shape == (3, len(series))
    np.testing.assert_array_equal(found.as_recorded(process[1:], first=1, seed=3), rows[1:])


def test_plain_records_need_nothing() -> None:
    assert sampling_of(as_series(red(N)[0])) is None
    assert sampling_of(as_series(red(N)[0], missing="keep", timed=True)) is None


def test_the_noise_of_repeats_is_that_of_their_differences() -> None:
    truth = red(N, 0.7)[0]
    places = REPEATED.astype(int)
    raw = truth[places] + 2.0 * np.random.default_rng(3).standard_normal(places.size)
    found = sampled(as_series(raw, time=REPEATED, duplicates="mean"))
    assert found.within == pytest.approx(2.0, rel=0.15)
    spread = found.as_recorded(np.zeros((4000, N)), seed=2).std(axis=0)
    np.testing.assert_allclose(spread, found.within / np.sqrt(found.observations.counts), rtol=0.06)


@pytest.mark.parametrize("way", ["kept holes", "filled holes", "kept uneven", "repeats"])
def test_the_null_has_the_memory_and_the_spread_of_the_noise(way: str) -> None:
    options = dict(WAYS[way], timed=WAYS[way].get("missing") == "keep")
    at = np.unique(options.get("time", np.arange(float(N))))
    step = np.median(np.diff(at))
    found = []
    for k in range(12):
        x = AR1AtTimes(0.7, 2.0, (at - at[0]) / step).draw(k, 1, seed=8)[0]
        if way == "repeats":
            x = x[REPEATED.astype(int)] + np.random.default_rng(k).standard_normal(REPEATED.size)
        x = x * HOLES if "holes" in way else x
        null = sampled(as_series(x, **options)).null(null="ar1", limit=np.inf, seed=0)
        assert isinstance(null, RecordedNull)
        assert isinstance(null.noise, AR1AtTimes)
        found.append((null.noise.coefficient, null.noise.innovation_sd))
    np.testing.assert_allclose(np.mean(found, axis=0), [0.7, 2.0], atol=0.12)
    assert ("filled in" in null.sentence) == (way == "filled holes")
    assert ("averaged" in null.sentence) == (way == "repeats")


def test_other_nulls_need_a_complete_grid() -> None:
    x = red(N)[0] * HOLES
    filled = sampled(as_series(x, missing="interpolate"))
    rows = filled.null(null="fourier", limit=2.5, seed=0).draw(0, 2, seed=1)
    np.testing.assert_allclose(filled.observations.filled(rows[:, filled.observations.positions.astype(int)]), rows)
    with pytest.raises(ArgumentError, match="null"):
        sampled(as_series(x, missing="keep", timed=True)).null(null="fourier", limit=2.5, seed=0)


def test_gaps_in_one_half_that_are_filled_do_not_warn() -> None:
    rows = red(240, rows=40, seed=4)
    rows[:, :120][np.random.default_rng(5).random((40, 120)) < 0.6] = np.nan
    assert np.mean([warns(as_series(row, missing="interpolate")) for row in rows]) <= 0.125
    assert np.mean([warns(as_series(row, missing="keep", timed=True)) for row in rows]) <= 0.125


def test_the_scores_depend_on_neither_unit_nor_origin_nor_order() -> None:
    x = red(N, 0.8)[0]
    plain = sampled(as_series(x, time=UNEVEN, missing="keep", timed=True))
    z = plain.score(plain.residual(plain.values[None]), 2.5)[0]
    shuffled = np.random.default_rng(0).permutation(N)
    scaled = (UNEVEN, -4e6 * x + 1e7), (UNEVEN, 2.0**900 * x), (UNEVEN, 2.0**-900 * x)
    for time, values in ((1e3 * UNEVEN - 7e4, x), (UNEVEN[shuffled], x[shuffled]), *scaled):
        other = sampled(as_series(values, time=time, missing="keep", timed=True))
        np.testing.assert_allclose(other.score(other.residual(other.values[None]), 2.5)[0], z, rtol=1e-6)
        drawn = [one.score(one.residual(null_of(one).draw(0, 9, seed=4)), 2.5)[0] for one in (plain, other)]
        np.testing.assert_allclose(drawn[1], drawn[0], rtol=1e-5, atol=1e-5)


def test_detrending_without_even_times_is_local_linear_or_a_line_or_none() -> None:
    x = red(N)[0] + 0.3 * UNEVEN
    series = as_series(x, time=UNEVEN, missing="keep", timed=True)
    line = sampling_of(series, detrend="linear")
    assert line is not None
    np.testing.assert_allclose(line.trend, np.polyval(np.polyfit(UNEVEN, x, 1), UNEVEN), rtol=1e-9)
    none = sampling_of(series, detrend=None)
    assert none is not None
    np.testing.assert_array_equal(none.residual(x[None])[0], x)
    with pytest.raises(ArgumentError, match="detrend"):
        sampling_of(series, detrend="gaussian")


def test_time_windows_hold_each_observation_in_a_cell_of_its_own() -> None:
    cells = cells_of(np.array([0.0, 1.1, 1.9, 4.0]))
    assert cells is not None
    np.testing.assert_array_equal(cells.blank(np.array([[5.0, 6.0, 7.0, 8.0]])), [[5, 6, 7, np.nan, 8]])
    assert cells.fewest(4, shortest=2) == 2
    assert cells_of(np.array([0.0, 0.9, 1.1, 2.0])) is None
    assert cells_of(np.array([0.0, 1.0, 5000.0])) is None
    at = np.flatnonzero(np.isfinite(HOLES)).astype(float)
    cells, values = cells_of(at), red(at.size)
    assert cells is not None
    window, start = 40, int(at[0])
    fewest = cells.fewest(window, shortest=3)
    (found,) = fused(cells.blank(values), window=window, min_count=fewest, indicators=[registry.get("variance")])
    for end in (60, 100, int(at[-1]) - start):
        inside = (at - start > end - window) & (at - start <= end)
        np.testing.assert_allclose(found[0, end], values[0, inside].var(ddof=1))


# ---- lengths of time ------------------------------------------------------------------------------------------------

DAILY = {"step": 1.0, "step_unit": "days", "unit": "day"}
MONTHLY = {"step": 30.39, "step_unit": "days", "unit": "month"}


@pytest.mark.parametrize(
    ("value", "how", "steps"),
    [
        ("5y", MONTHLY, 60),
        ("5Y", MONTHLY, 60),
        ("6M", MONTHLY, 6),
        ("2QE", MONTHLY, 6),
        ("P5Y", MONTHLY, 60),
        (np.timedelta64(18, "M"), MONTHLY, 18),
        (pd.offsets.YearBegin(2), MONTHLY, 24),
        (pd.DateOffset(years=1, months=2), MONTHLY, 14),
        ("91 days", MONTHLY, 3),
        ("30D", DAILY, 30),
        ("2w", DAILY, 14),
        ("1 year", DAILY, 365),
        ("72h", DAILY, 3),
        ("P3D", DAILY, 3),
        ("W-SUN", DAILY, 7),
        (dt.timedelta(days=9), DAILY, 9),
        (pd.Timedelta("48h"), DAILY, 2),
        (pd.offsets.Day(5), DAILY, 5),
        ("10B", {"step": 1.4, "step_unit": "days", "unit": "business day"}, 10),
        ("2s", {"step": 0.25 / 86_400, "step_unit": "days"}, 8),
        ("1y", {"step": 1 / 12, "step_unit": "", "unit": "month"}, 12),  # decimal years
        ("10y", {"step": 2.0, "step_unit": "", "unit": "year", "every": 2}, 5),
        (0.5, DAILY, 0.5),
        (40, {"step": 1.0, "step_unit": ""}, 40),
        (None, DAILY, None),
    ],
)
def test_a_length_of_time_is_so_many_steps(value: object, how: dict[str, object], steps: object) -> None:
    assert steps_in("window", value, **how) == steps


@pytest.mark.parametrize(
    "value", ["5m", "five years", "-5D", "0D", "5", "", "nanD", "1h", np.timedelta64("NaT"), pd.offsets.Day(-3)]
)
def test_what_says_no_length_of_time_is_refused(value: object) -> None:
    with pytest.raises(ArgumentError, match="window"):
        steps_in("window", value, **DAILY)


def test_times_that_are_numbers_have_no_unit() -> None:
    with pytest.raises(ArgumentError, match="dates"):
        steps_in("window", "30D", step=1.0, step_unit="")
