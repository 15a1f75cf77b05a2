"""One number a series from the score tests of `ews.score_tests`, without ties at the smallest p of surrogates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from ews import detrend, nulls
from ews._analysis.score_tests.null import fitted_null
from ews._analysis.score_tests.oscillation import dominant_mode
from ews._analysis.score_tests.shapes import weights
from ews._analysis.score_tests.shares import shares_of
from ews._analysis.score_tests.statistics import STATISTICS, bounded, robust_residual, score
from ews._kernels.gaps import likeness_rows
from ews._significance.pipeline import in_chunks
from ews.detrend.methods import SMOOTHER

__all__ = ["NAMES", "Standardised", "smallest", "standardised"]

NAMES = [one.name for one in STATISTICS]
SURROGATES = 200
LIMIT = 2.5


class Standardised(NamedTuple):
    """The four statistics of a series in standard deviations of surrogates, and their shares of the level."""

    z: np.ndarray
    shares: np.ndarray


def standardised(row: np.ndarray, *, seed: int = 0) -> Standardised:
    """Score a series and its surrogates."""
    n = row.size
    plan, shapes = detrend.plan(SMOOTHER, n=n, bandwidth=None, causal=False), weights(n)

    def residual_of(rows: np.ndarray) -> np.ndarray:
        return robust_residual(rows, lambda one: one - plan.rows(one))

    residual = residual_of(row[None])
    null: nulls.Null = fitted_null(
        bounded(residual, LIMIT)[0], lambda rows: bounded(residual_of(rows), LIMIT), null="ar1", seed=seed
    )
    drawn = in_chunks(lambda i, k: score(residual_of(null.draw(i, k, seed=seed)), shapes, LIMIT)[0], SURROGATES, n=n)
    surrogate = np.concatenate(drawn, axis=1)
    observed = score(residual, shapes, LIMIT)[0][:, 0]
    likeness = np.empty(1)
    likeness_rows(residual, likeness)
    own = shares_of(float(likeness[0]), oscillating=dominant_mode(bounded(residual, LIMIT)[0]) is not None)
    return Standardised((observed - surrogate.mean(axis=1)) / surrogate.std(axis=1), own)


def smallest(of: Standardised) -> float:
    """−log10 of the smallest p of the four, each over its share of the level, as the joint test has them."""
    return float(np.max(-norm.logsf(of.z) / np.log(10) + np.log10(of.shares)))
