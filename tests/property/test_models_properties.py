"""Symmetries of the simulated systems: units of time and of the state may be changed, and nothing else moves."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ews import models

seeds = st.integers(0, 2**64)
powers = st.integers(-3, 3).map(lambda exponent: 2.0**exponent)  # exact in floating point
quick = settings(max_examples=25, deadline=None)


@quick
@given(seed=seeds, unit=powers)
def test_unit_of_time_of_the_population(seed: int, unit: float) -> None:
    """Rates go with 1/unit and the noise with 1/√unit: the test of σ √Δt."""
    plain = models.harvested_population(n=12, steps=4, burn_in=3, seed=seed)
    scaled = models.harvested_population(
        n=12, steps=4, burn_in=3, seed=seed, growth=1.0 / unit, harvest=(1.0 / unit, 2.7 / unit),
        noise=0.03 / math.sqrt(unit), interval=unit,
    )  # fmt: skip
    np.testing.assert_allclose(scaled.values, plain.values, rtol=1e-9)
    assert math.isclose(scaled.critical * unit, plain.critical, rel_tol=1e-9)
    assert math.isclose(scaled.transition, plain.transition * unit, rel_tol=1e-9)


@quick
@given(seed=seeds, unit=powers)
def test_unit_of_the_population(seed: int, unit: float) -> None:
    plain = models.harvested_population(n=12, steps=4, burn_in=3, seed=seed)
    scaled = models.harvested_population(
        n=12, steps=4, burn_in=3, seed=seed, capacity=10.0 * unit, half_saturation=unit,
        harvest=(1.0 * unit, 2.7 * unit),
    )  # fmt: skip
    np.testing.assert_allclose(scaled.values, plain.values * unit, rtol=1e-9)
    assert math.isclose(scaled.transition, plain.transition, rel_tol=1e-9)


@quick
@given(seed=seeds, unit=powers)
def test_unit_of_time_of_consumer_and_resource(seed: int, unit: float) -> None:
    plain = models.hopf(n=12, steps=8, burn_in=3, seed=seed)
    scaled = models.hopf(
        n=12, steps=8, burn_in=3, seed=seed, growth=4.0 / unit, attack=(9.0 / unit, 16.0 / unit), handling=0.15 * unit,
        mortality=2.0 / unit, noise=0.02 / math.sqrt(unit), interval=0.5 * unit,
    )  # fmt: skip
    np.testing.assert_allclose(scaled.values, plain.values, rtol=1e-9)
    assert math.isclose(scaled.critical * unit, plain.critical, rel_tol=1e-12)


@quick
@given(seed=seeds, unit=st.floats(1e-3, 1e3))
def test_unit_of_the_ricker_population(seed: int, unit: float) -> None:
    plain = models.ricker(n=12, burn_in=3, growth=(0.5, 1.5), seed=seed)
    scaled = models.ricker(n=12, burn_in=3, growth=(0.5, 1.5), capacity=10.0 * unit, seed=seed)
    np.testing.assert_allclose(scaled.values, plain.values * unit, rtol=1e-9)


@quick
@given(seed=seeds, noise=st.floats(1e-3, 1e3), rate=st.floats(1e-3, 1e3))
def test_ornstein_uhlenbeck_depends_on_rate_times_interval(seed: int, noise: float, rate: float) -> None:
    plain = models.ornstein_uhlenbeck(n=12, seed=seed)
    scaled = models.ornstein_uhlenbeck(n=12, rate=rate, interval=0.5 / rate, noise=noise * math.sqrt(rate), seed=seed)
    np.testing.assert_allclose(scaled.values, plain.values * noise, rtol=1e-9, atol=1e-12 * noise)


@quick
@given(seed=seeds, rows=st.integers(1, 6))
def test_a_replicate_does_not_depend_on_the_others(seed: int, rows: int) -> None:
    few = models.transcritical(n=8, steps=2, burn_in=2, seed=seed, replicates=rows)
    many = models.transcritical(n=8, steps=2, burn_in=2, seed=seed, replicates=7)
    np.testing.assert_array_equal(few.values, many.values[:rows])
