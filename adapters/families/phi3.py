"""Phi-3, Phi-3.5 and Phi-4: queries, keys and values come out of one product, in this order."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from adapters.families.mistral import Mistral

__all__ = ["Phi3"]


class Phi3(Mistral):
    """A decoder with a fused projection, that slides in every layer or in none."""

    model_types: ClassVar[tuple[str, ...]] = ("phi3",)

    def attended(self, index: int, hidden: Tensor, found: Tensor) -> Tensor:
        """The residual stream with what the attention of layer `index` found added to it."""
        return hidden + self.layers[index].resid_attn_dropout(found)

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block."""
        layer = self.layers[index]
        return post_attention + layer.resid_mlp_dropout(layer.mlp(layer.post_attention_layernorm(post_attention)))

    def key_value_weights(self, index: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Weights, shape (heads × size, width), and biases of the key and value projections of layer `index`."""
        (fused,) = self.key_value_modules(index)
        _, key, value = fused.weight.split(self._sizes(index))
        return key, value, None, None

    def key_value_modules(self, index: int) -> tuple[Any, ...]:
        """The module that queries, keys and values of layer `index` come out of."""
        return (self.layers[index].self_attn.qkv_proj,)

    def keys_and_values(self, index: int, normed: Tensor) -> tuple[Tensor, Tensor]:
        """What it makes of a normed state, each of shape (rows, tokens, heads × size)."""
        (fused,) = self.key_value_modules(index)
        _, key, value = fused(normed).split(self._sizes(index), dim=-1)
        return key, value

    def _sizes(self, index: int) -> tuple[int, int, int]:
        attention = self.layers[index].self_attn
        each = self.key_value_heads(index) * attention.head_dim
        return int(attention.config.num_attention_heads * attention.head_dim), each, each
