"""Several indicators of one series at once: what they share is computed in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ews._common import checks
from ews.indicators import registry
from ews.indicators.building import read_windows

__all__ = ["rolling"]


def rolling(
    x: Any,
    *,
    window: int | float,
    indicators: str | Sequence[str] = ("variance", "ac1", "skewness"),
    raw: Any = None,
    step: float = 1.0,
    min_count: int | None = None,
    axis: int = -1,
    dim: str | None = None,
) -> dict[str, Any]:
    """Several indicators in a sliding window, in one pass.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`; a pandas DataFrame has one
        series a column.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1.
    indicators : str or sequence of str, default ("variance", "ac1", "skewness")
        Names of registered indicators; the default are the three most used. ``ews indicators`` lists all.
    raw : array_like, optional
        The series before detrending, shaped like `x` (default: `x`); the coefficient of variation divides by its mean.
    step : float, default 1.0
        Time between observations; rates are per unit of it.
    min_count : int, optional
        Fewest finite samples in a window (default: all of them).
    axis : int, default -1
        The axis of time.
    dim : str, optional
        The dimension of time of an xarray object (default: the one that is known for time by its name or dates).

    Returns
    -------
    dict
        Name → values laid out like `x` (with its index where it is a pandas object), each at the right edge of its
        window; NaN before the first full window. In the order asked for.

    Raises
    ------
    ews.errors.UnknownNameError
        If an indicator is not registered; the nearest name is suggested.
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window is too short for one of the indicators or does not fit.

    Examples
    --------
    >>> import ews
    >>> values = ews.rolling([1.0, 3.0, 3.0, 9.0], window=2, indicators=("mean", "variance"))
    >>> values["mean"]
    array([nan,  2.,  3.,  6.])
    """
    chosen = [registry.get(name) for name in checks.names("indicators", indicators, registry.names())]
    windows, restore = read_windows(
        x,
        window=window,
        min_count=min_count,
        axis=axis,
        dim=dim,
        shortest=max(indicator.shortest_window for indicator in chosen),
        raw=raw,
        step=step,
        moments=[name for indicator in chosen for name in indicator.moments],
    )
    return {indicator.name: restore(indicator.measured(windows)) for indicator in chosen}
