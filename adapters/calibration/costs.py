"""What layers, heads and exit-head predictions cost, in units of one layer for one token: estimated, or timed here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.projection import Projection
from adapters.families import Family
from adapters.heads.exit_classifier import FeatureSet, feature_names, gate_features, states_needed
from adapters.heads.fitted import Gate
from adapters.heads.logistic import Logistic
from adapters.heads.shortlist import ShortListHead
from adapters.texts.reading import IntArray

__all__ = ["Costs", "Measured", "measure_costs"]

# What is read from memory in the time of a gate.
_GATE_BYTES = 1e7
_ATTENTIONS = ("self_attn", "attention", "attn")  # what families call it
_LEAST, _MOST = 7, 25  # repetitions
_SECONDS = 6.0  # after which the least number is enough


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs in layers.

    Decoding one token reads every weight once and does little with it, so that time goes with bytes; these are the
    bytes, unless they were measured (see :func:`adapters.assess`).

    Attributes
    ----------
    head : float
        The norm and the full head.
    look : float
        Translator, screen and candidates.
    gate : float
        Signals, windows and the gate, at one depth: some fifty small operations, which between layers take about half a
        millisecond on a processor whatever the size of the model.
    feed : float
        The feed-forward block, of one layer.
    completion : float
        A layer for one token more in a pass that runs anyway.
    measured : bool
        Whether these are times.
    """

    head: float
    look: float
    gate: float = 0.5
    feed: float = 0.7
    completion: float = 0.25
    measured: bool = False

    @classmethod
    def of(cls, family: Family, *, rank: int, candidates: int) -> Costs:
        """From sizes of weights.

        Parameters
        ----------
        family : Family
            The model.
        rank, candidates : int
            Of the short-listed head, which holds a byte where the model holds `itemsize`.

        Returns
        -------
        Costs
            In layers.
        """
        middle = family.layers[family.depth // 2]
        parameters = list(middle.parameters())
        layer = sum(each.numel() for each in parameters)
        attention = next(part for name, part in middle.named_children() if name in _ATTENTIONS)
        attending = sum(each.numel() for each in attention.parameters())
        vocabulary, width = int(family.config.vocab_size), family.width
        size = parameters[0].element_size()
        look = vocabulary * rank / size + width * rank + candidates * width + width * width
        return cls(
            head=vocabulary * width / layer,
            look=look / layer,
            gate=min(0.5, _GATE_BYTES / (layer * size)),
            feed=1.0 - attending / layer,
        )

    def dense(self, layers: int) -> float:
        """A token through the whole model."""
        return layers + self.head


@dataclass(frozen=True, slots=True)
class Measured:
    """Costs that are times.

    Attributes
    ----------
    costs : Costs
        In units of one layer for one token.
    layer_seconds : float
        That unit: the median pass of one token through all layers, by their number.
    projection : float
        Keys and values of one layer from an earlier state, in the same unit (``cache="propagate"``).
    repeats : int
        How often everything was timed; figures are medians.
    """

    costs: Costs
    layer_seconds: float
    projection: float
    repeats: int


@torch.no_grad()
def measure_costs(
    family: Family, head: ShortListHead, tokens: IntArray, *, window: int, features: FeatureSet = "both"
) -> Measured:
    """Time one token's way through a model, and what a policy would add to it.

    Layers are timed as a whole pass, since one alone would stay in the processor's cache and look cheaper than it is.

    Parameters
    ----------
    family : Family
        The model.
    head : ShortListHead
        What looks.
    tokens : ndarray of int64 of shape (tokens,)
        A text that stands in the cache meanwhile.
    window : int
        Layers in the gate's window.
    features : {"windowed", "raw", "both"}, default "both"
        What the gate sees.

    Returns
    -------
    Measured
        Medians over 7 to 25 repetitions.
    """
    ids = torch.as_tensor(tokens, device=family.model.device)[None]
    cache = family.model(ids, use_cache=True, logits_to_keep=1)[family.convention.cache]
    step = _Step(family, cache, ids[:, -1:])
    middle = family.depth // 2
    gate = Gate(Logistic(np.zeros(len(feature_names(features))), 0.0), 0.0)
    project = Projection(family)
    stacked = torch.stack([state[:, -1] for state in step.states(1)[-states_needed(window) :]], dim=1)
    newest = stacked[:, -1]
    rotary = family.rotary(newest[:, None], step.positions(1))

    def look() -> None:
        predicted = head.predict(newest, middle)
        predicted.confidence.cpu()
        predicted.logits()

    timed: dict[str, Callable[[], Any]] = {
        "one": lambda: step.states(1),
        "head": lambda: family.logits(family.finish(newest[:, None])),
        "look": look,
        "two": lambda: step.states(2),
        "gate": lambda: gate.opens(gate_features(stacked, features=features)),
        "attention": lambda: step.states(1, attend_only=True),
        "projection": lambda: project(middle, newest[:, None], rotary),
    }
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for run in timed.values():
        run()
    begin = time.perf_counter()
    for repeat in range(_MOST):
        if repeat >= _LEAST and time.perf_counter() - begin > _SECONDS:
            break
        for name, run in timed.items():
            started = _now(family)
            run()
            seconds[name].append(_now(family) - started)
    found = {name: float(np.median(each)) for name, each in seconds.items()}
    layer = found["one"] / family.depth
    costs = Costs(
        head=found["head"] / layer,
        look=found["look"] / layer,
        gate=found["gate"] / layer,
        feed=float(np.clip(1.0 - found["attention"] / found["one"], 0.0, 1.0)),
        completion=max(found["two"] / found["one"] - 1.0, 0.0),
        measured=True,
    )
    projection = found["projection"] / layer / (family.depth - middle)
    return Measured(costs, layer, projection, len(seconds["one"]))


class _Step:
    """One pass of the newest tokens through all layers, as in decoding; the cache grows by them."""

    def __init__(self, family: Family, cache: Any, token: Tensor) -> None:
        self.family, self.cache, self.token = family, cache, token

    def positions(self, tokens: int) -> Tensor:
        """Those that come next."""
        begin = int(self.cache.get_seq_length())
        return torch.arange(begin, begin + tokens, device=self.token.device)[None]

    def states(self, tokens: int, *, attend_only: bool = False) -> list[Tensor]:
        """The residual stream after 0, 1, 2, … layers."""
        family, places = self.family, self.positions(tokens)
        hidden = family.embed(self.token.expand(1, tokens), places)
        rotary = family.rotary(hidden, places)
        masks = family.masks(hidden, None, self.cache, places)
        step = family.attend if attend_only else family.run
        states = [hidden]
        for index in range(family.depth):
            hidden = step(
                index,
                family.placed(index, hidden),
                mask=masks[family.kinds[index]],
                position_ids=places,
                rotary=rotary,
                cache=self.cache,
            )
            states.append(hidden)
        return states


def _now(family: Family) -> float:
    """When all that was asked of the device is done."""
    if torch.device(family.model.device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
