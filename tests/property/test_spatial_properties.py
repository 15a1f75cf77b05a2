"""What holds for any maps, any record: bounds, invariance, no look-ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import ews
from ews import spatial
from tests.reference import naive_spatial as naive

FEW = settings(max_examples=25, deadline=None)
cells = st.floats(-1e6, 1e6, allow_nan=False, width=64).map(lambda value: round(value, 3))
any_maps = arrays.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(4, 7), st.integers(4, 7)), elements=cells)
any_patches = arrays.arrays(np.bool_, st.tuples(st.integers(1, 3), st.integers(2, 7), st.integers(2, 7)))


def record(seed: int, n: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n).cumsum()


@FEW
@given(any_maps)
def test_bounds(maps: np.ndarray) -> None:
    n = maps[0].size
    varied = np.ptp(maps.reshape(len(maps), -1), axis=1) > 0
    assert (spatial.variance(maps) >= 0).all()
    ratio, moran, skewness = spatial.low_frequency_ratio(maps), spatial.moran(maps), spatial.skewness(maps)
    for found in (moran, skewness):
        np.testing.assert_array_equal(np.isfinite(found), varied)
    # |m₃ / m₂^1.5| ≤ (n − 2) / √(n − 1), reached by one cell apart; I ≤ N / W times the largest weight sum, 4.
    assert (np.abs(skewness[varied]) <= (n - 2) / np.sqrt(n - 1) + 1e-6).all()
    weights = 2 * (maps.shape[1] * (maps.shape[2] - 1) + maps.shape[2] * (maps.shape[1] - 1))
    assert (np.abs(moran[varied]) <= 4 * n / weights + 1e-6).all()
    defined = np.isfinite(ratio)
    assert ((ratio[defined] >= -1e-12) & (ratio[defined] <= 1 + 1e-12)).all()


@FEW
@given(any_patches, st.booleans())
def test_patches_hold_every_occupied_cell_once(maps: np.ndarray, periodic: bool) -> None:
    for grid, sizes in zip(maps, spatial.patch_sizes(maps, periodic=periodic), strict=True):
        assert sizes.sum() == grid.sum()
        assert sizes.tolist() == naive.patch_sizes(grid, periodic=periodic)


@FEW
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_truncated_power_law_is_never_worse_than_those_it_holds(seed: int, smallest: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = np.minimum(rng.zipf(1.5 + rng.random(), 80), 10_000)
    kept = sizes[sizes >= smallest]
    if kept.size < 10 or np.ptp(kept) == 0:
        return
    fits = spatial.patch_distribution(sizes, smallest=smallest).fits
    for name in ("power_law", "exponential"):
        assert fits["truncated_power_law"].log_likelihood >= fits[name].log_likelihood - 1e-6
    assert sum(fit.weight for fit in fits.values()) == pytest.approx(1.0)


@FEW
@given(st.integers(0, 10_000), st.floats(0.01, 1e4), st.floats(-1e3, 1e3))
@pytest.mark.jit
def test_composite_and_shift_know_no_unit(seed: int, scale: float, shift: float) -> None:
    x = record(seed)
    one, other = (ews.composite(row, n_surrogates=0) for row in (x, scale * x + shift))
    np.testing.assert_allclose(other.score, one.score, rtol=1e-4, atol=1e-4)
    one_shift, other_shift = (ews.abrupt_shift(row, n_surrogates=0) for row in (x, scale * x + shift))
    np.testing.assert_allclose(other_shift.score, one_shift.score, atol=1e-12)
    np.testing.assert_allclose(ews.abrupt_shift(-x, n_surrogates=0).score, -one_shift.score, atol=1e-12)


@FEW
@given(st.integers(0, 10_000))
def test_time_turns_the_sign_of_a_shift(seed: int) -> None:
    """Where nothing is left over on either end: 40 samples in segments of 5, 8 and 10."""
    from ews._analysis.abrupt_shift.run import scores

    x = record(seed)[None]
    for length in (5, 8, 10):
        lengths = range(length, length + 1)
        np.testing.assert_allclose(scores(x[:, ::-1], lengths, 3.0), -scores(x, lengths, 3.0)[:, ::-1], atol=1e-12)


@FEW
@given(st.integers(0, 10_000), st.integers(20, 39))
@pytest.mark.jit
def test_composite_of_the_past_does_not_know_the_future(seed: int, cut: int) -> None:
    x = record(seed)
    whole, part = (ews.composite(row, n_surrogates=0) for row in (x, x[:cut]))
    np.testing.assert_allclose(part.score, whole.score[:cut], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(part.crossed, whole.crossed[:cut])


@pytest.mark.parametrize("null", ["ar1", "fourier"])
@pytest.mark.jit
def test_verdict_sees_ranks_alone(null: str) -> None:
    """Surrogates of normal scores: any increasing function of the variance has the same p-value."""
    maps = np.random.default_rng(4).standard_normal((30, 8, 8))
    grown = maps * np.exp(maps.std(axis=(1, 2)))[:, None, None] ** 3  # leaves the order of the variances
    order = [np.argsort(spatial.variance(each)).tolist() for each in (maps, grown)]
    assert order[0] == order[1]
    found = [
        ews.detect_spatial(each, indicators="variance", null=null, n_surrogates=60)  # type: ignore[arg-type]
        for each in (maps, grown)
    ]
    assert found[0].pvalue == found[1].pvalue
