"""Scores at any times against slow, obvious likelihoods; on even times, against those of even records."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from ews import nulls
from ews._analysis.score_tests.paths import memory_path, modulus_path
from ews._analysis.score_tests.paths_at import memory_path_at, modulus_path_at
from ews._analysis.score_tests.scores_at import scorer
from ews._analysis.score_tests.shapes import weights, weights_at
from ews._analysis.score_tests.statistics import score
from ews.detrend import local_polynomial_at
from ews.detrend.local_polynomial import smoother_of
from ews.detrend.local_polynomial_at import smoother_at
from ews.nulls.at_times import AR1AtTimes, draw_at_times
from tests.reference import naive_uneven

N = 120
RNG = np.random.default_rng(4)
GAPS = np.sort(RNG.choice(200, N, replace=False)).astype(float)
GAPS -= GAPS[0]
UNEVEN = np.concatenate([[0.0], np.cumsum(RNG.exponential(size=N - 1))])
UNEVEN /= np.median(np.diff(UNEVEN))
EVEN = np.arange(N, dtype=float)


def noise(at: np.ndarray, phi: float, rows: int = 3) -> np.ndarray:
    """Red noise that grows."""
    return AR1AtTimes(phi, 1.0, at).draw(0, rows, seed=5) * np.linspace(1.0, 2.0, at.size)


@pytest.mark.parametrize("phi", [-0.8, 0.05, 0.6, 0.95])
def test_even_times_give_the_scores_of_even_records(phi: float) -> None:
    x = noise(EVEN, phi, 20)
    found = scorer(EVEN, weights_at(EVEN)).scores(x, np.inf)
    np.testing.assert_allclose(found, score(x, weights(N), np.inf)[1], rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(noise(EVEN, phi), nulls.AR1(phi, 1.0, N).draw(0, 3, seed=5) * np.linspace(1, 2, N))


@pytest.mark.parametrize(("at", "phi"), [(GAPS, -0.6), (GAPS, 0.3), (GAPS, 0.9), (UNEVEN, 0.2), (UNEVEN, 0.8)])
def test_memory_is_that_of_the_likelihood_and_its_score_that_of_a_drift(at: np.ndarray, phi: float) -> None:
    x = noise(at, phi)
    x[1, [0, 40, 41]] = np.nan
    shapes = weights_at(at)
    with_these = scorer(at, shapes)
    memory, found = with_these.memory(x), with_these.scores(x, np.inf)
    for row, estimate, z in zip(x, memory, found, strict=True):
        # The variance's share in the likelihood is left out, so that growing noise does not count: near its maximum.
        best = naive_uneven.roughly(row, at, -0.995 if with_these.signed else 0.005)
        assert abs(estimate - best) < 0.12
        for k, w in enumerate(shapes):
            np.testing.assert_allclose(z[0, k], naive_uneven.memory_score(estimate, row, at, w), rtol=2e-6)


def test_the_coefficient_solves_its_scoring_equation() -> None:
    for at, phi in ((GAPS, 0.7), (UNEVEN, 0.7)):
        x = noise(at, phi)
        for row, estimate in zip(x, scorer(at, weights_at(at)).memory(x), strict=True):
            d = np.diff(at)
            error = row[1:] - estimate**d * row[:-1]
            terms = d * estimate ** (d - 1) * row[:-1] * error / naive_uneven.variance(estimate, d)
            assert abs(terms.sum()) < 1e-6 * np.abs(terms).sum()


def test_damping_goes_by_observations_that_follow_one_another() -> None:
    x, w = noise(GAPS, 0.5), weights_at(GAPS)
    found = scorer(GAPS, w).scores(x, np.inf)[:, 1, 0]
    follows = np.flatnonzero((np.diff(GAPS)[1:] == 1) & (np.diff(GAPS)[:-1] == 1)) + 2
    assert follows.size >= 20
    for z, r in zip(found, x, strict=True):
        target, one, two, weight = r[follows], r[follows - 1], r[follows - 2], w[0, follows]
        nuisance = np.column_stack([one, two, weight * one])
        error = sm.OLS(target, nuisance).fit().resid
        terms = error * sm.OLS(weight * two, nuisance).fit().resid
        np.testing.assert_allclose(z, -terms.sum() / np.sqrt((terms**2).sum()), rtol=1e-7)
    for row, r in zip(scorer(GAPS, w).scores(x, np.inf), x, strict=True):
        logarithm = np.log(r**2 / np.mean(r**2) + 0.05)
        np.testing.assert_allclose(row[2, 0], np.sum((w[0] - w[0].mean()) * logarithm), rtol=1e-8)
    rare = np.concatenate([2.0 * np.arange(100), 200.0 + np.arange(21)])
    assert np.isnan(scorer(rare, weights_at(rare)).scores(noise(rare, 0.5), np.inf)[:, 1]).all()


@pytest.mark.jit
def test_red_noise_at_any_times_has_its_covariance() -> None:
    for at, phi in ((GAPS[:6], -0.7), (UNEVEN[:6], 0.7)):
        x = AR1AtTimes(phi, 2.0, at).draw(0, 200_000, seed=1)
        lag = np.abs(at[:, None] - at)
        wanted = 4.0 / (1 - phi**2) * naive_uneven.power(phi, lag)
        np.testing.assert_allclose(np.cov(x.T), wanted, atol=0.06)
    # What drifts is what a grid with all its steps would have drawn, had it drifted in between like that.
    at, phi = np.array([0.0, 1.0, 4.0, 6.0]), np.array([0.5, 0.6, -0.7, 1.0])
    x = draw_at_times(phi, np.full(4, 2.0), at, 0, 400_000, seed=1)
    fine = draw_at_times(phi[[0, 1, 2, 2, 2, 3, 3]], np.full(7, 2.0), np.arange(7.0), 0, 400_000, seed=2)[
        :, [0, 1, 4, 6]
    ]
    np.testing.assert_allclose(np.cov(x.T), np.cov(fine.T), atol=0.15)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("degree", [1, 2])
def test_the_smoother_is_a_weighted_polynomial_at_each_time(causal: bool, degree: int) -> None:
    x = noise(UNEVEN, 0.8) + 3.0
    for sd in (0.7, 9.0):
        wanted = [naive_uneven.fit_at(row, UNEVEN, sd, causal=causal, degree=degree) for row in x]
        found = smoother_at(UNEVEN, sd, causal=causal, degree=degree)(x)
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-6 if degree == 2 else 1e-8)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("degree", [1, 2])
def test_on_a_grid_with_gaps_it_is_the_smoother_of_the_grid(
    causal: bool, degree: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, seen = noise(GAPS, 0.8), np.zeros(int(GAPS[-1]) + 1, dtype=bool)
    seen[GAPS.astype(int)] = True
    grid = np.zeros((3, seen.size))
    grid[:, seen] = x
    for sd in (1.6, 17.0):
        wanted = smoother_of(seen, sd, causal=causal, degree=degree)(grid)[:, seen]
        smooth = smoother_at(GAPS, sd, causal=causal, degree=degree)
        np.testing.assert_allclose(smooth(x), wanted, rtol=1e-9, atol=1e-10)
        monkeypatch.setattr(local_polynomial_at, "_MOST_WEIGHTS", 0)  # as for long records
        smooth = smoother_at(GAPS, sd, causal=causal, degree=degree)
        np.testing.assert_allclose(smooth(x), wanted, rtol=1e-9, atol=1e-10)
        monkeypatch.undo()


@pytest.mark.jit
@pytest.mark.parametrize("degree", [1, 2])
def test_long_records_are_smoothed_alike(degree: int, monkeypatch: pytest.MonkeyPatch) -> None:
    at = np.concatenate([[0.0], np.cumsum(np.random.default_rng(1).exponential(size=2999))])
    x = noise(at, 0.9, 2)
    wanted = smoother_at(at, 100.0, degree=degree)(x), smoother_at(at, 100.0, causal=True, degree=degree)(x)
    monkeypatch.setattr(local_polynomial_at, "_MOST_WEIGHTS", 0)
    assert np.abs(smoother_at(at, 100.0, degree=degree)(x) - wanted[0]).max() < 2e-3 * x.std()
    np.testing.assert_allclose(smoother_at(at, 100.0, causal=True, degree=degree)(x), wanted[1], rtol=1e-10, atol=1e-12)


def test_paths_are_those_of_even_records_and_of_regressions_of_what_drifts() -> None:
    x, w = noise(EVEN, 0.6)[0], weights(N)[0]
    for at_times, plain in ((memory_path_at, memory_path), (modulus_path_at, modulus_path)):
        found = at_times(x, scorer(EVEN, weights(N)), w, shape="linear", quantile=2.0)
        wanted = plain(x, w, shape="linear", quantile=2.0)
        for end in ("value", "lower", "upper", "drift", "drift_error"):
            np.testing.assert_allclose(getattr(found, end), getattr(wanted, end), rtol=1e-7, atol=1e-9)
    x, w = noise(UNEVEN, 0.6)[0], weights_at(UNEVEN)[0]
    with_these, d, h = scorer(UNEVEN, weights_at(UNEVEN)), np.diff(UNEVEN), 1e-6
    phi = with_these.memory(x[None])[0]
    root = np.sqrt(naive_uneven.variance(phi, d))
    slope = ((phi + h) ** d - (phi - h) ** d) / (2 * h) * x[:-1] / root
    error = (x[1:] - phi**d * x[:-1]) / root
    fitted = sm.OLS(error, np.column_stack([slope, w[1:] * slope])).fit(cov_type="HC0")
    contrast = np.column_stack([np.ones(N), w])
    found = memory_path_at(x, with_these, w, shape="linear", quantile=2.0)
    np.testing.assert_allclose(found.value, phi + contrast @ fitted.params, rtol=1e-5)
    half = 2.0 * np.sqrt(np.diag(contrast @ fitted.cov_params() @ contrast.T))
    np.testing.assert_allclose(found.upper - found.value, half, rtol=1e-5)
    assert np.isnan(
        modulus_path_at(
            x[:30], scorer(UNEVEN[:30], weights_at(UNEVEN[:30])), w[:30], shape="linear", quantile=2.0
        ).value
    ).all()
