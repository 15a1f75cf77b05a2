"""The lattice of harvested populations: its equilibria, its options, the truth that it carries."""

from __future__ import annotations

import numpy as np
import pytest

import ews
from ews.errors import ArgumentError, ValueRangeError
from ews.models import harvested_lattice


def test_without_noise_every_cell_is_at_the_equilibrium() -> None:
    lattice = harvested_lattice(n=5, shape=(3, 4), harvest=1.5, noise=0.0, burn_in=100)
    x = lattice.values
    np.testing.assert_allclose(x, x[0, 0, 0], rtol=1e-9)
    one = float(x[0, 0, 0])
    assert one * (1 - one / 10) == pytest.approx(1.5 * one**2 / (1 + one**2), rel=1e-8)
    assert lattice.transition is None
    assert lattice.bifurcation is None


def test_mean_follows_the_single_population() -> None:
    lattice = harvested_lattice(n=100, shape=(8, 8), noise=0.0, steps=40)
    single = ews.models.harvested_population(n=100, noise=0.0, steps=40)
    np.testing.assert_allclose(lattice.values[:, 0, 0], single.values, rtol=0.01)
    assert lattice.transition == pytest.approx(single.transition)
    assert lattice.critical == pytest.approx(single.critical)


def test_exchange_makes_neighbours_alike() -> None:
    options = {"n": 40, "shape": (16, 16), "harvest": 1.0, "seed": 2}
    apart = ews.spatial.moran(harvested_lattice(diffusion=0.0, **options), periodic=True)  # type: ignore[arg-type]
    joined = ews.spatial.moran(harvested_lattice(diffusion=0.5, **options), periodic=True)  # type: ignore[arg-type]
    assert abs(apart.mean()) < 0.03
    # Linear theory about x = 8.87, where the recovery rate is 0.777: a mode of rate r = λ + D q², in Euler steps Δ, has
    # a variance that goes as 1 / (r (2 − r Δ)).
    k = 2 * np.pi * np.fft.fftfreq(16)
    rate = 0.777 + 0.5 * (4 - 2 * np.cos(k)[:, None] - 2 * np.cos(k)[None, :])
    variance = 1.0 / (rate * (2.0 - 0.1 * rate))
    variance[0, 0] = 0.0  # the mean over space is taken out of each map
    assert joined.mean() == pytest.approx((variance * np.cos(k)).sum() / variance.sum(), abs=0.02)


def test_seed_and_options_give_the_same_maps() -> None:
    one = harvested_lattice(n=10, shape=(5, 6), seed=np.random.default_rng(1))
    again = harvested_lattice(**one.config, seed=one.seed)
    np.testing.assert_array_equal(np.asarray(one), again.values)
    assert one.values.shape == (len(one), 5, 6)
    assert not np.array_equal(one.values, harvested_lattice(n=10, shape=(5, 6), seed=one.seed + 1).values)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n": 1}, ValueRangeError),
        ({"shape": (8,)}, ArgumentError),
        ({"shape": (8, 1)}, ArgumentError),
        ({"shape": 8}, ArgumentError),
        ({"diffusion": -0.1}, ValueRangeError),
        ({"diffusion": 5.0}, ValueRangeError),
        ({"capacity": 5.0}, ValueRangeError),
        ({"noise": -1.0}, ValueRangeError),
        ({"harvest": (1.0, 2.0, 3.0)}, ArgumentError),
        ({"seed": -1}, ValueRangeError),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        harvested_lattice(**options)  # type: ignore[arg-type]
