"""What a monitor is given, checked before anything is computed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described
from ews.series import real_numbers

__all__ = ["LONGEST", "read_bandwidth", "read_rate", "read_runs", "read_value", "read_values"]

FloatArray = npt.NDArray[np.float64]
# Samples that a buffer may hold, and a calibration run over.
LONGEST = 10_000_000


def read_bandwidth(bandwidth: Any, detrend: str | None, window: int) -> float | None:
    if detrend is None:
        if bandwidth is not None:
            raise ArgumentError("bandwidth", bandwidth, "None: detrend=None has no bandwidth")
        return None
    least = 2.0 if detrend == "running_mean" else 1.0
    given = window if bandwidth is None else bandwidth
    allowed = f"a number of samples from {least:g} to {LONGEST}"
    return checks.number("bandwidth", given, least=least, most=LONGEST, allowed=allowed)


def read_rate(rate: Any, n: int, argument: str = "n_simulations") -> float:
    level = checks.alpha(rate, "false_alarm_rate")
    if 2.0 / (1 + n) > level:
        raise ArgumentError(argument, n, f"at least {math.ceil(min(2.0 / level, 1e300)) - 1} for that rate")
    return level


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
    length = shortest if horizon is None else checks.whole("horizon", horizon, least=1)
    if length > shortest:
        raise ValueRangeError("horizon", horizon, f"at most the shortest run, which has {shortest} observations")
    return np.stack([row[:length] for row in rows])
