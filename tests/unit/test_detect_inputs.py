"""``ews.detect`` on every kind of input: the same numbers give the same answer, whatever holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import ews
from ews.results import Detection, Detections

# Thousands of simulated series: too many for kernels in plain Python; test_detect_plain.py runs one there.
pytestmark = pytest.mark.jit


N = 80
RED = ews.nulls.AR1(0.5, 1.0, N).draw(0, 3, seed=3)
X = np.round(RED[0], 3)
DAYS = pd.date_range("2001-01-01", periods=N, freq="W")
QUICK: dict[str, Any] = {"n_surrogates": 40, "seed": 5}
EXPECTED = ews.detect(X, **QUICK)


def same(found: Detection, expected: Detection) -> None:
    """The same numbers, bit for bit."""
    assert found.verdict == expected.verdict
    assert found.tau == expected.tau
    assert found.pvalue == expected.pvalue
    assert found.pvalue_adjusted == expected.pvalue_adjusted
    assert found.tau_interval == expected.tau_interval
    assert found.power == expected.power
    np.testing.assert_array_equal(found.residual, expected.residual)
    for name in expected.indicators:
        np.testing.assert_array_equal(found.indicators[name].values, expected.indicators[name].values)
        np.testing.assert_array_equal(found.surrogate_tau[name], expected.surrogate_tau[name])


SAME: dict[str, tuple[Any, dict[str, Any]]] = {
    "list": (X.tolist(), {}),
    "strided": (np.repeat(X, 3)[::3], {}),
    "read-only": (np.broadcast_to(X, (1, N))[0], {}),
    "big endian": (X.astype(">f8"), {}),
    "pandas": (pd.Series(X), {}),
    "pandas dates": (pd.Series(X, index=DAYS), {}),
    "pandas months": (pd.Series(X, index=pd.period_range("1990-01", periods=N, freq="M")), {}),
    "pandas labels": (pd.Series(X, index=[f"sample {k}" for k in range(N)]), {}),
    "pandas nullable": (pd.Series(X, dtype="Float64"), {}),
    "one column": (pd.DataFrame({"x": X}), {}),
    "column and times": (pd.DataFrame({"t": np.arange(N) + 1900, "x": X}), {"time": "t"}),
    "polars": (pl.Series(X), {}),
    "polars table": (pl.DataFrame({"t": DAYS.to_numpy(), "x": X}), {"time": "t"}),
    "xarray": (xr.DataArray(X, dims="t", coords={"t": DAYS}), {}),
    "descending": (X[::-1], {"time": -np.arange(N)}),
    "descending dates": (pd.Series(X, index=DAYS).iloc[::-1], {}),
    "shuffled": (X[np.random.default_rng(0).permutation(N)], {"time": np.random.default_rng(0).permutation(N)}),
    "followed by a collapse": (np.r_[X, np.full(30, 50.0)], {"until": N - 1}),
    "followed by a collapse, dated": (
        pd.Series(np.r_[X, np.full(9, 50.0)], index=pd.date_range("2001-01-01", periods=N + 9, freq="W")),
        {"until": DAYS[-1].tz_localize("UTC")},
    ),
    "missing at the ends": (np.r_[np.nan, X, np.nan, np.nan], {"missing": "interpolate"}),
    "missing at the ends, kept": (np.r_[np.nan, X, np.nan, np.nan], {}),
    "missing, dropped": (np.insert(X, [5, 40], np.nan), {"missing": "drop", "method": "kendall"}),
    "each time twice": (
        np.repeat(X, 2),
        {"time": np.repeat(np.arange(N), 2), "duplicates": "mean", "method": "kendall"},
    ),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_numbers_give_the_same_answer(kind: str) -> None:
    series, arguments = SAME[kind]
    found = ews.detect(series, **QUICK, **arguments)
    assert isinstance(found, Detection)
    same(found, ews.detect(X, **QUICK, method="kendall") if "method" in arguments else EXPECTED)


def test_float32_and_integers_are_what_they_hold() -> None:
    single = X.astype(np.float32)
    same(ews.detect(single, **QUICK), ews.detect(single.astype(float), **QUICK))
    counts = np.round(X * 20).astype(np.int8)  # their squares overflow
    same(ews.detect(counts, **QUICK), ews.detect(counts.astype(float), **QUICK))


def test_names_times_and_notes_reach_the_result() -> None:
    series = pd.Series(X, index=DAYS.rename("week"), name="chlorophyll").iloc[::-1]
    found = ews.detect(series, **QUICK)
    assert isinstance(found, Detection)
    assert (found.name, found.series.time_name, found.series.step, found.series.step_unit) == (
        "chlorophyll",
        "week",
        7.0,
        "days",
    )
    assert found.series.notes == ("times were descending: sorted into ascending order",)
    np.testing.assert_array_equal(found.indicators["variance"].time, DAYS.to_numpy().astype("datetime64[ns]"))
    assert found.to_frame().index.name == "week"
    assert "sorted" in found.summary()


def test_a_table_gives_one_result_a_column_whatever_their_order() -> None:
    frame = pd.DataFrame({"a": RED[0], "b": RED[1], "c": RED[2]})
    found = ews.detect(frame, **QUICK)
    assert isinstance(found, Detections)
    assert list(found) == ["a", "b", "c"]
    turned = ews.detect(pl.from_pandas(frame[["c", "a", "b"]]), **QUICK)
    assert isinstance(turned, Detections)
    assert list(turned) == ["c", "a", "b"]
    for column in frame:
        same(found[str(column)], turned[str(column)])
        same(found[str(column)], ews.detect(frame[column], **QUICK))  # type: ignore[arg-type]
        assert found[str(column)].name == column


def test_simulations_and_data_sets_go_in_as_they_are() -> None:
    simulated = ews.models.harvested_population(n=N, seed=1)
    found = ews.detect(simulated, **QUICK)
    assert isinstance(found, Detection)
    same(found, ews.detect(simulated.values, time=simulated.time, **QUICK))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.series.time, simulated.time)
    nile = ews.datasets.load("nile")
    found = ews.detect(nile, until=nile.transition, **QUICK)
    assert isinstance(found, Detection)
    assert found.series.time[-1] <= nile.transition


def test_the_users_data_are_not_changed() -> None:
    values = np.where(np.arange(N) == 9, np.nan, X)[::-1].copy()
    time = np.arange(N)[::-1].copy()
    frame = pd.DataFrame({"t": time, "x": values}, index=pd.RangeIndex(5, 5 + N))
    kept = frame.copy(deep=True)
    before = values.copy()
    ews.detect(values, time=time, missing="interpolate", **QUICK)
    ews.detect(frame, time="t", missing="interpolate", **QUICK)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(time, np.arange(N)[::-1])
    pd.testing.assert_frame_equal(frame, kept)


@pytest.mark.parametrize("detrend", ["gaussian", "lowess", "linear", "difference", None])
def test_causal_results_never_look_ahead(detrend: str | None) -> None:
    """With a window and a bandwidth in samples, cutting the record leaves what came before as it was."""
    gappy = X.copy()
    gappy[[7, 30, 31, 50]] = np.nan
    options: dict[str, Any] = {
        "causal": True,
        "missing": "interpolate",
        "window": 20,
        "bandwidth": None if detrend in ("linear", "difference", None) else 15,
        "detrend": detrend,
        "n_surrogates": 0,
        "method": "kendall" if detrend == "difference" else "score",
    }
    full = ews.detect(gappy, **options)
    assert isinstance(full, Detection)
    for end in (32, 40, 50, 60, 79):
        part = ews.detect(gappy[:end], **options)
        assert isinstance(part, Detection)
        n = len(part.series)
        np.testing.assert_allclose(part.residual, full.residual[:n], rtol=0, atol=1e-12)
        for name, indicator in part.indicators.items():
            np.testing.assert_allclose(indicator.values, full.indicators[name].values[:n], rtol=1e-9, atol=1e-10)


def test_centred_results_do_look_ahead() -> None:
    """The counterpart: the check above can fail."""
    options: dict[str, Any] = {"window": 20, "bandwidth": 15, "n_surrogates": 0}
    full, part = ews.detect(X, **options), ews.detect(X[:60], **options)
    assert isinstance(full, Detection)
    assert isinstance(part, Detection)
    assert np.abs(part.residual - full.residual[:60]).max() > 0.01


@pytest.mark.parametrize(
    "series",
    [
        np.tile([0.0, 1.0], 40),
        np.repeat([0.0, 1.0], 40),
        (np.arange(N) % 7 == 0).astype(float),
        np.random.default_rng(0).integers(0, 2, N),
        np.random.default_rng(0).poisson(0.3, N),
        np.eye(1, N, 40).ravel(),
        np.r_[np.full(60, 0.1), 0.1 + 0.05 * X[:20]],
        X + 1e12,
        X * 1e-60,
        X * 1e60,
        np.arange(N) ** 3,
        np.r_[X[:-1], 1e12],
    ],
    ids=[
        "alternating", "step", "every seventh", "coin", "counts", "spike", "detection limit", "offset 1e12",
        "tiny", "huge", "cubic", "outlier 1e12",
    ],
)  # fmt: skip
@pytest.mark.jit
@pytest.mark.parametrize("null", ["ar1", "fourier", "permutation"])
def test_odd_series_get_an_answer(series: np.ndarray, null: ews.nulls.NullName) -> None:
    """p-values in range, JSON strict, no warning of numpy's (they are errors here)."""
    found = ews.detect(series, null=null, n_surrogates=60)
    assert isinstance(found, Detection)
    assert found.verdict in ("warning", "no warning", "inconclusive")
    for name in found.indicators:
        assert np.isnan(found.tau[name]) or -1 <= found.tau[name] <= 1
        assert np.isnan(found.pvalue[name]) or 2 / 61 <= found.pvalue[name] <= found.pvalue_adjusted[name] <= 1
    assert found.to_json()
    assert found.summary()


@pytest.mark.parametrize("n", [10, 11, 15, 20])
@pytest.mark.parametrize("detrend", ["gaussian", "lowess", "loess", "ksmooth", "linear", "difference", None])
def test_tiny_series_get_an_answer_and_seldom_a_warning(n: int, detrend: str | None) -> None:
    span = 0.6 if detrend in ("lowess", "loess") else None
    method = "kendall" if detrend == "difference" else "score"
    window = 0.4 if n > 12 else 3
    found = ews.detect(X[:n], detrend=detrend, bandwidth=span, window=window, method=method, n_surrogates=50)
    assert isinstance(found, Detection)
    assert found.verdict != "no warning"  # nobody sees a fold in 20 samples
    assert found.to_json()


def test_rounding_is_no_signal() -> None:
    """Where a detection limit holds the first half constant, no indicator is made of rounding errors."""
    series = np.r_[np.full(120, 0.1), 0.1 + 0.05 * np.abs(ews.nulls.AR1(0.3, 1.0, 80).draw(0, 1, seed=1)[0])]
    for detrend in ("gaussian", "ksmooth", "running_mean"):
        found = ews.detect(series, detrend=detrend, window=30, bandwidth=20, method="kendall", n_surrogates=0)
        assert isinstance(found, Detection)
        assert (found.residual[30:90] == 0).all()
        assert (found.indicators["variance"].values[60:90] == 0).all()
        assert np.isnan(found.indicators["ac1"].values[60:90]).all()
        # Far outliers, as which the rest passes here, are smoothed in passes, each of which reaches further.
        scored = ews.detect(series, detrend=detrend, window=30, bandwidth=20, n_surrogates=0)
        assert (scored.residual[30:70] == 0).all()


@pytest.mark.parametrize("method", ["score", "kendall"])
def test_a_short_record_is_told_how_many_observations_are_needed(method: Any) -> None:
    for window, least in ((0.5, 13), (0.3, 10), (0.4, 11)):
        options: dict[str, Any] = {"window": window, "method": method, "n_surrogates": 19}
        for n in range(2, least):
            said = rf"^series: got {n} observations; allowed: at least {least} for these indicators and window={window}"
            with pytest.raises(ews.errors.SeriesTooShortError, match=said):
                ews.detect(X[:n], **options)
        assert len(ews.detect(X[:least], **options).series) == least
    with pytest.raises(ews.errors.WindowError):
        ews.detect(X[:40], window=0.95, method=method)
