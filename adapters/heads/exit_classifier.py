"""Features of exit classifiers: whether an exit-head prediction is worth its cost, from the residual stream alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from adapters.signals import SIGNALS
from adapters.windows import last

__all__ = ["FEATURES", "STATISTICS", "FeatureSet", "classifier_features", "feature_names", "states_needed"]

FeatureSet = Literal["windowed", "raw", "both"]
FEATURES = ("windowed", "raw", "both")
STATISTICS = ("variance", "ac1", "skewness", "trend")


def states_needed(window: int) -> int:
    """How many states give `window` values of every signal: alignment looks two layers back."""
    return window + 2


def feature_names(features: FeatureSet) -> tuple[str, ...]:
    """What the columns of :func:`classifier_features` are."""
    windowed = tuple(f"{signal} {statistic}" for signal in SIGNALS for statistic in STATISTICS)
    return {"windowed": windowed, "raw": SIGNALS, "both": windowed + SIGNALS}[features]


def classifier_features(states: Tensor, *, features: FeatureSet = "both") -> Tensor:
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
    Tensor of float64 of shape (rows, features), on the host
        Named by :func:`feature_names`. NaN where a statistic is undefined.
    """
    found = _signals(states[:, -3:] if features == "raw" else states)
    if features == "raw":
        return found[..., -1]
    rows, count, window = found.shape
    windowed = last(found.reshape(rows * count, window), statistics=STATISTICS).reshape(rows, count * len(STATISTICS))
    if features == "windowed":
        return windowed
    return torch.cat((windowed, found[..., -1]), dim=1)


def _signals(states: Tensor) -> Tensor:
    """What :func:`adapters.signals.signals` gives from the third state on, on the host.

    Shape (rows, signals, states − 2).

    All of them are functions of the states' inner products, which are one product on the device; what follows is about
    as many numbers as the window is long, and numpy's calls on those take half the time of torch's. The host must know
    the answer anyway before the next layer can be left out. Inner products are taken in float64, so that small updates
    of large states keep their digits.
    """
    wide = states.to(torch.float32 if states.device.type == "mps" else torch.float64)
    inner = torch.bmm(wide, wide.transpose(1, 2)).cpu().numpy().astype(np.float64, copy=False)
    squares, ahead, two_ahead = (np.diagonal(inner, offset, 1, 2) for offset in (0, 1, 2))
    found = np.empty((len(inner), len(SIGNALS), inner.shape[1] - 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        norms = np.sqrt(np.where(squares > 0, squares, np.nan))
        sizes = np.sqrt(np.maximum(squares[:, 1:] + squares[:, :-1] - 2 * ahead, 0))
        found[:, 0] = ahead[:, 1:] / (norms[:, 1:-1] * norms[:, 2:])
        found[:, 1] = sizes[:, 1:] / norms[:, 1:-1]
        found[:, 2] = np.log(norms[:, 2:])
        # (h₂ − h₁)·(h₁ − h₀) for each three neighbouring states.
        agrees = ahead[:, 1:] - two_ahead - squares[:, 1:-1] + ahead[:, :-1]
        found[:, 3] = agrees / (sizes[:, 1:] * sizes[:, :-1])
    return torch.from_numpy(found)
