"""The vector code that kernels are written in does what its plain twins do."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import pytest

from ews._kernels.arithmetic import inverse_root, multiply_add
from ews._kernels.lanes import (
    LANES,
    LINE,
    backwards,
    clipped,
    expect,
    from_lanes,
    gather,
    inverse_roots,
    least,
    load,
    safe,
    safe_product,
    settle,
    splat,
    spread,
    store,
    stream_lanes,
    to_lanes,
)

X = np.random.default_rng(5).normal(size=400) * 10.0 ** np.random.default_rng(6).integers(-3, 3, 400)
PLACES = np.array([3, 90, 91, 200, 11, 0, 150, 64])[:LANES]
pytestmark = pytest.mark.jit


def _sums(a: np.ndarray, b: np.ndarray, c: np.ndarray, out: np.ndarray) -> None:
    """Each operator between lanes, and between lanes and a number."""
    u, v, w = load(a, 0), load(b, 0), load(c, 0)
    store(out, 0, u + v)
    store(out, LANES, u - v)
    store(out, 2 * LANES, u * v)
    store(out, 3 * LANES, -u)
    store(out, 4 * LANES, multiply_add(u, v, w))
    store(out, 5 * LANES, 2.0 * u + 1.0)
    store(out, 6 * LANES, 3.0 - v * 0.5)
    store(out, 7 * LANES, multiply_add(0.1, v, w))
    store(out, 8 * LANES, splat(0.1) + u)
    store(out, 9 * LANES, spread(a, 3) + backwards(v))


def _functions(a: np.ndarray, out: np.ndarray) -> None:
    for k in range(0, a.size, LANES):
        u = load(a, k)
        store(out, 4 * k, safe(u))
        store(out, 4 * k + LANES, clipped(u))
        store(out, 4 * k + 2 * LANES, safe_product(u, load(a, 0)))
        store(out, 4 * k + 3 * LANES, least(u, load(a, 0)))


def test_arithmetic_equals_that_of_arrays() -> None:
    a, b, c = X[:8], X[8:16], X[16:24]
    plain, vector = np.zeros(10 * LANES), np.zeros(10 * LANES)
    _sums(a, b, c, plain)
    numba.njit(_sums)(a, b, c, vector)
    np.testing.assert_allclose(vector, plain, rtol=1e-15, atol=1e-16)
    np.testing.assert_array_equal(vector[: 4 * LANES], plain[: 4 * LANES])


@pytest.mark.parametrize(
    "values",
    [
        X[:8],
        [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-300, -2.0, 5e-324],
        [1e-120, 1.0001e-120, 1e120, 0.999e120, 1e-121, 1e121, -1e-120, -1e120],
        [1.0, -1.0, np.nextafter(1.0, 2.0), np.nextafter(-1.0, -2.0), 0.5, -0.5, 1e300, -1e300],
    ],
)
def test_bounds_hold_for_numbers_of_all_kinds(values: np.ndarray) -> None:
    plain, vector = np.zeros(32), np.zeros(32)
    with np.errstate(all="ignore"):
        _functions(np.array(values), plain)
    numba.njit(_functions)(np.array(values), vector)
    np.testing.assert_array_equal(vector, plain)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 64])
def test_samples_are_laid_side_by_side_and_back(count: int) -> None:
    blocks = (count + LANES - 1) // LANES
    plain, vector = np.full(LINE * LANES * 9, np.nan), np.full(LINE * LANES * 9, np.nan)
    to_lanes(X, PLACES, 5, count, plain)
    numba.njit(lambda *given: to_lanes(*given))(X, PLACES, 5, count, vector)
    np.testing.assert_array_equal(vector, plain)
    assert np.isfinite(plain).sum() == blocks * LANES * LANES
    back = numba.njit(lambda *given: from_lanes(*given))
    for way in (from_lanes, back):
        target = np.zeros(X.size)
        for line in range((count + LINE - 1) // LINE):
            way(np.nan_to_num(vector), line * LINE * LANES, LANES, target, PLACES, 5 + LINE * line)
        for place in PLACES:
            np.testing.assert_array_equal(target[place + 5 :][:count], X[place + 5 :][:count])


def test_steps_between_rows_are_kept_to_on_the_way_back() -> None:
    source = np.arange(500.0)
    plain, vector = np.zeros(400), np.zeros(400)
    from_lanes(source, 16, 48, plain, np.arange(0, 400, 50)[:LANES], 3)
    numba.njit(lambda *given: from_lanes(*given))(source, 16, 48, vector, np.arange(0, 400, 50)[:LANES], 3)
    np.testing.assert_array_equal(vector, plain)
    assert plain[53] == 17.0  # the second lane of the first row
    assert plain[4] == 64.0  # the first lane of the second


def test_whole_lines_go_past_the_cache() -> None:
    memory = np.zeros(600)
    target = memory[-(memory.ctypes.data // 8) % LINE :][:500]
    source, places = np.arange(500.0), np.arange(0, 400, 56)[:LANES]
    numba.njit(lambda *given: (stream_lanes(*given), settle()))(source, 16, 48, target, places, 8)
    plain = np.zeros(500)
    from_lanes(source, 16, 48, plain, places, 8)
    np.testing.assert_array_equal(target, plain)


def _gathered(x: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    expect(x, 20)
    expect(x, x.size + 20)
    store(out, 0, gather(x, places, 7))


@pytest.mark.parametrize("function", [_gathered, numba.njit(_gathered)], ids=["plain", "vector"])
def test_each_lane_is_gathered_from_a_place_of_its_own(function: Callable[..., None]) -> None:
    before, out = X.copy(), np.zeros(LANES)
    function(X, PLACES, out)
    np.testing.assert_array_equal(out, X[PLACES + 7])
    np.testing.assert_array_equal(X, before)


def _roots(a: np.ndarray, out: np.ndarray) -> None:
    for k in range(0, a.size, LANES):
        store(out, k, inverse_roots(load(a, k)))


def test_inverse_roots_are_exact_to_two_units_in_the_last_place() -> None:
    numbers = 10.0 ** np.random.default_rng(1).uniform(-300, 300, 2000)
    exact = 1.0 / np.sqrt(numbers)
    one = numba.njit(lambda value: inverse_root(value))
    np.testing.assert_allclose([one(number) for number in numbers], exact, rtol=5e-16)
    assert np.isnan(one(np.nan))
    assert inverse_root(4.0) == one(4.0) == 0.5
    roots = np.empty(2000)
    numba.njit(_roots)(numbers, roots)
    np.testing.assert_allclose(roots, exact, rtol=5e-16)
    numba.njit(_roots)(np.full(LANES, np.nan), roots[:LANES])
    assert np.isnan(roots[:LANES]).all()


def test_inverse_roots_without_an_instruction_for_the_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ews._kernels.lanes._has_wide_registers", lambda: False)
    numbers = 10.0 ** np.random.default_rng(1).uniform(-300, 300, 2000)
    roots = np.empty(2000)
    numba.njit(_roots)(numbers, roots)
    np.testing.assert_allclose(roots, 1.0 / np.sqrt(numbers), rtol=5e-16)
