"""Properties that hold for every series: the registered invariances, locality of a window, independence of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ews
from ews.indicators import registry

NAMES = registry.names()
# Samples are multiples of 2**-GRID, so that a whole-number shift up to 1e8 is exact and any difference is ours.
GRID = 16
# The fit of restoring_rate stops once its coefficients move by less than 1e-4, and may stop one step apart.
TOLERANCE = {"restoring_rate": 1e-3}


@st.composite
def panels(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Rows of an AR(1) series with now and then a spike or a step, and a window."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(30, 70))
    x = rng.standard_normal((draw(st.integers(1, 3)), n))
    phi = draw(st.sampled_from([0.5, 0.9, 0.99]))
    for t in range(1, n):
        x[:, t] += phi * x[:, t - 1]
    kind = draw(st.sampled_from(["plain", "spike", "step"]))
    place = draw(st.integers(0, n - 1))
    if kind == "spike":
        x[:, place] += 1e3
    elif kind == "step":
        x[:, place:] += 1e2
    return np.round(x * 2.0**GRID) / 2.0**GRID, draw(st.integers(12, n - 5))


def measure(name: str, x: np.ndarray, window: int) -> np.ndarray:
    return ews.rolling(x, window=window, indicators=name)[name]


def assert_close(name: str, actual: np.ndarray, expected: np.ndarray, rtol: float = 1e-7) -> None:
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE.get(name, rtol), atol=TOLERANCE.get(name, 1e-9))


@pytest.mark.parametrize("name", [name for name in NAMES if registry.get(name).shift])
@given(panel=panels(), shift=st.integers(-(10**8), 10**8))
@settings(max_examples=20, deadline=None)
def test_shift(name: str, panel: tuple[np.ndarray, int], shift: int) -> None:
    x, window = panel
    assert_close(name, measure(name, x + shift, window), measure(name, x, window))


@pytest.mark.parametrize("name", [name for name in NAMES if registry.get(name).scale != "none"])
@given(panel=panels(), factor=st.floats(1e-3, 1e3))
@settings(max_examples=20, deadline=None)
def test_scale(name: str, panel: tuple[np.ndarray, int], factor: float) -> None:
    x, window = panel
    power = {"invariant": 0, "linear": 1, "quadratic": 2}[registry.get(name).scale]
    values = measure(name, x * factor, window) / factor**power
    assert_close(name, values, measure(name, x, window))


@pytest.mark.parametrize("name", [name for name in NAMES if registry.get(name).mirror != "none"])
@given(panel=panels())
@settings(max_examples=20, deadline=None)
def test_mirror(name: str, panel: tuple[np.ndarray, int]) -> None:
    x, window = panel
    sign = {"invariant": 1.0, "flips": -1.0}[registry.get(name).mirror]
    assert_close(name, sign * measure(name, -x, window), measure(name, x, window))


@pytest.mark.parametrize("name", NAMES)
@given(panel=panels(), outside=st.sampled_from([0.0, 1e3, 1e12, -1e8, np.nan, np.inf]), data=st.data())
@settings(max_examples=20, deadline=None)
def test_window_does_not_see_what_lies_outside(
    name: str, panel: tuple[np.ndarray, int], outside: float, data: st.DataObject
) -> None:
    x, window = panel
    end = data.draw(st.integers(window, x.shape[1]))
    other = np.full_like(x, outside)
    other[:, end - window : end] = x[:, end - window : end]
    np.testing.assert_allclose(
        measure(name, other, window)[:, end - 1], measure(name, x, window)[:, end - 1], rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("name", NAMES)
@given(panel=panels(), end=st.integers(12, 70))
@settings(max_examples=20, deadline=None)
def test_values_so_far_do_not_change_as_the_series_grows(name: str, panel: tuple[np.ndarray, int], end: int) -> None:
    x, window = panel
    end = max(window, min(end, x.shape[1]))
    so_far = measure(name, x[:, :end], window)
    np.testing.assert_allclose(so_far, measure(name, x, window)[:, :end], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
@given(panel=panels(), data=st.data())
@settings(max_examples=10, deadline=None)
def test_permuting_rows_permutes_values(name: str, panel: tuple[np.ndarray, int], data: st.DataObject) -> None:
    x, window = panel
    order = data.draw(st.permutations(range(len(x))))
    np.testing.assert_array_equal(measure(name, x[order], window), measure(name, x, window)[order])
