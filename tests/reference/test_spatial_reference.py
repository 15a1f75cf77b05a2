"""Patch-size laws against scipy's and mpmath's, and numbers that other packages document."""

from __future__ import annotations

import json

import mpmath
import numpy as np
import pytest
from scipy import stats

import ews
from ews import spatial
from ews.errors import SeriesTooShortError, UnknownNameError, ValueRangeError
from ews.spatial.discrete_laws import LAWS, _log_sum

LAW = {law.name: law for law in LAWS}


def sizes(seed: int = 1, count: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).zipf(2.2, count)


def test_power_law_is_scipys() -> None:
    x = sizes()
    fit = spatial.patch_distribution(x).fits["power_law"]
    exponent = fit.parameters["exponent"]
    assert fit.log_likelihood == pytest.approx(stats.zipf.logpmf(x, exponent).sum(), rel=1e-10)
    for other in (exponent - 1e-3, exponent + 1e-3):
        assert stats.zipf.logpmf(x, other).sum() < fit.log_likelihood
    survival = LAW["power_law"].survival(np.arange(1.0, 9.0), {"exponent": exponent}, 1)
    np.testing.assert_allclose(survival, stats.zipf.sf(np.arange(0, 8), exponent), rtol=1e-6)


def test_exponential_is_scipys_geometric() -> None:
    x = np.random.default_rng(2).geometric(0.2, 300) + 3
    fit = spatial.patch_distribution(x, smallest=4).fits["exponential"]
    share = -np.expm1(-fit.parameters["rate"])
    assert share == pytest.approx(1.0 / (x - 3).mean())  # the geometric law's estimate of greatest likelihood
    assert fit.log_likelihood == pytest.approx(stats.geom.logpmf(x - 3, share).sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("exponent", "rate", "smallest"), [(1.5, 1e-3, 1), (0.0, 0.02, 3), (0.7, 1e-4, 2), (2.5, 0.3, 1), (1.05, 1e-6, 1)]
)
def test_sum_of_the_truncated_power_law_is_mpmaths(exponent: float, rate: float, smallest: int) -> None:
    mpmath.mp.dps = 20
    # Σ k^−a e^−bk from m on, by Lerch's transcendent.
    lerch = mpmath.lerchphi(mpmath.exp(-rate), exponent, smallest)
    expected = mpmath.log(lerch * mpmath.mpf(smallest) ** exponent)
    assert _log_sum(exponent, rate, smallest) == pytest.approx(float(expected), abs=2e-7)


def test_sum_without_a_cut_is_hurwitz_zeta() -> None:
    for exponent, smallest in ((1.2, 1), (2.0, 3), (4.0, 10)):
        expected = float(mpmath.log(mpmath.zeta(exponent, smallest) * mpmath.mpf(smallest) ** exponent))
        assert _log_sum(exponent, 0.0, smallest) == pytest.approx(expected, abs=2e-7)


@pytest.mark.parametrize("law", list(LAW))
def test_laws_sum_to_one_and_their_survival_is_that_of_their_masses(law: str) -> None:
    found = spatial.patch_distribution(sizes(), smallest=2)
    x = np.arange(2.0, 60.0)
    survival = found.survival(law, x)
    assert survival[0] == pytest.approx(1.0)
    assert (np.diff(survival) < 0).all()
    mass = survival[:-1] - survival[1:]
    kept = found.sizes[found.sizes < 59]
    likelihood = np.log(mass[kept - 2]).sum()
    rest = found.sizes[found.sizes >= 59].astype(float)
    likelihood += sum(np.log(found.survival(law, [each])[0] - found.survival(law, [each + 1])[0]) for each in rest)
    assert likelihood == pytest.approx(found.fits[law].log_likelihood, rel=1e-5)


def test_each_law_is_recognised_in_its_own_sizes() -> None:
    rng = np.random.default_rng(5)
    lognormal = np.maximum(1, np.round(rng.lognormal(2.5, 0.6, 800)))
    assert spatial.patch_distribution(lognormal).best == "lognormal"
    assert spatial.patch_distribution(rng.geometric(0.1, 800)).best == "exponential"
    assert spatial.patch_distribution(rng.zipf(2.2, 800)).best == "power_law"
    k = np.arange(1, 20_000)
    mass = k**-1.3 * np.exp(-0.02 * k)
    cut = rng.choice(k, 2000, p=mass / mass.sum())
    found = spatial.patch_distribution(cut)
    assert found.best == "truncated_power_law"
    assert found["truncated_power_law"].parameters["exponent"] == pytest.approx(1.3, abs=0.08)
    assert found["truncated_power_law"].parameters["rate"] == pytest.approx(0.02, rel=0.3)


def test_smallest_by_the_distance_of_clauset() -> None:
    rng = np.random.default_rng(6)
    x = np.r_[rng.integers(1, 6, 600), 5 + 0 * rng.integers(1, 6, 30), rng.zipf(2.5, 60_000)]
    tail = np.r_[rng.integers(1, 6, 900), x[x >= 6][:900]]
    found = spatial.patch_distribution(tail, smallest="clauset")
    assert 5 <= found.smallest <= 9
    assert found["power_law"].parameters["exponent"] == pytest.approx(2.5, abs=0.25)


def test_distribution_reads_and_writes() -> None:
    found = spatial.patch_distribution(sizes())
    text = found.summary()
    assert found.fits[found.best].label in text
    assert max(map(len, text.splitlines())) <= 100
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["best"] == found.best
    assert found.to_frame().loc["power_law", "weight"] == found["power_law"].weight
    assert len(found.plot().axes) == 1


@pytest.mark.parametrize(
    ("given", "options", "error"),
    [
        ([1, 2, 3], {}, SeriesTooShortError),
        ([4] * 30, {}, SeriesTooShortError),
        ([1.5] * 30, {}, ValueRangeError),
        ([0] * 30, {}, ValueRangeError),
        (np.arange(1, 40), {"smallest": 0}, ValueRangeError),
        (np.arange(1, 40), {"smallest": "least"}, UnknownNameError),
        (np.arange(1, 40), {"smallest": 35}, SeriesTooShortError),
    ],
)
def test_bad_sizes_are_refused(given: object, options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        spatial.patch_distribution(given, **options)  # type: ignore[arg-type]


def test_moran_of_halves_is_that_of_the_documented_example() -> None:
    """The map of spatialwarnings' help of raw_moran: half ones, half zeros, 100 × 100, no wrapping."""
    grid = np.r_["1", np.ones((100, 50)), np.zeros((100, 50))]
    pairs = 2 * 100 * 99  # of which 100 lie across the middle
    assert spatial.moran([grid])[0] == pytest.approx((pairs - 200) / pairs)


def test_score_of_a_shift_is_that_of_asdetect_but_for_its_late_votes() -> None:
    """Where samples are left over, the R package votes one sample late; with none left over the two agree."""
    x = np.zeros(60)
    x[32:] = 1.0
    for length, late in ((5, 0), (7, 1)):
        from ews._analysis.abrupt_shift.run import scores

        ours = np.flatnonzero(scores(x[None], range(length, length + 1), 3.0)[0])
        left_over = 60 % length
        # As written there, counted from 1: floor(r / 2) + 1 + 1:l + (k − 1) l; without a rest 1:l + (k − 1) l.
        segment = (32 - left_over // 2) // length + 1
        shift = left_over // 2 + 1 if left_over else 0
        theirs = shift + np.arange(1, length + 1) + (segment - 1) * length - 1
        np.testing.assert_array_equal(theirs - ours, late)


def test_composite_is_that_of_ewsmethods_rule() -> None:
    """EWSmethods: z-scores and threshold with the present in the history; variance is the square of its SD."""
    x = np.random.default_rng(3).standard_normal(40)
    found = ews.composite(x, indicators=("std", "kurtosis"), n_surrogates=0)
    std = [np.std(x[: t + 1], ddof=1) for t in range(4, 40)]
    expected = [(std[t] - np.mean(std[: t + 1])) / np.std(std[: t + 1], ddof=1) for t in range(1, 36)]
    np.testing.assert_allclose(found.zscores["std"][5:], expected, rtol=1e-9)
