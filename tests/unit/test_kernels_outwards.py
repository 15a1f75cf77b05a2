"""The vector code of the tiled kernel does what its plain twins do, at every length and lag."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import pytest

from ews._kernels.arithmetic import inverse_root
from ews._kernels.outwards import ROW, add_sums, copy, expect, mean_of, scan_left, scan_right

ANCHOR = 0.3
X = np.random.default_rng(5).normal(size=400) * 10.0 ** np.random.default_rng(6).integers(-3, 3, 400)
COUNTS = [1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 33, 100, 128, 131]
pytestmark = pytest.mark.jit


def compiled(function: Callable[..., object]) -> Callable[..., object]:
    return numba.njit(lambda *given: function(*given))


SCANS = {scan: compiled(scan) for scan in (scan_left, scan_right)}
ADD, MEAN, COPY, EXPECT, INVERSE_ROOT = (compiled(each) for each in (add_sums, mean_of, copy, expect, inverse_root))


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: scan.__name__)
@pytest.mark.parametrize("powers", [2, 3, 4])
@pytest.mark.parametrize("lag", [0, 1, 3, 16])
def test_scans_equal_their_plain_twins(scan: Callable[..., object], powers: int, lag: int) -> None:
    start = np.array([0.5, 3.0, -1.0, 7.0, 2.0])
    for count in COUNTS:
        sums = [np.full(9 * ROW, np.nan) for _ in range(2)]
        for function, work in zip((scan, SCANS[scan]), sums, strict=True):
            function(X, 20, count, ANCHOR, lag, powers, start, work, 16, 16 + 5 * ROW)
        plain, vector = sums
        written = np.isfinite(plain)
        assert written.sum() == count * (powers + (3 if lag else 0))
        np.testing.assert_allclose(vector[written], plain[written], rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("powers", [2, 3, 4])
@pytest.mark.parametrize("lag", [-7, -1, 0, 1, 5])
def test_sums_equal_their_plain_twin(powers: int, lag: int) -> None:
    for count in [0, *COUNTS]:
        plain, vector = np.arange(5.0), np.arange(5.0)
        add_sums(X, 20, count, ANCHOR, lag, powers, plain)
        ADD(X, 20, count, ANCHOR, lag, powers, vector)
        np.testing.assert_allclose(vector, plain, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("function", [scan_left, scan_right, add_sums], ids=lambda function: function.__name__)
def test_nothing_but_the_samples_given_is_read(function: Callable[..., object]) -> None:
    """A sample outside is not finite, and would show."""
    vector = compiled(function)
    for count in COUNTS:
        x = np.full(400, np.nan)
        x[20 : 20 + count] = X[:count]
        work, start = np.zeros(9 * ROW), np.zeros(5)
        given = (start, work, 16, 5 * ROW) if function is not add_sums else (work,)
        vector(x, 20, count, ANCHOR, 0, 4, *given)
        assert np.isfinite(work).all()


def test_mean_and_copy_equal_their_plain_twins() -> None:
    target = np.zeros(400)
    for count in COUNTS:
        assert MEAN(X, 20, count) == pytest.approx(mean_of(X, 20, count), rel=1e-12)
        assert MEAN(np.full(400, 0.1), 20, count) == 0.1
        before = target.copy()
        EXPECT(target, 3, count)
        np.testing.assert_array_equal(target, before)
        COPY(X, 20, count, target, 3)
        np.testing.assert_array_equal(target[3 : 3 + count], X[20 : 20 + count])
        assert (target[3 + count :] == before[3 + count :]).all()


def test_inverse_root_is_exact_to_two_units_in_the_last_place() -> None:
    numbers = 10.0 ** np.random.default_rng(1).uniform(-300, 300, 2000)
    roots = np.array([INVERSE_ROOT(number) for number in numbers])
    np.testing.assert_allclose(roots, 1.0 / np.sqrt(numbers), rtol=5e-16)
    assert np.isnan(INVERSE_ROOT(np.nan))
    assert inverse_root(4.0) == INVERSE_ROOT(4.0) == 0.5
