"""Complexity of a window: how regular, or how compressible, what happens in it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.indicators.building import measure
from ews.indicators.fused import Windows
from ews.indicators.registry import Indicator, register

__all__ = ["lempel_ziv_complexity", "permutation_entropy", "sample_entropy"]

FloatArray = npt.NDArray[np.float64]

# Samples held at a time while medians of whole windows are taken.
_BLOCK = 1 << 18
_HIGHEST_ORDER = 7  # 5,040 patterns; no window is long enough for more


def sample_entropy(
    x: Any,
    *,
    window: int | float,
    dimension: int = 2,
    tolerance: float = 0.2,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Sample entropy in a sliding window: how often stretches that were alike do not stay alike.

    Of all pairs of stretches of m samples that lie within r of each other at each sample, A of B still do so with one
    sample more; sample entropy is -ln(A / B). As the system slows down, the next sample is known ever better from the
    last in units of the standard deviation, and sample entropy falls.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least m + 3 samples; windows of fewer than 100
        hold few pairs that are alike.
    dimension : int, default 2
        The length m of the stretches compared.
    tolerance : float, default 0.2
        The distance r, in standard deviations (ddof 1) of the window. 2 and 0.2 are the field's habit.
    min_count : int, optional
        Accepted so that all indicators are called alike. Stretches need consecutive samples: a window with a missing
        one is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, in nats, each value at the right edge of its window; NaN before the first full window and in
        constant windows. Where no pair stays alike the ratio is not defined: the value is then the highest that the
        window can have, the logarithm of the number of pairs, so that the window still ranks as the least regular.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window, dimension or tolerance cannot be used.

    References
    ----------
    Richman, J. S. & Moorman, J. R. (2000). Physiological time-series analysis using approximate entropy and sample
    entropy. American Journal of Physiology 278, H2039-H2049.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> x = np.random.default_rng(1).standard_normal(500)
    >>> bool(ews.sample_entropy(x, window=500)[-1] > ews.sample_entropy(x.cumsum(), window=500)[-1])
    True
    """
    dimension = checks.whole("dimension", dimension, least=1)
    allowed = "a positive, finite number of standard deviations"
    tolerance = checks.number("tolerance", tolerance, above=0.0, allowed=allowed)

    def compute(windows: Windows) -> FloatArray:
        return _sample_entropy(windows, dimension, tolerance)

    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=dimension + 3)


def permutation_entropy(
    x: Any,
    *,
    window: int | float,
    order: int = 3,
    delay: int = 1,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> Any:
    """Permutation entropy in a sliding window: how evenly the orders of successive samples occur.

    Each stretch of `order` samples is replaced by the order of its values; the Shannon entropy of the orders is divided
    by its highest value, ln(order!). It is 1 for noise without memory and falls as the system slows down, for then
    samples tend to go on in the direction in which they went.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least (order - 1) * delay + 2 samples.
    order : int, default 3
        Samples in a pattern, 2 to 7. A window should hold several times order! patterns, hence 3.
    delay : int, default 1
        Distance between the samples of a pattern.
    min_count : int, optional
        Accepted so that all indicators are called alike. Patterns need consecutive samples: a window with a missing one
        is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, from 0 to 1, each value at the right edge of its window; NaN before the first full window and
        in constant windows. Of equal values the earlier counts as the smaller.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window, order or delay cannot be used.

    References
    ----------
    Bandt, C. & Pompe, B. (2002). Permutation entropy: a natural complexity measure for time series. Physical Review
    Letters 88, 174102. Bandt, C. & Shiha, F. (2007). Order patterns in time series. Journal of Time Series Analysis 28,
    646-665: in an AR(1) process with coefficient phi, three samples rise throughout with probability
    arcsin(sqrt(1 + phi) / 2) / pi, which grows with phi.

    Examples
    --------
    >>> import ews
    >>> ews.permutation_entropy([4.0, 7.0, 9.0, 10.0, 6.0, 11.0, 3.0], window=7).round(4)
    array([   nan,    nan,    nan,    nan,    nan,    nan, 0.5888])
    """
    order = checks.whole("order", order, least=2, most=_HIGHEST_ORDER)
    delay = checks.whole("delay", delay, least=1)

    def compute(windows: Windows) -> FloatArray:
        return _permutation_entropy(windows, int(order), int(delay))

    shortest = (int(order) - 1) * int(delay) + 2
    return measure(x, compute, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def lempel_ziv_complexity(
    x: Any, *, window: int | float, min_count: int | None = None, axis: int = -1, dim: str | None = None
) -> Any:
    """Lempel-Ziv complexity in a sliding window: an estimate of Kolmogorov's, from phrases never seen before.

    Each sample becomes 1 where it lies above the median of the window, else 0. The sequence is read as c phrases, each
    the shortest that has not occurred so far; the complexity is c log2(n) / n for n samples, which tends to 1 for noise
    without memory (from above, slowly). It falls as the system slows down.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 4 samples; the number of phrases is a
        whole number, so that windows of fewer than 100 take few values.
    min_count : int, optional
        Accepted so that all indicators are called alike. A sequence needs consecutive samples: a window with a missing
        one is NaN whatever the count.
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    ndarray or pandas object
        Shaped like `x`, without unit, each value at the right edge of its window; NaN before the first full window and
        in constant windows.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window cannot be used.

    References
    ----------
    Lempel, A. & Ziv, J. (1976). On the complexity of finite sequences. IEEE Transactions on Information Theory 22,
    75-81. Kaspar, F. & Schuster, H. G. (1987). Easily calculable measure for the complexity of spatiotemporal patterns.
    Physical Review A 36, 842-848. Dakos, V. & Soler-Toscano, F. (2017). Measuring complexity to infer changes in the
    dynamics of ecological systems under stress. Ecological Complexity 32, 144-155: Kolmogorov complexity (by another
    estimator, block decomposition) falls before ecological transitions.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> symbols = np.array([int(symbol) for symbol in "0001101001000101"])  # read as 0.001.10.100.1000.101
    >>> ews.lempel_ziv_complexity(symbols, window=16)[-1] == 6 * 4 / 16
    np.True_
    """
    shortest = LEMPEL_ZIV_COMPLEXITY.shortest_window
    return measure(x, _lempel_ziv, window=window, min_count=min_count, axis=axis, dim=dim, shortest=shortest)


def _sample_entropy(windows: Windows, dimension: int, tolerance: float) -> FloatArray:
    from ews._kernels import complexity

    out = np.empty(windows.residual.shape)
    with np.errstate(all="ignore"):  # as compiled: overflow in the plain twin is no cause for a warning
        complexity.rolling_sample_entropy(windows.residual, windows.window, dimension, tolerance, out)
    return out


def _permutation_entropy(windows: Windows, order: int, delay: int) -> FloatArray:
    from ews._kernels import complexity

    out = np.empty(windows.residual.shape)
    complexity.rolling_permutation_entropy(windows.residual, windows.window, order, delay, out)
    return out


def _lempel_ziv(windows: Windows) -> FloatArray:
    from ews._kernels import complexity

    out = np.empty(windows.residual.shape)
    complexity.rolling_lempel_ziv(windows.residual, windows.window, _medians(windows.residual, windows.window), out)
    return out


def _medians(rows: FloatArray, window: int) -> FloatArray:
    """Median of each window, at its right edge; NaN before the first full one and where a sample is not finite."""
    out = np.full(rows.shape, np.nan)
    for row, place in zip(np.where(np.isfinite(rows), rows, np.nan), out, strict=True):
        views = np.lib.stride_tricks.sliding_window_view(row, window)
        at_once = max(1, _BLOCK // window)
        for first in range(0, len(views), at_once):
            ordered = np.sort(views[first : first + at_once], axis=-1)  # NaN comes last
            middle = 0.5 * (ordered[:, (window - 1) // 2] + ordered[:, window // 2])
            middle[np.isnan(ordered[:, -1])] = np.nan
            place[window - 1 + first : window - 1 + first + len(middle)] = middle
    return out


SAMPLE_ENTROPY = register(
    Indicator(
        name="sample_entropy",
        label="Sample entropy",
        compute=lambda windows: _sample_entropy(windows, 2, 0.2),
        alarm="down",
        shortest_window=5,
        shift=True,
        scale="invariant",
        mirror="invariant",
        reference="Richman & Moorman (2000) American Journal of Physiology 278, H2039-H2049",
    )
)
PERMUTATION_ENTROPY = register(
    Indicator(
        name="permutation_entropy",
        label="Permutation entropy",
        compute=lambda windows: _permutation_entropy(windows, 3, 1),
        alarm="down",
        shortest_window=4,
        shift=True,
        scale="invariant",
        mirror="none",  # but for windows with equal values it is invariant
        reference="Bandt & Shiha (2007) Journal of Time Series Analysis 28, 646-665",
    )
)
LEMPEL_ZIV_COMPLEXITY = register(
    Indicator(
        name="lempel_ziv_complexity",
        label="Lempel–Ziv complexity",
        compute=_lempel_ziv,
        alarm="down",
        shortest_window=4,
        shift=True,
        scale="invariant",
        mirror="none",  # in a window of odd length the median itself counts as low
        reference="Dakos & Soler-Toscano (2017) Ecological Complexity 32, 144-155",
    )
)
