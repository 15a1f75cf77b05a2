"""The null of the score tests: red noise whose residual has the memory that was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ews import nulls
from ews.nulls.autoregressive import LARGEST_COEFFICIENT

__all__ = ["fitted_null"]

FloatArray = npt.NDArray[np.float64]

_ROWS = 100
_STEPS = 3


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
    moved = fitted
    for _ in range(_STEPS):
        # The same numbers each time, so that the steps settle.
        left = residual_of(moved.draw(0, _ROWS, seed=seed))
        left = left - left.mean(axis=1, keepdims=True)
        measured = (left[:, 1:] * left[:, :-1]).sum(axis=1) / (left[:, :-1] ** 2).sum(axis=1)
        coefficient = moved.coefficient + fitted.coefficient - float(np.mean(measured))
        moved = replace(moved, coefficient=float(np.clip(coefficient, -LARGEST_COEFFICIENT, LARGEST_COEFFICIENT)))
    return moved
