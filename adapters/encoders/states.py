"""States of the first token after every layer, kept so that heads and rules can be fitted without the encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from adapters._common.publish import public
from adapters.encoders.backbones import Backbone
from adapters.encoders.heads import ExitHeads
from ews.errors import ArgumentError, described

if TYPE_CHECKING:
    from adapters.encoders.inputs import Rows

__all__ = ["FirstTokenStates", "first_token_states", "readings", "states_of_rows", "states_with_gradient"]


@public("adapters.encoders")
@dataclass(frozen=True, slots=True, eq=False)
class FirstTokenStates:
    """First token's states of many rows after every layer.

    Attributes
    ----------
    states : Tensor of shape (rows, layers + 1, width)
        After 0, 1, … layers, in float32.
    own : Tensor of shape (rows, classes) or None
        What the model's own classifier says after the last, where it has one.
    """

    states: Tensor
    own: Tensor | None = None

    @property
    def depth(self) -> int:
        """How many layers the encoder has."""
        return self.states.shape[1] - 1

    @property
    def width(self) -> int:
        """Of a state."""
        return self.states.shape[2]

    @property
    def classes(self) -> int | None:
        """What the model's own classifier tells apart; None where it has none."""
        return None if self.own is None else self.own.shape[1]

    def __len__(self) -> int:
        return len(self.states)

    def rows(self, index: Tensor) -> FirstTokenStates:
        """Some of the rows.

        Parameters
        ----------
        index : Tensor of int64 of shape (chosen,)
            Which.

        Returns
        -------
        FirstTokenStates
            Those.
        """
        return FirstTokenStates(self.states[index], None if self.own is None else self.own[index])

    def open(self, inputs: Mapping[str, Tensor] | None = None) -> KeptPass:
        """All rows before the first layer, as ``Backbone.open`` gives a batch."""
        return KeptPass(self.states, self.own)


class KeptPass:
    """Rows on their way through layers that have run already."""

    __slots__ = ("_depth", "_own", "_states")

    def __init__(self, states: Tensor, own: Tensor | None) -> None:
        self._states, self._own, self._depth = states, own, 0

    @property
    def rows(self) -> int:
        """How many rows still run."""
        return len(self._states)

    @property
    def first(self) -> Tensor:
        """The state of the first token, shape (rows, width)."""
        return self._states[:, self._depth]

    @property
    def hidden(self) -> Tensor:
        """States of shape (rows, 1, width): those of the first token are all that was kept."""
        return self._states[:, self._depth : self._depth + 1]

    def advance(self, index: int) -> None:
        """Go on to what was kept after layer `index`."""
        self._depth = index + 1

    def keep(self, index: Tensor) -> None:
        """Drop all rows but these."""
        self._states = self._states.index_select(0, index)
        self._own = None if self._own is None else self._own.index_select(0, index)

    def own_logits(self) -> Tensor | None:
        """What the model's own classifier said after the last layer."""
        return self._own


@torch.no_grad()
def first_token_states(backbone: Backbone, batches: Iterable[Mapping[str, Tensor]]) -> FirstTokenStates:
    """Run every layer once, and keep the first token's states.

    Parameters
    ----------
    backbone : Backbone
        The encoder, in evaluation mode if its states are to be the same again.
    batches : iterable of mapping
        Inputs of each batch.

    Returns
    -------
    FirstTokenStates
        On the processor.
    """
    kept = [states_with_gradient(backbone, inputs) for inputs in batches]
    states = torch.cat([each.states.float().cpu() for each in kept])
    own = [each.own for each in kept]
    said = [each.float().cpu() for each in own if each is not None]
    return FirstTokenStates(states, torch.cat(said) if said else None)


def states_of_rows(backbone: Backbone, rows: Rows, *, batch_size: int) -> FirstTokenStates:
    """Run every layer once on rows, in batches of like length, and keep the first token's states in the rows' order.

    Parameters
    ----------
    backbone : Backbone
        The encoder, in evaluation mode if its states are to be the same again.
    rows : Rows
        What it reads.
    batch_size : int
        Rows in a batch.

    Returns
    -------
    FirstTokenStates
        On the processor.
    """
    order: list[int] = []

    def inputs() -> Iterator[Mapping[str, Tensor]]:
        for index, each in rows.batches(batch_size):
            order.extend(index.tolist())
            yield each

    found = first_token_states(backbone, inputs())
    return found.rows(torch.from_numpy(np.argsort(order)))


def states_with_gradient(backbone: Backbone, inputs: Mapping[str, Tensor]) -> FirstTokenStates:
    """The first token's states of one batch, through which gradients reach the encoder where they are asked for.

    Parameters
    ----------
    backbone : Backbone
        The encoder.
    inputs : mapping of str to Tensor
        One batch.

    Returns
    -------
    FirstTokenStates
        On its device.
    """
    run = backbone.open(inputs)
    found = [run.first]
    for index in range(backbone.depth):
        run.advance(index)
        found.append(run.first)
    return FirstTokenStates(torch.stack(found, dim=1), run.own_logits())


def readings(heads: ExitHeads, kept: FirstTokenStates) -> tuple[Tensor, Tensor | None]:
    """What is said after every layer: by the heads, and after the last by the model itself where they have none there.

    Parameters
    ----------
    heads : ExitHeads
        For all layers, or all but the last.
    kept : FirstTokenStates
        What they read.

    Returns
    -------
    logits : Tensor of shape (rows, layers, classes)
        Of the classes.
    halting : Tensor of shape (rows, layers) or None
        The heads' halting probabilities; 1 after a last layer without a head.
    """
    logits, halting = heads.over(kept.states[:, 1:])
    if heads.exits == kept.depth:
        return logits, halting
    if kept.own is None:
        raise ArgumentError(
            "heads", described("none after the last layer"), "heads there, or a model with a classifier"
        )
    if halting is not None:
        halting = torch.cat((halting, torch.ones_like(halting[:, :1])), dim=1)
    return torch.cat((logits, kept.own[:, None].to(logits.dtype)), dim=1), halting
