"""The Jacobian of a first-order vector autoregression in each window, and its leading eigenvalue."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews.multivariate.reading import measure
from ews.multivariate.windows import FloatArray, Windows, where_defined

__all__ = ["jacobian", "jacobian_eigenvalue", "jacobian_index"]

# Directions with less than this share of the largest standardised variance are rounding.
SINGULAR = 1e-10


def regression_window(variables: int) -> int:
    """Shortest window: w − 1 pairs for variables + 1 coefficients, and one to spare."""
    return variables + 3


def _regress(before: FloatArray, across: FloatArray) -> FloatArray:
    """A = Γ₁ Γ₀⁻¹, with the pseudo-inverse where variables are collinear or constant."""
    deviation = np.sqrt(np.maximum(np.diagonal(before, axis1=1, axis2=2), 0.0))
    inverse = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    size, axes = np.linalg.eigh(before * (inverse[:, :, None] * inverse[:, None, :]))
    kept = size > SINGULAR * np.maximum(size[:, -1:], SINGULAR)
    reciprocal = np.divide(1.0, size, out=np.zeros_like(size), where=kept)
    # Γ₁ D · V Λ⁻¹ V' · D, where D Γ₀ D = V Λ V' has ones on its diagonal
    scaled = across * inverse[:, None, :]
    solved = ((scaled @ axes) * reciprocal[:, None, :]) @ np.swapaxes(axes, 1, 2) * inverse[:, None, :]
    return np.where(kept.any(axis=1)[:, None, None], solved, np.nan)


def matrices(windows: Windows) -> FloatArray:
    """Jacobian of each window."""
    before, across, _ = windows.lagged
    return windows.stamped(where_defined(_regress, before, across))


def moduli(windows: Windows) -> FloatArray:
    """Modulus of the leading eigenvalue."""
    return where_defined(lambda stack: np.abs(np.linalg.eigvals(stack)).max(axis=1), matrices(windows))


def indices(windows: Windows) -> FloatArray:
    """Logarithm of the modulus per unit of time."""
    found = moduli(windows)
    return np.where(found > 0, np.log(np.where(found > 0, found, 1.0)) / windows.step, np.nan)


def jacobian(data: Any, *, window: int | float) -> FloatArray:
    r"""Jacobian of the linear map from one sample to the next, in each window.

    In x[t] = a + A x[t−1] + noise, least squares gives A = Γ₁ Γ₀⁻¹, with Γ₀ the covariance of the earlier samples of
    the pairs in the window and Γ₁ = cov(x[t], x[t−1]) that of the later with the earlier ones: row i of A says how
    variable i follows from all. (With Γ₁ transposed, as one package has it, one gets neither A nor its transpose.)

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least variables + 3), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n, variables, variables)
        A of each window at its right edge. Where variables are constant or collinear, the solution of least norm in
        units of the variables' standard deviations.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Williamson, M. S. & Lenton, T. M. (2015). Detection of bifurcations in noisy coupled systems from multiple time
    series. Chaos 25, 036407. Lütkepohl, H. (2005). New introduction to multiple time series analysis, section 3.2.
    Springer.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = [np.array([1.0, 2.0])]
    >>> for _ in range(9):
    ...     x.append(np.array([[0.6, 0.3], [0.0, 0.5]]) @ x[-1])
    >>> np.abs(ews.multivariate.jacobian(x, window=10)[-1].round(6))
    array([[0.6, 0.3],
           [0. , 0.5]])
    """
    found: FloatArray = np.asarray(measure(data, matrices, window=window, shortest=regression_window))
    return found


def jacobian_eigenvalue(data: Any, *, window: int | float) -> Any:
    """Modulus of the leading eigenvalue of the window's Jacobian: 1 is the loss of stability.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least variables + 3), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        The largest modulus of an eigenvalue of :func:`jacobian`: it goes to 1 at a fold or transcritical bifurcation
        (through a real eigenvalue), at a Hopf bifurcation (a pair) and at a period doubling (−1) alike. It does not
        change under any invertible linear map of the variables. Short windows bias it.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    References
    ----------
    Williamson, M. S. & Lenton, T. M. (2015). Detection of bifurcations in noisy coupled systems from multiple time
    series. Chaos 25, 036407.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = [np.array([1.0, 2.0])]
    >>> for _ in range(9):
    ...     x.append(np.array([[0.6, 0.3], [0.0, 0.5]]) @ x[-1])
    >>> float(ews.multivariate.jacobian_eigenvalue(x, window=10)[-1].round(6))
    0.6
    """
    return measure(data, moduli, window=window, shortest=regression_window)


def jacobian_index(data: Any, *, window: int | float, step: float = 1.0) -> Any:
    """Logarithm of the leading eigenvalue's modulus per unit of time: 0 is the loss of stability.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least variables + 3), or a fraction of the record between 0 and 1.
    step : float, default 1.0
        Time between observations.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        max log|eigenvalue| / step of :func:`jacobian`: the real part of the leading eigenvalue of the continuous
        system, which rises towards 0 from below.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, the window does not fit or the step is not positive.

    References
    ----------
    Williamson, M. S. & Lenton, T. M. (2015). Detection of bifurcations in noisy coupled systems from multiple time
    series. Chaos 25, 036407.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = [np.array([1.0, 2.0])]
    >>> for _ in range(9):
    ...     x.append(np.array([[0.6, 0.3], [0.0, 0.5]]) @ x[-1])
    >>> bool(np.isclose(ews.multivariate.jacobian_index(x, window=10, step=0.5)[-1], 2 * np.log(0.6)))
    True
    """
    return measure(data, indices, window=window, shortest=regression_window, step=step)
