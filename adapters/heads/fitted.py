"""What was fitted for one depth: a gate and a look, or a gate and the blocks that it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.heads.exit_classifier import FeatureSet
from adapters.heads.logistic import Logistic
from adapters.heads.prediction import ExitPrediction

__all__ = ["FittedExit", "FittedFeeds", "Gate"]

BoolArray = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(slots=True)
class Gate:
    """A threshold on the log-odds of a logistic regression.

    Attributes
    ----------
    model : Logistic or None
        Of the gate's features; None for a gate that is always open.
    threshold : float
        Log-odds from which it opens.
    """

    model: Logistic | None
    threshold: float
    _weight: dict[torch.device, Tensor] = field(default_factory=dict, repr=False)

    def opens(self, features: Tensor) -> BoolArray:
        """For features of shape (rows, features); closed where one is not finite."""
        assert self.model is not None
        if features.device not in self._weight:
            kind = torch.float32 if features.device.type == "mps" else torch.float64
            self._weight[features.device] = torch.as_tensor(self.model.weight, device=features.device, dtype=kind)
        scores = features @ self._weight[features.device]
        return np.asarray(scores.cpu().numpy() >= self.threshold - self.model.bias)  # NaN compares false


@dataclass(slots=True)
class FittedExit:
    """Whether to leave after some layers.

    Attributes
    ----------
    gate : Gate
        When to look.
    window : int
        Layers in the gate's window.
    features : str
        What it sees of them.
    predict : callable
        Exit-head prediction, from states of shape (rows, width).
    threshold : float
        Confidence from which a look confirms.
    """

    gate: Gate
    window: int
    features: FeatureSet
    predict: Callable[[Tensor], ExitPrediction]
    threshold: float

    @property
    def is_gated(self) -> bool:
        """Whether there is anything to ask before a look."""
        return self.gate.model is not None

    def opens(self, features: Tensor) -> BoolArray:
        """See :meth:`Gate.opens`."""
        return self.gate.opens(features)


@dataclass(slots=True)
class FittedFeeds:
    """Whether to leave out a group of feed-forward blocks that lie ahead.

    Attributes
    ----------
    gate : Gate
        When to leave them out.
    window : int
        Layers in the gate's window.
    features : str
        What it sees of them.
    layers : tuple of int
        The layers whose blocks these are.
    """

    gate: Gate
    window: int
    features: FeatureSet
    layers: tuple[int, ...]

    def opens(self, features: Tensor) -> BoolArray:
        """See :meth:`Gate.opens`."""
        return self.gate.opens(features)
