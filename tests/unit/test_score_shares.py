"""Shares of the level: how alike neighbours are, what that is independent of, and what it decides."""

from __future__ import annotations

import numpy as np
import pytest

import ews
from ews import detrend
from ews._analysis.score_tests.oscillation import dominant_mode
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.shares import OSCILLATING_SHARES, SHARES, shares_of, sides_of
from ews._analysis.score_tests.statistics import STATISTICS, robust_residual, score
from ews._kernels.gaps import likeness_rows, memory_rows


def likeness(rows: np.ndarray) -> np.ndarray:
    out = np.empty(len(rows))
    likeness_rows(np.ascontiguousarray(rows), out)
    return out


def noise(phi: float, n: int, rows: int, *, seed: int = 0) -> np.ndarray:
    return np.asarray(ews.nulls.AR1(phi, 1.0, n).draw(0, rows, seed=seed))


def test_likeness_is_the_definition() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 40))
    x[1, [3, 4, 20]] = np.nan
    x[2] *= 1e150
    x[3] *= 1e-150
    x[4, 10:13] = x[4, 10]
    for row, found in zip(x, likeness(x), strict=True):
        centred = row - np.nanmean(row)
        a, b = centred[:-1], centred[1:]
        a, b = a / np.nanmax(np.abs(centred)), b / np.nanmax(np.abs(centred))
        c = np.nanmean(2 * a * b / (a * a + b * b))
        assert found == pytest.approx(2 * c / (1 + c * c), abs=1e-12)
    assert likeness(np.array([[1.0, -1.0] * 10, [2.0] * 20, [1.0, np.nan] * 10])).tolist()[:2] == [-1.0, 0.0]
    assert np.isnan(likeness(np.array([[1.0, np.nan] * 10]))).all()


@pytest.mark.jit
@pytest.mark.parametrize("phi", [-0.8, -0.3, 0.0, 0.5, 0.9])
def test_likeness_is_the_correlation_of_gaussian_neighbours(phi: float) -> None:
    assert likeness(noise(phi, 20_000, 4)).mean() == pytest.approx(phi, abs=0.02)


@pytest.mark.jit
def test_scores_do_not_depend_on_it_where_noise_grows() -> None:
    n = 200
    x = np.random.default_rng(1).standard_normal((4000, n)) * np.linspace(1.0, 3.0, n)
    plan = detrend.plan("local_quadratic", n=n, bandwidth=None, causal=False)
    residual = robust_residual(x, lambda rows: rows - plan.rows(rows))
    z = score(residual, weights(n), 2.5)[0][:3]
    by_pairs, by_size = likeness(residual), np.empty(len(x))
    memory_rows(np.ascontiguousarray(residual), by_size)
    # 0.016 is the standard error. The coefficient by least squares is that of the loud part, where memory ends.
    assert np.abs([np.corrcoef(one, by_pairs)[0, 1] for one in z]).max() < 0.055
    assert np.corrcoef(z[0], by_size)[0, 1] > 0.2


def test_sides_and_their_shares() -> None:
    assert sides_of(np.array([-0.5, -0.11, -0.09, 0.0, 0.09, 0.11, np.nan])).tolist() == [0, 0, 1, 1, 1, 2, 1]
    up, down = (next(i for i, one in enumerate(STATISTICS) if one.name.endswith(end)) for end in ("+1", "−1"))
    swapped = [down if i == up else up if i == down else i for i in range(4)]
    np.testing.assert_array_equal(SHARES[2][swapped], SHARES[0])
    np.testing.assert_array_equal(SHARES[1][swapped], SHARES[1])
    assert SHARES[2].argmax() == up
    assert SHARES[2][up] > 0.75 * SHARES[2].sum()
    damping = [one.name for one in STATISTICS].index("damping")
    assert (OSCILLATING_SHARES[1:].argmax(axis=1) == damping).all()
    np.testing.assert_array_equal(shares_of(0.4, oscillating=False), SHARES[2])
    np.testing.assert_array_equal(shares_of(-0.4, oscillating=True), OSCILLATING_SHARES[0])


def joint_p(found: ews.ScoreTests, row: np.ndarray, name: str) -> tuple[float, float]:
    """The family-wise p, and the least that its share of the level allows."""
    mode = dominant_mode(found.residual)
    own = shares_of(float(likeness(found.residual[None])[0]), oscillating=mode is not None)
    share = own[[one.name for one in STATISTICS].index(name)]
    return found[name].adjusted, found[name].pvalue * own.sum() / share


@pytest.mark.jit
def test_a_record_is_tested_with_the_shares_of_its_own_side() -> None:
    """Family-wise p is at most single p over the share (Bonferroni), and near it where the others say nothing."""
    slowing = noise(0.5, 150, 40, seed=3)
    turned = slowing * (-1.0) ** np.arange(150)
    for rows, name in ((slowing, "memory towards +1"), (turned, "memory towards −1")):
        ratios = []
        for row in rows:
            adjusted, bound = joint_p(ews.score_tests(row, detrend=None, n_surrogates=499), row, name)
            assert adjusted <= bound + 0.02
            if bound < 0.3:
                ratios.append(adjusted / bound)
        assert np.median(ratios) > 0.8


@pytest.mark.jit
def test_controls_are_tested_as_they_would_be_had_they_been_observed() -> None:
    """A flip seen from a record whose neighbours are alike: its control has neighbours that are not."""
    found = ews.detect(noise(0.5, 100, 1, seed=5)[0], n_surrogates=499)
    assert found.powers["flip"] > 0.8
    assert found.powers["hopf"] > 0.5
