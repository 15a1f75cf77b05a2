"""Phi-1, Phi-1.5 and Phi-2: both halves of a layer read the same norm, and a part of each head is turned."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from adapters.families.base import Family, Module, Rotary

__all__ = ["Phi"]


class Phi(Family):
    """A decoder whose attention and feed-forward block run side by side, with biases everywhere."""

    model_types: ClassVar[tuple[str, ...]] = ("phi",)

    def find_norm(self) -> Module:
        """The norm after the last layer."""
        return self.decoder.final_layernorm

    def embed(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Token ids, shape (rows, tokens), to the residual stream, shape (rows, tokens, width)."""
        return self.decoder.embed_dropout(self.decoder.embed_tokens(input_ids))

    def attended(self, index: int, hidden: Tensor, found: Tensor) -> Tensor:
        """The residual stream with what the attention of layer `index` found added to it."""
        return hidden + self.layers[index].resid_dropout(found)

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block.

        The layer itself adds the state last; here it is in `post_attention` already, so that the two may differ in the
        last bit.
        """
        layer = self.layers[index]
        return layer.resid_dropout(layer.mlp(layer.input_layernorm(entering))) + post_attention

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: normed and turned to their positions."""
        attention = self.attention(index)
        return super().shape_keys(index, attention.k_layernorm(keys) if attention.qk_layernorm else keys, rotary)
