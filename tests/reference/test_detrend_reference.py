"""Detrending against the numbers of ewstools 2.1.2, R's earlywarnings and Boers' running mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ews import detrend

FloatArray = npt.NDArray[np.float64]


def _table(path: Path) -> npt.NDArray[np.void]:
    return np.genfromtxt(path, delimiter=",", names=True)


def _relative_error(computed: FloatArray, reference: FloatArray) -> float:
    return float(np.max(np.abs(computed - reference) / np.abs(reference)))


@pytest.fixture(scope="module")
def foldbif(reference_data: Path) -> FloatArray:
    return np.asarray(_table(reference_data / "earlywarningsR" / "ksmooth_foldbif_bw5pct.csv")["y"])


@pytest.mark.parametrize(
    ("file", "samples", "method"),
    [
        ("ewstools_tutorial1_ricker_gaussian.csv", 861, "gaussian"),
        ("ewstools_tutorial1_ricker.csv", 861, "lowess"),
        ("ewstools_spectral_ricker_fold_state.csv", 441, "lowess"),
    ],
)
def test_ewstools_trends(reference_data: Path, file: str, samples: int, method: str) -> None:
    # ewstools detrends up to and including the time of the transition (860, 440) and leaves the rest empty.
    table = _table(reference_data / "ewstools" / file)
    before = np.isfinite(table["smoothing"])
    assert before.sum() == samples
    split = getattr(detrend, method)(table["state"][before])
    assert _relative_error(split.trend, table["smoothing"][before]) < 1e-9
    assert np.max(np.abs(split.residual - table["residuals"][before])) < 1e-9


def test_ksmooth_trend_of_r(reference_data: Path) -> None:
    table = _table(reference_data / "earlywarningsR" / "ksmooth_foldbif_bw5pct.csv")
    assert set(table["bw"]) == {10.0}
    assert _relative_error(detrend.ksmooth(table["y"], bandwidth=0.05).trend, table["smooth"]) < 1e-12
    assert _relative_error(detrend.ksmooth(table["y"], bandwidth=10).trend, table["smooth"]) < 1e-12


def test_default_bandwidth_of_r_is_the_rounded_rule_of_thumb() -> None:
    index = np.arange(1, 201)
    spread = min(index.std(ddof=1), np.subtract(*np.percentile(index, [75, 25])) / 1.34)
    assert detrend.nrd0_bandwidth(200) == pytest.approx(0.9 * spread * 200 ** (-0.2), rel=1e-14)
    x = np.random.default_rng(0).normal(size=200)
    np.testing.assert_array_equal(detrend.ksmooth(x).trend, detrend.ksmooth(x, bandwidth=18).trend)


def _residual(name: str, x: FloatArray) -> FloatArray:
    if name == "none":
        return x
    method, _, bandwidth = name.partition("_")
    if method == "difference":
        return detrend.difference(x).residual[1:]
    options = {"bandwidth": float(bandwidth) / 100} if bandwidth else {}
    return np.asarray(getattr(detrend, method)(x, **options).residual)


@pytest.mark.parametrize(
    ("file", "window", "name"),
    [
        ("w25_gaussian_bw10", 50, "ksmooth_10"),
        ("w50_gaussian_bw5", 100, "ksmooth_5"),
        ("w50_gaussian_bw10", 100, "ksmooth_10"),
        ("w50_gaussian_bwNULL", 100, "ksmooth"),
        ("w50_linear_bwNULL", 100, "linear"),
        ("w50_loess_bwNULL", 100, "loess"),
        ("w50_first-diff_bwNULL", 100, "difference"),
        ("w50_no_bwNULL", 100, "none"),
    ],
)
def test_indicators_of_earlywarnings_on_our_residual(
    reference_data: Path, foldbif: FloatArray, file: str, window: int, name: str
) -> None:
    reference = _table(reference_data / "earlywarningsR" / f"generic_foldbif_{file}.csv")
    windows = np.lib.stride_tricks.sliding_window_view(_residual(name, foldbif), window)
    assert len(windows) == len(reference)
    away = windows - windows.mean(axis=1, keepdims=True)
    second = (away**2).mean(axis=1)
    computed = {
        "sd": windows.std(axis=1, ddof=1),
        "ar1": (away[:, 1:] * away[:, :-1]).sum(axis=1) / (away[:, :-1] ** 2).sum(axis=1),
        "acf1": (away[:, 1:] * away[:, :-1]).sum(axis=1) / (away**2).sum(axis=1),
        "sk": np.abs((away**3).mean(axis=1) / second**1.5),
        "kurt": (away**4).mean(axis=1) / second**2,
    }
    for column, values in computed.items():
        assert np.max(np.abs(values - reference[column])) < 1e-9, column


def test_first_difference_is_stamped_when_it_is_known(reference_data: Path, foldbif: FloatArray) -> None:
    # R gives its first window of 100 differences the time 100 (1-based); the last of them needs the sample of time 101.
    reference = _table(reference_data / "earlywarningsR" / "generic_foldbif_w50_first-diff_bwNULL.csv")
    residual = detrend.difference(foldbif).residual
    at = int(reference["timeindex"][0]) + 1  # ours, 1-based
    assert np.std(residual[at - 100 : at], ddof=1) == pytest.approx(reference["sd"][0], rel=1e-12)


def test_running_mean_of_boers(reference_data: Path) -> None:
    table = _table(reference_data / "boers_foldbif_w60.csv")
    x = table["x"]
    split = detrend.running_mean(x, window=60)
    inside = slice(
        0, 170
    )  # the published code leaves out the sample i - 30 in the last 30 windows, but not at the start
    assert np.max(np.abs(split.trend - table["runmean"])[inside]) < 1e-11  # the file has 12 digits
    assert np.max(np.abs(split.residual - table["resid"])[inside]) < 1e-11
    for i in range(170, 200):
        assert split.trend[i] == pytest.approx(x[i - 30 :].mean(), rel=1e-14)
        assert table["runmean"][i] == pytest.approx(x[i - 29 :].mean(), rel=1e-11)
