"""What layers, heads and exit-head predictions cost, in units of one layer for one token: estimated, or timed here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.projection import Projection
from adapters.families import Family
from adapters.heads.exit_classifier import FeatureSet, classifier_features, feature_names, states_needed
from adapters.heads.fitted import ExitClassifier
from adapters.heads.logistic import Logistic
from adapters.heads.shortlist import ShortListHead
from adapters.texts.reading import IntArray

__all__ = ["SAVED_NAMES", "Costs", "Measured", "measure_costs"]

# What is read from memory in the time of an exit classifier.
_CLASSIFIER_BYTES = 1e7
_LEAST, _MOST = 7, 25  # repetitions
_SECONDS = 6.0  # after which the least number is enough

# Name in a saved policy → field. Files keep the names that they were first written with.
SAVED_NAMES = {
    "head": "head",
    "look": "prediction",
    "gate": "classifier",
    "feed": "ffn",
    "completion": "completion",
    "measured": "measured",
}


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs in layers.

    Decoding one token reads every weight once and does little with it, so that time goes with bytes; these are the
    bytes, unless they were measured (see :func:`adapters.assess`).

    Attributes
    ----------
    head : float
        The norm and the full head.
    prediction : float
        One exit-head prediction: tuned lens, screen and candidates.
    classifier : float
        Signals, windows and the exit classifier, at one depth: some fifty small operations, which between layers take
        about half a millisecond on a processor whatever the size of the model.
    ffn : float
        The feed-forward block, of one layer.
    completion : float
        A layer for one token more in a pass that runs anyway.
    measured : bool
        Whether these are times.
    """

    head: float
    prediction: float
    classifier: float = 0.5
    ffn: float = 0.7
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
        middle = family.depth // 2
        layer = family.weights_read(middle)  # of a mixture, those of the experts that are chosen
        parameters = list(family.attention(middle).parameters())
        attending = sum(each.numel() for each in parameters)
        vocabulary, width = int(family.config.vocab_size), family.width
        size = parameters[0].element_size()
        prediction = vocabulary * rank / size + width * rank + candidates * width + width * width
        return cls(
            head=vocabulary * width / layer,
            prediction=prediction / layer,
            classifier=min(0.5, _CLASSIFIER_BYTES / (layer * size)),
            ffn=1.0 - attending / layer,
        )

    def full_model(self, layers: int) -> float:
        """A token through the full model."""
        return layers + self.head

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, under the names that saved policies have them by."""
        return {name: getattr(self, field) for name, field in SAVED_NAMES.items()}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Costs:
        """The inverse of :meth:`to_dict`."""
        return cls(**{field: found[name] for name, field in SAVED_NAMES.items()})


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
    family: Family,
    head: ShortListHead,
    tokens: IntArray,
    *,
    window: int,
    features: FeatureSet = "both",
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Time one token's way through a model, and what a policy would add to it.

    Layers are timed as a whole pass, since one alone would stay in the processor's cache and look cheaper than it is.

    Parameters
    ----------
    family : Family
        The model.
    head : ShortListHead
        The short-listed head.
    tokens : ndarray of int64 of shape (tokens,)
        A text that stands in the cache meanwhile.
    window : int
        Layers in the exit classifier's window.
    features : {"windowed", "raw", "both"}, default "both"
        What the classifier sees.
    clock : callable, default time.perf_counter
        What tells the time, in seconds.

    Returns
    -------
    Measured
        Medians over 7 to 25 repetitions.
    """
    ids = torch.as_tensor(tokens, device=family.model.device)[None]
    cache = family.model(ids, use_cache=True, logits_to_keep=1)[family.convention.cache]
    step = _Step(family, cache, ids[:, -1:])
    middle = family.depth // 2
    classifier = ExitClassifier(Logistic(np.zeros(len(feature_names(features))), 0.0), 0.0)
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
        "gate": lambda: classifier.opens(classifier_features(stacked, features=features)),
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
            started = _now(family, clock)
            run()
            seconds[name].append(_now(family, clock) - started)
    found = {name: float(np.median(each)) for name, each in seconds.items()}
    layer = found["one"] / family.depth
    costs = Costs(
        head=found["head"] / layer,
        prediction=found["look"] / layer,
        classifier=found["gate"] / layer,
        ffn=float(np.clip(1.0 - found["attention"] / found["one"], 0.0, 1.0)),
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


def _now(family: Family, clock: Callable[[], float]) -> float:
    """When all that was asked of the device is done."""
    if torch.device(family.model.device).type == "cuda":
        torch.cuda.synchronize()
    return clock()
