"""``ews.detect_multivariate``: what it takes, what it refuses, what it gives back; its answer by trends."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

import ews
from ews._analysis.multivariate import controls as _multivariate_control
from ews._analysis.multivariate.run import resolve
from ews._common.alarms import westfall_young
from ews.errors import (
    ArgumentError,
    InputTypeError,
    IrregularSpacingError,
    MissingValuesError,
    SeriesTooShortError,
    UnknownNameError,
    ValueRangeError,
    WindowError,
)
from ews.multivariate.nulls import VAR1, JointFourier, draw_vector_autoregression, fit_rows

MAP = np.array([[0.6, 0.2, 0.0], [0.0, 0.4, 0.2], [0.1, 0.0, 0.3]])


def steady(n: int = 80, seed: int = 1) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, 3))
    for t in range(1, n):
        x[t] += MAP @ x[t - 1]
    return x


def slowing(n: int = 600, seed: int = 2) -> np.ndarray:
    """One mode of three slows down steadily, from 0.2 to 0.97."""
    direction = np.array([0.6, 0.48, 0.64])
    share = np.linspace(0.2, 0.97, n)[:, None, None]
    coefficients = 0.2 * np.eye(3) + (share - 0.2) * np.outer(direction, direction)
    return draw_vector_autoregression(coefficients, np.eye(3), 0, 1, seed=seed)[0].T


def quick(data: Any, **options: Any) -> ews.MultivariateDetection:
    return ews.detect_multivariate(data, **{"n_surrogates": 39, "window": 0.4, "method": "kendall", **options})


@pytest.mark.jit
def test_a_system_that_slows_down_warns() -> None:
    found = quick(slowing(), window=0.5, n_surrogates=99, detrend="linear")
    assert found.verdict == "warning"
    assert found.tau["jacobian_eigenvalue"] > 0.5
    assert any("rises" in reason for reason in found.reasons)
    assert found.power is not None
    assert found.power > 0.1


@pytest.mark.parametrize("null", [pytest.param("var1", marks=pytest.mark.jit), "fourier"])
def test_result_is_complete_and_consistent(null: str) -> None:
    found = quick(steady(), null=null)
    assert found.residual.shape == found.trend.shape == found.values.shape == (80, 3)
    np.testing.assert_array_equal(found.values, steady())
    np.testing.assert_allclose(found.trend + found.residual, found.values, atol=1e-12)
    np.testing.assert_allclose(found.scale, np.std(found.residual, axis=0, ddof=1))
    names = list(found.config.indicators)
    single, adjusted = westfall_young(
        np.array([found.tau[name] for name in names]), np.stack([found.surrogate_tau[name] for name in names])
    )
    np.testing.assert_array_equal([found.pvalue[name] for name in names], single)
    np.testing.assert_array_equal([found.pvalue_adjusted[name] for name in names], adjusted)
    for name in names:
        expected = getattr(ews.multivariate, name)(found.residual / found.scale, window=found.config.window)
        np.testing.assert_allclose(found.indicators[name].values, expected, rtol=1e-9)
        band = found.surrogate_band[name]
        assert np.isnan(band.lower[: found.config.window - 1]).all()
        assert (band.lower <= band.median)[found.config.window - 1 :].all()
        assert (band.median <= band.upper)[found.config.window - 1 :].all()
        assert found.surrogate_tau[name].shape == (39,)
    assert 0.0 <= (found.power or 0.0) <= 1.0


def test_without_surrogates_there_are_trends_only() -> None:
    found = quick(steady(), n_surrogates=0)
    assert found.verdict == "inconclusive"
    assert found.power is None
    assert np.isnan(list(found.pvalue.values())).all()
    assert np.isfinite(list(found.tau.values())).all()
    assert found.surrogate_band == {}
    assert "no surrogates" in found.summary()
    assert len(found.plot().axes) == 4


@pytest.mark.jit
def test_results_depend_on_the_seed_and_not_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("EWS_NUM_THREADS", threads)
        answers.append(quick(steady(400), n_surrogates=60, indicators="covariance_eigenvalue").to_dict())
    assert answers[0] == answers[1] == answers[2]
    other = quick(steady(400), n_surrogates=60, indicators="covariance_eigenvalue", seed=1).to_dict()
    assert other["surrogate_tau"] != answers[0]["surrogate_tau"]
    fresh = quick(steady(), seed=None)
    again = quick(steady(), seed=fresh.config.seed)
    assert again.to_dict() == fresh.to_dict()


def test_any_table_gives_the_same_answer() -> None:
    x = steady()
    plain = quick(x, n_surrogates=0)
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    for table in (
        frame,
        frame.assign(when=np.arange(80.0)),
        pl.DataFrame(x, schema=["a", "b", "c"]),
        xr.DataArray(x, dims=("time", "species"), coords={"time": np.arange(80), "species": ["a", "b", "c"]}),
        xr.Dataset({name: ("time", x[:, place]) for place, name in enumerate("abc")}),
        {name: x[:, place] for place, name in enumerate("abc")},
    ):
        options = {"time": "when"} if "when" in getattr(table, "columns", ()) else {}
        found = quick(table, n_surrogates=0, **options)
        assert list(found.variables) == ["a", "b", "c"]
        np.testing.assert_array_equal(found.residual, plain.residual)
        assert found.tau == plain.tau


def test_a_data_set_of_several_series_is_a_table() -> None:
    lake = ews.datasets.Dataset(
        "lake", steady(60), np.arange(60.0), ("x", "y", "z"), "day", "day", "1", "made up", "here", "none"
    )
    assert list(quick(lake, n_surrogates=0).variables) == ["x", "y", "z"]


def test_dates_are_kept() -> None:
    index = pd.date_range("2000-01-01", periods=80, freq="7D", name="day")
    found = quick(pd.DataFrame(steady(), index=index), until="2001", n_surrogates=0)
    assert found.series.step == 7.0
    assert len(found.series) == 80
    assert found.to_dict()["time"][0].startswith("2000-01-01")
    assert found.to_frame().index.name == "day"
    assert "2000-01-01" in found.summary()


def test_gaps_are_refused_by_variable_or_handled_together() -> None:
    x = pd.DataFrame(steady(), columns=["a", "b", "c"])
    x.iloc[40, 1] = np.nan
    x.iloc[10, 2] = np.nan
    with pytest.raises(MissingValuesError, match="variable 'b'"):
        quick(x)
    dropped = quick(x, missing="drop", n_surrogates=0)
    assert len(dropped.series) == 78
    np.testing.assert_array_equal(dropped.values, x.dropna().to_numpy())
    assert any("shared" in note for note in dropped.variables["a"].notes)
    filled = quick(x, missing="interpolate", n_surrogates=0)
    assert len(filled.series) == 80
    assert filled.values[40, 1] == pytest.approx((x.iloc[39, 1] + x.iloc[41, 1]) / 2)
    x.iloc[:5, 0] = np.nan
    assert len(quick(x, missing="interpolate", n_surrogates=0).series) == 75


def test_causal_answers_use_no_future() -> None:
    x = steady(120)
    whole = quick(x, causal=True, window=30, n_surrogates=0)
    part = quick(x[:90], causal=True, window=30, n_surrogates=0, bandwidth=24)
    whole = quick(x, causal=True, window=30, n_surrogates=0, bandwidth=24)
    np.testing.assert_array_equal(whole.scale, part.scale)
    for name in whole.indicators:
        np.testing.assert_allclose(whole.indicators[name].values[:90], part.indicators[name].values, rtol=1e-12)
    assert "first window" in whole.summary()


@pytest.mark.jit
def test_differences_lose_one_sample() -> None:
    found = quick(steady(), detrend="difference")
    assert np.isnan(found.residual[0]).all()
    np.testing.assert_allclose(found.residual[1:], np.diff(steady(), axis=0))
    assert np.isfinite(list(found.pvalue.values())).all()


def test_variables_in_their_own_units() -> None:
    found = quick(steady() * [1.0, 1.0, 100.0], standardize=False, n_surrogates=0)
    np.testing.assert_array_equal(found.scale, 1.0)
    expected = found.residual[-found.config.window :].var(axis=0, ddof=1).mean()
    assert found.indicators["mean_variance"].values[-1] == pytest.approx(expected)


@pytest.mark.jit
@pytest.mark.parametrize("trend", ["spearman", "theil_sen"])
def test_other_trends(trend: Any) -> None:
    found = quick(steady(), trend=trend, n_surrogates=19)
    assert np.isfinite(list(found.pvalue.values())).all()
    assert found.summary()


@pytest.mark.jit
def test_report_and_figure() -> None:
    found = quick(steady(), null="fourier", indicators=("maf_autocorrelation", "fisher_information"))
    text = found.summary()
    for word in ("x1, x2, x3", "Verdict", "Fourier", "MAF", "seed 0", "Power", "against VAR(1) noise"):
        assert word in text, word
    assert max(map(len, text.splitlines())) <= 100
    assert "maf" not in " ".join(found.reasons)
    figure = found.plot()
    assert "3 variables" in figure.get_suptitle()
    labels = [axes.get_ylabel().replace("\n", " ") for axes in figure.axes]
    assert "Fisher information" in labels
    stored = json.loads(found.to_json())
    assert stored["config"]["null"] == "fourier"
    assert stored["indicators"]["fisher_information"][0] is None
    frame = found.to_frame()
    assert frame.shape == (80, 11)
    np.testing.assert_array_equal(frame["residual"].to_numpy(), found.residual)
    assert list(found.statistics().columns) == ["tau", "pvalue", "pvalue_adjusted", "alarm"]
    assert "3 variables" in repr(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.verdict = "warning"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        (np.zeros(50), {}, InputTypeError),
        (steady()[:, :1], {}, InputTypeError),
        (pd.DataFrame({"a": np.arange(40.0)}), {}, InputTypeError),
        (pd.DataFrame({"a": ["x"] * 40, "b": np.arange(40.0)}), {}, InputTypeError),
        (pd.DataFrame(steady(), columns=["a", "a", "b"]), {}, InputTypeError),
        (np.column_stack([steady()[:, 0], np.ones(80)]), {}, ValueRangeError),
        (np.column_stack([steady()[:, 0], 1e200 * steady()[:, 1]]), {}, ValueRangeError),
        (np.full((80, 2), np.nan), {}, SeriesTooShortError),
        (steady(8), {}, SeriesTooShortError),
        (steady(), {"window": 3}, WindowError),
        (steady(), {"window": 79}, WindowError),
        (steady(), {"indicators": ()}, ValueRangeError),
        (steady(), {"indicators": ("maf_variance", "maf_variance")}, ValueRangeError),
        (steady(), {"indicators": "variance"}, UnknownNameError),
        (steady(), {"indicators": 3}, InputTypeError),
        (steady(), {"null": "ar1"}, UnknownNameError),
        (steady(), {"null": None}, UnknownNameError),
        (steady(), {"trend": "slope"}, UnknownNameError),
        (steady(), {"detrend": "spline"}, UnknownNameError),
        (steady(), {"alpha": 1.0}, ValueRangeError),
        (steady(), {"method": "scores"}, UnknownNameError),
        (steady(), {"method": None}, UnknownNameError),
        (steady(), {"method": "score", "detrend": "difference"}, ArgumentError),
        (steady(9), {"method": "score", "window": 7, "n_surrogates": 0}, SeriesTooShortError),
        (steady(), {"n_surrogates": -1}, ValueRangeError),
        (steady(), {"seed": -1}, ValueRangeError),
        (steady(), {"causal": "yes"}, InputTypeError),
        (steady(), {"standardize": 2}, InputTypeError),
        (steady(), {"season": 12, "detrend": "difference"}, ArgumentError),
        (steady(), {"season": 12, "missing": "drop"}, ArgumentError),
        (steady(), {"time": np.r_[np.arange(79.0), 200.0]}, IrregularSpacingError),
        (pd.DataFrame(steady()), {"time": "when"}, UnknownNameError),
        ({"a": np.arange(40.0), "b": np.arange(41.0)}, {}, IrregularSpacingError),
    ],
)
def test_bad_input_is_refused_by_name(data: Any, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        quick(data, **options)


def test_a_constant_variable_is_named() -> None:
    with pytest.raises(ValueRangeError, match="variable 'flat'"):
        quick({"moving": steady()[:, 0], "flat": np.ones(80)})


def test_more_variables_than_a_window_holds() -> None:
    x = np.random.default_rng(3).standard_normal((60, 30))
    with pytest.raises(WindowError, match="33"):
        quick(x, window=20)
    found = quick(x, window=20, indicators=("covariance_share", "cross_correlation", "mean_autocorrelation"),
                  n_surrogates=0)  # fmt: skip
    assert np.isfinite(list(found.tau.values())).all()
    with pytest.raises(SeriesTooShortError, match="data"):
        quick(x, window=20, indicators="covariance_share")


def test_var1_is_least_squares_and_recovers_the_map() -> None:
    x = steady(4000).T
    fitted = VAR1.fit(x)
    centred = x - x.mean(axis=1, keepdims=True)
    expected = np.linalg.lstsq(centred[:, :-1].T, centred[:, 1:].T, rcond=None)[0].T
    np.testing.assert_allclose(fitted.coefficients, expected, atol=1e-10)
    np.testing.assert_allclose(fitted.coefficients, MAP, atol=0.06)
    np.testing.assert_allclose(fitted.covariance, np.eye(3), atol=0.1)
    assert f"{fitted.radius:.3f}" in fitted.sentence


def test_var1_without_stationary_distribution_is_shrunk() -> None:
    growing = 1.05 ** np.arange(40.0)
    x = np.stack([growing, np.cos(np.arange(40.0))]) + 1e-3 * steady(40).T[:2]
    fitted = VAR1.fit(x)
    assert fitted.shrunk
    assert fitted.radius == pytest.approx(0.999)
    assert "shrunk" in fitted.sentence
    assert np.isfinite(fitted.draw(0, 3, seed=1)).all()
    coefficients, _, shrunk = fit_rows(np.stack([x, steady(40).T[:2]]))
    np.testing.assert_array_equal(shrunk, [True, False])
    np.testing.assert_allclose(coefficients[0], fitted.coefficients)


def test_mean_of_two_maps_may_need_shrinking_too() -> None:
    shears = np.array([[[0.5, 9.0], [0.0, 0.5]], [[0.5, 0.0], [9.0, 0.5]]])  # radius 0.5 each, 5 on average
    mean = VAR1.mean(shears, np.stack([np.eye(2)] * 2), 30)
    assert mean.shrunk
    assert mean.radius == pytest.approx(0.999)
    assert not VAR1.mean(shears[:1], np.eye(2)[None], 30).shrunk


def test_calibrated_surrogates_give_the_fitted_map_after_detrending() -> None:
    x = steady(120)
    options: dict[str, Any] = {"bandwidth": None, "window": 0.5, "indicators": "mean_variance", "trend": "kendall"}
    pipeline = resolve((3, 120), step=1.0, detrend="gaussian", causal=False, season=None, standardize=True, **options)
    residual = pipeline.refitted(np.ascontiguousarray(x.T)[None])[0]
    fitted = VAR1.fit(residual)
    found = fitted.calibrated(pipeline.refitted, seed=4)
    refits = {
        "fitted": fit_rows(pipeline.refitted(fitted.draw(0, 2000, seed=9)))[0].mean(axis=0),
        "calibrated": fit_rows(pipeline.refitted(found.draw(0, 2000, seed=9)))[0].mean(axis=0),
    }
    missed = {name: np.abs(one - fitted.coefficients).max() for name, one in refits.items()}
    assert missed["calibrated"] < 0.03  # 100 refits know their mean to 0.01
    assert missed["fitted"] > 0.05
    assert found.radius > fitted.radius
    assert f"{fitted.radius:.3f} again after detrending" in found.sentence
    assert pipeline.refitted(np.zeros((2, 3, 120))).shape == (2, 3, 120)


def test_var1_surrogates_have_the_moments_of_the_fit() -> None:
    fitted = VAR1(MAP, np.diag([1.0, 4.0, 0.25]), 60, False)
    drawn = fitted.draw(0, 3000, seed=5)
    assert drawn.shape == (3000, 3, 60)
    from scipy.linalg import solve_discrete_lyapunov

    expected = solve_discrete_lyapunov(MAP, fitted.covariance)
    for t in (0, 1, 59):  # stationary from the first sample on
        whitened = np.linalg.solve(np.linalg.cholesky(expected), drawn[:, :, t].T)
        np.testing.assert_allclose(np.cov(whitened), np.eye(3), atol=0.09)  # four standard errors of a variance of 1
    lagged = np.einsum("rit,rjt->ij", drawn[:, :, 1:], drawn[:, :, :-1]) / (3000 * 59)
    np.testing.assert_allclose(lagged, MAP @ expected, atol=0.05)


def test_fourier_surrogates_keep_correlations() -> None:
    x = steady(101).T
    drawn = JointFourier.fit(x).draw(0, 5, seed=2)
    for one in drawn:
        np.testing.assert_allclose(np.corrcoef(one), np.corrcoef(x), atol=1e-9)
        assert np.abs(one - x).max() > 0.5


@pytest.mark.parametrize(
    "system",
    [
        MAP,
        0.5 * np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]]),
        np.array([[-0.3, 0.0], [0.0, -0.1]]),
        np.array([[0.4, 1.0], [0.0, 0.4]]),  # one direction only
        np.zeros((2, 2)),
    ],
    ids=["real", "pair", "alternating", "defective", "no memory"],
)
def test_the_control_drives_one_mode_and_leaves_the_others(system: np.ndarray) -> None:
    coefficients = _multivariate_control.driven(system, 50)
    assert np.isrealobj(coefficients)
    before = np.sort(np.abs(np.linalg.eigvals(system)))
    moduli = np.sort(np.abs(np.linalg.eigvals(coefficients)), axis=1)
    assert moduli[-1, -1] > 0.65
    assert (moduli[:, -1] < 1.0).all()
    assert (np.diff(moduli[:, -1]) > -1e-6).all() or system[0, 0] < 0
    if system is MAP:
        np.testing.assert_allclose(moduli[:, :-1], np.broadcast_to(before[:-1], (50, 2)), atol=1e-9)
        np.testing.assert_allclose(coefficients[0], MAP, atol=0.02)


@pytest.mark.parametrize(("window", "fits"), [(7, True), (6, False)])
def test_shortest_windows_grow_with_the_number_of_variables(window: int, fits: bool) -> None:
    options: dict[str, Any] = {
        "step": 1.0, "detrend": "linear", "bandwidth": None, "window": window, "indicators": "maf_eigenvalue",
        "trend": "kendall", "causal": False, "season": None, "standardize": True,
    }  # fmt: skip
    if fits:
        assert resolve((4, 90), **options).window == window
        return
    with pytest.raises(WindowError, match="from 7 to 83"):
        resolve((4, 90), **options)


@pytest.mark.slow
@pytest.mark.parametrize("null", ["var1", "fourier"])
def test_false_alarms_of_steady_systems_are_as_few_as_the_level_says(null: Any) -> None:
    steady_map = np.broadcast_to(MAP, (80, 3, 3))
    rows = draw_vector_autoregression(steady_map, np.eye(3), 0, 300, seed=11)
    found = [ews.detect_multivariate(row.T, null=null, n_surrogates=79, seed=i) for i, row in enumerate(rows)]
    for name in found[0].pvalue:  # 0.04 to 0.06 were measured, with a standard error of 0.013 here
        assert 0.005 <= np.mean([one.pvalue[name] <= 0.05 for one in found]) <= 0.085
    assert np.mean([one.verdict == "warning" for one in found]) <= 0.07


def test_the_covariance_of_a_fit_is_that_of_its_innovations_by_degrees_of_freedom() -> None:
    """n − 1 pairs, less a coefficient for each variable."""
    from ews.multivariate.nulls import fit_rows

    rows = np.random.default_rng(9).standard_normal((2, 3, 25))
    coefficients, covariance, shrunk = fit_rows(rows)
    assert not shrunk.any()
    for row, fitted, found in zip(rows, coefficients, covariance, strict=True):
        centred = row - row.mean(axis=1, keepdims=True)
        expected, *_ = np.linalg.lstsq(centred[:, :-1].T, centred[:, 1:].T, rcond=None)
        np.testing.assert_allclose(fitted, expected.T, rtol=1e-9)
        errors = centred[:, 1:] - expected.T @ centred[:, :-1]
        np.testing.assert_allclose(found, errors @ errors.T / (25 - 1 - 3), rtol=1e-9)
