"""Any input becomes an evenly spaced, finite, sorted series; what had to be decided is noted."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import ews
from ews import errors
from ews.series import as_series, split_columns

VALUES = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
DAYS = pd.date_range("2001-03-01", periods=8)
STAMPS = DAYS.to_numpy().astype("datetime64[ns]")

PLAIN: dict[str, Any] = {
    "list": VALUES.tolist(),
    "tuple": tuple(VALUES),
    "range": range(8),
    "integers": VALUES.astype(np.int16),
    "unsigned": VALUES.astype(np.uint8),
    "float32": VALUES.astype(np.float32),
    "big endian": VALUES.astype(">f8"),
    "strided": np.repeat(VALUES, 2)[::2],
    "backwards": VALUES[::-1],
    "masked": np.ma.array(VALUES, mask=False),
    "objects": np.array(VALUES.tolist(), dtype=object),
    "truth values": VALUES > 3,
    "pandas": pd.Series(VALUES),
    "pandas nullable": pd.Series(VALUES, dtype="Float64"),
    "pandas nullable integers": pd.Series(VALUES.astype(int), dtype="Int64"),
    "pandas sparse": pd.Series(pd.arrays.SparseArray(VALUES)),
    "polars": pl.Series(VALUES),
    "polars integers": pl.Series(VALUES.astype(int)),
    "polars decimal": pl.Series(["3.25", "1.5"]).cast(pl.Decimal(10, 2)),
    "xarray": xr.DataArray(VALUES),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_values_of_every_kind_become_float64(kind: str) -> None:
    given = PLAIN[kind]
    found = as_series(given)
    assert found.values.dtype == np.float64
    np.testing.assert_array_equal(found.values, np.asarray(given, dtype=np.float64))
    np.testing.assert_array_equal(found.time, np.arange(len(found)))
    assert found.notes == ()
    assert (found.step, found.step_unit) == (1.0, "")


TIMES: dict[str, Any] = {
    "day first, one way to read": [f"{13 + k}/3/2001" for k in range(8)],
    "DatetimeIndex": DAYS,
    "pandas Series": pd.Series(DAYS),
    "PeriodIndex": pd.period_range("2001-03-01", periods=8, freq="D"),
    "Series of periods": pd.Series(pd.period_range("2001-03-01", periods=8, freq="D")),
    "list of periods": list(pd.period_range("2001-03-01", periods=8, freq="D")),
    "datetime64[D]": STAMPS.astype("datetime64[D]"),
    "dates": [stamp.date() for stamp in DAYS],
    "datetimes": DAYS.to_pydatetime(),
    "ISO strings": [str(stamp.date()) for stamp in DAYS],
    "numpy strings": np.array([str(stamp.date()) for stamp in DAYS]),
    "polars dates": pl.date_range(dt.date(2001, 3, 1), dt.date(2001, 3, 8), eager=True),
    "xarray": xr.DataArray(STAMPS),
}


@pytest.mark.parametrize("kind", TIMES)
def test_dates_of_every_kind_become_nanoseconds(kind: str) -> None:
    found = as_series(VALUES, time=TIMES[kind])
    expected = STAMPS + np.timedelta64(12, "D") if kind.startswith("day first") else STAMPS
    assert found.time.dtype == np.dtype("datetime64[ns]")
    np.testing.assert_array_equal(found.time, expected)
    assert (found.step, found.step_unit) == (1.0, "days")
    assert found.notes == ()


@pytest.mark.parametrize(
    "time",
    [
        np.arange(8) * 2 + 1950,
        [*range(1950, 1966, 2)],
        np.array(range(1950, 1966, 2), dtype=object),
        pd.Series(range(1950, 1966, 2), dtype="Int64"),
        pd.RangeIndex(1950, 1966, 2),
        pl.Series(range(1950, 1966, 2)),
    ],
    ids=["int64", "list", "objects", "nullable", "RangeIndex", "polars"],
)
def test_numbers_as_times_stay_numbers(time: Any) -> None:
    found = as_series(VALUES, time=time)
    np.testing.assert_array_equal(found.time, np.arange(1950.0, 1966.0, 2.0))
    assert (found.step, found.step_unit) == (2.0, "")


@pytest.mark.parametrize(
    ("index", "first", "step"),
    [
        (pd.RangeIndex(1950, 1958), 1950.0, 1.0),
        (pd.Index(np.arange(8) / 4), 0.0, 0.25),
        (DAYS, STAMPS[0], 1.0),
        (pd.period_range("2001-03", periods=8, freq="M"), STAMPS[0], 214 / 7),
        (pd.Index([stamp.date() for stamp in DAYS]), STAMPS[0], 1.0),
        (pd.Index([str(stamp.date()) for stamp in DAYS]), STAMPS[0], 1.0),
        (pd.to_timedelta(np.arange(8) * 12, "h"), 0.0, 0.5),
    ],
    ids=["range of years", "numbers", "dates", "months", "date objects", "date strings", "durations"],
)
def test_a_pandas_index_of_times_is_used(index: pd.Index, first: Any, step: float) -> None:
    found = as_series(pd.Series(VALUES, index=index))
    assert found.time[0] == first
    assert found.step == step


@pytest.mark.parametrize(
    "index",
    [pd.Index(list("abcdefgh")), pd.Index([True, False] * 4)],
    ids=["labels", "truth values"],
)
def test_an_index_of_labels_is_left_out_with_a_note(index: pd.Index) -> None:
    found = as_series(pd.Series(VALUES, index=index))
    np.testing.assert_array_equal(found.time, np.arange(8.0))
    assert "labels" in found.notes[0]


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (pd.MultiIndex.from_product([range(4), range(2)]), r"unstack\(1\)"),
        (pd.MultiIndex.from_product([list("ab"), DAYS[:4]], names=["lake", "day"]), r"unstack\('lake'\)"),
        (pd.MultiIndex.from_product([["a"], ["b"]]).repeat(8), "unstack"),
    ],
)
def test_an_index_of_several_levels_holds_several_series(index: pd.MultiIndex, said: str) -> None:
    data = pd.Series(VALUES, index=index)
    with pytest.raises(errors.InputTypeError, match=said):
        as_series(data)
    np.testing.assert_array_equal(as_series(data, time=DAYS).time, DAYS)


def test_time_zones_become_utc_with_a_note() -> None:
    zoned = DAYS.tz_localize("Europe/Zurich")
    expected = zoned.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")
    strings = [stamp.isoformat() for stamp in zoned]
    for time in (zoned, pd.Series(zoned), list(zoned.to_pydatetime()), strings, pl.Series(zoned.to_pydatetime())):
        found = as_series(VALUES, time=time)
        np.testing.assert_array_equal(found.time, expected)
        assert "UTC" in found.notes[0]
    assert as_series(VALUES, time=DAYS.tz_localize("UTC")).notes == ()


def test_offsets_that_change_with_summer_time_are_one_clock() -> None:
    time = pd.date_range("2001-03-25", periods=8, freq="h", tz="Europe/Zurich")
    found = as_series(VALUES, time=[stamp.isoformat() for stamp in time])
    np.testing.assert_allclose(np.diff(found.time) / np.timedelta64(1, "h"), 1.0)


def test_dates_that_can_be_read_in_two_ways_are_refused() -> None:
    with pytest.raises(errors.ValueRangeError, match="day or the month first"):
        as_series(VALUES, time=[f"{day}/3/2001" for day in range(1, 9)])


def test_names_and_time_names_are_carried() -> None:
    named = pd.Series(VALUES, index=DAYS.rename("day"), name="chlorophyll")
    assert (as_series(named).name, as_series(named).time_name) == ("chlorophyll", "day")
    assert as_series(named, name="other").name == "other"
    assert as_series(pl.Series("algae", VALUES)).name == "algae"
    array = xr.DataArray(VALUES, dims="week", coords={"week": np.arange(8.0)}, name="oxygen")
    assert (as_series(array).name, as_series(array).time_name) == ("oxygen", "week")
    assert as_series(VALUES, time=pd.Series(range(8), name=3)).time_name == "3"
    assert as_series(VALUES).name is None


def test_simulations_and_data_sets_are_series() -> None:
    for given in (ews.models.harvested_population(n=50, seed=1), ews.datasets.load("nile")):
        np.testing.assert_array_equal(as_series(given).values, given.values)
        np.testing.assert_array_equal(as_series(given).time, given.time)


def test_the_users_data_are_never_changed_or_shared() -> None:
    values, time = VALUES[::-1].copy(), np.arange(8.0)[::-1].copy()
    values[2] = np.nan
    kept_values, kept_time = values.copy(), time.copy()
    found = as_series(values, time=time, missing="interpolate")
    np.testing.assert_array_equal(values, kept_values)
    np.testing.assert_array_equal(time, kept_time)
    assert not np.shares_memory(found.values, values)
    assert not np.shares_memory(found.time, time)
    read_only = VALUES.copy()
    read_only.setflags(write=False)
    assert not np.shares_memory(as_series(read_only).values, read_only)


def test_the_series_cannot_be_changed() -> None:
    found = as_series(VALUES)
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        found.time[0] = 1.0
    with pytest.raises(AttributeError):
        found.name = "other"  # type: ignore[misc]


def test_descending_time_is_sorted_and_said() -> None:
    found = as_series(VALUES[::-1], time=-np.arange(8.0) + 7.0)
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.notes == ("times were descending: sorted into ascending order",)


def test_time_in_no_order_is_sorted_and_said() -> None:
    order = np.array([3, 1, 0, 2, 7, 6, 5, 4])
    found = as_series(VALUES[order], time=order)
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.notes == ("times were not in order: sorted into ascending order",)


@pytest.mark.parametrize(
    ("until", "kept"),
    [(3, 4), (3.5, 4), ("3.5", 4), (np.int64(3), 4), (np.float32(3), 4), (0, 1), (7, 8), (1e9, 8), (np.inf, 8)],
)
def test_until_a_number(until: Any, kept: int) -> None:
    found = as_series(VALUES, until=until)
    np.testing.assert_array_equal(found.values, VALUES[:kept])
    if until == 1e9:
        assert found.notes == ("nothing lies after 1e+09: the record ends at 7, and was not cut",)
    else:
        assert found.notes == (() if kept == 8 else (f"cut after {float(until):g}: {kept} of 8 observations used",))


@pytest.mark.parametrize(
    ("time", "until", "end"),
    [
        (DAYS, "2001-03-08", None), (DAYS, "2001-03-08 12:00", None), (DAYS, "2001-03-09", "2001-03-08"),
        (DAYS, "2005", "2001-03-08"), (DAYS, dt.date(2005, 1, 1), "2001-03-08"),
        (ews.Ages(np.arange(8)[::-1]), -5, "0"), (ews.Ages(np.arange(8)[::-1]), 0, None),
        (np.arange(8) * 0.5, 3.9, None), (np.arange(8) * 0.5, 4, "3.5"),
    ],
)  # fmt: skip
def test_a_limit_behind_the_end_is_said_to_cut_nothing(time: Any, until: Any, end: str | None) -> None:
    said = [note for note in as_series(VALUES, time=time, until=until).notes if "nothing lies after" in note]
    assert bool(said) == (end is not None)
    assert end is None or f"ends at {end}, and was not cut" in said[0]


@pytest.mark.parametrize(
    ("until", "kept"),
    [
        ("2001-03-04", 4),
        ("2001-03", 8),
        ("2001", 8),
        ("2300", 8),
        ("2001-03-04 00:00", 4),
        ("2001-03-04T01:00+02:00", 3),
        (dt.date(2001, 3, 4), 4),
        (dt.datetime(2001, 3, 4), 4),
        (dt.datetime(2001, 3, 4, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), 3),
        (pd.Timestamp("2001-03-04"), 4),
        (pd.Timestamp("2001-03-04", tz="UTC"), 4),
        (pd.Period("2001-03"), 8),
        (np.datetime64("2001-03-04"), 4),
    ],
    ids=str,
)
def test_until_a_date(until: Any, kept: int) -> None:
    assert len(as_series(VALUES, time=DAYS, until=until)) == kept


def test_until_a_day_keeps_the_whole_day() -> None:
    hours = pd.date_range("2001-03-01", periods=8, freq="6h")
    assert len(as_series(VALUES, time=hours, until="2001-03-01")) == 4
    assert len(as_series(VALUES, time=hours, until="2001-03-01 06:00")) == 2


@pytest.mark.parametrize("until", [True, "soon", [3], 1j, dt.date(2001, 3, 4), np.array([3, 4])], ids=str)
def test_until_of_another_kind_is_refused(until: Any) -> None:
    with pytest.raises(errors.InputTypeError, match=r"^until: got .* allowed: a number"):
        as_series(VALUES, until=until)


@pytest.mark.parametrize("until", [True, "soon", "NaT", pd.NaT, 3, np.nan, [3]], ids=str)
def test_until_no_date_is_refused(until: Any) -> None:
    with pytest.raises(errors.InputTypeError, match=r"^until: got .* allowed: a date"):
        as_series(VALUES, time=DAYS, until=until)


@pytest.mark.parametrize(("time", "until"), [(None, -1), (None, np.nan), (DAYS, "2000"), (DAYS, "1500-01-01")])
def test_until_before_all_data_is_refused(time: Any, until: Any) -> None:
    with pytest.raises(errors.ValueRangeError, match=r"^until: got .* allowed: a time from"):
        as_series(VALUES, time=time, until=until)


def test_duplicated_times_are_refused_or_averaged() -> None:
    time = [0, 1, 1, 2, 3, 3, 3, 4]
    with pytest.raises(errors.DuplicatedTimesError, match=r'time: got 3 duplicated .* first at 1; .*duplicates="mean"'):
        as_series(VALUES, time=time)
    found = as_series(VALUES, time=time, duplicates="mean")
    np.testing.assert_allclose(found.values, [3.0, 2.5, 1.0, 16 / 3, 6.0], rtol=1e-15)
    assert found.notes == ("3 observations shared a time with another: averaged",)


def test_averaging_leaves_out_what_is_missing() -> None:
    found = as_series(
        [1.0, np.nan, 3.0, np.nan, np.nan, 5.0], time=[0, 0, 1, 2, 2, 3], duplicates="mean", missing="drop"
    )
    np.testing.assert_array_equal(found.values, [1.0, 3.0, 5.0])


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x,
        lambda x: [None if np.isnan(v) else v for v in x],
        lambda x: np.ma.masked_invalid(x),
        lambda x: pd.Series(x, dtype="Float64"),
        lambda x: pd.Series([pd.NA if np.isnan(v) else v for v in x], dtype=object),
        lambda x: pl.Series([None if np.isnan(v) else v for v in x]),
    ],
    ids=["NaN", "None", "masked", "nullable", "NA", "polars null"],
)
def test_missing_values_of_every_kind(make: Any) -> None:
    x = VALUES.copy()
    x[[0, 3, 7]] = np.nan
    with pytest.raises(errors.MissingValuesError, match=r"3 missing value.*first at position 0.*interpolate.*drop"):
        as_series(make(x))
    dropped = as_series(make(x), missing="drop")
    np.testing.assert_array_equal(dropped.values, VALUES[[1, 2, 4, 5, 6]])
    filled = as_series(make(x), missing="interpolate")
    np.testing.assert_array_equal(filled.values, [1.0, 4.0, 4.5, 5.0, 9.0, 2.0])
    np.testing.assert_array_equal(filled.time, np.arange(1.0, 7.0))
    assert filled.notes == ("2 missing values at the ends cut off", "1 missing value interpolated linearly")


def test_uneven_spacing_is_refused_gridded_or_ignored() -> None:
    time = np.array([0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    with pytest.raises(errors.IrregularSpacingError, match=r"steps from 1 to 2 \(median 1\).*interpolate.*drop"):
        as_series(VALUES, time=time)
    gridded = as_series(VALUES, time=time, missing="interpolate")
    np.testing.assert_array_equal(gridded.time, np.arange(9.0))
    np.testing.assert_array_equal(gridded.values, np.interp(np.arange(9.0), time, VALUES))
    assert "8 observations interpolated linearly onto 9 even steps" in gridded.notes[0]
    kept = as_series(VALUES, time=time, missing="drop")
    np.testing.assert_array_equal(kept.values, VALUES)
    assert kept.notes == ("uneven spacing ignored: observations are taken as consecutive",)


def test_uneven_dates_are_put_on_a_grid_of_dates() -> None:
    days = STAMPS[0] + np.array([0, 1, 2, 5, 6, 7, 8, 9]) * np.timedelta64(1, "D")
    found = as_series(VALUES, time=days, missing="interpolate")
    np.testing.assert_array_equal(found.time, STAMPS[0] + np.arange(10) * np.timedelta64(1, "D"))


def test_months_quarters_and_years_count_as_even() -> None:
    for freq in ("MS", "ME", "QS", "YS", "W"):
        assert as_series(VALUES, time=pd.date_range("1999-01-31", periods=8, freq=freq)).notes == ()


def test_working_days_do_not_count_as_even() -> None:
    with pytest.raises(errors.IrregularSpacingError):
        as_series(VALUES, time=pd.bdate_range("2001-03-01", periods=8))


def test_a_gap_of_ages_is_not_filled_with_a_million_points() -> None:
    with pytest.raises(errors.IrregularSpacingError, match="gaps of moderate length"):
        as_series(VALUES, time=[0, 1, 2, 3, 4, 5, 6, 1e6], missing="interpolate")


@pytest.mark.parametrize("causal", [True, False])
def test_causal_interpolation_never_looks_ahead(causal: bool) -> None:
    """The future is changed: filled values of the past stay as they are, unless interpolation is linear."""
    generator = np.random.default_rng(4)
    x = generator.standard_normal(60)
    x[generator.integers(1, 59, 15)] = np.nan
    filled = as_series(x, missing="interpolate", causal=causal).values
    unchanged = []
    for now in range(10, 60):
        other = x.copy()
        other[now:] += 5.0
        unchanged.append(
            np.array_equal(as_series(other, missing="interpolate", causal=causal).values[:now], filled[:now])
        )
    assert all(unchanged) == causal
    for end in range(10, 60):
        part = as_series(x[:end], missing="interpolate", causal=causal).values
        np.testing.assert_array_equal(part, filled[: part.size])


def test_a_causal_grid_takes_the_last_observation() -> None:
    time = np.array([0.0, 1.0, 2.0, 3.7, 4.7, 5.7, 6.7, 7.7])
    found = as_series(VALUES, time=time, missing="interpolate", causal=True)
    np.testing.assert_array_equal(found.time, np.arange(8.0))
    np.testing.assert_array_equal(found.values, VALUES[[0, 1, 2, 2, 3, 4, 5, 6]])
    assert "held at the last observation" in found.notes[0]


def test_a_grid_that_meets_an_observation_takes_it_in_spite_of_rounding() -> None:
    time = np.delete(np.arange(400) * 0.1, [50, 51])
    values = np.arange(398.0)
    found = as_series(values, time=time, missing="interpolate", causal=True)
    expected = np.insert(values, 50, [49.0, 49.0])
    np.testing.assert_array_equal(found.values, expected)


BAD_SERIES: dict[str, tuple[Any, type[Exception], str]] = {
    "empty": ([], errors.SeriesTooShortError, "empty"),
    "all NaN": ([np.nan] * 5, errors.SeriesTooShortError, "5 values, all NaN"),
    "infinite": ([1.0, np.inf, 2.0], errors.MissingValuesError, "infinite value at position 1"),
    "strings": (["1", "2"], errors.InputTypeError, "strings"),
    "one string": ("123", errors.InputTypeError, "'123'"),
    "bytes": (b"123", errors.InputTypeError, "b'123'"),
    "object strings": (np.array(["1", 2], dtype=object), errors.InputTypeError, "not real numbers"),
    "complex": ([1 + 1j, 2], errors.InputTypeError, "complex"),
    "object complex": (np.array([1j, None], dtype=object), errors.InputTypeError, "not real numbers"),
    "dates": (DAYS, errors.InputTypeError, "dates"),
    "durations": (DAYS - DAYS[0], errors.InputTypeError, "durations"),
    "two dimensions": (np.ones((3, 4)), errors.InputTypeError, r"shape \(3, 4\)"),
    "one column": (np.ones((3, 1)), errors.InputTypeError, r"shape \(3, 1\)"),
    "matrix": (xr.DataArray(np.ones((2, 2))), errors.InputTypeError, r"shape \(2, 2\)"),
    "ragged": ([[1, 2], [3]], errors.InputTypeError, "ragged"),
    "a number": (5.0, errors.InputTypeError, "single float"),
    "None": (None, errors.InputTypeError, "NoneType"),
    "set": ({1.0, 2.0}, errors.InputTypeError, "set"),
    "mapping": ({"a": [1, 2]}, errors.InputTypeError, "'a'"),
    "too large for a float": ([10**400, 1], errors.InputTypeError, "not real numbers"),
    "masked strings": (np.ma.array(["a", "b"]), errors.InputTypeError, "strings"),
    "polars strings": (pl.Series(["a", "b"]), errors.InputTypeError, "not real numbers"),
    "categories": (pd.Series(["a", "b"], dtype="category"), errors.InputTypeError, "not real numbers"),
    "pandas strings": (pd.Series(["1", "2"]), errors.InputTypeError, "not real numbers"),
    "pandas complex": (pd.Series([1j, 2]), errors.InputTypeError, "complex"),
}


@pytest.mark.parametrize("kind", BAD_SERIES)
def test_what_is_no_series_is_refused(kind: str) -> None:
    given, expected, text = BAD_SERIES[kind]
    with pytest.raises(expected, match=f"^series: got .*{text}.*; allowed: ") as caught:
        as_series(given)
    assert isinstance(caught.value, errors.ArgumentError)


BAD_TIMES: dict[str, tuple[Any, type[Exception], str]] = {
    "too few": ([1, 2], errors.ArgumentError, "2 times for 8 values"),
    "one": (5, errors.ArgumentError, "one time for 8 values"),
    "a name": ("day", errors.ArgumentError, "'day'.*DataFrame"),
    "two dimensions": (np.ones((8, 1)), errors.ArgumentError, "8 x 1 times"),
    "NaN": ([0, 1, np.nan, 3, 4, 5, 6, 7], errors.ArgumentError, "missing time at position 2"),
    "infinite": ([0, 1, 2, 3, 4, 5, 6, np.inf], errors.ArgumentError, "missing time at position 7"),
    "NaT": ([*STAMPS[:7], np.datetime64("NaT")], errors.ArgumentError, "missing time at position 7"),
    "nullable": (pd.Series([None, *range(7)], dtype="Int64"), errors.ArgumentError, "missing time at position 0"),
    "labels": (list("abcdefgh"), errors.InputTypeError, "'a'"),
    "numbers as text": ([str(k) for k in range(8)], errors.InputTypeError, "'0'"),
    "complex": (np.arange(8) * 1j, errors.InputTypeError, "complex128"),
    "truth values": ([True, False] * 4, errors.InputTypeError, "bool"),
    "ragged": ([[1], [2, 3]], errors.InputTypeError, "ragged"),
    "year 900": (
        np.arange("0900", "0908", dtype="datetime64[Y]"),
        errors.ValueRangeError,
        "year 900 to 907.*1678.*decimal years",
    ),
}


@pytest.mark.parametrize("kind", BAD_TIMES)
def test_what_is_no_time_is_refused(kind: str) -> None:
    given, expected, text = BAD_TIMES[kind]
    with pytest.raises(expected, match=f"^time: got .*{text}"):
        as_series(VALUES, time=given)


@pytest.mark.parametrize("argument", ["missing", "duplicates"])
@pytest.mark.parametrize("given", ["rais", "", None, True, ["raise"], np.array(["raise", "mean"])], ids=str)
def test_unknown_policies_are_refused(argument: str, given: Any) -> None:
    with pytest.raises(errors.UnknownNameError, match=f"^{argument}: got .* one of 'raise'"):
        as_series(VALUES, **{argument: given})


def test_tables_are_split_by_column() -> None:
    frame = pd.DataFrame({"day": DAYS, "a": VALUES, "b": VALUES**2, 3: VALUES})
    columns, time = split_columns(frame, time="day")
    assert columns is not None
    assert list(columns) == ["a", "b", "3"]
    assert list(time) == list(DAYS)
    columns, time = split_columns(pl.DataFrame({"day": STAMPS, "a": VALUES}), time="day")
    assert columns is not None
    assert list(columns) == ["a"]
    assert split_columns(VALUES, time="x") == (None, "x")


def test_tables_that_cannot_be_split_are_refused() -> None:
    frame = pd.DataFrame({"day": DAYS, "a": VALUES})
    with pytest.raises(errors.UnknownNameError, match=r"^time: got 'dya'; .*did you mean 'day'"):
        split_columns(frame, time="dya")
    with pytest.raises(errors.InputTypeError, match="without a column of values"):
        split_columns(frame[["day"]], time="day")
    with pytest.raises(errors.InputTypeError, match="two columns named 'a'"):
        split_columns(pd.DataFrame(np.ones((3, 2)), columns=["a", "a"]))
    with pytest.raises(errors.InputTypeError, match="two columns named '1'"):
        split_columns(pd.DataFrame(np.ones((3, 2)), columns=[1, "1"]))


def test_a_table_is_told_to_choose_a_column() -> None:
    with pytest.raises(errors.InputTypeError, match="choose a column"):
        as_series(pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [1.0, 3.0, 2.0]}))
    with pytest.raises(errors.InputTypeError, match=r"ews\.detect reads several as columns of a DataFrame"):
        as_series(np.ones((3, 2)))


CODED = {
    "-999": ([-999.0] * 4, "CAUTION: -999 in 4 of 124 places"),
    "-9999 once": ([-9999.0], "CAUTION: -9999 in 1 of 121 places"),
    "netCDF": ([9.969209968386869e36, 1e20], "CAUTION: 1e+20 and 9.96921e+36 in 2 of 122 places"),
    "whole numbers of 16 bits": ([65535.0, -32768.0], "CAUTION: -32768 and 65535 in 2"),
    "-1 among lengths": ([-1.0, -1.0], "-1 in 2 of 122 places, far from the other values"),
    "repeats far out": ([5555.0, 5555.0, 5555.0], "5555 in 3 of 123 places, far from the other values"),
    "one extreme": ([200.0], None),
    "99 once": ([99.0], None),
}


@pytest.mark.parametrize("kind", CODED)
@pytest.mark.parametrize("make", [np.array, pd.Series, lambda values: pl.Series(values.tolist()), np.ma.masked_invalid])
def test_what_may_stand_for_a_missing_value_is_said_of_arrays_as_of_files(kind, make):
    codes, said = CODED[kind]
    values = np.concatenate([np.random.default_rng(4).normal(20, 2, 120), codes])
    values[[7, *range(120, values.size)]] = values[[-1, *range(120, values.size - 1), 7]]
    notes = " ".join(as_series(make(values)).notes)
    assert ("far from" in notes) == (said is not None)
    assert said is None or said in notes
    detected = ews.detect(make(values), n_surrogates=0)
    assert ("far from" in detected.reasons[0]) == ("CAUTION" in notes)


@pytest.mark.parametrize("method", ["score", "kendall"])
def test_a_verdict_of_any_method_begins_with_its_caution(method):
    values = np.random.default_rng(4).normal(20, 2, 120)
    values[[7, 70]] = -9999
    assert "far from the other values" in ews.detect(values, method=method, n_surrogates=40).reasons[0]


@pytest.mark.parametrize("verb", [ews.detect, ews.detect_multivariate])
def test_a_column_of_times_in_a_table_is_asked_for(verb):
    x = np.random.default_rng(4).standard_normal((60, 2))
    for name, held in {
        "year": np.arange(1900, 1960), "Time": np.linspace(0, 1, 60), "when": pd.date_range("2000", periods=60),
        "date": [f"{year}-06-01" for year in range(1900, 1960)], "age_BP": np.arange(60)[::-1], "t": np.arange(60.0),
    }.items():  # fmt: skip
        for frame in (pd.DataFrame, pl.DataFrame):
            table = frame({name: held, "a": x[:, 0], "b": x[:, 1]})
            with pytest.raises(errors.InputTypeError, match=rf"^time: got None, and a column '{name}' .*time='{name}'"):
                verb(table)
    for name in ("t", "count", "y"):  # a name alone makes no time
        assert set(ews.detect(pd.DataFrame({name: x[:, 0], "b": x[:, 1]}), n_surrogates=0)) == {name, "b"}


@pytest.mark.parametrize(("time", "said"), [
    ([*range(50), *pd.date_range("2000", periods=50)], "numbers and others together, as 0 and"),
    (np.array([*range(99), "2000-01-01"], dtype=object), "numbers and others together, as 0 and '2000-01-01'"),
    (pd.DataFrame({"t": range(100)}), "a table of 1 column"),
    ([str(place) for place in range(100)], "the text '0', …"),
])  # fmt: skip
def test_times_of_two_kinds_are_refused(time, said):
    with pytest.raises(errors.InputTypeError, match=f"^time: got {re.escape(said)}"):
        as_series(np.random.default_rng(4).standard_normal(100), time=time)


def test_decimal_numbers_are_times_and_lazy_tables_are_collected():
    quarters = [decimal.Decimal(place) / 4 for place in range(100)]
    assert as_series(np.arange(100.0), time=quarters).step == 0.25
    with pytest.raises(errors.InputTypeError, match=r"a lazy table; allowed: data.collect\(\)"):
        ews.detect(pl.LazyFrame({"a": [1.0, 2.0]}))


def test_a_dimension_of_places_is_no_time_without_a_word():
    along = xr.DataArray(np.random.default_rng(4).standard_normal(50), dims="lat", coords={"lat": np.arange(50.0)})
    for one in (along, along.drop_vars("lat")):
        assert "CAUTION: values run along the dimension 'lat'" in " ".join(as_series(one).notes)
    cube = xr.DataArray(np.zeros((4, 50, 3)), dims=("x", "time", "y"))
    with pytest.raises(errors.InputTypeError, match=r"data.isel\(x=0, y=0\)"):
        ews.detect(cube)
