"""Whether a look is worth its cost, from what the residual stream did over the last layers: no head is needed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from adapters.signals import SIGNALS, signals
from adapters.windows import last

__all__ = ["FEATURES", "STATISTICS", "FeatureSet", "feature_names", "gate_features", "states_needed"]

FeatureSet = Literal["windowed", "raw", "both"]
FEATURES = ("windowed", "raw", "both")
STATISTICS = ("variance", "ac1", "skewness", "trend")


def states_needed(window: int) -> int:
    """How many states give `window` values of every signal: alignment looks two layers back."""
    return window + 2


def feature_names(features: FeatureSet) -> tuple[str, ...]:
    """What the columns of :func:`gate_features` are."""
    windowed = tuple(f"{signal} {statistic}" for signal in SIGNALS for statistic in STATISTICS)
    return {"windowed": windowed, "raw": SIGNALS, "both": windowed + SIGNALS}[features]


def gate_features(states: Tensor, *, features: FeatureSet = "both") -> Tensor:
    """Windowed statistics of the signals over the last layers, their newest values, or both.

    Parameters
    ----------
    states : Tensor of shape (rows, window + 2, width)
        The newest states, oldest first.
    features : {"windowed", "raw", "both"}, default "both"
        Variance, lag-1 autocorrelation, skewness and trend of each signal in the window; the signals at the newest
        layer, without a window (the control); or all of them.

    Returns
    -------
    Tensor of float64 of shape (rows, features)
        Named by :func:`feature_names`. NaN where a statistic is undefined.
    """
    if features == "raw":
        return signals(states[:, -3:])[:, -1].double()
    found = signals(states)[:, 2:]  # every signal is defined from the third state on
    rows, window, count = found.shape
    series = found.transpose(1, 2).reshape(rows * count, window)
    windowed = last(series, statistics=STATISTICS).reshape(rows, count * len(STATISTICS))
    if features == "windowed":
        return windowed
    return torch.cat((windowed, found[:, -1].to(windowed.dtype)), dim=1)
