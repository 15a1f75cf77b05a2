"""Leave where the trajectory over the layers says that the answer stands: early-warning statistics on the way up."""

from __future__ import annotations

import math
import operator
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
from adapters.windows import last, last_on_host
from ews.errors import UnknownNameError, ValueRangeError

if TYPE_CHECKING:
    from adapters.encoders.states import FirstTokenStates

__all__ = ["EWSEncoderExit", "trajectory_features"]

_FEATURES = ("windowed", "raw", "both")
_FIRST = 2  # layers before which there is no window
_FEW = 64  # classes of one row up to which plain numbers are faster than arrays

Array = np.ndarray[Any, np.dtype[np.float64]]


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
        if not self._fits:
            sure = view.logits[:, -self.window :].softmax(-1)
            mine = sure.gather(-1, view.newest.argmax(-1)[:, None, None].expand(-1, sure.shape[1], 1)).squeeze(-1)
            rising = last(mine, statistics="trend")[:, 0] >= 0
            return Leave((mine[:, -1] >= self.threshold) & rising)
        if view.depth not in self._fits:
            return None
        reached = range(max(1, view.depth + 1 - self.window) if self.features != "raw" else view.depth, view.depth + 1)
        with np.errstate(all="ignore"):
            each = [
                view.once("signals", depth, lambda at: _signals(view.felt(at - 1), view.felt(at), view.said(at)))
                for depth in reached
            ]
            fit = self._fits[view.depth]
            odds = _features(each, self.features) @ fit.weight + fit.bias
            leaving = 1.0 / (1.0 + np.exp(-odds)) >= self.threshold  # NaN compares false
        return Leave(leaving) if leaving.any() else None

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
        On the processor; NaN where a statistic is not defined.
    """
    length = min(window, logits.shape[1])
    said, felt = _exact(logits[:, -length:]), _exact(states[:, -length - 1 :])
    with np.errstate(all="ignore"):
        each = [_signals(felt[:, place], felt[:, place + 1], said[:, place]) for place in range(length)]
        return torch.from_numpy(_features(each, features))


def _exact(values: Tensor) -> Array:
    found: Array = values.detach().to("cpu", torch.float64).numpy()
    return found


def _signals(before: Array, after: Array, said: Array) -> Array:
    """Five signals of one layer, shape (rows, 5), of states (rows, width) around it and what its head says.

    Log-odds of the likeliest class, entropy, and the first three of :data:`adapters.signals.SIGNALS`.
    """
    if len(after) == 1 and said.shape[1] <= _FEW:
        return _signals_of_one(before[0], after[0], said[0].tolist())
    moved = said - said.max(-1, keepdims=True)
    weight = np.exp(moved)
    total = weight.sum(-1)
    log = np.log(total)  # of the likeliest class the negative log-probability
    odds = -log - np.log1p(-np.minimum(1.0 / total, 1.0 - 1e-12))
    entropy = log - (weight * moved).sum(-1) / total
    norm, earlier, update = _norm(after), _norm(before), after - before
    earlier[earlier == 0.0] = np.nan
    norm[norm == 0.0] = np.nan
    cosine = np.einsum("rw,rw->r", after, before) / (norm * earlier)
    return np.stack((odds, entropy, cosine, _norm(update) / earlier, np.log(norm)), axis=1)


def _signals_of_one(before: Array, after: Array, said: list[float]) -> Array:
    """The same of one row: numpy's calls cost more than the sums of a few classes."""
    top = max(said)
    moved = [each - top for each in said]
    weight = [math.exp(each) for each in moved]
    total = sum(weight)
    log = math.log(total)
    odds = -log - math.log1p(-min(1.0 / total, 1.0 - 1e-12))
    entropy = log - sum(map(operator.mul, weight, moved)) / total
    update = after - before
    norm, earlier = math.sqrt(after @ after) or math.nan, math.sqrt(before @ before) or math.nan
    cosine = float(after @ before) / (norm * earlier)
    return np.array([[odds, entropy, cosine, math.sqrt(update @ update) / earlier, math.log(norm)]])


def _norm(states: Array) -> Array:
    found: Array = np.sqrt(np.einsum("rw,rw->r", states, states))
    return found


def _features(each: list[Array], features: str) -> Array:
    """What is read of the signals of the newest layers, shape (rows, features)."""
    newest, length = each[-1], len(each)
    if features == "raw":
        return newest
    # Shorter windows have no memory and no skewness to speak of.
    names = ("variance", "trend") if length < 4 else ("variance", "ac1", "skewness", "trend")
    series = np.stack(each, axis=-1).reshape(-1, length)
    windowed = last_on_host(series, statistics=names).reshape(len(newest), -1)
    odd = ~np.isfinite(windowed)
    if odd.any():
        windowed = np.where(odd & np.isfinite(newest).all(-1, keepdims=True), 0.0, windowed)
    return windowed if features == "windowed" else np.concatenate((windowed, newest), axis=1)
