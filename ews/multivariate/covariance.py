"""Indicators read off the covariance matrix of a window: how much the variables vary, and how much together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews.multivariate.reading import measure
from ews.multivariate.windows import FloatArray, Windows, where_defined

__all__ = [
    "covariance_eigenvalue",
    "covariance_share",
    "cross_correlation",
    "largest_variance",
    "mean_variance",
    "variability_index",
]


def two_samples(variables: int) -> int:
    """Shortest window of a variance."""
    del variables
    return 2


def three_samples(variables: int) -> int:
    """Shortest window of a correlation that is not ±1 whatever the data."""
    del variables
    return 3


def eigenvalues(windows: Windows) -> FloatArray:
    """Leading eigenvalue of the covariance matrix."""
    found = where_defined(lambda matrices: np.linalg.eigvalsh(matrices)[:, -1], windows.covariance)
    return windows.stamped(np.maximum(found, 0.0))


def shares(windows: Windows) -> FloatArray:
    """Leading eigenvalue over the trace."""
    total = windows.stamped(windows.variance.sum(axis=2))
    return np.where(total > 0, np.minimum(eigenvalues(windows) / total, 1.0), np.nan)


def indices(windows: Windows) -> FloatArray:
    """Square root of the leading eigenvalue."""
    return np.sqrt(eigenvalues(windows))


def mean_variances(windows: Windows) -> FloatArray:
    """Mean of the variables' variances."""
    return windows.stamped(windows.variance.mean(axis=2))


def largest_variances(windows: Windows) -> FloatArray:
    """Largest of the variables' variances."""
    return windows.stamped(windows.variance.max(axis=2))


def correlations(windows: Windows) -> FloatArray:
    """Mean absolute correlation over the pairs of variables."""
    deviation = np.sqrt(windows.variance)
    scale = deviation[..., :, None] * deviation[..., None, :]
    first, second = np.triu_indices(windows.variables, k=1)
    r = windows.covariance[..., first, second] / np.where(scale > 0, scale, np.nan)[..., first, second]
    return windows.stamped(mean_of_defined(np.minimum(np.abs(r), 1.0), windows))


def mean_of_defined(pairs: FloatArray, windows: Windows) -> FloatArray:
    """Mean over the pairs that are defined; NaN where none is, and where a sample is missing."""
    present = ~np.isnan(pairs)
    count = present.sum(axis=-1)
    total = np.where(present, pairs, 0.0).sum(axis=-1) / np.maximum(count, 1)
    whole = ~np.isnan(windows.variance).any(axis=-1)
    return np.where((count > 0) & whole, total, np.nan)


def covariance_eigenvalue(data: Any, *, window: int | float) -> Any:
    r"""Leading eigenvalue of the covariance matrix: the variance along the direction that varies most.

    Near a bifurcation at which one real eigenvalue of the Jacobian goes to 0, disturbances along its direction decay
    ever more slowly, and the variance along it grows beyond all others.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two. Variables of unlike units should be divided by their
        standard deviation (:func:`ews.detect_multivariate` does).
    window : int or float
        Window: samples (at least 2), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        λ₁ of the window's covariance (divisor w − 1), in squared units of the data, at the right edge of the window;
        NaN before the first full window and where the window holds a missing value. It is the variance of the first
        principal component.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Held, H. & Kleinen, T. (2004). Detection of climate system bifurcations by degenerate fingerprinting. Geophys. Res.
    Lett. 31, L23207. Chen, S., O'Dea, E. B., Drake, J. M. & Epureanu, B. I. (2019). Eigenvalues of the covariance
    matrix as early warning signals for critical transitions in ecological systems. Sci. Rep. 9, 2572.

    Examples
    --------
    >>> import ews
    >>> ews.multivariate.covariance_eigenvalue([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], window=3)
    array([nan, nan,  2.])
    """
    return measure(data, eigenvalues, window=window, shortest=two_samples)


def covariance_share(data: Any, *, window: int | float) -> Any:
    """Share of the total variance that lies along the leading direction.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two, in comparable units.
    window : int or float
        Window: samples (at least 2), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        λ₁ / Σ λ of the window's covariance, from 1 / variables to 1; NaN where nothing varies. Also called explained
        variance. It rises where a real eigenvalue goes to 0; on the way to a Hopf bifurcation two variables that cycle
        out of phase come to vary alike, and it *falls*.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Lever, J. J. et al. (2020). Foreseeing the future of mutualistic communities beyond collapse. Ecology Letters 23,
    2–15. Weinans, E. et al. (2021). Evaluating the performance of multivariate indicators of resilience loss. Sci. Rep.
    11, 9148.

    Examples
    --------
    >>> import ews
    >>> ews.multivariate.covariance_share([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], window=3)
    array([nan, nan,  1.])
    """
    return measure(data, shares, window=window, shortest=two_samples)


def variability_index(data: Any, *, window: int | float) -> Any:
    """Multivariate index of variability (MVI): the square root of the leading covariance eigenvalue.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least 2), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        √λ₁, in units of the data.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Brock, W. A. & Carpenter, S. R. (2006). Variance as a leading indicator of regime shift in ecosystem services.
    Ecology and Society 11, 9.

    Examples
    --------
    >>> import ews
    >>> ews.multivariate.variability_index([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]], window=2)
    array([nan,  2.,  2.])
    """
    return measure(data, indices, window=window, shortest=two_samples)


def mean_variance(data: Any, *, window: int | float) -> Any:
    """Mean of the variables' variances.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two, in comparable units.
    window : int or float
        Window: samples (at least 2), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        Mean over variables of the window's variance (divisor w − 1).

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
    >>> ews.multivariate.mean_variance([[0.0, 5.0], [2.0, 5.0]], window=2)
    array([nan,  1.])
    """
    return measure(data, mean_variances, window=window, shortest=two_samples)


def largest_variance(data: Any, *, window: int | float) -> Any:
    """Largest of the variables' variances.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two, in comparable units.
    window : int or float
        Window: samples (at least 2), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        Largest over variables of the window's variance (divisor w − 1).

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
    >>> ews.multivariate.largest_variance([[0.0, 5.0], [2.0, 5.0]], window=2)
    array([nan,  2.])
    """
    return measure(data, largest_variances, window=window, shortest=two_samples)


def cross_correlation(data: Any, *, window: int | float) -> Any:
    """Mean absolute correlation between the variables.

    Near a bifurcation the slow direction carries ever more of the variation of all variables that take part in it, so
    that they vary together (or against each other: hence the absolute value).

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least 3), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        Mean over pairs of the absolute Pearson correlation, from 0 to 1. A pair takes no part in a window in which one
        of its variables is constant; NaN where no pair is left. Short windows raise it: without any correlation it is
        about √(2 / π w). It rises where a real eigenvalue goes to 0; variables that cycle a quarter turn apart, as
        consumer and resource do near a Hopf bifurcation, become less correlated, and it *falls*.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Dakos, V. et al. (2010). Spatial correlation as leading indicator of catastrophic shifts. Theoretical Ecology 3,
    163–174. Weinans, E. et al. (2021). Evaluating the performance of multivariate indicators of resilience loss. Sci.
    Rep. 11, 9148.

    Examples
    --------
    >>> import ews
    >>> ews.multivariate.cross_correlation([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]], window=3)
    array([nan, nan,  1.])
    """
    return measure(data, correlations, window=window, shortest=three_samples)
