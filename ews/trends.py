"""How steadily an indicator rises or falls: Kendall's τ-b, Spearman's ρ and the Theil–Sen slope.

The textbook p-value of such a trend is meaningless here, because neighbouring windows share almost all of their
samples; no function of this file gives one. The p-value comes from surrogates that go through the same windows
(:func:`ews.significance`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.result import Result
from ews._common.times import numeric
from ews.errors import InputTypeError, SeriesTooShortError, described
from ews.series import carried_times, real_numbers, refuse_huge

__all__ = ["METHODS", "Trend", "TrendMethod", "kendall", "rows", "spearman", "theil_sen"]

FloatArray = npt.NDArray[np.float64]
TrendMethod = Literal["kendall", "spearman", "theil_sen"]
METHODS: tuple[TrendMethod, ...] = ("kendall", "spearman", "theil_sen")

# All slopes of 2,000 values fill 16 MB; beyond that the median slope is found by bisection.
MOST_LISTED = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Trend(Result):
    """The trend of an indicator.

    Attributes
    ----------
    method : str
        ``"kendall"``, ``"spearman"`` or ``"theil_sen"``.
    statistic : float
        τ-b or ρ in [−1, 1], or the slope in units of the values per unit of time (per day for dates); NaN where there
        is no variation.
    n : int
        Number of values used; those that are not finite are left out.
    """

    method: str
    statistic: float
    n: int


def kendall(values: Any, *, time: Any = None) -> Trend:
    """Kendall's rank correlation τ-b of an indicator with time, ties accounted for.

    Parameters
    ----------
    values : array_like of shape (n,)
        The indicator; values that are not finite are left out.
    time : array_like of shape (n,), optional
        When each value was measured, as numbers or dates (default: the index or coordinate that the values carry, else
        its position).

    Returns
    -------
    Trend
        τ-b in [−1, 1]; NaN for fewer than two values or where all are equal.

    Raises
    ------
    ews.errors.InputTypeError
        If the values are not one-dimensional and numeric, or the times neither numbers nor dates.
    ews.errors.ArgumentError
        If there is not one time for each value.
    ews.errors.SeriesTooShortError
        If there are no values.

    References
    ----------
    Kendall, M. G. (1945). The treatment of ties in ranking problems. Biometrika 33, 239–251.

    Examples
    --------
    >>> import ews
    >>> round(ews.trends.kendall([1.0, 3.0, 2.0, 4.0]).statistic, 6)
    0.666667
    """
    from ews._kernels.kendall import kendall_pair

    y, t = _pair(values, time)
    return Trend("kendall", float(kendall_pair(t, y)) if y.size > 1 else np.nan, y.size)


def spearman(values: Any, *, time: Any = None) -> Trend:
    """Spearman's rank correlation ρ of an indicator with time.

    Parameters
    ----------
    values : array_like of shape (n,)
        The indicator; values that are not finite are left out.
    time : array_like of shape (n,), optional
        When each value was measured, as numbers or dates (default: the index or coordinate that the values carry, else
        its position).

    Returns
    -------
    Trend
        ρ in [−1, 1]; NaN for fewer than two values or where all are equal.

    Raises
    ------
    ews.errors.InputTypeError
        If the values are not one-dimensional and numeric, or the times neither numbers nor dates.
    ews.errors.ArgumentError
        If there is not one time for each value.
    ews.errors.SeriesTooShortError
        If there are no values.

    References
    ----------
    Spearman, C. (1904). The proof and measurement of association between two things. Am. J. Psychol. 15, 72–101.

    Examples
    --------
    >>> import ews
    >>> ews.trends.spearman([1.0, 3.0, 2.0, 4.0]).statistic
    0.8
    """
    y, t = _pair(values, time)
    return Trend("spearman", _spearman(t, y), y.size)


def theil_sen(values: Any, *, time: Any = None) -> Trend:
    """Theil–Sen slope: the median of the slopes between all pairs of values.

    Parameters
    ----------
    values : array_like of shape (n,)
        The indicator; values that are not finite are left out.
    time : array_like of shape (n,), optional
        When each value was measured, as numbers or dates (default: the index or coordinate that the values carry, else
        its position).

    Returns
    -------
    Trend
        The slope, in units of the values per unit of time (per day for dates); NaN for fewer than two times.

    Raises
    ------
    ews.errors.InputTypeError
        If the values are not one-dimensional and numeric, or the times neither numbers nor dates.
    ews.errors.ArgumentError
        If there is not one time for each value.
    ews.errors.SeriesTooShortError
        If there are no values.

    References
    ----------
    Sen, P. K. (1968). Estimates of the regression coefficient based on Kendall's tau. JASA 63, 1379–1389.

    Examples
    --------
    >>> import ews
    >>> ews.trends.theil_sen([0.0, 1.0, 2.0, 3.0, 30.0]).statistic
    1.0
    """
    y, t = _pair(values, time)
    return Trend("theil_sen", _theil_sen(t, y), y.size)


def rows(values: FloatArray, *, method: TrendMethod = "kendall") -> FloatArray:
    """Trend of each row against its positions, for many indicator series at once.

    Parameters
    ----------
    values : ndarray of shape (rows, n)
        One indicator series a row; NaN are left out.
    method : {"kendall", "spearman", "theil_sen"}, default "kendall"
        Kendall's τ-b is the field's standard (Dakos et al. 2012).

    Returns
    -------
    ndarray of shape (rows,)
        The statistics.

    Raises
    ------
    ews.errors.UnknownNameError
        If `method` is not known.
    ews.errors.InputTypeError
        If `values` are not rows of numbers.

    Examples
    --------
    >>> import numpy as np, ews
    >>> ews.trends.rows(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    array([ 1., -1.])
    """
    if type(method) is not str or method != "kendall":  # a short row takes no longer than a look at all names
        method = checks.choice("trend", method, METHODS)
    table = _table(values)
    out = np.empty(table.shape[0])
    if method == "kendall":
        _kendall_rows()(table, out)
        return out
    statistic: Callable[[FloatArray, FloatArray], float] = _spearman if method == "spearman" else _theil_sen
    position = np.arange(table.shape[1], dtype=np.float64)
    for i, row in enumerate(table):
        present = np.isfinite(row)
        out[i] = statistic(position[present], row[present])
    return out


@cache
def _kendall_rows() -> Callable[[FloatArray, FloatArray], None]:
    """The kernel, loaded when first used; to look for it each time takes a fifth of a row of 500."""
    from ews._kernels.kendall import kendall_rows

    return kendall_rows


def _table(values: Any) -> FloatArray:
    """Rows of numbers."""
    if type(values) is np.ndarray and values.dtype == np.float64 and values.ndim == 2 and values.flags.c_contiguous:
        return values
    given = checks.array("values", values, "numbers, of shape (rows, n)")
    if given.ndim != 2 or given.dtype.kind not in "iufb":
        what = described(f"an array of shape {given.shape} and type {given.dtype}")
        raise InputTypeError("values", what, "numbers, of shape (rows, n)")
    return np.ascontiguousarray(given, dtype=np.float64)


def _pair(values: Any, time: Any) -> tuple[FloatArray, FloatArray]:
    """Finite values and their times, contiguous."""
    held, carried = carried_times(values, time, argument="values")
    y = real_numbers("values", held)
    if y.size == 0:
        raise SeriesTooShortError("values", described("an empty series"), "at least one value")
    t = numeric(carried(y.size))
    present = np.isfinite(y)
    return np.ascontiguousarray(y[present]), np.ascontiguousarray(t[present])


def _spearman(t: FloatArray, y: FloatArray) -> float:
    from scipy.stats import rankdata

    if y.size < 2 or y.min() == y.max() or t.min() == t.max():
        return np.nan
    # Centred ranks are multiples of 1/2, so that a perfect order gives exactly 1.
    ranks = [rankdata(each) - (y.size + 1) / 2 for each in (t, y)]
    return float((ranks[0] @ ranks[1]) / np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))


def _theil_sen(t: FloatArray, y: FloatArray) -> float:
    if y.size < 2 or t.min() == t.max():
        return np.nan
    refuse_huge("values", y)
    if y.size > MOST_LISTED:
        return _theil_sen_by_bisection(t, y)
    earlier, later = np.triu_indices(y.size, k=1)
    run = t[later] - t[earlier]
    apart = run != 0
    return float(np.median((y[later] - y[earlier])[apart] / run[apart]))


def _theil_sen_by_bisection(t: FloatArray, y: FloatArray) -> float:
    """The slope that leaves as many pairs rising as falling, to rounding, without a list of all pairs.

    Sen (1968), section 2: the estimate is where Kendall's statistic of y − b t changes its sign.
    """
    from ews._kernels.kendall import kendall_pair

    order = np.argsort(t, kind="stable")
    t, y = t[order] - t[order[0]], y[order]
    first = np.flatnonzero(np.diff(t, prepend=-1.0))
    highest, lowest = np.maximum.reduceat(y, first), np.minimum.reduceat(y, first)
    run = np.diff(t[first])
    low, high = float(((lowest[1:] - highest[:-1]) / run).min()), float(((highest[1:] - lowest[:-1]) / run).max())

    def last_slope(rising: Callable[[float], bool]) -> float:
        below, above = low, high
        while below < (middle := below / 2 + above / 2) < above:
            below, above = (middle, above) if rising(kendall_pair(t, y - middle * t)) else (below, middle)
        return above

    # Where they differ, these are the two middle slopes of an even number. NaN: what is left is constant.
    return (last_slope(lambda balance: balance > 0) + last_slope(lambda balance: balance >= 0)) / 2
