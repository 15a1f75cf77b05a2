"""Keys and values of layers that are not run, from the state that left them out: one product for most of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from adapters.families import Family, Rotary
from adapters.families.placement import at_hand, own_part
from adapters.families.surroundings import is_plain

__all__ = ["Projection"]


class Projection:
    """The key and value projections of all layers, stacked where they are plain.

    The norm before each attention is a common part, which all layers share for the same state, and an affine part of
    its own, which is folded into the weights. What is left is one product of the normalised state with the rows of
    the layers asked for. The stack is a copy of the key and value weights (with grouped queries 3–4 % of the model) of
    layers that were asked for so far. It stays in memory where the layers themselves do not, there is one for each
    device that layers compute on, and under tensor parallelism it holds the heads of this process.

    Norms and projections that adapters, parametrizations, hooks or kernels have changed are called as modules instead,
    layer by layer. A stack is good for one generation: weights may change between two, in ways that leave no trace.

    Parameters
    ----------
    family : Family
        The model.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self._parts: list[_Stack | range] = []
        for (plain, device, dtype), indices in groupby(range(family.depth), key=self._kind):
            layers = tuple(indices)
            here = range(layers[0], layers[-1] + 1)
            self._parts.append(self._stacked(here, device, dtype) if plain else here)

    def _kind(self, index: int) -> tuple[bool, Any, Any]:
        """Whether keys and values of a layer come from weights alone, where it computes, and in which type."""
        family = self.family
        modules = family.key_value_modules(index)
        plain = is_norm(family.attention_input_norm(index)) and all(
            is_plain(each, nn.Linear, Conv1D) for each in modules
        )
        return plain, family.devices[index], family.key_value_weights(index)[0].dtype if plain else None

    def _stacked(self, layers: range, device: Any, dtype: torch.dtype) -> _Stack:
        """Room for the weights of these layers; each is read when keys or values of it are asked for."""
        parts, counts, keys = self.family.parts, [], []
        for index in layers:
            key, value, _, _ = self.family.key_value_weights(index)
            counts.append((len(key) + len(value)) // parts)
            keys.append(len(key) // parts)
        rows = tuple(accumulate(counts, initial=0))
        with torch.inference_mode(False):  # what is made within it could not be written to outside
            weight = torch.empty(rows[-1], self.family.width, dtype=dtype, device=device)
            return _Stack(layers, rows, tuple(keys), weight, weight.new_zeros(rows[-1]), set(layers))

    def _read(self, stack: _Stack, index: int) -> None:
        """Write the weights of one layer into its rows, the affine part of its norm within."""
        family = self.family
        place = index - stack.layers.start
        begin, end = stack.rows[place : place + 2]
        parts = (each[begin:end].tensor_split((stack.keys[place],)) for each in (stack.weight, stack.bias))
        halves = zip(*parts, strict=True)
        with at_hand(list(family.layers[index].modules())):
            scale, shift = (
                None if each is None else own_part(each, divided=False).to(stack.weight.device)
                for each in _affine(family.attention_input_norm(index))
            )
            key, value, *biases = family.key_value_weights(index)
            for (weight, bias), own, own_bias in zip(halves, (key, value), biases, strict=True):
                found = self._own(own, stack)
                if own_bias is not None:
                    bias.copy_(self._own(own_bias, stack))
                if shift is not None:
                    bias += found @ shift.to(found.dtype)
                if scale is None:
                    weight.copy_(found)
                else:
                    torch.mul(found, scale, out=weight)  # one pass over the weights, for they are read anew so often
        stack.missing.discard(index)

    def _own(self, weight: Tensor, stack: _Stack) -> Tensor:
        """What this process holds of a weight or bias, where its layer computes."""
        return own_part(weight.detach(), divided=self.family.parts > 1).to(stack.weight.device)

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
        last = self.family.depth if last is None else last
        pairs = []
        for part in self._parts:
            whole = part if isinstance(part, range) else part.layers
            layers = range(max(first, whole.start), min(last, whole.stop))
            if layers:
                found = self._called(layers, hidden) if isinstance(part, range) else self._product(part, layers, hidden)
                pairs += [self._shaped(index, *each, rotary) for index, each in zip(layers, found, strict=True)]
        return pairs

    def _product(self, stack: _Stack, layers: range, hidden: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Keys and values of neighbouring layers, by one product."""
        for index in stack.missing.intersection(layers):
            self._read(stack, index)
        start = stack.layers.start
        rows = stack.rows[layers.start - start : layers.stop - start + 1]
        plain = _normalised(self.family.attention_input_norm(layers.start), hidden.to(stack.weight.device))
        weight, bias = stack.weight[rows[0] : rows[-1]], stack.bias[rows[0] : rows[-1]]
        found = nn.functional.linear(plain, weight, bias)
        for index, (begin, end) in zip(layers, pairwise(rows), strict=True):
            both = found[..., begin - rows[0] : end - rows[0]]
            keys, values = both.tensor_split((stack.keys[index - start],), dim=-1)
            yield keys, values

    def _called(self, layers: range, hidden: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Keys and values of layers one by one, from their modules."""
        for index in layers:
            with at_hand((self.family.layers[index],)):
                normed = self.family.attention_input_norm(index)(self.family.placed(index, hidden))
                yield self.family.keys_and_values(index, normed)

    def _shaped(self, index: int, keys: Tensor, values: Tensor, rotary: Rotary) -> tuple[Tensor, Tensor]:
        """As the cache holds them."""
        heads = self.family.key_value_heads(index) // self.family.parts
        keys, values = (each.view(*each.shape[:-1], heads, -1).transpose(1, 2) for each in (keys, values))
        with at_hand((self.family.layers[index],)):
            here = _placed(rotary, keys.device)
            return self.family.shape_keys(index, keys, here), self.family.shape_values(index, values, here)


@dataclass(frozen=True, slots=True)
class _Stack:
    """Neighbouring layers that compute on one device, where the rows of each begin, how many are of keys, and those
    not read so far."""

    layers: range
    rows: tuple[int, ...]
    keys: tuple[int, ...]
    weight: Tensor
    bias: Tensor
    missing: set[int]


def _placed(rotary: Rotary, device: Any) -> Rotary:
    """The same on a device."""
    if rotary is None:
        return None
    return {kind: (cosine.to(device), sine.to(device)) for kind, (cosine, sine) in rotary.items()}


def is_norm(norm: nn.Module) -> bool:
    """Whether a norm is one whose affine part can be taken apart: as it was made, and of a known kind."""
    kind = type(norm)
    known = kind is nn.LayerNorm or (kind.__name__.endswith("RMSNorm") and kind.__module__.startswith("transformers."))
    return kind is nn.Identity or (known and is_plain(norm, kind))


def _affine(norm: nn.Module) -> tuple[Tensor | None, Tensor | None]:
    """Scale and shift of a norm."""
    if isinstance(norm, nn.Identity):
        return None, None
    held: Any = norm  # a norm may have neither
    if isinstance(norm, nn.LayerNorm):
        return None if held.weight is None else norm.weight.detach(), None if held.bias is None else norm.bias.detach()
    weight: Tensor = held.weight.detach()
    # Gemma's norm multiplies by one plus its weight.
    return (1 + weight if type(norm).__name__.startswith("Gemma") else weight), None


def _normalised(norm: nn.Module, hidden: Tensor) -> Tensor:
    """The norm without its scale and shift."""
    if isinstance(norm, nn.Identity):
        return hidden
    if isinstance(norm, nn.LayerNorm):
        return nn.functional.layer_norm(hidden, norm.normalized_shape, None, None, norm.eps)
    epsilon = getattr(norm, "variance_epsilon", getattr(norm, "eps", 0.0))
    wide = hidden.float()  # as the model's own norm does it, float64 included
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)).to(hidden.dtype)
