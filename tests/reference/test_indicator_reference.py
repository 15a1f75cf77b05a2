"""Indicators against the stored output of ewstools, R's earlywarnings and Boers' restoring rate.

The peers' own residuals are used where they are stored; R's residuals are made here by `ews.detrend`. Where a peer
defines a number otherwise, the line that derives it from ours says how and why.
"""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ews
from ews.indicators.memory import restoring_rate
from ews.indicators.welch import power_spectrum

TOLERANCE = 1e-9

EWSTOOLS = {
    # file, key of its Kendall values, window as a fraction of the part before the transition
    "lowess": ("ewstools_tutorial1_ricker.csv", "lowess_span0.2_rw0.5", 0.5),
    "gaussian": ("ewstools_tutorial1_ricker_gaussian.csv", "gaussian_bw0.2_rw0.25", 0.25),
}
R_CASES = (
    "foldbif_w50_no_bwNULL",
    "foldbif_w50_linear_bwNULL",
    "foldbif_w50_first-diff_bwNULL",
    "foldbif_w50_gaussian_bw5",
    "foldbif_w50_gaussian_bw10",
    "foldbif_w50_gaussian_bwNULL",
    "foldbif_w25_gaussian_bw10",
    "foldbif_w50_loess_bwNULL",
)


def assert_same(ours: object, theirs: object, what: str) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs), err_msg=what)
    error = np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))
    assert np.nanmax(error) <= TOLERANCE, f"{what}: off by {np.nanmax(error):.2e}"


@pytest.mark.parametrize("case", EWSTOOLS)
def test_ewstools_moments_and_autocorrelation(reference_data: Path, case: str) -> None:
    file, key, window = EWSTOOLS[case]
    table = pd.read_csv(reference_data / "ewstools" / file)
    tau = json.loads((reference_data / "ewstools" / "ewstools_tutorial1_ktau.json").read_text())[key]
    before = table[table.residuals.notna()]  # the part up to the transition
    names = {"skew": "skewness"}  # their name: ours, where they differ
    columns = [name for name in table.columns if name not in ("time", "state", "smoothing", "residuals")]
    wanted = [names.get(column, column) for column in columns]
    values = ews.rolling(before.residuals, window=window, indicators=wanted, raw=before.state)
    for column, name in zip(columns, wanted, strict=True):
        assert_same(values[name], before[column], f"{case} {column}")
        assert abs(ews.trends.kendall(values[name]).statistic - tau[column]) <= TOLERANCE, column


def test_ewstools_smax_and_spectrum(reference_data: Path) -> None:
    folder = reference_data / "ewstools"
    residual = pd.read_csv(folder / "ewstools_spectral_ricker_fold_state.csv").residuals.dropna().to_numpy()
    peaks = pd.read_csv(folder / "ewstools_spectral_ricker_fold_ews.csv")
    # ewstools calls its taper Hamming but leaves scipy's default, Hann; and it counts each frequency twice.
    ours = ews.smax(residual, window=220, taper="hann", sides="two")
    assert_same(ours[peaks.time], peaks.smax, "smax")
    one_sided = ews.smax(residual, window=220, taper="hann")
    assert_same(one_sided[peaks.time] / 2.0, peaks.smax, "smax, from the one-sided spectrum")

    spectrum = power_spectrum(residual, window=220, taper="hann", sides="two")
    stored = pd.read_csv(folder / "ewstools_spectral_ricker_fold_pspec.csv")
    for time, rows in stored.groupby("time"):
        cycles = rows.frequency.abs() / (2.0 * np.pi)  # theirs are angular and of both signs
        place = np.abs(cycles.to_numpy()[:, None] - spectrum.frequency).argmin(axis=1)
        assert_same(spectrum.frequency[place], cycles, "frequency")
        assert_same(spectrum.power[time][place], rows.power, f"power at {time}")


def r_residual(x: np.ndarray, case: str) -> np.ndarray:
    _, _, method, bandwidth = case.split("_")
    width = None if bandwidth == "bwNULL" else int(bandwidth.removeprefix("bw")) / 100
    if method == "no":
        return x
    if method == "first-diff":
        return np.diff(x)
    if method == "linear":
        return ews.detrend.linear(x).residual
    if method == "loess":
        return ews.detrend.loess(x).residual
    return ews.detrend.ksmooth(x, bandwidth=width).residual


@pytest.mark.parametrize("case", R_CASES)
def test_r_earlywarnings_generic(reference_data: Path, eco_data: Path, case: str) -> None:
    x = pd.read_csv(eco_data / "earlywarnings-R" / "csv" / "foldbif.csv")["y"].to_numpy()
    stored = pd.read_csv(reference_data / "earlywarningsR" / f"generic_{case}.csv")
    taus = pd.read_csv(reference_data / "earlywarningsR" / "kendall_taus.csv", index_col="case").loc[case]
    window = round(x.size * int(case.split("_")[1].removeprefix("w")) / 100)  # of the series, before differencing
    residual = r_residual(x, case)
    ar1 = ews.autocorrelation(residual, window=window, method="ols")
    ours = {
        "ar1": ar1,
        "sd": ews.std(residual, window=window),
        "sk": np.abs(ews.skewness(residual, window=window, bias=True)),  # they drop the sign
        "kurt": ews.kurtosis(residual, window=window, bias=True, excess=False),
        # They divide by the mean of the residual, which is near 0 and of either sign; ours takes raw= instead.
        "cv": ews.std(residual, window=window) / ews.mean(residual, window=window),
        "returnrate": 1.0 / ar1,  # neither a rate nor a time: ours is -ln(AC1) / step
        "densratio": ews.density_ratio(residual, window=window),
        "acf1": ews.autocorrelation(residual, window=window, method="acf"),
    }
    for name, values in ours.items():
        assert_same(values[window - 1 :], stored[name], f"{case} {name}")
        assert abs(ews.trends.kendall(values).statistic - taus[name]) <= TOLERANCE, f"{case} {name}"


def test_boers_restoring_rate(reference_data: Path) -> None:
    stored = pd.read_csv(reference_data / "boers_foldbif_w60.csv")
    half = 30  # their windows are centred: 61 samples, from i - 30 to i + 30
    ours = restoring_rate(stored.resid, window=2 * half + 1).to_numpy()[2 * half :]
    assert_same(ours, stored.lambda_glsar[half:-half], "lambda")


def test_boers_std_and_autocorrelation(reference_data: Path) -> None:
    stored = pd.read_csv(reference_data / "boers_foldbif_w60.csv")
    half = 30
    inside = slice(half, -half)  # at the ends their windows are cut short
    # They take a straight line out of each window first; each window is a row here.
    windows = np.lib.stride_tricks.sliding_window_view(stored.resid.to_numpy(), 2 * half + 1)
    rows = np.stack([ews.detrend.linear(part).residual for part in windows])
    assert_same(ews.std(rows, window=2 * half + 1, ddof=0)[:, -1], stored["std"][inside], "std")
    assert_same(ews.autocorrelation(rows, window=2 * half + 1)[:, -1], stored.ac1[inside], "ac1")


@pytest.mark.parametrize("window", [20, 61, 200])
def test_restoring_rate_is_that_of_statsmodels(window: int) -> None:
    sm = importlib.import_module("statsmodels.api")
    rng = np.random.default_rng(20)
    noise = np.zeros(300)
    x = np.zeros(300)
    for t in range(1, 300):  # a linear system under correlated noise
        noise[t] = 0.5 * noise[t - 1] + rng.standard_normal()
        x[t] = 0.8 * x[t - 1] + noise[t]
    ours = restoring_rate(x, window=window)
    position = np.arange(window)
    for end in range(window, 301, 37):
        part = x[end - window : end]
        part = part - np.polyval(np.polyfit(position, part, 1), position)
        model = sm.GLSAR(np.diff(part), sm.add_constant(part)[:-1], rho=1)
        theirs = _glsar(model)
        assert abs(ours[end - 1] - theirs) <= TOLERANCE


def _glsar(model: object) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # statsmodels announces a change of yule_walker's return type
        return float(model.iterative_fit(maxiter=10).params[1])  # type: ignore[attr-defined]
