"""What a monitor is given, checked before anything is computed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._monitor.engine import MEASURES
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError, described
from ews.series import real_numbers

__all__ = ["read_bandwidth", "read_indicators", "read_rate", "read_runs", "read_value", "read_values", "whole"]

FloatArray = npt.NDArray[np.float64]


def whole(argument: str, given: Any, least: int, *, error: type[ValueRangeError] = ValueRangeError) -> int:
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or int(given) < least:
        raise error(argument, given, f"an integer of {least} or more")
    return int(given)


def read_indicators(indicators: Any) -> tuple[str, ...]:
    names = (indicators,) if isinstance(indicators, str) else indicators
    if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) for name in names):
        raise InputTypeError("indicators", indicators, "one or more names of indicators")
    for name in names:
        if name not in MEASURES:
            raise UnknownNameError("indicators", name, MEASURES)
    return tuple(dict.fromkeys(names))


def read_bandwidth(bandwidth: Any, detrend: str | None, window: int) -> float | None:
    if detrend is None:
        if bandwidth is not None:
            raise ArgumentError("bandwidth", bandwidth, "None: detrend=None has no bandwidth")
        return None
    least = 2.0 if detrend == "running_mean" else 1.0
    given = window if bandwidth is None else bandwidth
    if isinstance(given, bool) or not isinstance(given, numbers.Real) or not least <= float(given) < math.inf:
        raise ValueRangeError("bandwidth", bandwidth, f"a number of samples of at least {least:g}")
    return float(given)


def read_rate(rate: Any, n: int, argument: str = "n_simulations") -> float:
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not 0.0 < float(rate) < 1.0:
        raise ValueRangeError("false_alarm_rate", rate, "a number between 0 and 1")
    if 2.0 / (1 + n) > float(rate):
        raise ArgumentError(argument, n, f"at least {math.ceil(2.0 / float(rate)) - 1} for that rate")
    return float(rate)


def read_value(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise InputTypeError("value", value, "one real number (NaN or None where it is missing)")
    try:
        return float(value)
    except OverflowError:
        raise ValueRangeError("value", described("a number too large for a float"), "a float") from None


def read_values(argument: str, values: Any) -> FloatArray:
    kind = getattr(values, "dtype", None)
    if kind == np.bool_ or (
        isinstance(values, Sequence) and any(isinstance(value, bool | np.bool_) for value in values)
    ):
        raise InputTypeError(argument, described("truth values"), "real numbers")
    return real_numbers(argument, values)


def read_runs(runs: Any, horizon: Any) -> FloatArray:
    """Records of shape (runs, horizon), cut to the horizon: the shortest run, or what was asked for."""
    if isinstance(runs, str | bytes) or not hasattr(runs, "__len__") or not hasattr(runs, "__iter__"):
        raise InputTypeError("runs", runs, "several one-dimensional series of numbers")
    rows = [read_values("runs", run) for run in runs]
    if not rows:
        raise InputTypeError("runs", described("no run"), "several one-dimensional series of numbers")
    shortest = min(row.size for row in rows)
    length = shortest if horizon is None else whole("horizon", horizon, 1)
    if length > shortest:
        raise ValueRangeError("horizon", horizon, f"at most the shortest run, which has {shortest} observations")
    return np.stack([row[:length] for row in rows])
