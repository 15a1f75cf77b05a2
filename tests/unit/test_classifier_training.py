"""The simulations that the classifier learned from: each system does what its label says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.classifier import collection, nulls, systems
from ews.bifurcations._classifier.features import FEATURES


def quarter(rows: np.ndarray, *, last: bool) -> np.ndarray:
    part = rows[:, -rows.shape[1] // 4 :] if last else rows[:, : rows.shape[1] // 4]
    return part - part.mean(axis=1, keepdims=True)


def correlation(rows: np.ndarray) -> float:
    return float(np.median((rows[:, 1:] * rows[:, :-1]).sum(axis=1) / (rows * rows).sum(axis=1)))


@pytest.mark.parametrize("kind", ["fold", "transcritical", "pitchfork", "flip"])
def test_memory_goes_where_the_bifurcation_takes_it(kind: str) -> None:
    generator = np.random.default_rng(1)
    rows = np.concatenate([systems.simulate(kind, "towards", 150, 300, generator) for _ in range(4)])
    assert rows.shape[0] > 450  # few escape
    before, after = (correlation(quarter(rows, last=last)) for last in (False, True))
    assert (after < before - 0.3) if kind == "flip" else (after > before + 0.05)
    gone = np.concatenate([systems.simulate(kind, "away", 150, 300, generator) for _ in range(4)])
    before, after = (correlation(quarter(gone, last=last)) for last in (False, True))
    assert (after > before + 0.2) if kind == "flip" else (after < before - 0.02)
    still = np.concatenate([systems.simulate(kind, "still", 150, 300, generator) for _ in range(4)])
    before, after = (correlation(quarter(still, last=last)) for last in (False, True))
    assert after == pytest.approx(before, abs=0.05)


def test_a_cycle_gathers_power_at_one_frequency() -> None:
    generator = np.random.default_rng(2)

    def peak(rows: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(rows, axis=1)[:, 1:]) ** 2
        return float(np.median(power.max(axis=1) / power.mean(axis=1)))

    rows = np.concatenate([systems.simulate("hopf", "towards", 150, 400, generator) for _ in range(4)])
    before, after = quarter(rows, last=False), quarter(rows, last=True)
    assert np.median(after.std(axis=1) / before.std(axis=1)) > 1.5
    assert peak(after) > 1.3 * peak(before)


def test_the_way_left_ends_near_zero_only_on_the_way_there() -> None:
    generator = np.random.default_rng(3)
    towards = systems.path("towards", 500, 100, generator)
    assert np.all(towards[:, 0] == 1.0)
    assert np.all(np.diff(towards, axis=1) <= 0.0)
    assert np.all((towards[:, -1] >= 0.0) & (towards[:, -1] <= 0.3))
    assert np.mean(towards[:, -1] == 0.0) == pytest.approx(0.5, abs=0.1)
    still = systems.path("still", 500, 100, generator)
    assert np.ptp(still, axis=1).max() == 0.0
    away = systems.path("away", 500, 100, generator)
    assert np.all(np.diff(away, axis=1) >= 0.0)


@pytest.mark.parametrize("kind", nulls.KINDS)
def test_noise_does_not_change(kind: object) -> None:
    rows = kind(300, 200, np.random.default_rng(4))  # type: ignore[operator]
    assert rows.shape == (300, 200)
    ratio = np.log(rows[:, 100:].std(axis=1) / rows[:, :100].std(axis=1))
    assert abs(np.median(ratio)) < 0.1


def test_what_is_laid_over_both_is_the_same_mixture() -> None:
    rows = np.random.default_rng(5).standard_normal((400, 120))
    one = nulls.overlay(rows, np.random.default_rng(6))
    np.testing.assert_array_equal(one, nulls.overlay(rows.copy(), np.random.default_rng(6)))
    assert one.shape == rows.shape
    changed = nulls.changing_noise(rows, np.random.default_rng(7))
    assert np.abs(np.log(changed[:, -20:].std(axis=1) / rows[:, -20:].std(axis=1))).max() > 1.0


@pytest.mark.jit
def test_a_round_depends_on_its_number_alone() -> None:
    one, again = (collection.one_round((9, 4), 20) for _ in range(2))
    np.testing.assert_array_equal(one.features, again.features)
    np.testing.assert_array_equal(one.labels, again.labels)
    assert one.features.shape[1] == len(FEATURES)
    assert set(one.labels) == set(range(6))
    assert np.isfinite(one.features).all()
    assert len(set(one.lengths)) == 1
    assert not np.array_equal(one.features[:5], collection.one_round((9, 5), 20).features[:5])
