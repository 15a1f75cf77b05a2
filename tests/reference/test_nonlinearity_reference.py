"""Conditional heteroskedasticity and BDS against R's earlywarnings and tseries on `foldbif`, and time-varying AR(1)
against statsmodels."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ews


@pytest.fixture
def foldbif(eco_data: Path) -> np.ndarray:
    return pd.read_csv(eco_data / "earlywarnings-R" / "csv" / "foldbif.csv")["y"].to_numpy()


@pytest.mark.parametrize(
    ("file", "options"),
    [
        # R offers AIC 10 log10(20) = 13 orders; ours would stop at a fifth of the window.
        ("ch_foldbif_w10_a0.1_optim.csv", {"window": 0.1, "alpha": 0.1, "max_order": 13}),
        ("ch_foldbif_w50_a0.05_ar1.csv", {"window": 0.5, "alpha": 0.05, "order": 1}),
    ],
)
def test_r_earlywarnings_conditional_heteroskedasticity(
    reference_data: Path, foldbif: np.ndarray, file: str, options: dict[str, float]
) -> None:
    stored = pd.read_csv(reference_data / "earlywarningsR" / file)
    result = ews.heteroskedasticity_test(foldbif, **options)
    inside = slice(result.window - 1, None)
    # Both solve normal equations, and with 11 residuals of 10 coefficients these lose 5 of 16 digits.
    np.testing.assert_allclose(result.r_squared[inside], stored["r.squared"], atol=1e-10)
    np.testing.assert_allclose(result.critical_value[inside], stored["critical.value"], rtol=1e-12)
    np.testing.assert_array_equal(result.signal[inside], stored["test.result"] == 1)
    np.testing.assert_array_equal(result.order[inside], stored["ar.fit.order"])


@pytest.mark.parametrize("name", ["firstdiff", "arima100"])
def test_r_tseries_bds(reference_data: Path, name: str) -> None:
    inputs = pd.read_csv(reference_data / "earlywarningsR" / "bds_foldbif_inputs.csv")[name].dropna()
    stored = pd.read_csv(reference_data / "earlywarningsR" / "bds_foldbif.csv").query("series == @name")
    result = ews.bds(inputs.to_numpy(), residuals=None, n_surrogates=0)
    np.testing.assert_allclose(result.statistic.ravel(), stored.stat, rtol=1e-12)
    np.testing.assert_allclose(result.pvalue_normal.ravel(), stored.p, rtol=1e-11)
    assert np.isnan(result.pvalue).all()


def test_bds_takes_the_same_first_differences_and_innovations_as_r(reference_data: Path, foldbif: np.ndarray) -> None:
    stored = pd.read_csv(reference_data / "earlywarningsR" / "bds_foldbif.csv").set_index("series").stat
    inputs = pd.read_csv(reference_data / "earlywarningsR" / "bds_foldbif_inputs.csv")
    differences = ews.bds(foldbif, n_surrogates=0)
    np.testing.assert_allclose(differences.statistic.ravel(), stored.loc["firstdiff"], rtol=1e-10)
    arma = ews.bds(foldbif, residuals="arma", order=(1, 0), n_surrogates=0)
    # Two maximisers of one likelihood stop at slightly different coefficients. The statistic counts pairs within a
    # distance, so that a residual may cross it: one pair in 19,306 moves it by some 0.01.
    np.testing.assert_allclose(arma.residual / arma.residual.std(), (y := inputs.arima100) / y.std(ddof=0), atol=2e-3)
    np.testing.assert_allclose(arma.statistic.ravel(), stored.loc["arima100"], atol=0.1)


def test_bds_is_another_statistic_in_statsmodels(foldbif: np.ndarray) -> None:
    """Which points enter C(1, e) and the standard error: the numbers that the docstring explains."""
    stattools = importlib.import_module("statsmodels.tsa.stattools")
    x = np.diff(foldbif)
    close = np.abs(x[:, None] - x) < 0.5 * x.std(ddof=1)

    def share(matrix: np.ndarray) -> float:
        return float(matrix[np.triu_indices(len(matrix), 1)].mean())

    def statistic(joint: np.ndarray, single: np.ndarray, constants: np.ndarray) -> float:
        n = len(constants)
        near = constants.sum(axis=1) - 1.0
        k, c = (near * (near - 1)).sum() / (n * (n - 1) * (n - 2)), share(constants)
        variance = 4 * (k**2 + 2 * k * c**2 + c**4 - 4 * k * c**2)
        return (share(joint) - share(single) ** 2) / np.sqrt(variance / len(joint))

    both = close[1:, 1:] & close[:-1, :-1]
    theirs = statistic(both, close[1:, 1:], close)
    assert theirs == pytest.approx(stattools.bds(x, max_dim=2, distance=0.5)[0].item(), rel=1e-12)
    assert theirs == pytest.approx(3.501, abs=5e-4)
    ours = statistic(both[:-1, :-1], close[:-2, :-2], close[:-2, :-2])
    assert ours == pytest.approx(ews.bds(foldbif, n_surrogates=0).statistic[0, 0], rel=1e-12)
    assert ours == pytest.approx(4.051, abs=5e-4)
    assert ews.bds(foldbif, max_dimension=2, n_surrogates=0).statistic[0, 0] == pytest.approx(3.661, abs=5e-4)
    assert share(both[:-1, :-1]) == pytest.approx(0.0804, abs=5e-5)
    assert share(close[:-2, :-2]) == pytest.approx(0.2734, abs=5e-5)
    assert share(close[1:, 1:]) == pytest.approx(0.2748, abs=5e-5)


@pytest.mark.parametrize("walk", [0.0, 0.003, 0.5])
def test_filter_and_smoother_are_those_of_statsmodels(walk: float) -> None:
    """The same model as a state space with a time-varying design and an exact diffuse start."""
    statespace = importlib.import_module("statsmodels.tsa.statespace.kalman_smoother")
    from ews._kernels.kalman import filter_coefficient, smooth_coefficient

    x = np.random.default_rng(5).standard_normal(120)
    for t in range(1, 120):
        x[t] += 0.8 * t / 120 * x[t - 1]
    state, variance = np.empty(120), np.empty(120)
    innovation, likelihood = filter_coefficient(x, walk, state, variance)

    model = statespace.KalmanSmoother(k_endog=1, k_states=1, k_posdef=1)
    model.bind(np.ascontiguousarray(x[None, 1:]))
    model["design"] = x[None, None, :-1].copy()
    model["transition"] = model["selection"] = np.eye(1)
    model["obs_cov"] = np.array([[innovation]])
    model["state_cov"] = np.array([[walk * innovation]])
    model.initialize_diffuse()
    theirs = model.smooth()
    np.testing.assert_allclose(state[1:], theirs.filtered_state[0], rtol=1e-8)
    np.testing.assert_allclose(variance[1:] * innovation, theirs.filtered_state_cov[0, 0], rtol=1e-8)
    assert likelihood == pytest.approx(theirs.llf_obs[1:].sum(), rel=1e-10)
    smooth_coefficient(walk, state, variance)
    np.testing.assert_allclose(state[1:], theirs.smoothed_state[0], rtol=1e-8)
    np.testing.assert_allclose(variance[1:] * innovation, theirs.smoothed_state_cov[0, 0], rtol=1e-8)
