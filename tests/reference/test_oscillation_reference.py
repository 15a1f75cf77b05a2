"""Damping of one mode of many: against statsmodels' Burg, and sums that are written out."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.regression.linear_model import burg as statsmodels_burg
from statsmodels.tsa.arima_process import ArmaProcess

from benchmarks.evidence.oscillating import measured
from ews._analysis.score_tests.oscillation import Mode, dominant_mode, mode_damping
from ews._analysis.score_tests.shapes import weights
from ews._kernels.burg import burg
from ews.nulls.higher_order import AR

ROWS = measured(40, 0.2, control=False, series=4, seed=1, n=400)


def slow_score(row: np.ndarray, mode: Mode) -> float:
    """The efficient score of a peak that grows, as regressions of what an autoregression cannot foresee."""
    x = row[row.size % mode.block :].reshape(-1, mode.block).mean(axis=1)
    coefficients = statsmodels_burg(x, order=mode.order, demean=False)[0]
    lagged = np.column_stack([x[mode.order - j : x.size - j] for j in range(1, mode.order + 1)])
    error = x[mode.order :] - lagged @ coefficients
    frequency = 2 * np.pi * mode.block / mode.period
    decay = max(mode.damping, 0.03) * frequency
    state = np.array(
        [
            sum(np.exp(-decay * j) * np.cos(frequency * j) * error[t - j] for j in range(1, t + 1))
            for t in range(error.size)
        ]
    )
    w = weights(x.size)[0][mode.order :]
    terms = sm.OLS(w * state, state).fit().resid * sm.OLS(error, state).fit().resid
    return float(terms.sum() / np.sqrt((terms**2).sum()))


@pytest.mark.parametrize(
    "mode",
    [
        Mode(period=40.0, damping=0.2, share=0.5, block=1, order=7),
        Mode(period=40.0, damping=0.2, share=0.5, block=3, order=4),
        Mode(period=11.0, damping=0.001, share=0.5, block=1, order=12),
    ],
)
def test_the_score_is_that_of_regressions(mode: Mode) -> None:
    memory = np.linspace(-2.0, 2.0, len(ROWS))
    expected = [slow_score(row, mode) for row in ROWS] + np.cos(2 * np.pi / mode.period) * memory
    np.testing.assert_allclose(mode_damping(ROWS, memory, mode), expected, rtol=1e-7)


def test_burg_is_that_of_statsmodels() -> None:
    for row in ROWS:
        reflections, errors = np.empty(9), np.empty(10)
        assert burg(row, reflections, errors) == 9
        coefficients = AR(tuple(reflections), float(np.sqrt(errors[-1])), row.size).coefficients
        expected, variance = statsmodels_burg(row, order=9, demean=False)
        np.testing.assert_allclose(coefficients, expected, rtol=1e-9)
        assert errors[0] == pytest.approx(np.mean(row**2))
        assert errors[-1] == pytest.approx(variance, rel=0.03)  # theirs leaves the ends out


def test_orders_are_chosen_by_the_criterion_that_is_written_out() -> None:
    row = ROWS[0] - ROWS[0].mean()
    reflections, errors = np.empty(12), np.empty(13)
    burg(row, reflections, errors)
    for penalty in (2.0, np.log(row.size)):
        criterion = [row.size * np.log(errors[p]) + penalty * p for p in range(13)]
        fitted = AR.fit(ROWS[0], highest=12, penalty=penalty)
        assert len(fitted.reflections) == int(np.argmin(criterion))
        assert fitted.innovation_sd == pytest.approx(np.sqrt(errors[len(fitted.reflections)]))


@pytest.mark.jit
def test_surrogates_have_the_autocovariance_of_the_model_from_the_first_sample_on() -> None:
    fitted = AR.fit(ROWS[1], highest=6, penalty=0.0)
    rows = fitted.draw(0, 40_000, seed=3)
    process = ArmaProcess(np.r_[1.0, -fitted.coefficients], [1.0])
    expected = process.acovf(8) * fitted.innovation_sd**2
    for start in (0, 3, 200):
        found = [(rows[:, start] * rows[:, start + lag]).mean() for lag in range(8)]
        np.testing.assert_allclose(found, expected, atol=0.04 * expected[0])


def test_the_mode_is_a_pole_of_the_autoregression_and_its_share_that_of_its_peak() -> None:
    radius, angle = 0.97, 2 * np.pi / 12
    x = np.random.default_rng(1).standard_normal(4000)
    for t in range(2, x.size):
        x[t] += 2 * radius * np.cos(angle) * x[t - 1] - radius**2 * x[t - 2]
    found = dominant_mode(x)
    assert found is not None
    assert found.period == pytest.approx(12, rel=0.02)
    assert found.damping == pytest.approx(-np.log(radius) / angle, rel=0.2)
    assert found.share == pytest.approx(1.0, abs=0.03)
    assert found.alone
    noisy = dominant_mode(x + x.std() * np.random.default_rng(2).standard_normal(x.size))
    assert noisy is not None
    assert 0.4 < noisy.share < 0.7  # one half: what lies under the peak counts as well
    assert noisy.resolved
