"""Flickering between two states: a statistic that neither skewed nor oscillating noise raises."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST", "flickering"]

FloatArray = npt.NDArray[np.float64]

FEWEST = 20  # observations in the half, and steps between two of them: a kurtosis of fewer says nothing

# Thresholds, over the square root of the observations in the half, chosen on simulations of noise of many kinds
# (skewed, bounded, oscillating, of changing spread) and of systems that flicker; more observations need a little more.
_STATES, _STATES_SCORES, _GROWTH, _PERSISTENT = 1.7, 2.25, 0.1, 0.7
# A partial correlation at lag 2 below this: the path turns smoothly, as an oscillation does, and does not switch.
_SMOOTH = -0.38


def flickering(rows: FloatArray) -> FloatArray:
    """Evidence that the last half of each row switches between two states (flickering).

    Four things must be seen together, beyond what Gaussian red noise shows. The values lie in two groups, in units of
    their local spread: their kurtosis less their squared skewness is small (1 for any two points, 3 for a normal
    distribution). So do the normal scores of their ranks in the whole record, whatever the distribution is. Steps have
    a larger kurtosis than differences of independent values of this kind would have: many small ones, a few switches.
    And steps do not turn smoothly, as those of an oscillation do (a large negative partial correlation at lag 2).

    Parameters
    ----------
    rows : ndarray of shape (rows, n)
        Residuals, evenly spaced; NaN where nothing was observed.

    Returns
    -------
    ndarray of shape (rows,)
        0 where one of the four is missing, else the smallest excess, in units of 1 / √(observations in the half). NaN
        with fewer than 20 steps between observations in the half, or none that differ.

    Notes
    -----
    The thresholds follow the number of observations and the lag-1 correlation of the scores. Gaussian AR(1) noise is
    above 0 in at most some 0.02 of records, whatever its memory and whichever smoother it went through, so that a value
    above 0 is beyond the 0.05 level of AR(1) surrogates. To say how far, hold it against surrogates that went through
    the same detrending and gaps, one-sided, values equal to the observed one counted as large: 0 then has p = 1.

    Raised too often (``docs/generated/flickering.csv``): few distinct counts that keep their value, which are groups
    too (Poisson noise of mean 0.5 with memory, up to 0.2), and a spread that jumps threefold in the middle of a record
    with memory (up to 0.15).

    References
    ----------
    Pearson, K. (1929). Editorial note. Biometrika 21, 370–375: the kurtosis is at least 1 plus the squared skewness.
    Dakos, V. et al. (2013). Flickering as an early warning signal. Theoretical Ecology 6, 309–317. Wang, R. et al.
    (2012). Flickering gives early warning signals of a critical transition to a eutrophic lake state. Nature 492,
    419–422.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> noise = rng.standard_normal(300)
    >>> two = noise.copy()
    >>> two[200:] += np.repeat(rng.choice([-4.0, 4.0], 20), 5)
    >>> flickering(np.stack([noise, two])).round(1)
    array([0. , 2.9])
    """
    from scipy.special import ndtri

    from ews._kernels import flickering as columns

    rows = np.require(rows, np.float64, ("C", "W"))
    n = rows.shape[1]
    counts, table = np.unique(np.isfinite(rows).sum(axis=1), return_inverse=True)
    # In place: of long records these are several times the record.
    quantile = np.arange(2.0 * n + 1.0) / (2.0 * np.maximum(counts, 1)[:, None])
    ndtri(np.minimum(quantile, 1.0, out=quantile), out=quantile)
    found = np.empty((rows.shape[0], 6))
    columns.two_state_rows(rows, quantile, table.astype(np.int64), n // 5, FEWEST, found)
    persistent, states, states_scores, smooth, memory, observed = found.T
    # How much the memory slows the averaging of fourth powers.
    power = np.clip(memory, 0.0, 0.99) ** 4
    slow = np.sqrt((1.0 + power) / (1.0 - power)) * (observed / 100.0) ** _GROWTH
    root = np.sqrt(observed)
    excess = np.stack(
        [
            root * (np.log(3.0) - states) - _STATES * slow,
            root * (np.log(3.0) - states_scores) - _STATES_SCORES * slow,
            root * persistent - _PERSISTENT,
        ]
    ).min(axis=0)
    # An undefined excess stays NaN through the minimum.
    return np.asarray(np.where((smooth < _SMOOTH) & np.isfinite(excess), 0.0, np.maximum(excess, 0.0)))
