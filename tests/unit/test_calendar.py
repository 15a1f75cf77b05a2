"""Time is a calendar: steps that are uneven in days or in decimals are the steps that they are."""

import datetime as dt
import re
import warnings
from typing import Any

import cftime
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import ews
from ews import errors
from ews.series import as_series

N = 240
X = np.random.default_rng(3).standard_normal(N)
MONTHS = pd.date_range("1990-01-01", periods=N, freq="MS")
LOST = [7, 100, 101]


def without(values: Any) -> Any:
    return np.delete(np.asarray(values), LOST)


def middles(dates: pd.DatetimeIndex) -> list[pd.Timestamp]:
    return [date + pd.Timedelta(days=date.days_in_month / 2) for date in dates]


def decimal_years(dates: pd.DatetimeIndex) -> np.ndarray:
    length = np.where(dates.is_leap_year, 366, 365)
    return np.asarray(dates.year + (dates.day_of_year - 1) / length)


def anew_each_year(length: int) -> pd.DatetimeIndex:
    """Every so many days from 1 January, as satellite composites are: the last step of a year has another length."""
    each = [pd.date_range(f"{year}", f"{year}-12-{31 - length // 2}", freq=f"{length}D") for year in range(1999, 2020)]
    return pd.DatetimeIndex(np.concatenate(each)[:N])


def within_months(*days: int) -> pd.DatetimeIndex:
    """The same days of each month; 31 is its last."""
    months = pd.date_range("1999-11", periods=N, freq="MS")
    return pd.DatetimeIndex([m.replace(day=min(day, m.days_in_month)) for m in months for day in days][:N])


DAYS = pd.date_range("1999-12-30", periods=N + 1)
TIMES = {
    "month starts": (MONTHS, "1 month"),
    "month ends": (pd.date_range("1990-01-31", periods=N, freq="ME"), "1 month"),
    "last working days": (pd.date_range("1990-01-31", periods=N, freq="BME"), "1 month"),
    "middles of months": (middles(MONTHS), "1 month"),
    "the 29th, or the last": ([min(m + pd.Timedelta(days=28), m + pd.offsets.MonthEnd(0)) for m in MONTHS], "1 month"),
    "two months": (pd.date_range("1990-01-31", periods=N, freq="2ME"), "2 months"),
    "quarters": (pd.date_range("1950-01-31", periods=N, freq="QE-NOV"), "1 quarter"),
    "years": (pd.date_range("1800-06-30", periods=N, freq="YE-JUN"), "1 year"),
    "weeks": (pd.date_range("1990-01-31", periods=N, freq="W"), "1 week"),
    "fortnights": (pd.date_range("1990-01-31", periods=N, freq="2W"), "2 weeks"),
    "working days": (pd.bdate_range("1990-01-31", periods=N), "1 working day"),
    "days in a zone": (pd.date_range("1990-01-31", periods=N, freq="D", tz="Europe/Berlin"), "1 day"),
    "months in a zone": (pd.date_range("1990-01-31", periods=N, freq="MS", tz="America/New_York"), "1 month"),
    "hours": (pd.date_range("1990-01-31", periods=N, freq="6h"), "6 hours"),
    "periods": (pd.period_range("1990-01", periods=N, freq="M"), "1 month"),
    "polars": (pl.Series(MONTHS.date.tolist()), "1 month"),
    "YYYYMM": ([100 * m.year + m.month for m in MONTHS], "1 month"),
    "YYYYMM text": ([f"{m:%Y%m}" for m in MONTHS], "1 month"),
    "YYYYMMDD": ([int(f"{m:%Y%m%d}") for m in MONTHS], "1 month"),
    "YYYYDDD": ([int(f"{m:%Y%j}") for m in pd.date_range("1990-08-01", periods=N)], "1 day"),
    "YYYY.MM": ([round(m.year + m.month / 100, 2) for m in MONTHS], "1 month"),
    "YYYYQ": ([10 * m.year + m.quarter for m in pd.date_range("1950", periods=N, freq="QS")], "1 quarter"),
    "YYYYWW": ([int(f"{m:%G%V}") for m in pd.date_range("1990", periods=N, freq="W")], "1 week"),
    "YYYYMMDDhh": ([int(f"{m:%Y%m%d%H}") for m in pd.date_range("1990", periods=N, freq="3h")], "3 hours"),
    "YYYYMMDDhhmm": ([float(f"{m:%Y%m%d%H%M}") for m in pd.date_range("1990", periods=N, freq="15min")], "15 minutes"),
    "composites of 8 days": (anew_each_year(8), "1 8-day composite"),
    "composites of 16 days, zoned": (anew_each_year(16).tz_localize("Asia/Tokyo"), "1 16-day composite"),
    "weeks of a year, the last longer": (anew_each_year(7), "1 7-day composite"),
    "composites as YYYYDDD": ([int(f"{m:%Y%j}") for m in anew_each_year(8)], "1 8-day composite"),
    "dekads": (within_months(1, 11, 21), "1 dekad"),
    "ends of dekads": (within_months(10, 20, 31), "1 dekad"),
    "half months": (within_months(15, 31), "1 half month"),
    "pentads of months": (within_months(1, 6, 11, 16, 21, 26), "1 pentad"),
    "four a month": (within_months(7, 14, 21, 28), "1 quarter of a month"),
    "days without 29 February": (DAYS[(DAYS.month != 2) | (DAYS.day != 29)][:N], "1 day"),
    "YYYY-MM": (MONTHS.strftime("%Y-%m").tolist(), "1 month"),
    "MM/YYYY": (MONTHS.strftime("%m/%Y").tolist(), "1 month"),
    "Mar 2001": (MONTHS.strftime("%b %Y").tolist(), "1 month"),
    "2001M03": (MONTHS.strftime("%YM%m").tolist(), "1 month"),
    "2001Q1": ([f"{m.year}Q{m.quarter}" for m in pd.date_range("1950", periods=N, freq="QS")], "1 quarter"),
    "Q1 2001": ([f"Q{m.quarter} {m.year}" for m in pd.date_range("1950", periods=N, freq="QS")], "1 quarter"),
    "2001-W05": (pd.date_range("1990", periods=N, freq="W").strftime("%G-W%V").tolist(), "1 week"),
    "decimal months, 2": ((1990 + (np.arange(N) + 0.5) / 12).round(2), "1 month"),
    "decimal months, 3": ((1990 + np.arange(N) / 12).round(3), "1 month"),
    "decimal months, float32": ((1990 + np.arange(N) / 12).astype(np.float32), "1 month"),
    "decimal months by days, 2": (decimal_years(MONTHS).round(2), "1 month"),
    "decimal months by days": (decimal_years(MONTHS), "1 month"),
    "decimal quarters, 1": ((1950 + np.arange(N) / 4).round(1), "1 quarter"),
    "decimal weeks, 2": ((1990 + np.arange(N) * 7 / 365.2425).round(2), "1 week"),
    "decimal weeks of 52, 3": ((1990 + np.arange(N) / 52).round(3), "1 week"),
    "decimal days, 3": (decimal_years(pd.date_range("1991-10-01", periods=N)).round(3), "1 day"),
    "noleap months": (xr.date_range("0850-01-16", periods=N, freq="MS", calendar="noleap", use_cftime=True), "1 month"),
    "noleap days": (xr.date_range("2000-02-01", periods=N, calendar="noleap", use_cftime=True), "1 day"),
    "360 days": (xr.date_range("1900-02-01", periods=N, calendar="360_day", use_cftime=True), "1 day"),
    "julian years": (xr.date_range("1000", periods=N, freq="YS", calendar="julian", use_cftime=True), "1 year"),
    "gregorian months": (xr.date_range("1990", periods=N, freq="ME", calendar="standard", use_cftime=True), "1 month"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TIMES)
def test_steps_of_the_calendar_are_even_and_gaps_are_steps_without_a_row(kind: str) -> None:
    time, step = TIMES[kind]
    whole = as_series(X, time=time)
    assert (len(whole), whole.sampling.step_text, whole.sampling.absent) == (N, step, 0)
    with pytest.raises(errors.IrregularSpacingError, match=r"^time: got steps from .*: 3 .*without an obs"):
        as_series(without(X), time=_left(time))
    filled = as_series(without(X), time=_left(time), missing="interpolate")
    assert (len(filled), filled.sampling.absent, filled.sampling.filled) == (N, 3, 3)
    np.testing.assert_array_equal(without(filled.values), without(X))
    scale = np.timedelta64(1, "D") if whole.time.dtype.kind == "M" else 1.0
    np.testing.assert_allclose(
        (filled.time - whole.time) / scale, 0, atol=0.3 * whole.step
    )  # rounding is up to a quarter of a week
    assert (np.diff(filled.time) / scale > 0).all()


def _left(time: Any) -> Any:
    if isinstance(time, pl.Series):
        return time.gather([i for i in range(N) if i not in LOST])
    return time.delete(LOST) if isinstance(time, pd.Index) else [one for i, one in enumerate(time) if i not in LOST]


def test_absent_months_are_put_on_their_own_dates() -> None:
    """31, 28, 30 days: the grid follows the calendar, so that a season of 12 stays in phase."""
    for freq in ("MS", "ME", "QS-FEB", "YS"):
        dates = pd.date_range("1900-01-31", periods=N, freq=freq)
        found = as_series(without(X), time=_left(dates), missing="interpolate")
        np.testing.assert_array_equal(found.time, dates.to_numpy().astype("datetime64[ns]"))


def test_a_season_stays_in_phase_where_a_row_is_absent() -> None:
    season = 10 * np.sin(2 * np.pi * np.arange(N) / 12)
    options: dict[str, Any] = {"season": 12, "detrend": None, "missing": "interpolate", "n_surrogates": 0}
    found = ews.detect(without(season + 0.1 * X), time=MONTHS.delete(LOST), **options)
    assert len(found.series) == N
    assert found.residual.std() < 0.3


@pytest.mark.parametrize(
    ("per_year", "step", "digits"),
    [(12, "1 month", 1), (12, "1 month", 2), (365.2425 / 7, "1 week", 1), (52, "1 week", 1), (365, "1 day", 2)],
)
def test_decimal_years_that_rounding_made_equal_are_told_apart(per_year: float, step: str, digits: int) -> None:
    time = (1990 + np.arange(N) / per_year).round(digits)
    found = as_series(X, time=time)
    assert (len(found), found.sampling.step_text, found.sampling.duplicates) == (N, step, 0)
    np.testing.assert_allclose(found.time, 1990 + np.arange(N) / per_year, atol=10.0**-digits)
    with pytest.raises((errors.DuplicatedTimesError, errors.IrregularSpacingError)):
        as_series(np.r_[X, X], time=np.sort(np.r_[time, time + 0.001 * np.arange(N) ** 2 % 0.7]))


PLAIN = {
    "steps of 0.1": 1500 + np.arange(N) * 0.1,
    "steps of 0.004": np.arange(N) * 0.004,
    "thirds, 1 decimal": (np.arange(N) / 3).round(1),
    "thirds, 2 decimals": (np.arange(N) / 3).round(2),
    "one to a dozen": np.arange(199_901, 199_901 + N),
    "years": np.arange(1760, 1760 + N),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_numbers_stay_plain(kind: str) -> None:
    found = as_series(X, time=PLAIN[kind])
    np.testing.assert_array_equal(found.time, PLAIN[kind])
    assert (found.sampling.unit, found.sampling.read_as, found.notes) == ("", "", ())
    filled = as_series(without(X), time=without(PLAIN[kind]), missing="interpolate")
    assert (len(filled), filled.sampling.absent) == (N, 3)


@pytest.mark.parametrize("low", [0.0, 1900.0])
@pytest.mark.parametrize("digits", [2, 9])
def test_random_times_have_no_step(low: float, digits: int) -> None:
    time = np.unique((low + np.random.default_rng(5).uniform(0, 100, N)).round(digits))
    with pytest.raises(errors.IrregularSpacingError, match=r"steps from [\d.e-]+ to [\d.]+ \(median [\d.]+\); allowed"):
        as_series(X[: time.size], time=time)
    found = as_series(X[: time.size], time=time, missing="interpolate")
    assert found.sampling.unit == ""
    assert 0.3 < found.sampling.filled / len(found) < 0.8  # most steps of an exponential gap are empty


UNTIL = [
    ([100 * m.year + m.month for m in MONTHS], 200_012, 132),
    ([100 * m.year + m.month for m in MONTHS], "200012", 132),
    ([100 * m.year + m.month for m in MONTHS], "2000-12", 132),
    ([100 * m.year + m.month for m in MONTHS], 2000, None),
    ([round(m.year + m.month / 100, 2) for m in MONTHS], 2000.1, 130),
    (TIMES["YYYYQ"][0], 19_952, 182),
    (TIMES["YYYYMMDDhh"][0], 1_990_011_000, 73),
    (TIMES["days without 29 February"][0], "2000-03-01", 62),
    (MONTHS, "2000Q2", 126),
    (MONTHS, "Mar 2000", 123),
    (MONTHS, pd.Period("2000Q2"), 126),
    ((1990 + np.arange(N) / 12).round(2), 2000, 121),
    (TIMES["noleap months"][0], "0852", 35),
    (TIMES["noleap months"][0], "0852-02", 25),
    (TIMES["noleap months"][0], cftime.datetime(852, 2, 1, calendar="noleap"), 25),
    (TIMES["360 days"][0], "1900-02-30", 30),
    (TIMES["360 days"][0], "1900-02-31", None),
]


@pytest.mark.parametrize(("time", "until", "kept"), UNTIL, ids=lambda one: str(one)[:24])
def test_until_is_read_as_the_times_are(time: Any, until: Any, kept: int | None) -> None:
    if kept is None:
        with pytest.raises(errors.ArgumentError, match=r"^until: got "):
            as_series(X, time=time, until=until)
    else:
        assert len(as_series(X, time=time, until=until)) == kept


HOURS = pd.date_range("2020-03-27", periods=120, freq="h", tz="Europe/Berlin")  # summer time begins on the 29th
WRITTEN = {
    "named zone": HOURS,
    "offsets": [one.isoformat() for one in HOURS],
    "objects": list(HOURS.to_pydatetime()),
    "polars": pl.Series(HOURS.to_pydatetime().tolist(), dtype=pl.Datetime(time_zone="Europe/Berlin")),
}


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize(
    ("until", "kept"),
    [
        ("2020-03-28", 48),
        (dt.date(2020, 3, 29), 71),
        ("2020-03-29T02:30", 50),  # skipped by the clock
        ("2020-03-29 12:00", 60),
        (pd.Timestamp("2020-03-29 12:00"), 60),
        ("2020-03-29T12:00Z", 62),
        (dt.datetime(2020, 3, 29, 12, tzinfo=dt.UTC), 62),
    ],
    ids=str,
)
def test_until_without_a_zone_is_read_on_the_clock_of_the_times(kind: str, until: Any, kept: int) -> None:
    assert len(as_series(X[:120], time=WRITTEN[kind], until=until)) == kept


def test_until_in_the_hour_that_occurs_twice_is_the_earlier() -> None:
    half_hours = pd.date_range("2020-10-24 12:00", periods=60, freq="30min", tz="Europe/Berlin")
    for time in (half_hours, [one.isoformat() for one in half_hours]):
        assert len(as_series(X[:60], time=time, until="2020-10-25 02:30")) == 30


def test_an_offset_that_all_share_is_the_clock() -> None:
    time = [f"2020-06-{1 + i // 24:02d}T{i % 24:02d}:00+02:00" for i in range(120)]
    assert len(as_series(X[:120], time=time, until="2020-06-03")) == 72
    assert len(as_series(X[:120], time=time, until="2020-06-03 00:00")) == 49


@pytest.mark.parametrize(
    "time",
    [
        ["2020-01-01T00:00+01:00", "2020-01-02T00:00", "2020-01-03T00:00+01:00"],
        ["2020-01-01T00:00Z", "2020-01-02", "2020-01-03"],
        [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02", tz="UTC"), pd.Timestamp("2020-01-03")],
        [dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 2), dt.datetime(2020, 1, 3, tzinfo=dt.UTC)],
    ],
    ids=["text", "dates and Z", "pandas", "datetime"],
)
def test_times_with_and_without_a_zone_are_not_mixed(time: Any) -> None:
    with pytest.raises(errors.ValueRangeError, match=r"^time: got times with a time zone and times without"):
        as_series([1.0, 2.0, 4.0], time=time)


DAYS = pd.date_range("2020-01-01", periods=8)


@pytest.mark.parametrize(
    "time",
    [
        np.ma.masked_array([0, 1, 2, 3, 4, 5, 6, 1e20], [0] * 7 + [1]),
        np.ma.masked_array(DAYS.to_numpy(), [0] * 7 + [1]),
        [0, 1, 2, 3, 4, 5, 6, 1e20],
        np.array([0, 1, 2, 3, 4, 5, 6, 9.96920996838687e36], dtype=np.float32),
    ],
    ids=["masked", "masked dates", "filled", "netCDF's fill"],
)
def test_a_time_that_is_masked_or_filled_is_missing(time: Any) -> None:
    with pytest.raises(
        errors.ArgumentError, match=r"^time: got a (masked|missing) time at position 7 \(counted from 0\); a"
    ):
        as_series(X[:8], time=time)


def test_xarray_gives_the_times_that_it_has() -> None:
    def series(**coordinates: Any) -> xr.DataArray:
        return xr.DataArray(X[:8], dims="obs", coords=coordinates, name="chl")

    dates = DAYS.to_numpy().astype("datetime64[ns]")
    for array in (series(time=("obs", DAYS)), series(obs=np.arange(8), time=("obs", DAYS))):
        found = as_series(array)
        np.testing.assert_array_equal(found.time, dates)
        assert found.time_name == "time"
        assert "'time' along the dimension 'obs'" in found.notes[0]
    two = series(time=("obs", DAYS), valid=("obs", DAYS + pd.Timedelta(days=1)))
    with pytest.raises(errors.ArgumentError, match=r"^time: got the coordinates 'time' and 'valid'"):
        as_series(two)
    np.testing.assert_array_equal(as_series(two, time="time").time, dates)
    with pytest.raises(errors.UnknownNameError, match="'time', 'valid'"):
        as_series(two, time="tine")
    with pytest.raises(errors.InputTypeError, match="values along 'obs' at one time"):
        as_series(series(time=DAYS[0]))
    np.testing.assert_array_equal(as_series(series(obs=DAYS)).time, dates)
    filled = xr.DataArray([1.0, 1e20, 3.0, 4.0], dims="time", attrs={"_FillValue": 1e20})
    assert as_series(filled, missing="interpolate").sampling.missing == 1


CUBE = xr.DataArray(
    np.random.default_rng(1).standard_normal((40, 2, 3)), dims=("time", "lat", "lon"), name="chl",
    coords={"time": pd.date_range("2001-01-01", periods=40)},
)  # fmt: skip


@pytest.mark.parametrize("call", [
    lambda x: ews.trends.kendall(x),
    lambda x: ews.detrend.linear(x),
    lambda x: ews.detect(x),
    lambda x: ews.changepoints.change_points(x),
])  # fmt: skip
@pytest.mark.parametrize(
    "cube", [CUBE, CUBE.isel(lat=0), CUBE.transpose("lon", "time", "lat")], ids=["3", "2", "turned"]
)
def test_a_cube_is_never_taken_along_its_last_dimension(call: Any, cube: Any) -> None:
    with pytest.raises(errors.InputTypeError, match=r"time.*lon|lon.*time") as caught:
        call(cube)
    assert "isel(" in str(caught.value)
    assert "to_pandas()" in str(caught.value)


def test_a_cube_is_read_as_the_message_says() -> None:
    found = ews.detect(CUBE.stack(place=("lat", "lon")).to_pandas(), n_surrogates=0)
    assert len(found) == 6
    one = CUBE.isel(lat=0, lon=0)
    measured = ews.variance(one, window=10)
    assert isinstance(measured, xr.DataArray)
    xr.testing.assert_equal(measured.time, one.time)
    np.testing.assert_array_equal(measured.values, ews.variance(one.values, window=10))
    table = CUBE.isel(lat=0).to_pandas()
    wide = ews.variance(pl.DataFrame(table.to_numpy(), schema=["a", "b", "c"]), window=10)
    np.testing.assert_array_equal(wide.to_numpy(), ews.variance(table, window=10).to_numpy())


def test_a_trend_uses_the_times_that_the_values_carry() -> None:
    t = np.array([0.0, 1.0, 2.0, 5.0, 9.0, 20.0])
    assert ews.trends.theil_sen(pd.Series(3 * t, index=t)).statistic == pytest.approx(3.0)
    assert ews.trends.theil_sen(xr.DataArray(3 * t, dims="t", coords={"t": t})).statistic == pytest.approx(3.0)
    dates = pd.Timestamp("2001-01-01") + pd.to_timedelta(t, "D")
    assert ews.trends.theil_sen(pd.Series(3 * t, index=dates)).statistic == pytest.approx(3.0)
    assert ews.trends.theil_sen(pd.Series(3 * t, index=list("abcdef"))).statistic > 3.0  # labels: positions
    assert ews.trends.theil_sen(pd.Series(3 * t, index=t), time=2 * t).statistic == pytest.approx(1.5)


def test_ages_run_backwards_when_told_and_are_remarked_when_not() -> None:
    age = np.arange(50.0, 50.0 * (N + 1), 50.0)
    table = pd.DataFrame({"age_BP": age[::-1], "x": X})
    options: dict[str, Any] = {"n_surrogates": 0, "detrend": None}
    right = ews.detect(table, time=ews.Ages("age_BP", unit="yr BP"), **options)
    plain = ews.detect(X, **options)
    assert right.tau == plain.tau
    assert "ages in yr BP" in right.summary()
    assert len(as_series(X, time=ews.Ages(age[::-1]), until=600)) == N - 11
    for name in ("age_BP", "Age (ka)", "cal BP", "kyr_bp", "Age"):
        with pytest.warns(errors.TimeDirectionWarning, match=r"ews\.Ages"):
            found = ews.detect(table.rename(columns={"age_BP": name}), time=name, **options)
        assert "CAUTION: the times are called" in " ".join(found.summary().split())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("average", "bpm", "day", "kangaroo"):
            as_series(X, time=pd.Series(age, name=name))
        as_series(X, time=pd.Series(-age, name="age"))
    with pytest.raises(errors.InputTypeError, match="ages that are dates"):
        as_series(X, time=ews.Ages(MONTHS))


def season(per_year: float, size: float, noise: np.ndarray) -> np.ndarray:
    return size * np.sin(2 * np.pi * np.arange(noise.size) / per_year) + noise


@pytest.mark.parametrize(("freq", "n", "per_year", "period", "cycle"), [
    ("MS", 240, 12, 12, "year"), ("QE", 120, 4, 4, "year"), ("W", 520, 365.2425 / 7, 52, "year"),
    ("D", 1500, 365.2425, 365, "year"), ("D", 200, 7, 7, "week"), ("h", 240, 24, 24, "day"),
    ("30min", 400, 48, 48, "day"),
])  # fmt: skip
def test_the_season_of_the_calendar_is_measured(freq: str, n: int, per_year: float, period: int, cycle: str) -> None:
    noise = np.random.default_rng(7).standard_normal(n)
    time = pd.date_range("2001-01-31", periods=n, freq=freq)
    found = as_series(season(per_year, 2.0, noise) + np.linspace(0, 30, n), time=time).sampling.season
    assert found is not None
    assert (found.period, found.cycle, found.notable) == (period, cycle, True)
    assert found.share == pytest.approx(2 / 3, abs=0.12)  # variance of the sine over that of both
    red = ews.models.ar1(n=n, coefficient=0.8, seed=2).values
    quiet = as_series(np.asarray(red), time=time).sampling.season
    assert quiet is None or not quiet.notable


@pytest.mark.parametrize(("time", "said"), [
    (np.arange(36526, 36526 + N), "days of a spreadsheet they would run from 2000-01-01 to 2000-08-27"),
    (55197 + np.arange(N) / 4, "modified Julian days they would run from 2010-01-01"),
    (946684800 + 86400 * np.arange(N), 'seconds since 1970 they would run from 2000-01-01 .*unit="s"'),
    (1e3 * (946684800 + 86400 * np.arange(N)), "milliseconds since 1970 they would run from 2000-01-01"),
    (2451544.5 + np.arange(N), "Julian days they would run from 1999-12-31"),
    (730486 + 7 * np.arange(N), "days of MATLAB they would run from 2000-01-01"),
])  # fmt: skip
def test_numbers_that_may_count_from_an_epoch_are_said(time: Any, said: str) -> None:
    assert re.search(f"plain numbers; as .*{said}", " ".join(as_series(X, time=time).notes))
    for other in (ews.Ages(time), np.asarray(time) - time[0], -np.asarray(time)):
        assert "plain numbers" not in " ".join(as_series(X, time=other).notes)


def test_the_season_of_composites_that_begin_anew_each_year_is_that_year() -> None:
    for length, period in ((8, 46), (16, 23)):
        values = season(period, 2.0, np.random.default_rng(7).standard_normal(N))
        found = as_series(values, time=anew_each_year(length)).sampling.season
        assert found is not None
        assert (found.period, found.cycle, found.notable) == (period, "year", True)


def test_a_season_that_was_left_in_is_said_and_how_to_take_it_out() -> None:
    temperature = pd.Series(season(12, 10, X), index=MONTHS, name="temperature")
    said = " ".join(ews.detect(temperature, n_surrogates=0).summary().split())
    assert "step 30.44 days (1 month)" in said
    assert (
        "a cycle of 12 samples (one year) makes up 98 % of the variance and was not taken out: give season=12" in said
    )
    taken = " ".join(ews.detect(temperature, season=12, n_surrogates=0).summary().split())
    assert "it was taken out first" in taken
    other = " ".join(ews.detect(temperature, season=6, n_surrogates=0).summary().split())
    assert "a season of 6 samples was taken out instead" in other
    assert "Season" not in ews.detect(pd.Series(X, index=MONTHS), n_surrogates=0).summary()
    assert "Season" in ews.detect(temperature, n_surrogates=0).to_html()
    record = ews.detect(temperature, n_surrogates=0).to_dict()["sampling"]
    assert record["season"]["period"] == 12
    assert record["unit"] == "month"


def test_the_share_of_filled_samples_is_said() -> None:
    days = pd.date_range("2001-01-01", periods=119)
    kept = np.sort(np.r_[0, 118, np.random.default_rng(0).choice(np.arange(1, 118), 67, replace=False)])
    found = ews.detect(X[kept], time=days[kept], missing="interpolate", n_surrogates=0)
    assert found.series.sampling.filled == 50
    assert "50 of 119 samples (42 %) were filled, not observed" in " ".join(found.summary().split())
    holes = np.where(np.isin(np.arange(119), kept), X[:119], np.nan)
    assert ews.detect(holes, missing="interpolate", n_surrogates=0).series.sampling.filled == 50


def test_maps_and_variables_have_their_time_along_time_whatever_its_place() -> None:
    maps = xr.DataArray(
        np.random.default_rng(2).standard_normal((30, 6, 6)),
        dims=("obs", "y", "x"),
        coords={"time": ("obs", MONTHS[:30])},
    )
    found = ews.detect_spatial(maps, n_surrogates=0)
    np.testing.assert_array_equal(found.grids.time, MONTHS[:30].to_numpy().astype("datetime64[ns]"))
    with pytest.raises(errors.InputTypeError, match=r"y × x × obs.*transpose\('obs'"):
        ews.detect_spatial(maps.transpose("y", "x", "obs"), n_surrogates=0)
    table = maps.isel(y=0).isel(x=slice(0, 3))
    options: dict[str, Any] = {"n_surrogates": 0, "detrend": None}
    one, other = (ews.detect_multivariate(each, **options) for each in (table, table.transpose("x", "obs")))
    np.testing.assert_array_equal(one.series.time, other.series.time)
    np.testing.assert_array_equal(one.series.time, MONTHS[:30].to_numpy().astype("datetime64[ns]"))
    assert one.tau == other.tau


@pytest.mark.parametrize(("freq", "n"), [("YS", 500), ("30YE", 18), ("MS", 6000), ("W", 25_000), ("11D", 12_000)])
def test_records_of_more_than_three_centuries_do_not_wrap_around(freq: str, n: int) -> None:
    """A difference of datetime64[ns] ends after 292 years."""
    dates = pd.date_range("1690-01-31", periods=n, freq=freq, unit="s")
    x = np.random.default_rng(1).standard_normal(n)
    whole = as_series(x, time=dates)
    assert len(whole) == n
    assert whole.notes == ()
    filled = as_series(np.delete(x, 9), time=dates.delete(9), missing="interpolate")
    np.testing.assert_array_equal(filled.time, dates.to_numpy().astype("datetime64[ns]"))
    assert ews.trends.theil_sen(pd.Series(np.arange(n), index=dates)).statistic == pytest.approx(
        1 / whole.step, rel=0.1
    )
