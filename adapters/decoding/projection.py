"""Keys and values of layers that are not run, from the state that left them out: one product for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from adapters.families import Family, Rotary
from adapters.families.placement import at_hand, own_part
from ews.errors import InputTypeError, described

__all__ = ["Projection"]


class Projection:
    """The key and value projections of all layers, stacked.

    The norm before each attention is a common part, which all layers share for the same state, and an affine part of
    its own, which is folded into the weights. What is left is one product of the normalised state with the rows of
    the layers asked for. The stack is a copy of the key and value weights (with grouped queries 3–4 % of the model). It
    stays in memory where the layers themselves do not, there is one for each device that layers compute on, and under
    tensor parallelism it holds the heads of this process.

    Parameters
    ----------
    family : Family
        The model.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._rows = [0]
        self._stacks: list[_Stack] = []
        for device, indices in groupby(range(family.depth), key=lambda index: family.devices[index]):
            layers = tuple(indices)
            weights, biases = zip(*(self._folded(index) for index in layers), strict=True)
            for weight in weights:
                self._rows.append(self._rows[-1] + len(weight))
            self._stacks.append(_Stack(layers[0], layers[-1] + 1, device, torch.cat(weights), torch.cat(biases)))
        self._seen = _state_of(family)

    def is_of(self, family: Family) -> bool:
        """Whether it was made of this model's weights as they are now."""
        return family.model is self.family.model and _state_of(family) == self._seen

    def _folded(self, index: int) -> tuple[Tensor, Tensor]:
        """Weight and bias of one layer, the affine part of its norm within."""
        family = self.family
        with at_hand(list(family.layers[index].modules())):
            key, value, key_bias, value_bias = family.key_value_weights(index)
            scale, shift = _affine(family.attention_input_norm(index))
            stacked = self._own(index, key, value)
            bias = stacked.new_zeros(len(stacked))
            if key_bias is not None and value_bias is not None:
                bias = self._own(index, key_bias, value_bias)
            if shift is not None:
                bias = bias + stacked @ own_part(shift, divided=False).to(stacked.device)
            if scale is not None:
                stacked = stacked * own_part(scale, divided=False).to(stacked.device)
            return stacked, bias

    def _own(self, index: int, key: Tensor, value: Tensor) -> Tensor:
        """What this process holds of both, where layer `index` computes."""
        divided = self.family.parts > 1
        found = torch.cat([own_part(each.detach(), divided=divided) for each in (key, value)])
        return found.to(self.family.devices[index])

    def __call__(
        self, first: int, hidden: Tensor, rotary: Rotary, last: int | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of layers `first` to `last` (exclusive; default: all that follow).

        Parameters
        ----------
        first : int
            Index of the first layer.
        hidden : Tensor of shape (rows, tokens, width)
            The state.
        rotary : Rotary
            Of the same tokens.
        last : int, optional
            Index after the last layer.

        Returns
        -------
        list of (Tensor, Tensor)
            For each layer keys and values of shape (rows, heads, tokens, size), as its cache holds them.
        """
        family = self.family
        last = family.depth if last is None else last
        plain = _normalised(family.attention_input_norm(first), hidden)
        pairs = []
        for stack in self._stacks:
            layers = range(max(first, stack.first), min(last, stack.last))
            if not layers:
                continue
            here = self._rows[stack.first]
            begin, end = self._rows[layers.start] - here, self._rows[layers.stop] - here
            found = nn.functional.linear(plain.to(stack.device), stack.weight[begin:end], stack.bias[begin:end])
            turning = _placed(rotary, stack.device)
            for index in layers:
                one = found[..., self._rows[index] - here - begin : self._rows[index + 1] - here - begin]
                heads = family.key_value_heads(index) // family.parts
                split = one.unflatten(-1, (2 * heads, -1)).transpose(1, 2)
                keys, values = split[:, :heads], split[:, heads:]
                with at_hand((family.layers[index],)):
                    pairs.append((family.shape_keys(index, keys, turning), values))
        return pairs


@dataclass(frozen=True, slots=True)
class _Stack:
    """Neighbouring layers that compute on one device: the first, the one after the last, and their weights."""

    first: int
    last: int
    device: Any
    weight: Tensor
    bias: Tensor


def _placed(rotary: Rotary, device: Any) -> Rotary:
    """The same on a device."""
    if rotary is None:
        return None
    return {kind: (cosine.to(device), sine.to(device)) for kind, (cosine, sine) in rotary.items()}


def _state_of(family: Family) -> list[tuple[int, int]]:
    """Where the weights are, and how often they were written to."""
    return [(weight.data_ptr(), weight._version) for weight in family.model.parameters()]


def _affine(norm: nn.Module) -> tuple[Tensor | None, Tensor | None]:
    """Scale and shift of a norm."""
    if isinstance(norm, nn.Identity):
        return None, None
    if isinstance(norm, nn.LayerNorm):
        return tuple(None if part is None else part.detach() for part in (norm.weight, norm.bias))  # type: ignore[return-value]
    if type(norm).__name__.endswith("RMSNorm"):
        weight = norm.weight.detach()
        # Gemma's norm multiplies by one plus its weight.
        return (1 + weight if type(norm).__name__.startswith("Gemma") else weight), None
    raise InputTypeError("norm", described(f"a {type(norm).__name__}"), "LayerNorm or an RMSNorm")


def _normalised(norm: nn.Module, hidden: Tensor) -> Tensor:
    """The norm without its scale and shift."""
    if isinstance(norm, nn.Identity):
        return hidden
    if isinstance(norm, nn.LayerNorm):
        return nn.functional.layer_norm(hidden, norm.normalized_shape, None, None, norm.eps)
    epsilon = getattr(norm, "variance_epsilon", getattr(norm, "eps", 0.0))
    wide = hidden.float()  # as the model's own norm does it, float64 included
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)).to(hidden.dtype)
