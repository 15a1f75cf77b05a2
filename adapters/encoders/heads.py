"""Exit heads: what is read of the first token after each layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from adapters._common.publish import public
from adapters.encoders.distributions import softmax_statistics
from ews.errors import UnknownNameError

__all__ = ["HEADS", "ExitHeads", "GatedHeads", "LinearHeads", "PonderHeads", "Reading", "heads_named"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a head says after a layer.

    Attributes
    ----------
    logits : Tensor of shape (rows, classes)
        Of the classes.
    halting : Tensor of shape (rows,) or None
        Probability of leaving here, of heads that have one.
    carry : Tensor of shape (rows, ...) or None
        What the head after the next layer needs of this one.
    """

    logits: Tensor
    halting: Tensor | None = None
    carry: Tensor | None = None


@public("adapters.encoders")
class ExitHeads(nn.Module, ABC):
    """Exit heads of one encoder.

    Parameters
    ----------
    width : int
        Of a state.
    classes : int
        How many classes are told apart.
    exits : int
        After how many layers there is a head: all of them, or all but the last, where the model's own classifier is.
    """

    kind: ClassVar[str]
    in_turn: ClassVar[bool] = False  # whether a head needs what the one before read

    def __init__(self, width: int, classes: int, exits: int) -> None:
        super().__init__()
        self.width, self.classes, self.exits = width, classes, exits

    @abstractmethod
    def forward(self, depth: int, first: Tensor, carry: Tensor | None = None) -> Reading:
        """Read a state.

        Parameters
        ----------
        depth : int
            After how many layers, from 1 on.
        first : Tensor of shape (rows, width)
            The first token's state there.
        carry : Tensor or None
            What the head before handed on.

        Returns
        -------
        Reading
            What is said.
        """

    def classify(self, depth: int, first: Tensor) -> Tensor:
        """What a head says of the classes, for rules that ask nothing else; of heads that do not read in turn.

        Parameters
        ----------
        depth : int
            After how many layers, from 1 on.
        first : Tensor of shape (rows, width)
            The first token's state there.

        Returns
        -------
        Tensor of shape (rows, classes)
            Logits.
        """
        read: Reading = self(depth, first)
        return read.logits

    def over(self, firsts: Tensor) -> tuple[Tensor, Tensor | None]:
        """Read the states after all layers at once.

        Parameters
        ----------
        firsts : Tensor of shape (rows, layers, width)
            The first token's states after 1, 2, … layers; as many as there are heads, or more.

        Returns
        -------
        logits : Tensor of shape (rows, exits, classes)
            What the heads say.
        halting : Tensor of shape (rows, exits) or None
            Their halting probabilities.
        """
        logits: list[Tensor] = []
        halting: list[Tensor] = []
        carry: Tensor | None = None
        for depth in range(1, self.exits + 1):
            read: Reading = self(depth, firsts[:, depth - 1], carry)
            carry = read.carry
            logits.append(read.logits)
            if read.halting is not None:
                halting.append(read.halting)
        return torch.stack(logits, dim=1), torch.stack(halting, dim=1) if halting else None

    @abstractmethod
    def reading(self) -> list[tuple[nn.Linear, slice]]:
        """Linear layers that read states, and which layers' states each reads (from 0, after the first)."""

    @torch.no_grad()
    def rescale(self, centre: Tensor, spread: Tensor) -> None:
        """Say of states x what was said of centre + spread · x before, in place.

        Parameters
        ----------
        centre, spread : Tensor of shape (layers, width)
            After each layer; of layers with one head their mean is taken.
        """
        for layer, read in self.reading():
            layer.bias.add_(layer.weight @ centre[read].mean(0).to(layer.weight))
            layer.weight.mul_(spread[read].mean(0).to(layer.weight))

    def shape(self) -> dict[str, Any]:
        """The arguments that make heads of this shape again."""
        return {"width": self.width, "classes": self.classes, "exits": self.exits}


@public("adapters.encoders")
class LinearHeads(ExitHeads):
    """A linear classifier after each layer: the heads of PABEE and DeeBERT, the inference modules of JEI-DNN.

    Parameters
    ----------
    width, classes, exits : int
        See :class:`ExitHeads`.
    """

    kind = "linear"

    def __init__(self, width: int, classes: int, exits: int) -> None:
        super().__init__(width, classes, exits)
        self.classifiers = nn.ModuleList(nn.Linear(width, classes) for _ in range(exits))

    def reading(self) -> list[tuple[nn.Linear, slice]]:
        """Each classifier, and its layer."""
        held: Any = enumerate(self.classifiers)
        return [(each, slice(place, place + 1)) for place, each in held]

    def forward(self, depth: int, first: Tensor, carry: Tensor | None = None) -> Reading:
        """Classify a state."""
        return Reading(self.classify(depth, first))

    def classify(self, depth: int, first: Tensor) -> Tensor:
        """What the head after this layer says."""
        classifier: Any = self.classifiers[depth - 1]
        return linear(first, classifier.weight, classifier.bias)  # without the call of a module


@public("adapters.encoders")
class GatedHeads(LinearHeads):
    """Inference modules with a gate beside each but the last (JEI-DNN).

    Parameters
    ----------
    width, classes, exits : int
        See :class:`ExitHeads`.
    final : bool, default True
        Whether the last head is the final exit, which has no gate; False where that is the model's own classifier.
    """

    kind = "gated"

    def __init__(self, width: int, classes: int, exits: int, *, final: bool = True) -> None:
        super().__init__(width, classes, exits)
        self.final = final
        self.gates = nn.ModuleList(nn.Linear(4, 1) for _ in range(exits - final))

    def forward(self, depth: int, first: Tensor, carry: Tensor | None = None) -> Reading:
        """Classify a state, and say how open the gate is."""
        logits = self.classify(depth, first)
        return Reading(logits, self.gate(depth, logits))

    def gate(self, depth: int, logits: Tensor) -> Tensor:
        """How open a gate is, shape (rows,); the final exit is always open."""
        if depth > len(self.gates):
            return logits.new_ones(len(logits))
        gate: Any = self.gates[depth - 1]
        seen = softmax_statistics(logits)
        if torch.is_grad_enabled() or logits.device.type != "cpu":
            return linear(seen.to(logits.dtype), gate.weight, gate.bias).squeeze(-1).sigmoid()
        # Of few rows the time goes into calls, of which numpy's cost a third of torch's.
        weight, bias = gate.weight.detach().double().numpy(), gate.bias.detach().double().numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            return torch.from_numpy(1.0 / (1.0 + np.exp(-(seen.numpy() @ weight[0] + bias))))

    def shape(self) -> dict[str, Any]:
        """The arguments that make heads of this shape again."""
        return {**super().shape(), "final": self.final}


@public("adapters.encoders")
class PonderHeads(ExitHeads):
    """One classifier and one halting network for all layers (PALBERT).

    p_i = tanh(W h_i) of the first token; the classifier reads p_i, the halting network [p_i ; p_{i−1}], with p_0 = 0
    before the first layer: three linear layers with tanh, and one to λ_i = σ(·).

    Parameters
    ----------
    width, classes, exits : int
        See :class:`ExitHeads`.
    hidden : int, default 64
        Width within the halting network.

    References
    ----------
    Balagansky, N. & Gavrilov, D. (2022). PALBERT: teaching ALBERT to ponder. NeurIPS 35, arXiv:2204.03276.
    """

    kind = "ponder"
    in_turn = True

    def __init__(self, width: int, classes: int, exits: int, *, hidden: int = 64) -> None:
        super().__init__(width, classes, exits)
        self.hidden = hidden
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, classes)
        self.halting = nn.Sequential(
            nn.Linear(2 * width, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, 1),
        )
        layers: list[Any] = list(self.halting)[::2]
        self._inner, self._outer = tuple(layers[:-1]), (layers[-1],)  # in tuples, so that they are registered once

    def reading(self) -> list[tuple[nn.Linear, slice]]:
        """The pooler, which reads all layers."""
        return [(self.pooler, slice(None))]

    def forward(self, depth: int, first: Tensor, carry: Tensor | None = None) -> Reading:
        """Classify a state, and say how likely it is to be left here."""
        pooler, classifier = self.pooler, self.classifier
        pooled = torch.tanh(linear(first, pooler.weight, pooler.bias))
        before = torch.zeros_like(pooled) if carry is None else carry
        halting = torch.cat((pooled, before), dim=-1)
        for layer in self._inner:  # as the sequence does, without the calls of its modules
            halting = torch.tanh(linear(halting, layer.weight, layer.bias))
        halting = linear(halting, self._outer[0].weight, self._outer[0].bias)
        logits = linear(pooled, classifier.weight, classifier.bias)
        return Reading(logits, halting.squeeze(-1).sigmoid(), pooled)

    def shape(self) -> dict[str, Any]:
        """The arguments that make heads of this shape again."""
        return {**super().shape(), "hidden": self.hidden}


HEADS: dict[str, type[ExitHeads]] = {each.kind: each for each in (GatedHeads, LinearHeads, PonderHeads)}


def heads_named(kind: str, *, seed: int = 0, **shape: Any) -> ExitHeads:
    """Make exit heads of a kind, with weights drawn from a seed.

    Parameters
    ----------
    kind : {"gated", "linear", "ponder"}
        Which.
    seed : int, default 0
        Of the weights; the state of torch's own generator stays as it is.
    **shape
        Of the class.

    Returns
    -------
    ExitHeads
        In float32, on the processor.

    Raises
    ------
    ews.errors.UnknownNameError
        If there is no such kind.

    Examples
    --------
    >>> heads_named("linear", width=8, classes=2, exits=3).over(torch.zeros(1, 3, 8))[0].shape
    torch.Size([1, 3, 2])
    """
    if kind not in HEADS:
        raise UnknownNameError("kind", kind, tuple(HEADS))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HEADS[kind](**shape)
