"""Phi-1, Phi-1.5 and Phi-2: both halves of a layer read the same norm, and a part of each head is turned."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from adapters.families.base import Module, Rotary
from adapters.families.side_by_side import SideBySide

__all__ = ["Phi"]


class Phi(SideBySide):
    """A decoder whose attention and feed-forward block run side by side, with biases everywhere."""

    model_types: ClassVar[tuple[str, ...]] = ("phi",)

    def find_norm(self) -> Module:
        """The norm after the last layer."""
        return self.decoder.final_layernorm

    def embed(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Token ids, shape (rows, tokens), to the residual stream, shape (rows, tokens, width)."""
        return self.decoder.embed_dropout(self.decoder.embed_tokens(input_ids))

    def look(self, index: int, hidden: Tensor, arguments: dict[str, Any]) -> Tensor:
        """What the attention of layer `index` adds to the state."""
        layer = self.layers[index]
        found, _ = layer.self_attn(hidden_states=layer.input_layernorm(hidden), **arguments)
        return layer.resid_dropout(found)

    def fed(self, index: int, read: Tensor) -> Tensor:
        """What the feed-forward block of layer `index` adds to the state, from the state that it reads."""
        layer = self.layers[index]
        return layer.resid_dropout(layer.mlp(layer.input_layernorm(read)))

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: normed and turned to their positions."""
        attention = self.attention(index)
        return super().shape_keys(index, attention.k_layernorm(keys) if attention.qk_layernorm else keys, rotary)
