"""Keys and values of layers that are not run, from the state that left them out: one product for all of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adapters.families import Family, Rotary
from ews.errors import InputTypeError, described

__all__ = ["Projection"]


class Projection:
    """The key and value projections of all layers, stacked.

    The norm before each attention is a common part, which all layers share for the same state, and an affine part of
    its own, which is folded into the weights. What is left is one product of the normalised state with the rows of
    the layers asked for. The stack is a copy of the key and value weights (with grouped queries 3–4 % of the model).

    Parameters
    ----------
    family : Family
        The model.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        weights, biases, self._rows = [], [], [0]
        for index in range(family.depth):
            key, value, key_bias, value_bias = family.key_value_weights(index)
            scale, shift = _affine(family.attention_input_norm(index))
            stacked = torch.cat((key, value)).detach()
            bias = torch.zeros(len(stacked), dtype=stacked.dtype, device=stacked.device)
            if key_bias is not None and value_bias is not None:
                bias = torch.cat((key_bias, value_bias)).detach()
            if shift is not None:
                bias = bias + stacked @ shift
            weights.append(stacked if scale is None else stacked * scale)
            biases.append(bias)
            self._rows.append(self._rows[-1] + len(stacked))
        self._weight, self._bias = torch.cat(weights), torch.cat(biases)

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
        begin, end = self._rows[first], self._rows[last]
        plain = _normalised(family.attention_input_norm(first), hidden)
        found = nn.functional.linear(plain, self._weight[begin:end], self._bias[begin:end])
        pairs = []
        for index in range(first, last):
            one = found[..., self._rows[index] - begin : self._rows[index + 1] - begin]
            heads = family.key_value_heads(index)
            split = one.unflatten(-1, (2 * heads, -1)).transpose(1, 2)
            keys, values = split[:, :heads], split[:, heads:]
            pairs.append((family.shape_keys(index, keys, rotary), values))
        return pairs


def _affine(norm: nn.Module) -> tuple[Tensor | None, Tensor | None]:
    """Scale and shift of a norm."""
    if isinstance(norm, nn.Identity):
        return None, None
    if isinstance(norm, nn.LayerNorm):
        return norm.weight.detach(), norm.bias.detach()
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
    # At least float32, as the model's own norm does it.
    wide = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)).to(hidden.dtype)
