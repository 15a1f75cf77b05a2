"""Oscillating records: which they are, which way the score goes, and what must not move it."""

from __future__ import annotations

import numpy as np
import pytest

import ews
from benchmarks.evidence.oscillating import _answers, measured, summary
from ews._analysis.score_tests.oscillation import Mode, dominant_mode, fitted_oscillating_null, mode_damping
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.statistics import score

SERIES = 60


def scores(rows: np.ndarray) -> np.ndarray:
    """Of the rows whose mode is resolved, each by its own."""
    memory = score(rows, weights(rows.shape[1]), np.inf)[1][:, 0, 0]
    found = [(row, dominant_mode(row), one) for row, one in zip(rows, memory, strict=True)]
    return np.array(
        [mode_damping(row[None], one[None], mode)[0] for row, mode, one in found if mode is not None and mode.resolved]
    )


@pytest.mark.parametrize(("period", "other"), [(10, 1), (20, 2)])
def test_lost_damping_is_seen_and_constant_damping_is_not(period: int, other: int) -> None:
    lost = scores(measured(period, 0.2, control=False, series=SERIES, seed=other))
    constant = scores(measured(period, 0.2, control=True, series=SERIES, seed=other))
    assert len(lost) > 0.9 * SERIES
    assert np.median(lost) > 2.0
    assert abs(constant.mean()) < 0.6
    # Time reversed, damping is gained.
    assert np.median(scores(measured(period, 0.2, control=False, series=SERIES, seed=other)[:, ::-1].copy())) < -2.0


def test_a_record_that_grows_as_a_whole_has_no_score_of_its_mode() -> None:
    rows = measured(20, 0.1, control=True, series=100, seed=5)
    grown = rows * np.linspace(1.0, 3.0, rows.shape[1])
    for some in (rows, grown):
        modes = [(row, mode) for row in some if (mode := dominant_mode(row)) is not None and mode.resolved]
        found = np.concatenate([mode_damping(row[None], np.zeros(1), mode) for row, mode in modes])
        assert found.size > 60
        assert abs(found.mean()) < 0.35
        assert 0.8 < found.std() < 1.3  # studentised


def test_the_joint_test_warns_of_a_hopf_and_holds_its_level() -> None:
    lost = summary(_answers(measured(10, 0.2, control=False, series=40, seed=3)))
    assert lost["warning"] >= 0.8
    assert lost["named Hopf"] >= 0.7
    assert summary(_answers(measured(10, 0.2, control=True, series=40, seed=3)))["warning"] <= 0.125


@pytest.mark.parametrize("kind", ["white", "red", "walk", "growing", "spikes", "lognormal", "alternating"])
def test_noise_does_not_oscillate(kind: str) -> None:
    rng = np.random.default_rng(7)
    noise = rng.standard_normal((40, 500))
    red = noise.copy()
    for t in range(1, 500):
        red[:, t] += 0.8 * red[:, t - 1]
    rows = {
        "white": noise,
        "red": red,
        "walk": np.stack([ews.detrend.local_linear(row).residual for row in noise.cumsum(axis=1)]),
        "growing": noise * np.linspace(1.0, 3.0, 500),
        "spikes": np.where(rng.random(noise.shape) < 0.02, 10.0 * noise, noise),
        "lognormal": np.exp(noise) - np.exp(0.5),
        "alternating": red * (-1.0) ** np.arange(500),
    }[kind]
    assert sum((mode := dominant_mode(row)) is not None and not mode.alone for row in rows) <= 2


def test_units_and_gaps() -> None:
    row = measured(20, 0.1, control=True, series=1, seed=8)[0]
    mode = dominant_mode(row)
    assert mode is not None
    expected = mode_damping(row[None], np.zeros(1), mode)
    for unit in (1e-200, 2.0**10, 1e200, -1.0):
        scaled = dominant_mode(row * unit)
        assert scaled is not None
        assert (scaled.order, scaled.block) == (mode.order, mode.block)
        np.testing.assert_allclose([scaled.period, scaled.damping], [mode.period, mode.damping], rtol=1e-6)
        np.testing.assert_allclose(mode_damping((row * unit)[None], np.zeros(1), mode), expected, rtol=1e-6)
        null = fitted_oscillating_null(row * unit)
        assert np.std(null.draw(0, 50, seed=1) / unit) == pytest.approx(row.std(), rel=0.2)
    gaps = row.copy()
    gaps[400:460] = np.nan
    holed = dominant_mode(gaps)
    assert holed is not None
    assert holed.period == pytest.approx(mode.period, rel=0.3)
    assert np.isfinite(mode_damping(gaps[None], np.zeros(1), mode)).all()


@pytest.mark.parametrize(
    "row",
    [np.zeros(200), np.full(200, np.nan), np.arange(20.0) - 9.5, np.tile([1.0, -1.0], 100), np.eye(1, 200)[0]],
    ids=["zeros", "nothing", "short", "alternating", "spike"],
)
def test_what_has_no_mode(row: np.ndarray) -> None:
    assert dominant_mode(row) is None


def test_a_pure_sine_is_one_mode_without_damping() -> None:
    found = dominant_mode(np.sin(2 * np.pi * np.arange(300) / 20))
    assert found is not None
    assert found.period == pytest.approx(20, rel=0.02)
    assert found.damping < 0.01


def test_a_row_without_variation_has_no_score_and_rows_do_not_touch_each_other() -> None:
    mode = Mode(period=20.0, damping=0.1, share=0.5, block=1, order=4)
    rows = measured(20, 0.1, control=True, series=3, seed=2, n=300)
    together = mode_damping(np.vstack([rows, np.zeros((1, 300))]), np.zeros(4), mode)
    assert np.isnan(together[3])
    for row, one in zip(rows, together[:3], strict=True):
        np.testing.assert_array_equal(mode_damping(row[None], np.zeros(1), mode), one)


def test_a_surrogate_depends_on_its_number_alone() -> None:
    null = fitted_oscillating_null(measured(20, 0.1, control=True, series=1, seed=2, n=300)[0])
    np.testing.assert_array_equal(null.draw(0, 6, seed=4)[2:5], null.draw(2, 3, seed=4))
    assert not np.array_equal(null.draw(0, 1, seed=4), null.draw(0, 1, seed=5))
    assert f"AR({len(null.reflections)})" in null.sentence
