"""BLOOM: attention is told positions by a bias on its scores, which grows with the distance (ALiBi)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from transformers import Cache

from adapters.families.base import Family, Masks, Module, Rotary

__all__ = ["Bloom"]


class Bloom(Family):
    """A decoder without positions of its own, and with queries, keys and values in one projection."""

    model_types: ClassVar[tuple[str, ...]] = ("bloom",)
    always_masked: ClassVar[bool] = True

    def find_decoder(self) -> Module:
        """The module that holds embedding, layers and norm."""
        return self.model.transformer

    def find_layers(self) -> Sequence[Module]:
        """The decoder layers."""
        return self.decoder.h

    def find_norm(self) -> Module:
        """The norm after the last layer."""
        return self.decoder.ln_f

    def embed(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Token ids, shape (rows, tokens), to the residual stream, shape (rows, tokens, width)."""
        return self.decoder.word_embeddings_layernorm(self.decoder.word_embeddings(input_ids))

    def rotary(self, hidden: Tensor, position_ids: Tensor) -> Rotary:
        """None: scores hold the positions."""
        return None

    def masks(self, hidden: Tensor, attention_mask: Any, cache: Cache | None, position_ids: Tensor | None) -> Masks:
        """The mask that the model itself would make, which does not read packed sequences out of the positions."""
        return super().masks(hidden, attention_mask, cache, None)

    def run(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> Tensor:
        """Layer `index` as it is."""
        arguments = self.arguments(index, mask, position_ids, rotary, cache)
        found, _ = self.layers[index](hidden, alibi=self._bias(hidden, mask), **arguments)
        return found

    def attend(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> Tensor:
        """The first half of layer `index`: the residual stream after its attention, which adds to it itself."""
        layer = self.layers[index]
        normed = layer.input_layernorm(hidden)
        residual = normed if layer.apply_residual_connection_post_layernorm else hidden
        arguments = self.arguments(index, mask, position_ids, rotary, cache)
        found, _ = layer.self_attention(normed, residual, alibi=self._bias(hidden, mask), **arguments)
        return found

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block, which adds to it itself."""
        layer = self.layers[index]
        normed = layer.post_attention_layernorm(post_attention)
        return layer.mlp(normed, normed if layer.apply_residual_connection_post_layernorm else post_attention)

    def attention(self, index: int) -> Module:
        """The attention of layer `index`."""
        return self.layers[index].self_attention

    def key_value_weights(self, index: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Weights, shape (heads × size, width), and biases of the key and value projections of layer `index`."""
        (fused,) = self.key_value_modules(index)
        key, value = self._halves(index, fused.weight.T)
        return key.T, value.T, *self._halves(index, fused.bias)

    def key_value_modules(self, index: int) -> tuple[Any, ...]:
        """The module that queries, keys and values of layer `index` come out of."""
        return (self.attention(index).query_key_value,)

    def keys_and_values(self, index: int, normed: Tensor) -> tuple[Tensor, Tensor]:
        """What it makes of a normed state, each of shape (rows, tokens, heads × size)."""
        (fused,) = self.key_value_modules(index)
        return self._halves(index, fused(normed))

    def key_value_heads(self, index: int) -> int:
        """How many heads keys and values have in layer `index`."""
        return int(self.config.num_attention_heads)

    def _halves(self, index: int, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values out of the last dimension: head by head its queries, its keys, its values."""
        _, key, value = fused.unflatten(-1, (-1, 3, self.attention(index).head_dim)).unbind(-2)
        return key.flatten(-2), value.flatten(-2)

    def _bias(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """What is added to scores, shape (rows × heads, 1, slots): slots that no query sees count no position."""
        assert mask is not None  # always_masked
        seen = (mask == 0).any(dim=2)[:, 0].long().expand(len(hidden), -1)
        return self.decoder.build_alibi_tensor(seen, self.config.num_attention_heads, dtype=hidden.dtype)
