"""What was fitted for one depth: an exit classifier and a head, or a classifier and the FFN blocks that it skips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.contract import BoolArray
from adapters.heads.exit_classifier import FeatureSet
from adapters.heads.logistic import Logistic
from adapters.heads.prediction import ExitPrediction

__all__ = ["ExitClassifier", "FittedExit", "FittedSkip"]


@dataclass(slots=True)
class ExitClassifier:
    """Exit classifier: a threshold on the log-odds of a logistic regression.

    Attributes
    ----------
    model : Logistic
        Regression on the exit features.
    threshold : float
        Log-odds from which it opens.
    """

    model: Logistic
    threshold: float
    _weight: dict[torch.device, Tensor] = field(default_factory=dict, repr=False)

    def opens(self, features: Tensor) -> BoolArray:
        """For features of shape (rows, features); closed where one is not finite."""
        if features.device not in self._weight:
            kind = torch.float32 if features.device.type == "mps" else torch.float64
            self._weight[features.device] = torch.as_tensor(self.model.weight, device=features.device, dtype=kind)
        scores = features @ self._weight[features.device]
        return np.asarray(scores.cpu().numpy() >= self.threshold - self.model.bias)  # NaN compares false


@dataclass(slots=True)
class FittedExit:
    """Early exit: whether to leave after some layers.

    Attributes
    ----------
    classifier : ExitClassifier or None
        When to predict; None for every token.
    window : int
        Layers in the exit classifier's window.
    features : str
        What it sees of them.
    predict : callable
        Exit-head prediction, from states of shape (rows, width).
    threshold : float
        Confidence from which a prediction confirms.
    """

    classifier: ExitClassifier | None
    window: int
    features: FeatureSet
    predict: Callable[[Tensor], ExitPrediction]
    threshold: float


@dataclass(slots=True)
class FittedSkip:
    """FFN skip: whether to leave out a group of feed-forward blocks that lie ahead.

    Attributes
    ----------
    classifier : ExitClassifier
        When to leave them out.
    window : int
        Layers in the exit classifier's window.
    features : str
        What it sees of them.
    layers : tuple of int
        The layers whose blocks these are.
    """

    classifier: ExitClassifier
    window: int
    features: FeatureSet
    layers: tuple[int, ...]
