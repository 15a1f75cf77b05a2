"""What the test could have seen: the positive control, its power, the drift and the interval of a trend."""

from __future__ import annotations

import numpy as np
import pytest

import ews
from ews import nulls
from ews._common.alarms import Statistic, count_warnings
from ews._significance.controls import drift, positive_control, power, tau_intervals
from ews._significance.pipeline import Pipeline
from ews._significance.resolve import resolve_pipeline
from ews.nulls.autoregressive import draw_autoregression


def pipeline(n: int, *, detrend: str | None = "gaussian", trend: str = "kendall") -> Pipeline:
    return resolve_pipeline(
        n=n, step=1.0, level=np.zeros(n), detrend=detrend, bandwidth=None, window=0.5, indicators=("variance", "ac1"),
        trend=trend, causal=False, season=None,
    )  # fmt: skip


@pytest.mark.parametrize("coefficient", [-0.9, 0.0, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("n", [10, 1000])
def test_the_control_drifts_from_the_fitted_memory_to_one(coefficient: float, n: int) -> None:
    ramp = positive_control(coefficient, n)
    assert ramp.shape == (n,)
    assert (np.diff(ramp) >= 0).all()
    assert ramp[0] == pytest.approx(np.clip(coefficient, 0.05, 0.99), abs=0.05 if n == 10 else 0.01)
    assert ramp[-1] > (0.4 if n == 10 else 0.9)
    assert ramp[-1] <= 0.999


def test_the_control_follows_the_square_root_law() -> None:
    """λ = λ₀ √(1 − t/T): at three quarters of the record the recovery rate is half of the first."""
    ramp = positive_control(0.4, 9999)
    assert np.log(ramp[7499]) / np.log(0.4) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.jit
def test_power_grows_with_the_record() -> None:
    found = [power(pipeline(n), 0.3, alpha=0.05, n_surrogates=200, seed=1) for n in (30, 200, 1000)]
    assert 0 <= found[0] < found[1] < found[2] <= 1
    assert found[0] < 0.3
    assert found[2] > 0.8


@pytest.mark.jit
def test_power_falls_with_the_level_and_with_too_few_surrogates() -> None:
    steps = pipeline(400)
    strict, usual = (power(steps, 0.3, alpha=alpha, n_surrogates=400, seed=1) for alpha in (0.005, 0.05))
    assert strict < usual
    assert power(steps, 0.3, alpha=0.05, n_surrogates=19, seed=1) == 0.0  # no p can be ≤ 0.05


def test_undefined_trends_warn_of_nothing() -> None:
    generator = np.random.default_rng(0)
    table = generator.standard_normal((2, 200))
    alarms = (Statistic("both"), Statistic("up"))
    taus = np.array([[np.nan, np.nan, 9.0, -9.0, 0.0, np.nan], [np.nan, 9.0, np.nan, -9.0, -9.0, 0.0]])
    assert [count_warnings(column[:, None], table, alarms, 0.05) for column in taus.T] == [0, 1, 1, 1, 0, 0]
    assert count_warnings(taus, table, alarms, 0.05) == 3
    table[0] = np.nan  # an indicator that the null leaves undefined
    assert count_warnings(taus, table, alarms, 0.05) == 0


def test_power_is_reproducible() -> None:
    one, two, other = (power(pipeline(100), 0.3, alpha=0.05, n_surrogates=100, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert abs(one - other) < 0.2


def test_drift_recovers_a_drift() -> None:
    n = 6000
    coefficient, sd = np.linspace(0.1, 0.8, n), np.sqrt(np.linspace(4.0, 1.0, n))
    row = draw_autoregression(coefficient, sd, 0, 1, seed=3)[0]
    found, spread = drift(row)
    np.testing.assert_allclose(found, coefficient, atol=0.08)
    np.testing.assert_allclose(spread, sd, rtol=0.1)


def test_drift_of_a_stationary_series_is_flat() -> None:
    found, spread = drift(nulls.AR1(0.5, 2.0, 6000).draw(0, 1, seed=3)[0])
    np.testing.assert_allclose(found, 0.5, atol=0.08)
    np.testing.assert_allclose(spread, 2.0, rtol=0.08)


@pytest.mark.parametrize(
    "residual",
    [np.eye(1, 30, 20).ravel(), np.tile([0.0, 1.0], 15), np.r_[np.zeros(29), 1.0], np.linspace(-1, 1, 30)],
    ids=["spike", "alternating", "last", "line"],
)
def test_drift_stays_stationary_and_positive(residual: np.ndarray) -> None:
    found, spread = drift(residual)
    assert (np.abs(found) <= 0.99).all()
    assert np.isfinite(spread).all()
    assert (spread >= 0).all()


@pytest.mark.parametrize("trend", ["kendall", "spearman", "theil_sen"])
def test_the_interval_holds_the_observed_trend(trend: str) -> None:
    n = 120
    steps = pipeline(n, trend=trend)
    for seed in range(4):
        row = draw_autoregression(np.linspace(0.1, 0.9, n), np.ones(n), seed, 1, seed=5)
        residual, measured = steps.measure_surrogates(row)
        taus = steps.tau(measured)[:, 0]
        intervals = tau_intervals(steps, taus, residual[0], alpha=0.05, seed=1)
        wider = tau_intervals(steps, taus, residual[0], alpha=0.01, seed=1)
        for tau, (low, high), (lowest, highest) in zip(taus, intervals, wider, strict=True):
            assert lowest <= low <= tau <= high <= highest
            if trend != "theil_sen":
                assert -1 <= lowest <= highest <= 1


def test_the_interval_is_the_spread_of_simulated_trends_on_fishers_scale() -> None:
    n, alpha, tau = 120, 0.1, 0.4
    steps = pipeline(n)
    residual = nulls.AR1(0.5, 1.0, n).draw(0, 1, seed=3)[0]
    seed = int(np.random.SeedSequence([7, 2]).generate_state(1, np.uint64)[0])
    simulated = steps.surrogate_tau(draw_autoregression(*drift(residual), 0, 400, seed=seed))
    found = tau_intervals(steps, np.full(len(simulated), tau), residual, alpha=alpha, seed=7)
    for (low, high), row in zip(found, np.arctanh(simulated), strict=True):
        shares = [(row - np.median(row) < np.arctanh(bound) - np.arctanh(tau)).mean() for bound in (low, high)]
        np.testing.assert_allclose(shares, [alpha / 2, 1 - alpha / 2], atol=1 / 400)


def test_an_undefined_trend_has_no_interval() -> None:
    steps = pipeline(60)
    residual = nulls.AR1(0.3, 1.0, 60).draw(0, 1, seed=1)[0]
    undefined, defined = tau_intervals(steps, np.array([np.nan, 0.3]), residual, alpha=0.05, seed=1)
    assert np.isnan(undefined).all()
    assert np.isfinite(defined).all()


def test_extreme_trends_have_intervals_inside_one() -> None:
    steps = pipeline(60)
    residual = nulls.AR1(0.3, 1.0, 60).draw(0, 1, seed=1)[0]
    (low, high), _ = tau_intervals(steps, np.array([1.0, -1.0]), residual, alpha=0.05, seed=1)
    assert low < 1.0
    assert high <= 1.0


def test_detect_reports_the_power_of_the_same_control() -> None:
    x = nulls.AR1(0.5, 1.0, 100).draw(0, 1, seed=2)[0]
    found = ews.detect(x, indicators=("variance", "ac1"), method="kendall", n_surrogates=100, seed=6)
    steps = pipeline(100)
    expected = power(steps, nulls.AR1.fit(found.residual).coefficient, alpha=0.05, n_surrogates=100, seed=6)  # type: ignore[union-attr]
    assert found.power == expected  # type: ignore[union-attr]
