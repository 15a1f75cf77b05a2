"""Min/max autocorrelation factors (MAF): the direction along which the variables change least from step to step."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews.multivariate.autocorrelation import along
from ews.multivariate.reading import measure
from ews.multivariate.windows import FloatArray, Windows, where_defined

__all__ = ["first_factor", "maf_autocorrelation", "maf_eigenvalue", "maf_variance"]

# Directions with less than this share of the largest standardised variance are rounding.
SINGULAR = 1e-10
# Differences of a series of variance 1 have a variance of at most about 4: directions that nothing varies in come last.
LAST = 8.0


def factor_window(variables: int) -> int:
    """Shortest window: more differences than variables, and one to spare."""
    return variables + 3


def first_factor(covariance: FloatArray, differences: FloatArray) -> FloatArray:
    """The smallest eigenvalue of the whitened differences, then its direction in the data's space, of length 1."""
    deviation = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    inverse = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    scale = inverse[:, :, None] * inverse[:, None, :]
    size, axes = np.linalg.eigh(covariance * scale)
    kept = size > SINGULAR * np.maximum(size[:, -1:], SINGULAR)
    root = np.divide(1.0, np.sqrt(np.where(kept, size, 1.0)), out=np.zeros_like(size), where=kept)
    whiten = inverse[:, :, None] * axes * root[:, None, :]  # columns: unit variance in the window
    white = np.swapaxes(whiten, 1, 2) @ differences @ whiten
    place = np.arange(size.shape[1])
    white[:, place, place] += np.where(kept, 0.0, LAST)
    values, turned = np.linalg.eigh(white)
    direction = (whiten @ turned[:, :, :1])[:, :, 0]
    length = np.sqrt((direction**2).sum(axis=1, keepdims=True))
    direction = np.divide(direction, length, out=np.full_like(direction, np.nan), where=length > 0)
    value = np.where(kept.any(axis=1), values[:, 0], np.nan)
    return np.concatenate([np.maximum(value, 0.0)[:, None], direction], axis=1)


def _factors(windows: Windows) -> tuple[FloatArray, FloatArray]:
    found = where_defined(first_factor, windows.covariance, windows.difference_covariance)
    return found[..., 0], found[..., 1:]


def eigenvalues(windows: Windows) -> FloatArray:
    """Smallest eigenvalue of the covariance of whitened differences."""
    return windows.stamped(_factors(windows)[0])


def autocorrelations(windows: Windows) -> FloatArray:
    """Autocorrelation of the first factor."""
    return windows.stamped(along(_factors(windows)[1], windows))


def variances(windows: Windows) -> FloatArray:
    """Variance of the data along the first factor's direction, of length 1."""
    direction = _factors(windows)[1]
    return windows.stamped(np.einsum("rwi,rwij,rwj->rw", direction, windows.covariance, direction))


def maf_eigenvalue(data: Any, *, window: int | float) -> Any:
    r"""Smallest eigenvalue of the covariance of whitened differences: how much the slowest factor changes in a step.

    The window is whitened, so that all directions vary alike; of the covariance of the first differences the smallest
    eigenvalue belongs to the direction that changes least from step to step, the first min/max autocorrelation factor.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least variables + 3), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        The eigenvalue, near 2 (1 − ρ) for a factor of lag-1 autocorrelation ρ: it *falls* towards 0 as resilience is
        lost. It does not change under any invertible linear map of the variables. Directions in which nothing varies
        are left out; NaN where nothing varies at all.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Switzer, P. & Green, A. A. (1984). Min/max autocorrelation factors for multivariate spatial imagery. Stanford
    University, Technical Report 6. Weinans, E. et al. (2019). Finding the direction of lowest resilience in
    multivariate complex systems. J. R. Soc. Interface 16, 20190629.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = np.random.default_rng(1).standard_normal((60, 2))
    >>> bool(0 < ews.multivariate.maf_eigenvalue(x, window=30)[-1] < 2)
    True
    """
    return measure(data, eigenvalues, window=window, shortest=factor_window)


def maf_autocorrelation(data: Any, *, window: int | float) -> Any:
    """Lag-1 autocorrelation of the first min/max autocorrelation factor.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least variables + 3), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        Pearson correlation of neighbours, inside the window, of the projection onto the factor of
        :func:`maf_eigenvalue`. It does not change under any invertible linear map of the variables. As the direction is
        chosen for it, it lies above the variables' own autocorrelations, the more so the more variables and the shorter
        the window.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Weinans, E. et al. (2019). Finding the direction of lowest resilience in multivariate complex systems. J. R. Soc.
    Interface 16, 20190629.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = np.random.default_rng(1).standard_normal((60, 2))
    >>> own = ews.multivariate.largest_autocorrelation(x, window=30)[-1]
    >>> bool(ews.multivariate.maf_autocorrelation(x, window=30)[-1] > own)
    True
    """
    return measure(data, autocorrelations, window=window, shortest=factor_window)


def maf_variance(data: Any, *, window: int | float) -> Any:
    """Variance along the first min/max autocorrelation factor.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two, in comparable units.
    window : int or float
        Window: samples (at least variables + 3), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        Variance (divisor w − 1) of the window projected onto the direction of :func:`maf_eigenvalue`, taken in the
        space of the data with length 1: in whitened coordinates it would be 1 in every window.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Weinans, E. et al. (2019). Finding the direction of lowest resilience in multivariate complex systems. J. R. Soc.
    Interface 16, 20190629.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = np.random.default_rng(1).standard_normal((60, 2))
    >>> largest = ews.multivariate.covariance_eigenvalue(x, window=30)[-1]
    >>> bool(ews.multivariate.maf_variance(x, window=30)[-1] <= largest)
    True
    """
    return measure(data, variances, window=window, shortest=factor_window)
