"""What spectral classification does not depend on, and what its windows do not see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ews
import ews.bifurcations

pytestmark = pytest.mark.jit
OPTIONS = {"detrend": None, "n_surrogates": 0, "segment": 20}
RATES = {"fold": ("lambda",), "flip": (), "hopf": ("mu", "omega0"), "null": ()}


@st.composite
def series(draw: st.DrawFn) -> np.ndarray:
    """Red, blue or oscillating noise."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first, second = draw(st.sampled_from([(0.8, 0.0), (-0.7, 0.0), (1.2, -0.8), (0.0, 0.0)]))
    x = rng.standard_normal(draw(st.integers(60, 120)))
    for t in range(2, x.size):
        x[t] += first * x[t - 1] + second * x[t - 2]
    return x


@given(x=series(), offset=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3), step=st.sampled_from([0.25, 1.0, 30.0]))
@settings(max_examples=15, deadline=None)
def test_units_of_values_and_time_change_units_only(x: np.ndarray, offset: float, scale: float, step: float) -> None:
    plain = ews.bifurcations.spectral(x, window=50, **OPTIONS)
    other = ews.bifurcations.spectral(offset + scale * x, time=step * np.arange(x.size), window=50, **OPTIONS)
    # A search that ends at rounding stands to the square root of it; an offset of 1e3 SD costs three digits more.
    for name in plain.weight:
        assert other.weight[name] == pytest.approx(plain.weight[name], abs=1e-6)
        np.testing.assert_allclose(other.rolling_weight[name], plain.rolling_weight[name], atol=1e-6)
        per_time = 1.0 if name in ("flip", "null") else np.sqrt(step)
        assert other.parameters[name]["sigma"] == pytest.approx(
            scale / per_time * plain.parameters[name]["sigma"], rel=1e-3
        )
        for rate in RATES[name]:
            assert other.parameters[name][rate] == pytest.approx(
                plain.parameters[name][rate] / step, rel=1e-3, abs=1e-6
            )


@given(x=series())
@settings(max_examples=15, deadline=None)
def test_a_spectrum_has_no_sign(x: np.ndarray) -> None:
    plain, mirrored = (ews.bifurcations.spectral(y, window=50, **OPTIONS) for y in (x, -x))
    assert mirrored.weight == plain.weight
    np.testing.assert_array_equal(mirrored.power, plain.power)


@given(x=series(), cut=st.integers(1, 8))
@settings(max_examples=15, deadline=None)
def test_windows_see_nothing_of_the_future(x: np.ndarray, cut: int) -> None:
    options = {**OPTIONS, "detrend": "gaussian", "bandwidth": 20, "causal": True}
    later = ews.bifurcations.spectral(x, window=40, **options)
    earlier = ews.bifurcations.spectral(x[:-cut], window=40, **options)
    for name, weight in earlier.rolling_weight.items():
        np.testing.assert_array_equal(weight, later.rolling_weight[name][:-cut])
