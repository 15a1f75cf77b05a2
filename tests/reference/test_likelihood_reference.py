"""Likelihoods against the published code's values, against quadrature in 25 digits, and the corrected nested fits."""

from __future__ import annotations

import json
from pathlib import Path

import mpmath
import numpy as np
import pytest

from ews import bifurcations
from ews._kernels.likelihood import SADDLE_NODE, TRANSCRITICAL, step_integrals, transition_table


def _read(eco_data: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    table = np.loadtxt(eco_data / "boettiger" / "csv" / f"{name}.csv", delimiter=",", skiprows=1)
    return table[:, 0], table[:, 1]


def test_likelihoods_of_the_published_code(eco_data: Path) -> None:
    """At its stored parameters; it integrates with lsoda to about 1e-6, and has c = 2."""
    time, values = _read(eco_data, "ibm_critical")
    null = bifurcations.ornstein_uhlenbeck_log_likelihood(
        values, time=time, rate=1.0638029974, level=599.1643786, sigma=121.0283603
    )
    assert null == pytest.approx(-227.66109873, abs=5e-8)
    saddle = bifurcations.saddle_node_log_likelihood(
        values, time=time, R=1.6189825060, slope=-0.00160621022, theta=625.4384432, sigma=3.840240683, variance_decay=2
    )
    assert saddle == pytest.approx(-225.11267, abs=5e-6)


@pytest.mark.parametrize("name", ["ibm_critical", "ibm_stable"])
def test_corrected_nested_fits(name: str, eco_data: Path, reference_data: Path) -> None:
    """Likelihoods to 1e-4, the digits to which the reference states its ratios; a better one would be accepted.

    For ibm_stable the rate of the null is not determined (observations are independent to 1e-15), its likelihood is.
    """
    expected = json.loads((reference_data / "boettiger" / "corrected_nested_refits.json").read_text())[name]
    time, values = _read(eco_data, name)
    result = bifurcations.likelihood(values, time=time, n_bootstrap=0)
    assert result.null.log_likelihood >= expected["OU"]["loglik"] - 1e-6
    assert result.null.log_likelihood == pytest.approx(expected["OU"]["loglik"], abs=1e-4)
    assert result.null.level == pytest.approx(expected["OU"]["theta"], abs=0.01)
    assert result.free.log_likelihood >= expected["LSN"]["loglik"] - 1e-4
    assert result.ratio_free == pytest.approx(expected["LR"], abs=1e-3)
    assert result.ratio_towards == pytest.approx(expected["LR_m_nonpositive"], abs=1e-9)
    assert result.ratio == result.ratio_towards
    # Optima are flat: parameters agree to the three digits that the reference gives for the second series.
    assert np.sqrt(result.free.R_start) == pytest.approx(expected["LSN"]["sqrtR_start"], rel=2e-3)
    assert np.sqrt(result.free.R_end) == pytest.approx(expected["LSN"]["sqrtR_end"], rel=2e-3)
    assert result.free.sigma == pytest.approx(expected["LSN"]["sigma"], rel=1e-3)
    assert result.free.theta == pytest.approx(expected["LSN"]["theta_start"], rel=1e-3)
    assert result.free.slope > 0


def _exact(model: int, delta: float, start: float, end: float, c: float) -> tuple[float, float, float]:
    """The three integrals over time, in 25 digits, from their definition."""
    with mpmath.workdps(25):
        delta, start, end, c = (mpmath.mpf(one) for one in (delta, start, end, c))

        def root(t: mpmath.mpf) -> mpmath.mpf:
            part = t / delta
            if model == SADDLE_NODE:
                return mpmath.sqrt((1 - part) * start**2 + part * end**2)
            return (1 - part) * start + part * end

        def rate(t: mpmath.mpf) -> mpmath.mpf:
            return 2 * root(t) if model == SADDLE_NODE else root(t)

        def left(t: mpmath.mpf) -> mpmath.mpf:  # antiderivatives of 2 √(a + b t) and of a + b t
            if model == SADDLE_NODE:
                return 4 * (end**3 - root(t) ** 3) * delta / (3 * (end**2 - start**2))
            return (delta - t) * (root(t) + end) / 2

        corners = [mpmath.mpf(0), *[delta * (1 - mpmath.mpf(2) ** -k) for k in range(1, 6)], delta]
        total = left(mpmath.mpf(0))
        gained = mpmath.quad(lambda t: rate(t) * root(t) * mpmath.exp(-left(t)), corners)
        noise = mpmath.quad(lambda t: mpmath.exp(-c / 2 * left(t)), corners)
        return float(total), float(gained), float(noise)


@pytest.mark.parametrize("c", [2.0, 4.0])
@pytest.mark.parametrize("model", [SADDLE_NODE, TRANSCRITICAL])
@pytest.mark.parametrize(
    ("delta", "start", "end"),
    [(1.0, 0.3, 0.2), (25.6, 0.113, 0.1), (1.0, 2.0, 1.0), (0.5, 0.01, 0.0), (2.0, 0.0, 1.5), (10, 4, 3.5)],
)
def test_integrals_over_a_step(model: int, delta: float, start: float, end: float, c: float) -> None:
    """To 9 digits: slow, fast and vanishing rates. Ten nodes lose digits where a rate multiplies within one step."""
    assert step_integrals(model, delta, start, end, c) == pytest.approx(_exact(model, delta, start, end, c), rel=1e-9)


@pytest.mark.parametrize("model", [SADDLE_NODE, TRANSCRITICAL])
@pytest.mark.parametrize(("start", "end"), [(0.4, 0.1), (3.0, 0.5), (20.0, 8.0), (0.2, 0.0)])
def test_two_half_steps_make_a_whole_one(model: int, start: float, end: float) -> None:
    """Mean and variance carried through a point in between are those of the whole step: the refinement test."""
    whole, halves = np.empty((5, 1)), np.empty((5, 2))
    transition_table(model, False, np.array([3.0]), start, end, 4.0, whole)
    transition_table(model, False, np.array([1.2, 1.8]), start, end, 4.0, halves)
    decay, gain, shift, slope, noise = halves
    then = decay[1]
    joined = [decay[0] * then, gain[0] * then + gain[1], shift[0] * then + shift[1]]
    joined += [slope[0] * then**2 + slope[1], noise[0] * then**2 + noise[1]]
    assert whole[:, 0] == pytest.approx(joined, rel=1e-9, abs=1e-15)
