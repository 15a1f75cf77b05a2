"""What the split into drift, diffusion and jumps does not depend on."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import ews
import ews.bifurcations

OPTIONS = {"n_surrogates": 0, "points": 40}
# Power of the unit of values, and of time, in each component.
UNITS = {
    "conditional_variance": (2, 0),
    "total_variance": (2, -1),
    "diffusion": (2, -1),
    "jump_intensity": (0, -1),
}


@st.composite
def series(draw: st.DrawFn) -> np.ndarray:
    """An autoregression with a jump now and then."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal(draw(st.integers(30, 60)))
    x += 4.0 * (rng.random(x.size) < 0.1)
    for t in range(1, x.size):
        x[t] += 0.7 * x[t - 1]
    return x


@given(x=series(), offset=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3), step=st.sampled_from([0.25, 1.0, 30.0]))
@settings(max_examples=25, deadline=None)
def test_units(x: np.ndarray, offset: float, scale: float, step: float) -> None:
    plain = ews.bifurcations.jumps(x, **OPTIONS)
    other = ews.bifurcations.jumps(offset + scale * x, time=step * np.arange(x.size), **OPTIONS)
    for name, (of_values, of_time) in UNITS.items():
        factor = scale**of_values * step**of_time
        top = np.abs(plain.by_state[name]).max()
        np.testing.assert_allclose(other.by_state[name] / factor, plain.by_state[name], atol=1e-6 * top)
        np.testing.assert_allclose(other.in_time[name] / factor, plain.in_time[name], atol=1e-6 * top)


@given(x=series())
@settings(max_examples=25, deadline=None)
def test_a_mirror_turns_the_states_round(x: np.ndarray) -> None:
    plain, other = ews.bifurcations.jumps(x, **OPTIONS), ews.bifurcations.jumps(-x, **OPTIONS)
    np.testing.assert_allclose(other.drift[::-1], -plain.drift, atol=1e-9)
    for name in UNITS:
        np.testing.assert_allclose(other.by_state[name][::-1], plain.by_state[name], rtol=1e-8, atol=1e-9)


@given(x=series())
@settings(max_examples=25, deadline=None)
def test_what_must_hold_of_variances(x: np.ndarray) -> None:
    found = ews.bifurcations.jumps(x, **OPTIONS)
    assert (found.by_state["conditional_variance"] >= 0).all()
    assert (found.by_state["jump_intensity"] >= 0).all()
    assert (found.by_state["diffusion"] >= 0).all()
    assert (found.by_state["diffusion"] <= found.by_state["total_variance"]).all()
    assert (found.by_state["total_variance"] >= found.drift**2 - 1e-9).all()  # E dx² ≥ (E dx)², at step 1
