"""The restoring rate against the stored output of Boers' code, and against statsmodels' GLSAR."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ews.bifurcations import restoring

# Sums of products instead of whitened matrices: the two differ by rounding only, measured at 1.1e-12.
TOLERANCE = 1e-9
HALF = 30  # their windows are centred: 61 samples, from i - 30 to i + 30
PLAIN = {"n_surrogates": 0, "n_bootstrap": 0, "window": 2 * HALF + 1}


@pytest.mark.parametrize(("errors", "column"), [("ar1", "lambda_glsar"), ("white", "lambda_ols")])
def test_boers_rates_of_his_residual(reference_data: Path, errors: str, column: str) -> None:
    stored = pd.read_csv(reference_data / "boers_foldbif_w60.csv")
    ours = restoring(stored.resid, detrend=None, errors=errors, **PLAIN).rate
    theirs = stored[column].to_numpy()[HALF:-HALF]
    assert np.isfinite(theirs).all()
    np.testing.assert_allclose(ours[2 * HALF :], theirs, rtol=0, atol=TOLERANCE)


def test_boers_rates_of_the_series_itself(reference_data: Path) -> None:
    """His running mean is ours but for the last 30 samples, where his window loses one sample more."""
    stored = pd.read_csv(reference_data / "boers_foldbif_w60.csv")
    result = restoring(stored.x, detrend="running_mean", bandwidth=2 * HALF, **PLAIN)
    np.testing.assert_allclose(result.residual[:-HALF], stored.resid[:-HALF], rtol=0, atol=TOLERANCE)
    theirs = stored.lambda_glsar.to_numpy()[HALF : -2 * HALF]
    np.testing.assert_allclose(result.rate[2 * HALF : -HALF], theirs, rtol=0, atol=TOLERANCE)


def test_rates_are_those_of_statsmodels() -> None:
    sm = importlib.import_module("statsmodels.api")
    rng = np.random.default_rng(20)
    x, noise = np.zeros(200), 0.0
    for t in range(1, 200):
        noise = 0.4 * noise + rng.standard_normal()
        x[t] = 0.8 * x[t - 1] + noise
    ours = restoring(x, detrend=None, window=90, n_surrogates=0, n_bootstrap=0).rate
    at = np.arange(90)
    for end in (90, 141, 200):
        part = x[end - 90 : end]
        part = part - np.polyval(np.polyfit(at, part, 1), at)
        model = sm.GLSAR(np.diff(part), sm.add_constant(part[:-1]), rho=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = model.iterative_fit(maxiter=10).params[1]
        assert abs(ours[end - 1] - theirs) <= TOLERANCE
