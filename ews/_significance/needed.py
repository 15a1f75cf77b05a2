"""How long a record would have to be for its score tests to see what their controls show."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ews._common.alarms import SUFFICIENT_POWER

__all__ = ["observations_needed", "times_needed"]

FloatArray = npt.NDArray[np.float64]


def times_needed(values: FloatArray, null: FloatArray, share: float) -> float:
    """How many times the length would be enough: a score's distance from its null grows as the root of the length.

    Parameters
    ----------
    values, null : ndarray
        Scores of controls and of surrogates.
    share : float
        Of the controls, those that warn.

    Returns
    -------
    float
        At least 1; infinity where the controls do not move the score.
    """
    if share >= SUFFICIENT_POWER:
        return 1.0
    from scipy.special import ndtri

    found, drawn = values[np.isfinite(values)], null[np.isfinite(null)]
    if not found.size or not drawn.size:  # as of damping where no three observations follow one another
        return math.inf
    distance, spread = found.mean() - drawn.mean(), found.std()
    if not distance > 0.0:
        return math.inf
    # The bound that gives the share that was found, of a normal score.
    bound = distance - spread * float(ndtri(min(max(share, 0.01), 0.99)))
    return max(1.0, float((bound + spread * ndtri(SUFFICIENT_POWER)) / distance)) ** 2


def observations_needed(needed: Mapping[str, float], n: int) -> int | None:
    """Length at which controls of every kind would be seen, to two digits; None beyond a hundred times the record."""
    longest = max(needed.values(), default=math.inf)
    return max(n, int(float(f"{longest:.2g}"))) if longest <= 100.0 * n else None
