"""How slowly the variables forget: their own lag-1 autocorrelations, and that of the first principal component."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews.multivariate.reading import measure
from ews.multivariate.windows import FloatArray, Windows, where_defined

__all__ = ["along", "largest_autocorrelation", "mean_autocorrelation", "pca_autocorrelation"]


def four_samples(variables: int) -> int:
    """Shortest window of a correlation over the w − 1 pairs of neighbours."""
    del variables
    return 4


def along(direction: FloatArray, windows: Windows) -> FloatArray:
    """Pearson correlation of u'x[t] and u'x[t−1] inside each window, for one direction u a window, of any length.

    Directions are of shape (rows, windows, variables); NaN where the projection is constant.
    """
    before, across, after = windows.lagged
    numerator, early, late = (
        np.einsum("rwi,rwij,rwj->rw", direction, matrix, direction) for matrix in (across, before, after)
    )
    defined = (early > 0) & (late > 0)
    return np.where(defined, np.clip(numerator / np.sqrt(np.where(defined, early * late, 1.0)), -1.0, 1.0), np.nan)


def own(windows: Windows) -> FloatArray:
    """Lag-1 autocorrelation of each variable in each window."""
    before, across, after = (np.diagonal(matrix, axis1=2, axis2=3) for matrix in windows.lagged)
    defined = (before > 0) & (after > 0)
    return np.where(defined, np.clip(across / np.sqrt(np.where(defined, before * after, 1.0)), -1.0, 1.0), np.nan)


def _over_variables(windows: Windows, smallest: float) -> tuple[FloatArray, FloatArray]:
    """The variables' autocorrelations, `smallest` where undefined, and how many are defined (0 where one lacks)."""
    values = own(windows)
    present = ~np.isnan(values)
    whole = ~np.isnan(windows.variance).any(axis=2)
    return np.where(present, values, smallest), np.where(whole, present.sum(axis=2), 0)


def means(windows: Windows) -> FloatArray:
    """Mean of the variables' autocorrelations."""
    values, count = _over_variables(windows, 0.0)
    return windows.stamped(np.where(count > 0, values.sum(axis=2) / np.maximum(count, 1), np.nan))


def largest(windows: Windows) -> FloatArray:
    """Largest of the variables' autocorrelations."""
    values, count = _over_variables(windows, -np.inf)
    return windows.stamped(np.where(count > 0, values.max(axis=2), np.nan))


def of_component(windows: Windows) -> FloatArray:
    """Autocorrelation of the first principal component."""
    leading = where_defined(lambda matrices: np.linalg.eigh(matrices)[1][:, :, -1], windows.covariance)
    return windows.stamped(along(leading, windows))


def mean_autocorrelation(data: Any, *, window: int | float) -> Any:
    """Mean of the variables' lag-1 autocorrelations.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least 4), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        Mean over variables of the Pearson correlation of neighbours inside the window. A variable that is constant in
        the window takes no part.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Weinans, E. et al. (2021). Evaluating the performance of multivariate indicators of resilience loss. Sci. Rep. 11,
    9148.

    Examples
    --------
    >>> import ews
    >>> x = [[0.0, 0.0], [1.0, 2.0], [2.0, 0.0], [3.0, 2.0], [4.0, 0.0]]
    >>> ews.multivariate.mean_autocorrelation(x, window=5).round(6) + 0.0
    array([nan, nan, nan, nan,  0.])
    """
    return measure(data, means, window=window, shortest=four_samples)


def largest_autocorrelation(data: Any, *, window: int | float) -> Any:
    """Largest of the variables' lag-1 autocorrelations.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least 4), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        Largest over variables of the Pearson correlation of neighbours inside the window.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Weinans, E. et al. (2021). Evaluating the performance of multivariate indicators of resilience loss. Sci. Rep. 11,
    9148.

    Examples
    --------
    >>> import ews
    >>> ews.multivariate.largest_autocorrelation([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [3.0, 1.0]], window=4)
    array([nan, nan, nan,  1.])
    """
    return measure(data, largest, window=window, shortest=four_samples)


def pca_autocorrelation(data: Any, *, window: int | float) -> Any:
    """Lag-1 autocorrelation of the first principal component (degenerate fingerprinting).

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two, in comparable units.
    window : int or float
        Window: samples (at least 4), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        The window is projected onto the leading eigenvector of its own covariance, and the Pearson correlation of
        neighbours is taken of the projection. The variance of the projection is :func:`covariance_eigenvalue`.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Held, H. & Kleinen, T. (2004). Detection of climate system bifurcations by degenerate fingerprinting. Geophys. Res.
    Lett. 31, L23207; they fix the direction once, where here each window has its own.

    Examples
    --------
    >>> import ews
    >>> ews.multivariate.pca_autocorrelation([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], window=4)
    array([nan, nan, nan,  1.])
    """
    return measure(data, of_component, window=window, shortest=four_samples)
