"""Leave where the trajectory over the layers says that the answer stands: early-warning statistics on the way up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from adapters._common.checks import read_count, read_share
from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave
from adapters.heads.logistic import Logistic
from adapters.signals import signals
from adapters.windows import last
from ews.errors import UnknownNameError, ValueRangeError

if TYPE_CHECKING:
    from adapters.encoders.states import FirstTokenStates

__all__ = ["EWSEncoderExit", "trajectory_features"]

_FEATURES = ("windowed", "raw", "both")
_FIRST = 2  # layers before which there is no window
_OF_STATES = 3  # of the signals all but alignment, which needs two layers before it


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class EWSEncoderExit(EncoderPolicy):
    """Exit by early-warning statistics over the layers.

    Series over the layers are the signals of the first token's states (:mod:`adapters.signals`) and the heads' log-odds
    and entropy. After each layer variance, autocorrelation, skewness and trend in their newest window are what a
    logistic regression reads, which was fitted to tell whether the head there says what the last one will.

    Parameters
    ----------
    threshold : float, default 0.9
        Probability of that from which a row leaves; above 1 none does.
    window : int, default 4
        Layers in a window; as many as there are, near the first.
    features : {"windowed", "raw", "both"}, default "both"
        What is read: the statistics of windows, the newest values of the same series (the control without windows), or
        both.

    Raises
    ------
    ews.errors.ArgumentError
        If an option cannot be used.

    Notes
    -----
    Before it was fitted a row leaves where the head's probability is `threshold` or more and has not fallen over the
    window.
    """

    promise = EncoderPromise({"threshold": 0.5}, never={"threshold": 1.01})
    history = True
    needs_states = True
    knob = "threshold"

    threshold: float = 0.9
    window: int = 4
    features: Literal["windowed", "raw", "both"] = "both"

    def __post_init__(self) -> None:
        self.threshold = read_share("threshold", self.threshold, high=np.inf)
        self.window = read_count("window", self.window, least=2)
        if self.features not in _FEATURES:
            raise UnknownNameError("features", self.features, _FEATURES)
        self._fits: dict[int, Logistic] = {}

    def bind(self, layers: int, classes: int) -> None:
        """See that what was fitted is for so many layers."""
        if self._fits and max(self._fits) >= layers:
            raise ValueRangeError("policy", max(self._fits), f"a rule fitted to an encoder of {layers} layers")

    def asks(self, layers: int) -> Sequence[int]:
        """After every layer from the second to the last but one."""
        return range(_FIRST, layers)

    def leave(self, view: ExitView) -> Leave | None:
        """Rows whose answer is likely enough to stand leave."""
        if view.states is None or not self._fits:
            sure = view.logits[:, -self.window :].softmax(-1)
            mine = sure.gather(-1, view.newest.argmax(-1)[:, None, None].expand(-1, sure.shape[1], 1)).squeeze(-1)
            rising = last(mine, statistics="trend")[:, 0] >= 0
            return Leave((mine[:, -1] >= self.threshold) & rising)
        if view.depth not in self._fits:
            return None
        found = trajectory_features(view.states, view.logits, window=self.window, features=self.features)
        fit = self._fits[view.depth]
        odds = found.cpu().numpy() @ fit.weight + fit.bias
        with np.errstate(over="ignore"):
            leaving = 1.0 / (1.0 + np.exp(-odds)) >= self.threshold  # NaN compares false
        return Leave(torch.from_numpy(np.asarray(leaving))) if leaving.any() else None

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """Probabilities from above 1 to 0, dense near 1."""
        return tuple((1.0 + 1e-6 - np.linspace(0.0, 1.0, 65) ** 3).clip(min=0.0).tolist())

    def fit(self, states: FirstTokenStates, logits: Tensor, halting: Tensor | None) -> None:
        """Fit, for each layer, whether its head says what the last one will."""
        answers = logits.argmax(-1)
        self._fits = {}
        for depth in self.asks(states.depth):
            found = trajectory_features(
                states.states[:, : depth + 1], logits[:, :depth], window=self.window, features=self.features
            )
            stands = (answers[:, depth - 1] == answers[:, -1]).numpy()
            self._fits[depth] = Logistic.fit(found.numpy(), stands)

    def fitted(self) -> dict[str, np.ndarray[Any, Any]]:
        """Weights and intercept of each layer's regression."""
        return {str(depth): np.append(fit.weight, fit.bias) for depth, fit in self._fits.items()}

    def load_fitted(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take what :meth:`fitted` gave."""
        self._fits = {int(depth): Logistic(each[:-1], float(each[-1])) for depth, each in arrays.items()}


def trajectory_features(states: Tensor, logits: Tensor, *, window: int, features: str) -> Tensor:
    """What the regression reads after a layer.

    Parameters
    ----------
    states : Tensor of shape (rows, depth + 1, width)
        The first token's states after 0, 1, … layers.
    logits : Tensor of shape (rows, depth, classes)
        What the heads say.
    window : int
        Layers in a window at most.
    features : {"windowed", "raw", "both"}
        See :class:`EWSEncoderExit`.

    Returns
    -------
    Tensor of float64 of shape (rows, features)
        NaN where a statistic is not defined.
    """
    length = min(window, logits.shape[1])
    log = logits[:, -length:].double().log_softmax(-1)
    best = log.amax(-1)
    odds = best - torch.log1p(-best.exp().clamp(max=1.0 - 1e-12))
    entropy = -(log.exp() * log).sum(-1)
    of_states = signals(states[:, -length - 1 :])[:, 1:, :_OF_STATES].double().mT
    series = torch.cat((torch.stack((odds, entropy), dim=1), of_states), dim=1)
    newest = series[..., -1]
    if features == "raw":
        return newest
    rows, count, _ = series.shape
    # Shorter windows have no memory and no skewness to speak of.
    names = ("variance", "trend") if length < 4 else ("variance", "ac1", "skewness", "trend")
    windowed = last(series.reshape(rows * count, length), statistics=names).reshape(rows, -1)
    windowed = torch.where(windowed.isfinite() | ~newest.isfinite().all(-1, keepdim=True), windowed, 0.0)
    return windowed if features == "windowed" else torch.cat((windowed, newest), dim=1)
