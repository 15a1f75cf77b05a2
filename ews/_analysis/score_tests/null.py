"""The null of the score tests: red noise whose residual has the memory that was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews._significance.pipeline import in_chunks
from ews.nulls.autoregressive import LARGEST_COEFFICIENT

__all__ = ["fitted_null"]

FloatArray = npt.NDArray[np.float64]

_ROWS = 64
# Bounds of how much of a rise in the coefficient is left.
_SLOPES = (0.25, 2.0)
# Long rows tell as much of the mean coefficient as many short ones.
_SAMPLES, _FEWEST_ROWS = 100_000, 4


def fitted_null(
    residual: FloatArray, residual_of: Callable[[FloatArray], FloatArray], *, null: nulls.NullName, seed: int
) -> nulls.Null:
    """Fit a null to a residual; of red noise, the one whose own residuals have that memory on average.

    A smoother takes slow fluctuations out, so that a residual has less memory than the noise it is left of. Noise with
    the residual's coefficient, smoothed again as surrogates are, would have less still. The coefficient is moved until
    what the smoother leaves of it agrees (bias correction by simulation).

    Parameters
    ----------
    residual : ndarray of shape (n,)
        The residual, outliers pulled in.
    residual_of : callable
        From rows to their residuals, outliers pulled in alike.
    null : str
        Name of the null.
    seed : int
        Seed of the simulations.

    Returns
    -------
    Null
        The fitted null.

    References
    ----------
    MacKinnon, J. G. & Smith, A. A. (1998). Approximate bias correction in econometrics. J. Econometrics 85, 205–230.
    """
    fitted = nulls.fit(residual, null=null)
    if not isinstance(fitted, nulls.AR1):
        return fitted
    rows = int(np.clip(_SAMPLES // residual.size, _FEWEST_ROWS, _ROWS))

    def left(null: nulls.AR1) -> float:
        # The same numbers each time, so that the steps settle.
        return float(np.mean(np.concatenate(in_chunks(partial(_memory, null, residual_of, seed), rows, n=null.n))))

    def moved(coefficient: float) -> nulls.AR1:
        return replace(fitted, coefficient=float(np.clip(coefficient, -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT)))

    aim, first = fitted.coefficient, left(fitted)
    other = moved(2.0 * aim - first)
    step = other.coefficient - aim
    if step == 0.0:
        return fitted
    # What is left rises with what was there, but for chance in short records: never by much more or less.
    second = left(other)
    slope = min(max((second - first) / step, _SLOPES[0]), _SLOPES[1])
    return moved(other.coefficient + (aim - second) / slope)


def _memory(
    null: nulls.AR1, residual_of: Callable[[FloatArray], FloatArray], seed: int, first: int, count: int
) -> FloatArray:
    """Lag-1 coefficients of what is left of surrogates."""
    left = residual_of(null.draw(first, count, seed=seed))
    left = left - left.mean(axis=1, keepdims=True)
    product, power = (np.einsum("ij,ij->i", left[:, :-1], other) for other in (left[:, 1:], left[:, :-1]))
    return np.asarray(product / power)
