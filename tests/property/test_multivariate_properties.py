"""What transformations of the variables do to multivariate indicators, and to the verdict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ews
from ews.multivariate import MULTIVARIATE
from ews.multivariate.nulls import VAR1, JointFourier, draw_vector_autoregression
from ews.multivariate.windows import Windows

WINDOW = 24
INVARIANT = [name for name, one in MULTIVARIATE.items() if one.linear_map == "invariant"]
FREE_OF_UNITS = [name for name, one in MULTIVARIATE.items() if one.linear_map in ("invariant", "units")]
seeds = st.integers(0, 2**32 - 1)


def sample(seed: int, variables: int = 3, n: int = 48) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a = rng.uniform(-0.4, 0.4, (variables, variables))
    x = rng.standard_normal((n, variables))
    for t in range(1, n):
        x[t] += a @ x[t - 1]
    return x


def measure(name: str, x: np.ndarray) -> np.ndarray:
    return MULTIVARIATE[name].compute(Windows(np.ascontiguousarray(x.T)[None], window=WINDOW))[0]


@pytest.mark.parametrize("name", INVARIANT)
@given(seed=seeds)
@settings(max_examples=15)
def test_an_invertible_map_changes_nothing(name: str, seed: int) -> None:
    x = sample(seed)
    rng = np.random.default_rng(seed + 1)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    mapped = x @ (rotation * rng.uniform(0.1, 10.0, 3)) + rng.uniform(-5, 5, 3)
    np.testing.assert_allclose(measure(name, mapped), measure(name, x), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", FREE_OF_UNITS)
@given(seed=seeds, exponent=st.integers(-8, 8))
@settings(max_examples=10)
def test_units_change_nothing(name: str, seed: int, exponent: int) -> None:
    x = sample(seed)
    np.testing.assert_allclose(measure(name, x * [1.0, -(2.0**exponent), 0.5]), measure(name, x), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", MULTIVARIATE)
@given(seed=seeds)
@settings(max_examples=8)
def test_the_order_of_variables_does_not_matter(name: str, seed: int) -> None:
    x = sample(seed)
    np.testing.assert_allclose(measure(name, x[:, [2, 0, 1]]), measure(name, x), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", MULTIVARIATE)
@given(seed=seeds, factor=st.floats(0.01, 100.0), offset=st.floats(-100.0, 100.0))
@settings(max_examples=8)
def test_one_factor_and_offset_for_all(name: str, seed: int, factor: float, offset: float) -> None:
    x = sample(seed)
    power = {
        "covariance_eigenvalue": 2, "mean_variance": 2, "largest_variance": 2, "maf_variance": 2, "variability_index": 1
    }.get(name, 0)  # fmt: skip
    if name == "fisher_information":
        offset, factor = 0.0, 2.0 ** round(np.log2(factor))  # no rounding at the edge of a state
    np.testing.assert_allclose(measure(name, factor * x + offset), factor**power * measure(name, x), rtol=1e-6)


@given(seed=seeds)
@settings(max_examples=20)
def test_increasing_transformations_keep_mutual_information(seed: int) -> None:
    x = sample(seed)
    bent = np.column_stack([np.exp(x[:, 0]), x[:, 1] ** 3, np.arctan(x[:, 2])])
    np.testing.assert_array_equal(measure("mutual_information", bent), measure("mutual_information", x))


@given(seed=seeds)
@settings(max_examples=20)
def test_order_of_indicators_that_one_direction_bounds(seed: int) -> None:
    x = sample(seed)
    value = {name: measure(name, x)[WINDOW - 1 :] for name in MULTIVARIATE}
    slack = 1e-9
    assert (value["covariance_eigenvalue"] >= value["largest_variance"] - slack).all()
    assert (value["covariance_eigenvalue"] >= value["maf_variance"] - slack).all()
    assert (value["largest_variance"] >= value["mean_variance"] - slack).all()
    assert (value["largest_autocorrelation"] >= value["mean_autocorrelation"] - slack).all()
    assert ((value["covariance_share"] >= 1 / 3 - slack) & (value["covariance_share"] <= 1.0)).all()
    assert ((value["cross_correlation"] >= 0) & (value["cross_correlation"] <= 1)).all()
    assert ((value["fisher_information"] > 0) & (value["fisher_information"] <= 8 + slack)).all()
    for name in ("pca_autocorrelation", "maf_autocorrelation", "mean_autocorrelation"):
        assert (np.abs(value[name]) <= 1.0).all()


@given(seed=seeds, first=st.integers(0, 5))
@settings(max_examples=15)
def test_a_surrogate_is_the_same_whatever_is_drawn_beside_it(seed: int, first: int) -> None:
    residual = sample(seed, n=40).T - sample(seed, n=40).mean(axis=0)[:, None]
    for null in (VAR1.fit(residual), JointFourier.fit(residual)):
        together = null.draw(0, 8, seed=seed)
        np.testing.assert_array_equal(together[first : first + 2], null.draw(first, 2, seed=seed))


@given(seed=seeds, n=st.integers(20, 41))
@settings(max_examples=15)
def test_joint_phases_keep_every_cross_spectrum(seed: int, n: int) -> None:
    residual = sample(seed, n=n).T
    drawn = JointFourier.fit(residual).draw(0, 3, seed=seed)
    before = np.fft.rfft(residual - residual.mean(axis=1, keepdims=True))
    after = np.fft.rfft(drawn, axis=2)
    cross = np.einsum("if,jf->ijf", before, before.conj())
    for one in after:
        np.testing.assert_allclose(np.einsum("if,jf->ijf", one, one.conj()), cross, atol=1e-9 * np.abs(cross).max())


@given(seed=seeds)
@settings(max_examples=10)
def test_drawing_follows_the_map(seed: int) -> None:
    """Without noise to speak of, each sample is the map of the one before it."""
    a = np.random.default_rng(seed).uniform(-0.5, 0.5, (30, 3, 3))
    drawn = draw_vector_autoregression(a, np.diag([1.0, 4.0, 0.0]), 0, 2, seed=seed)
    errors = drawn[:, :, 1:] - np.einsum("tij,rjt->rit", a[1:], drawn[:, :, :-1])
    np.testing.assert_allclose(errors[:, 2], 0.0, atol=1e-12)  # the third variable has no innovations
    assert errors[:, :2].std() > 0.5


@pytest.mark.jit
@given(seed=st.integers(0, 2**16), factors=st.tuples(*[st.integers(-6, 6)] * 3))
@settings(max_examples=3)
def test_units_change_no_standardised_verdict(seed: int, factors: tuple[int, int, int]) -> None:
    x = sample(seed, n=60)
    one = ews.detect_multivariate(x, n_surrogates=19, window=20)
    other = ews.detect_multivariate(x * 2.0 ** np.array(factors), n_surrogates=19, window=20)
    assert other.verdict == one.verdict
    for name in one.tau:
        np.testing.assert_allclose(other.surrogate_tau[name], one.surrogate_tau[name], atol=1e-12)
