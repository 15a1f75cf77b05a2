"""Whether a look is worth its cost, from what the residual stream did over the last layers: no head is needed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from adapters.signals import SIGNALS
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
    found = _signals(states[:, -3:] if features == "raw" else states)
    if features == "raw":
        return found[..., -1]
    rows, count, window = found.shape
    windowed = last(found.reshape(rows * count, window), statistics=STATISTICS).reshape(rows, count * len(STATISTICS))
    if features == "windowed":
        return windowed
    return torch.cat((windowed, found[..., -1]), dim=1)


def _signals(states: Tensor) -> Tensor:
    """What :func:`adapters.signals.signals` gives from the third state on, shape (rows, signals, states − 2).

    All of them are functions of the states' inner products, which are one product of a small matrix: the other
    operations are on numbers as few as the window, where a pass over the states would read them once for each.
    Inner products are taken in float64, so that small updates of large states keep their digits.
    """
    wide = states.to(torch.float32 if states.device.type == "mps" else torch.float64)
    inner = torch.bmm(wide, wide.transpose(1, 2))
    squares, next_, next_but_one = (inner.diagonal(offset, 1, 2) for offset in (0, 1, 2))
    norms = squares.sqrt()
    cosine = next_ / (norms[:, 1:] * norms[:, :-1])
    sizes = (squares[:, 1:] + squares[:, :-1] - 2 * next_).clamp(min=0).sqrt()
    # (h₂ − h₁)·(h₁ − h₀) for each three neighbouring states.
    agrees = next_[:, 1:] - next_but_one - squares[:, 1:-1] + next_[:, :-1]
    return torch.stack(
        (
            cosine[:, 1:],
            sizes[:, 1:] / norms[:, 1:-1],
            norms.where(norms > 0, torch.nan)[:, 2:].log(),
            agrees / (sizes[:, 1:] * sizes[:, :-1]),
        ),
        dim=1,
    )
