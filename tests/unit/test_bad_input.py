"""What ``ews.detect`` cannot use, it refuses: one tree of errors, the argument, what was given, what is allowed."""

from __future__ import annotations

import contextlib
import inspect
import pickle
import re
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import ews
from ews import errors

N = 60
NOISE = np.random.default_rng(0).standard_normal(N)
DAYS = pd.date_range("2001-01-01", periods=N)
GAPPY = np.where(np.arange(N) == 7, np.nan, NOISE)

E = errors
# what is wrong: (series, arguments, class, argument that is named, what the message must hold)
CASES: dict[str, tuple[Any, dict[str, Any], type[Exception], str, str]] = {
    # the series
    "empty": ([], {}, E.SeriesTooShortError, "series", "empty"),
    "empty pandas": (pd.Series([], dtype=float), {}, E.SeriesTooShortError, "series", "empty"),
    "all NaN": (np.full(N, np.nan), {}, E.SeriesTooShortError, "series", "all NaN"),
    "all NaN, drop": (np.full(N, np.nan), {"missing": "drop"}, E.SeriesTooShortError, "series", "all NaN"),
    "one value": ([1.0], {}, E.SeriesTooShortError, "series", "1 observations"),
    "too short": (NOISE[:8], {}, E.SeriesTooShortError, "series", "8 observations"),
    "too few after drop": (
        np.where(np.arange(N) < 5, NOISE, np.nan),
        {"missing": "drop"},
        E.SeriesTooShortError,
        "series",
        "5 observations",
    ),
    "constant": (np.full(N, 3.0), {}, E.ValueRangeError, "series", "60 equal values \\(3\\)"),
    "constant integers": ([7] * N, {}, E.ValueRangeError, "series", "equal values"),
    "exact line, linear": (np.arange(N) * 0.1, {"detrend": "linear"}, E.ValueRangeError, "series", "detrending leaves"),
    "exact line, lowess": (np.arange(N) * 0.1, {"detrend": "lowess"}, E.ValueRangeError, "series", "detrending leaves"),
    "exact line, loess": (
        np.arange(N) * 0.1,
        {"detrend": "loess", "causal": True},
        E.ValueRangeError,
        "series",
        "detrending leaves",
    ),
    "exact line, difference": (
        np.arange(N) * 0.1,
        {"detrend": "difference"},
        E.ValueRangeError,
        "series",
        "detrending leaves",
    ),
    "exact season": (
        5 + np.sin(np.arange(N) * np.pi / 3),
        {"detrend": None, "season": 6},
        E.ValueRangeError,
        "series",
        "detrending leaves",
    ),
    "rounding about a constant": (
        np.where(np.arange(N) % 3 == 0, 0.1 + 0.2, 0.3),
        {"detrend": None},
        E.ValueRangeError,
        "series",
        "detrending leaves",
    ),
    "tiny": (NOISE * 1e-200, {}, E.ValueRangeError, "series", "change the unit"),
    "huge": (NOISE * 1e200, {}, E.ValueRangeError, "series", "change the unit"),
    "largest floats": (np.tile([1.7e308, -1.7e308], N), {}, E.ValueRangeError, "series", "change the unit"),
    "strings": (["1"] * N, {}, E.InputTypeError, "series", "strings"),
    "a string": ("lake.csv", {}, E.InputTypeError, "series", "'lake.csv'"),
    "complex": (NOISE + 0j, {}, E.InputTypeError, "series", "complex"),
    "two dimensions": (NOISE.reshape(6, 10), {}, E.InputTypeError, "series", "\\(6, 10\\)"),
    "None": (None, {}, E.InputTypeError, "series", "NoneType"),
    "NaN": (GAPPY, {"missing": "raise"}, E.MissingValuesError, "series", "first at position 7"),
    "infinite": (np.where(np.arange(N) == 7, np.inf, NOISE), {}, E.MissingValuesError, "series", "infinite"),
    "infinite, interpolate": (
        np.where(np.arange(N) == 7, np.inf, NOISE),
        {"missing": "interpolate"},
        E.MissingValuesError,
        "series",
        "infinite",
    ),
    "empty table": (pd.DataFrame({"a": []}), {}, E.SeriesTooShortError, "series", "empty"),
    "table without columns": (pd.DataFrame(index=range(9)), {}, E.InputTypeError, "series", "without a column"),
    "table with text": (
        pd.DataFrame({"site": ["a"] * N, "x": NOISE}),
        {},
        E.InputTypeError,
        "series",
        "column 'site'.*not real numbers",
    ),
    "polars table with a gap": (
        pl.DataFrame({"x": NOISE, "y": GAPPY}),
        {"missing": "raise"},
        E.MissingValuesError,
        "series",
        "column 'y'.*position 7",
    ),
    # times
    "duplicated times": (
        NOISE,
        {"time": np.arange(N) // 2, "duplicates": "raise"},
        E.DuplicatedTimesError,
        "time",
        'duplicates="mean"',
    ),
    "uneven times": (
        NOISE,
        {"time": np.arange(N) ** 2, "missing": "raise"},
        E.IrregularSpacingError,
        "time",
        "steps from 1 to 117",
    ),
    "too few times": (NOISE, {"time": [1, 2]}, E.ArgumentError, "time", "2 times for 60 values"),
    "missing time": (NOISE, {"time": GAPPY}, E.ArgumentError, "time", "position 7"),
    "no such column": (
        pd.DataFrame({"day": DAYS, "x": NOISE}),
        {"time": "dya"},
        E.UnknownNameError,
        "time",
        "'day'\\?",
    ),
    "column of no table": (NOISE, {"time": "day"}, E.ArgumentError, "time", "DataFrame"),
    "until too early": (NOISE, {"until": -1}, E.ValueRangeError, "until", "from 0 to 59"),
    "until leaves too little": (NOISE, {"until": 5}, E.SeriesTooShortError, "series", "6 observations"),
    "until no date": (NOISE, {"time": DAYS, "until": 3}, E.InputTypeError, "until", "a date"),
    "until no number": (NOISE, {"until": "2001-01-01"}, E.InputTypeError, "until", "a number"),
    # names
    "detrend": (NOISE, {"detrend": "gausian"}, E.UnknownNameError, "detrend", "did you mean 'gaussian'"),
    "detrend True": (NOISE, {"detrend": True}, E.UnknownNameError, "detrend", "gaussian"),
    "indicator": (NOISE, {"indicators": ["variance", "ac11"]}, E.UnknownNameError, "indicators", "did you mean 'ac1'"),
    "trend": (NOISE, {"trend": "kendal"}, E.UnknownNameError, "trend", "did you mean 'kendall'"),
    "trend None": (NOISE, {"trend": None}, E.UnknownNameError, "trend", "'kendall'"),
    "trend array": (NOISE, {"trend": np.array(["kendall", "b"])}, E.UnknownNameError, "trend", "'kendall'"),
    "null": (NOISE, {"null": "ar"}, E.UnknownNameError, "null", "did you mean 'ar1'"),
    "null list": (NOISE, {"null": ["ar1"]}, E.UnknownNameError, "null", "'ar1'"),
    "missing": (NOISE, {"missing": "interp"}, E.UnknownNameError, "missing", "did you mean 'interpolate'"),
    "duplicates": (NOISE, {"duplicates": "avg"}, E.UnknownNameError, "duplicates", "'mean'"),
    "indicators empty": (NOISE, {"indicators": ()}, E.ValueRangeError, "indicators", "at least one"),
    "indicators repeated": (NOISE, {"indicators": ["ac1", "ac1"]}, E.ValueRangeError, "indicators", "'ac1' twice"),
    "indicators numbers": (NOISE, {"indicators": [1, 2]}, E.InputTypeError, "indicators", "names"),
    "indicators None": (NOISE, {"indicators": None}, E.InputTypeError, "indicators", "names"),
    "indicators set": (NOISE, {"indicators": {"ac1"}}, E.InputTypeError, "indicators", "names"),
    # the rest
    "causal": (NOISE, {"causal": "yes"}, E.InputTypeError, "causal", "True or False"),
    "causal 1": (NOISE, {"causal": 1}, E.InputTypeError, "causal", "True or False"),
    "season 0": (NOISE, {"season": 0}, E.ValueRangeError, "season", "0"),
    "season 1": (NOISE, {"season": 1}, E.ValueRangeError, "season", "1"),
    "season too long": (NOISE, {"season": 31}, E.SeriesTooShortError, "series", "60 samples.*two periods of 31"),
    "season fraction": (NOISE, {"season": 6.5}, E.ValueRangeError, "season", "6.5"),
    "season True": (NOISE, {"season": True}, E.ValueRangeError, "season", "True"),
    "season text": (NOISE, {"season": "12"}, E.ValueRangeError, "season", "'12'"),
}
for given in (
    0,
    1,
    2,
    -5,
    54,
    N,
    N + 1,
    10**400,
    np.nan,
    np.inf,
    -np.inf,
    True,
    None,
    "0.5",
    0.001,
    0.999,
    1.0,
    -0.5,
    7.5,
):
    CASES[f"window {given!r:.9}"] = (NOISE, {"window": given}, E.WindowError, "window", "from 3 to 53")
for given in (0, 0.0, -1, -0.2, N + 1, 1e9, np.nan, np.inf, True, "0.2", [0.2]):
    CASES[f"bandwidth {given!r}"] = (NOISE, {"bandwidth": given}, E.ValueRangeError, "bandwidth", "fraction")
for given in (-1, 10.0, 1e3, True, None, "100", np.nan):
    CASES[f"n_surrogates {given!r}"] = (
        NOISE,
        {"n_surrogates": given},
        E.ValueRangeError,
        "n_surrogates",
        "integer of 0",
    )
for given in (0, 1, 0.0, 1.0, -0.05, 5, np.nan, np.inf, True, None, "0.05"):
    CASES[f"alpha {given!r}"] = (NOISE, {"alpha": given}, E.ValueRangeError, "alpha", "between 0 and 1")
for given in (-1, 1.0, True, "1", [1], np.nan):
    CASES[f"seed {given!r}"] = (NOISE, {"seed": given}, E.ValueRangeError, "seed", "integer of 0 or more")


@pytest.mark.parametrize("case", CASES)
def test_detect_refuses(case: str) -> None:
    series, arguments, expected, argument, text = CASES[case]
    with pytest.raises(expected, match=rf"(?s)^{argument}.*: got .*; allowed: .") as caught:
        ews.detect(series, **{"n_surrogates": 20, **arguments})
    error = caught.value
    assert isinstance(error, errors.ArgumentError)
    assert error.argument.startswith(argument)
    assert re.search(text, str(error))
    assert len(str(error)) < 500
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert error.__cause__ is None or isinstance(error.__cause__, errors.EWSError)


def test_the_data_are_judged_before_anything_is_computed() -> None:
    """A bad argument of the test is refused even where no surrogates are drawn."""
    for arguments in ({"null": "ar"}, {"alpha": 2.0}, {"seed": -1}, {"trend": "x"}, {"bandwidth": 0}):
        with pytest.raises(errors.ArgumentError):
            ews.detect(NOISE, n_surrogates=0, **arguments)


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"n_surrogates": -1}, "n_surrogates"),
        ({"n_surrogates": True}, "n_surrogates"),
        ({"null": "ar"}, "null"),
        ({"seed": -1}, "seed"),
        ({"window": 0}, "window"),
        ({"detrend": "gausian"}, "detrend"),
        ({"indicators": ["no"]}, "indicators"),
        ({"trend": "no"}, "trend"),
        ({"causal": "yes"}, "causal"),
    ],
)
def test_significance_refuses(arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(errors.ArgumentError, match=f"^{argument}: got"):
        ews.significance(NOISE, **{"n_surrogates": 20, **arguments})


@pytest.mark.parametrize("residual", [GAPPY, NOISE[:7], np.ones(N), ["1"] * N, NOISE.reshape(6, 10), None], ids=type)
def test_significance_refuses_bad_residuals(residual: Any) -> None:
    with pytest.raises(errors.ArgumentError, match=r"^residual: got"):
        ews.significance(residual, n_surrogates=20)


_HUGE = {
    "both ways": np.tile([1e308, -1e308], N // 2),
    "at the end": np.r_[NOISE[:-2], 1e308, -1e308],
    "one": np.r_[NOISE[:-1], 1.7e308],
    "all": NOISE * 1e300,
}


@pytest.mark.parametrize("data", _HUGE)
@pytest.mark.parametrize(
    "verb",
    [
        ews.detect, ews.score_tests, ews.composite, ews.bds, ews.abrupt_shift, ews.trends.theil_sen,
        ews.trends.spearman, ews.bifurcations.spectral,
        *(partial(ews.nulls.surrogates, null=name) for name in ("ar1", "fourier", "iaaft")),
        *(partial(one, window=20) for one in (ews.smax, ews.spectral_exponent, ews.density_ratio, ews.power_spectrum)),
    ],
    ids=lambda verb: str(getattr(verb, "keywords", None) or verb.__name__) + getattr(verb, "func", verb).__name__,
)  # fmt: skip
def test_values_near_the_largest_are_refused_or_taken_without_overflow(verb: Any, data: str) -> None:
    """Warnings are errors here; a number that could not be computed is NaN or an infinity."""
    few = "n_surrogates" in inspect.signature(verb).parameters
    with contextlib.suppress(errors.ArgumentError):
        verb(_HUGE[data], **({"n_surrogates": 3} if few else {}))


def test_a_lazy_frame_is_to_be_collected_first() -> None:
    lazy = pl.LazyFrame({"a": NOISE, "b": NOISE[::-1]})
    for verb in (ews.detect, ews.detect_multivariate, ews.sensitivity, ews.variance, ews.trends.kendall):
        with pytest.raises(errors.InputTypeError, match=r"a lazy table; allowed: data\.collect\(\)"):
            verb(lazy, **({"window": 20} if verb is ews.variance else {}))


@pytest.mark.parametrize(
    "time",
    [
        pd.Timestamp("2001"),
        pd.NaT,
        pd.NA,
        pd.Period("2000"),
        pd.DataFrame({"a": range(N)}),
        pl.DataFrame({"a": range(N)}),
    ],
    ids=repr,
)
def test_times_that_are_no_row_of_times_are_refused(time: Any) -> None:
    for verb in (partial(ews.detect, n_surrogates=0), ews.trends.kendall):
        with pytest.raises(errors.ArgumentError, match=r"^time"):
            verb(NOISE, time=time)


def test_a_longer_float_beyond_the_range_is_an_infinity() -> None:
    far = np.array(["1e4000", *NOISE[1:].astype(str)], np.longdouble)
    assert np.isnan(ews.variance(far, window=20)[19])
    with pytest.raises(errors.MissingValuesError):
        ews.detect(far)


def test_threads_that_are_no_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("0", "-1", "two", "1.5", ""):
        monkeypatch.setenv("EWS_NUM_THREADS", given)
        with pytest.raises(errors.ValueRangeError, match="EWS_NUM_THREADS"):
            ews.detect(NOISE, n_surrogates=600)
