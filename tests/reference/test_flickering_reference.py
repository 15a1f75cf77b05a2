"""The statistic of flickering against its definition, written out with scipy and pandas one row at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ews._analysis.score_tests.flickering import flickering


def two_groups(values: np.ndarray) -> float:
    return float(np.log(stats.kurtosis(values, fisher=False) - stats.skew(values) ** 2))


def correlation(values: np.ndarray, lag: int) -> float:
    centred = values - np.nanmean(values)
    return float(np.nanmean(centred[lag:] * centred[:-lag]) / np.nanmean(centred**2))


def excesses(row: np.ndarray) -> tuple[np.ndarray, float]:
    """The three excesses and the partial correlation at lag 2."""
    n, start = row.size, row.size // 2
    ranks = pd.Series(row).rank().to_numpy()
    scores = stats.norm.ppf((ranks - 0.5) / np.isfinite(row).sum())
    spread = [np.sqrt(np.nanmean(row[max(t - n // 5, 0) : t + n // 5 + 1] ** 2)) for t in range(n)]
    local = (row / np.array(spread))[start:]
    late = scores[start:]
    size = np.isfinite(late).sum()
    of_steps = np.log(stats.kurtosis(np.diff(local), fisher=False, nan_policy="omit"))
    seen = local[np.isfinite(local)]
    power = np.clip(correlation(scores, 1), 0.0, 0.99) ** 4
    slow = np.sqrt((1.0 + power) / (1.0 - power))
    growth = (size / 100.0) ** 0.1
    independent = np.log((stats.kurtosis(seen, fisher=False) + 3.0) / 2.0)
    first, second = correlation(late, 1), correlation(late, 2)
    return np.array(
        [
            np.sqrt(size) * (np.log(3.0) - two_groups(seen)) - 1.7 * slow * growth,
            np.sqrt(size) * (np.log(3.0) - two_groups(late[np.isfinite(late)])) - 2.25 * slow * growth,
            np.sqrt(size) * (of_steps - independent) - 0.7,
        ]
    ), (second - first**2) / (1.0 - first**2)


def sample(n: int, seed: int) -> np.ndarray:
    """Switches of many rates and sizes in the last half, an oscillation, noise; gaps and ties in some rows."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((24, n))
    chance, distance = np.linspace(0.02, 0.4, 24)[:, None], np.tile([4.0, 1.5, 2.0, 2.5], 6)[:, None]
    rows = noise + distance * np.where(
        np.arange(n) > n // 2, 1.0 - 2.0 * ((rng.random((24, n)) < chance).cumsum(axis=1) % 2), 0
    )
    rows[5] = 4.0 * np.sin(np.arange(n) / 3.0) + 0.1 * noise[5]
    rows[8] = rows[8].round()
    rows[12][rng.random(n) < 0.2] = np.nan
    rows[16][n - n // 4 : n - n // 5] = np.nan
    return rows - np.nanmean(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("n", [60, 101, 400])
def test_statistic_is_the_smallest_of_its_excesses(n: int) -> None:
    rows = sample(n, seed=n)
    found = flickering(rows)
    theirs = []
    for row in rows:
        excess, smooth = excesses(row)
        theirs.append(0.0 if smooth < -0.38 else max(excess.min(), 0.0))
    np.testing.assert_allclose(found, theirs, rtol=1e-9, atol=1e-9)
    assert 4 <= np.count_nonzero(found) <= 22


def test_each_excess_decides_somewhere() -> None:
    """No part is idle: for each there are rows that it alone keeps at 0."""
    rng = np.random.default_rng(3)
    n = 400
    scores = rng.standard_normal((60, n))
    kinds = {
        "a spread that jumps": scores * np.where(np.arange(n) < n // 2, 1.0, 3.0),
        "uniform": rng.random((60, n)) - 0.5,
        "switches": scores + 2.5 * np.where(np.arange(n) > 260, rng.choice([-1.0, 1.0], (60, n)), 0.0),
        "sine": np.sin(2 * np.pi * np.arange(n) / 12.5 + 6 * rng.random((60, 1))) * (1 + np.arange(n) / n)
        + 0.3 * scores,
    }
    alone = np.zeros(4, dtype=int)
    for rows in kinds.values():
        for row in rows:
            excess, smooth = excesses(row)
            failed = np.append(excess <= 0.0, smooth < -0.38)
            if failed.sum() == 1:
                alone += failed
    assert (alone > 0).all(), alone
