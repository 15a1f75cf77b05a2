"""What potential analysis does not depend on, and what its windows do not see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ews
import ews.bifurcations

OPTIONS = {"n_bootstrap": 0, "n_surrogates": 0}


@st.composite
def series(draw: st.DrawFn) -> np.ndarray:
    """Noise about one to three levels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(35, 60))
    return 5.0 * rng.integers(draw(st.integers(1, 3)), size=n) + rng.standard_normal(n)


@given(x=series(), offset=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
@settings(max_examples=15, deadline=None)
def test_units_move_the_wells_and_nothing_else(x: np.ndarray, offset: float, scale: float) -> None:
    plain = ews.bifurcations.potential(x, window=25, **OPTIONS)
    other = ews.bifurcations.potential(offset + scale * x, window=25, **OPTIONS)
    assert other.n_wells == plain.n_wells
    assert other.highest_barrier == pytest.approx(plain.highest_barrier, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(other.wells, offset + scale * plain.wells, rtol=1e-6, atol=1e-5 * scale)
    np.testing.assert_array_equal(other.rolling_wells, plain.rolling_wells)
    # The level of the potential is the log of a unit.
    np.testing.assert_allclose(
        other.potential - other.potential.min(), plain.potential - plain.potential.min(), atol=1e-6
    )


@given(x=series())
@settings(max_examples=15, deadline=None)
def test_a_mirror_turns_the_landscape_round(x: np.ndarray) -> None:
    plain = ews.bifurcations.potential(x, window=25, **OPTIONS)
    other = ews.bifurcations.potential(-x, window=25, **OPTIONS)
    assert other.n_wells == plain.n_wells
    np.testing.assert_allclose(np.sort(-other.wells), plain.wells, atol=1e-6)


@given(x=series())
@settings(max_examples=15, deadline=None)
def test_the_order_of_observations_matters_in_windows_only(x: np.ndarray) -> None:
    plain = ews.bifurcations.potential(x, window=25, **OPTIONS)
    other = ews.bifurcations.potential(np.sort(x), window=25, **OPTIONS)
    assert other.n_wells == plain.n_wells
    np.testing.assert_allclose(other.density, plain.density, rtol=1e-9)


@given(x=series(), cut=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_windows_see_nothing_of_the_future(x: np.ndarray, cut: int) -> None:
    later = ews.bifurcations.potential(x, window=25, **OPTIONS)
    earlier = ews.bifurcations.potential(x[:-cut], window=25, **OPTIONS)
    np.testing.assert_array_equal(earlier.rolling_wells, later.rolling_wells[:-cut])
    np.testing.assert_array_equal(earlier.rolling_barrier, later.rolling_barrier[:-cut])
    np.testing.assert_array_equal(earlier.rolling_places, later.rolling_places[:-cut])
