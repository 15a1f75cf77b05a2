"""One rule from tested trends to a verdict, at its boundaries; and the tests under it, at theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ews
from ews._common.alarms import SUFFICIENT_POWER, Statistic, count_warnings, upper, westfall_young
from ews._common.gaps import even
from ews._significance.controls import share_warned
from ews._significance.resolve import resolve_pipeline
from ews._significance.verdict import TrendOutcome, decide, in_sentence, verdict_of
from ews.nulls.autoregressive import AR1

BELOW, ABOVE = np.nextafter(0.05, 0.0), np.nextafter(0.05, 1.0)


def trend(tau: float = 0.5, p: float = 0.01, alarm: Any = "up") -> TrendOutcome:
    return TrendOutcome("Variance", alarm, tau, p)


@pytest.mark.parametrize(
    ("warned", "power", "obstacles", "expected"),
    [
        (True, 0.0, (), "warning"),
        (True, None, (), "warning"),
        (True, 1.0, ("two values",), "inconclusive"),
        (False, 1.0, ("two values",), "inconclusive"),
        (False, 0.8, (), "no warning"),
        (False, np.nextafter(0.8, 0.0), (), "inconclusive"),
        (False, 0.79, (), "inconclusive"),
        (False, None, (), "inconclusive"),
    ],
)
def test_the_rule(warned: bool, power: float | None, obstacles: tuple[str, ...], expected: str) -> None:
    assert verdict_of(warned, power, obstacles) == expected
    one = trend(p=0.01 if warned else 0.5)
    found, reasons = decide([one], alpha=0.05, n_surrogates=999, power=power, obstacles=obstacles, hints=["a hint"])
    assert found == expected
    assert reasons[: len(obstacles)] == obstacles
    assert reasons[-1] == "a hint"


def test_silence_is_taken_for_safety_at_four_fifths() -> None:
    assert SUFFICIENT_POWER == 0.8


@pytest.mark.parametrize(
    ("tau", "p", "alarm", "expected"),
    [
        (0.5, 0.05, "up", True),
        (0.5, BELOW, "up", True),
        (0.5, ABOVE, "up", False),
        (-0.5, 0.05, "up", False),
        (-0.5, 0.05, "down", True),
        (0.0, 0.05, "up", False),
        (-0.5, 0.05, "both", True),
        (np.nan, 0.05, "both", False),
        (0.5, np.nan, "up", False),
    ],
)
def test_an_indicator_warns_at_the_level_itself_in_its_direction(
    tau: float, p: float, alarm: Any, expected: bool
) -> None:
    assert trend(tau, p, alarm).warns(0.05) is expected
    assert bool(Statistic(alarm).warns(np.array(tau), np.array(p), 0.05)) is expected


def test_every_reason_has_its_numbers() -> None:
    trends = [
        trend(),
        trend(-0.4, 0.02),
        trend(0.1, 0.7),
        trend(np.nan, np.nan),
        TrendOutcome("DFA exponent", "up", 0, 1),
    ]
    verdict, reasons = decide(trends, alpha=0.05, n_surrogates=30, power=0.3)
    assert verdict == "warning"
    assert reasons == (
        "variance rises (τ = +0.50, adjusted p = 0.010)",
        "variance falls (τ = -0.40, adjusted p = 0.020), against its direction of alarm (rises)",
        "variance rises (τ = +0.10, adjusted p = 0.70), within what the null gives",
        "variance is undefined in this record",
        "DFA exponent has no trend (τ = +0.00, adjusted p = 1.00), within what the null gives",
        "30 surrogates cannot give a p below 0.0645: draw more",
    )
    assert decide(trends, alpha=0.05, n_surrogates=0, power=None)[0] == "inconclusive"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Variance", "variance"),
        ("Lag-1 autocorrelation", "lag-1 autocorrelation"),
        ("DFA exponent", "DFA exponent"),
        ("Hurst exponent (R/S, Anis–Lloyd)", "Hurst exponent (R/S, Anis–Lloyd)"),
        ("Moran's I", "Moran's I"),
        ("Leading eigenvalue of AR(p)", "leading eigenvalue of AR(p)"),
    ],
)
def test_a_label_inside_a_sentence(label: str, expected: str) -> None:
    assert in_sentence(label) == expected


def test_all_verbs_share_the_rule() -> None:
    """A power that only just suffices, and one that does not, from the same trends."""
    noise = np.random.default_rng(0).standard_normal((60, 2))
    for found in (ews.detect(noise[:, 0], n_surrogates=99), ews.detect_multivariate(noise, n_surrogates=99)):
        assert found.verdict == verdict_of(False, found.power)  # type: ignore[union-attr]


def test_an_adjusted_p_is_never_below_the_single_one() -> None:
    """Surrogates that are mostly tied leave one tail empty: a small p of the pool is then rarer than the single p."""
    surrogate = np.concatenate([np.zeros(90), np.arange(1.0, 10.0)])[None, :]
    single, adjusted = westfall_young(np.array([8.5]), surrogate)
    assert single[0] == adjusted[0] == pytest.approx(4 / 100)
    table = np.concatenate([surrogate, np.random.default_rng(3).standard_normal((1, 99))])
    single, adjusted = westfall_young(np.array([8.5, 0.0]), table)
    assert (adjusted >= single).all()
    # The same maximum in the count of many series at once.
    assert count_warnings(np.array([[8.5]]), surrogate, [Statistic("up")], 0.035) == 0
    assert count_warnings(np.array([[8.5]]), surrogate, [Statistic("up")], 0.04) == 1


def test_evidence_as_large_as_a_surrogates_counts_for_the_null() -> None:
    assert upper(np.array([2.0]), np.array([1.0, 2.0, 3.0]))[0] == 3 / 4


def test_each_control_is_held_against_the_null_of_its_own_memory() -> None:
    """Half of the controls are white and half remember: the lag-1 coefficient itself warns of neither, as each is held
    against surrogates of its own coefficient; against those of the middle one it would warn of every second."""
    n = 200

    def draw(first: int, count: int) -> Any:
        rows = [AR1(0.9 if row % 2 else 0.0, 1.0, n).draw(row, 1, seed=5)[0] for row in range(first, first + count)]
        return np.stack(rows)

    def measure(rows: Any) -> Any:
        return rows, np.array([[AR1.fit(row).coefficient for row in rows]])

    found = share_warned(
        measure, draw, [Statistic("up")], n=n, drawn=n, alpha=0.05, n_surrogates=199, seed=6, controls=100
    )
    assert found <= 0.2


def test_surrogates_of_differences_are_not_differenced_again() -> None:
    n = 50
    steps = resolve_pipeline(
        n=n, step=1.0, level=np.zeros(n), detrend="difference", bandwidth=None, window=0.5, indicators="variance",
        trend="kendall", causal=False, season=None,
    )  # fmt: skip
    rows = np.random.default_rng(7).standard_normal((3, n - 1))
    residual = steps.residual(rows)
    assert np.isnan(residual[:, 0]).all()
    np.testing.assert_array_equal(residual[:, 1:], rows)


@pytest.mark.parametrize(("step", "expected"), [(1.09, True), (1.1, True), (1.11, False), (0.91, True), (0.89, False)])
def test_spacing_may_differ_by_a_tenth_of_the_median(step: float, expected: bool) -> None:
    times = np.concatenate([np.arange(10.0), 9.0 + step + np.arange(10.0)])
    assert even(times) is (expected or abs(step - 1.1) < 1e-12)
    months = np.arange("1999-01", "2003-01", dtype="datetime64[M]").astype("datetime64[D]").astype(np.float64)
    assert even(months)


@pytest.mark.parametrize("window", [3, 5, 7, 10])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-160, 1e160])
def test_a_window_that_a_run_just_fills_has_no_variance(window: int, value: float) -> None:
    noise = np.random.default_rng(8).standard_normal(40) * value
    x = np.concatenate([noise[:20], np.full(window, value), noise[20:]])
    with np.errstate(all="ignore"):
        found = np.asarray(ews.variance(x, window=window))
    assert found[20 + window - 1] == 0.0
    assert not (found[[20 + window - 2, 20 + window]] == 0.0).any()
