"""Autoregressive fits in a window: memory beyond lag 1, and memory that is not the noise's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.indicators.building import measure
from ews.indicators.fused import Windows
from ews.indicators.registry import Indicator, register

__all__ = ["companion_eigenvalue", "corrected_autocorrelation", "largest_order"]

FloatArray = npt.NDArray[np.float64]


def companion_eigenvalue(
    x: Any,
    *,
    window: int | float,
    max_order: int | None = None,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Modulus of the leading eigenvalue of an autoregression AR(p) in a sliding window, p by AIC.

    x[t] = a1 x[t-1] + ... + ap x[t-p] is a linear map of p successive samples; its matrix, the companion matrix, has a1
    ... ap as first row and ones below the diagonal. A disturbance shrinks by its leading eigenvalue at each sample, so
    that the modulus rises towards 1 before a local bifurcation, fold, flip or Hopf.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 5 samples.
    max_order : int, optional
        Highest order to choose from, the lowest being 1. Default: 10 log10(window), as in R, but no more than a fifth
        of the window, for AIC compared over unequal samples prefers orders that leave next to no residual.
    min_count : int, optional
        Accepted so that all indicators are called alike. The fit needs consecutive samples: a window with a missing one
        is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, per sample, without unit, each value at the right edge of its window; NaN before the first full
        window and in constant windows. Not its logarithm: the threshold of instability is 1.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or order cannot be used.

    References
    ----------
    Lütkepohl, H. (2005). New Introduction to Multiple Time Series Analysis, section 2.1: companion form and stability.
    Ives, A. R. & Dakos, V. (2012). Detecting dynamical changes in nonlinear time series using locally linear
    state-space models. Ecosphere 3, 58: the eigenvalues of AR(p) as early warning. Akaike, H. (1974). A new look at the
    statistical model identification. IEEE Transactions on Automatic Control 19, 716-723.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> x = np.zeros(1000)
    >>> noise = np.random.default_rng(1).standard_normal(1000)
    >>> for t in range(2, 1000):  # eigenvalues 0.6 ± 0.6i
    ...     x[t] = 1.2 * x[t - 1] - 0.72 * x[t - 2] + noise[t]
    >>> bool(abs(ews.companion_eigenvalue(x, window=1000)[-1] - 0.72**0.5) < 0.03)
    True
    """

    def compute(windows: Windows) -> FloatArray:
        highest = largest_order(windows.window) if max_order is None else max_order
        return _companion_eigenvalue(windows, checks.whole("max_order", highest, least=1, most=windows.window - 4))

    shortest = COMPANION_EIGENVALUE.shortest_window
    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def corrected_autocorrelation(
    x: Any, *, window: int | float, min_count: int | None = None, axis: int = -1, dim: str | None = None
) -> Any:
    """Autocorrelation corrected for red noise, in a sliding window: the memory of the system without the noise's.

    The model is x[t] = phi x[t-1] + v[t] with red noise v[t] = rho v[t-1] + e[t]. A plain AR(1) fit then gives phi* =
    (phi + rho) / (1 + phi rho), and its residuals have lag-1 autocorrelation rho* = phi* phi rho, so that phi and rho
    are the roots of z**2 - (phi* + rho*) z + rho* / phi* = 0. The two play the same part in the data: the larger root
    is taken for the system's, which supposes that it is slower than its noise.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 5 samples.
    min_count : int, optional
        Accepted so that all indicators are called alike. The residuals need consecutive samples: a window with a
        missing one is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, phi at the right edge of each window; NaN before the first full window and in windows that are
        constant or an exact straight line. Where sampling error makes the roots complex, the nearest model with real
        ones has phi = rho = (phi* + rho*) / 2, and that is the value (Boettner & Boers leave such windows out). Where
        phi* is near 0 the quotient, and so the value, is of no use.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window cannot be used.

    References
    ----------
    Boettner, C. & Boers, N. (2022). Critical slowing down in dynamical systems driven by nonstationary correlated
    noise. Physical Review Research 4, 013230.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> noise, x = np.random.default_rng(1).standard_normal(5000), np.zeros(5000)
    >>> for t in range(1, 5000):
    ...     noise[t] += 0.4 * noise[t - 1]
    ...     x[t] = 0.8 * x[t - 1] + noise[t]
    >>> bool(ews.autocorrelation(x, window=5000)[-1] > 0.88)
    True
    >>> bool(0.76 < ews.corrected_autocorrelation(x, window=5000)[-1] < 0.84)
    True
    """
    shortest = CORRECTED_AUTOCORRELATION.shortest_window
    return measure(
        x, _corrected_autocorrelation, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest
    )


def largest_order(window: int) -> int:
    """Highest order of an autoregression that a window is offered: 10 log10(window), rounded down, as in R's ``ar``.

    But no more than a fifth of the window.
    """
    return min(int(10.0 * math.log10(window)), window // 5)


def _companion_eigenvalue(windows: Windows, highest: int) -> FloatArray:
    from ews._kernels import autoregressive_fit

    coefficients = np.empty((*windows.residual.shape, highest))
    orders = np.empty(windows.residual.shape, dtype=np.int64)
    with np.errstate(all="ignore"):  # as compiled: overflow in the plain twin is no cause for a warning
        autoregressive_fit.rolling_autoregression(windows.residual, windows.window, 1, highest, coefficients, orders)
    out = np.full(windows.residual.shape, np.nan)
    for order in range(1, highest + 1):
        chosen = orders == order
        if chosen.any():
            out[chosen] = _leading_modulus(coefficients[chosen][:, :order])
    return out


def _leading_modulus(coefficients: FloatArray) -> FloatArray:
    """Largest modulus of the eigenvalues of companion matrices, one for each row of coefficients."""
    count, order = coefficients.shape
    if order == 1:
        return np.abs(coefficients[:, 0])
    # Lütkepohl (2005) eq. 2.1.8.
    companion = np.zeros((count, order, order))
    companion[:, 0, :] = coefficients
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    return np.asarray(np.abs(np.linalg.eigvals(companion)).max(axis=1))


def _corrected_autocorrelation(windows: Windows) -> FloatArray:
    from ews._kernels import autoregressive_fit

    fits = np.empty((2, *windows.residual.shape))
    with np.errstate(all="ignore"):
        autoregressive_fit.rolling_residual_memory(windows.residual, windows.window, fits)
        biased, left = fits
        total = biased + left  # phi + rho
        product = left / biased  # phi rho
        value = 0.5 * (total + np.sqrt(np.maximum(total * total - 4.0 * product, 0.0)))
    return np.where(np.isfinite(value), value, np.nan)


CORRECTED_AUTOCORRELATION = register(
    Indicator(
        name="corrected_autocorrelation",
        label="Autocorrelation corrected for red noise",
        compute=_corrected_autocorrelation,
        alarm="up",
        shortest_window=5,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Boettner & Boers (2022) Physical Review Research 4, 013230",
    )
)
COMPANION_EIGENVALUE = register(
    Indicator(
        name="companion_eigenvalue",
        label="Leading eigenvalue of AR(p)",
        compute=lambda windows: _companion_eigenvalue(windows, largest_order(windows.window)),
        alarm="up",
        shortest_window=5,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Ives & Dakos (2012) Ecosphere 3, 58",
    )
)
