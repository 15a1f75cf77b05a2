"""GPT-NeoX and Pythia: both halves of a layer may read the same state, and a part of each head is turned."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from adapters.families.base import Module
from adapters.families.side_by_side import SideBySide

__all__ = ["GPTNeoX"]


class GPTNeoX(SideBySide):
    """A decoder whose attention and feed-forward block run side by side, or in turn."""

    model_types: ClassVar[tuple[str, ...]] = ("gpt_neox",)

    def find_decoder(self) -> Module:
        """The module that holds embedding, layers and norm."""
        return self.model.gpt_neox

    def find_norm(self) -> Module:
        """The norm after the last layer."""
        return self.decoder.final_layer_norm

    def embed(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Token ids, shape (rows, tokens), to the residual stream, shape (rows, tokens, width)."""
        return self.decoder.emb_dropout(self.decoder.embed_in(input_ids))

    def in_turn(self, index: int) -> bool:
        """Whether the block of layer `index` reads what its attention left."""
        return not self.layers[index].use_parallel_residual

    def look(self, index: int, hidden: Tensor, arguments: dict[str, Any]) -> Tensor:
        """What the attention of layer `index` adds to the state."""
        layer = self.layers[index]
        found, _ = layer.attention(layer.input_layernorm(hidden), **arguments)
        return layer.post_attention_dropout(found)

    def fed(self, index: int, read: Tensor) -> Tensor:
        """What the feed-forward block of layer `index` adds to the state, from the state that it reads."""
        layer = self.layers[index]
        return layer.post_mlp_dropout(layer.mlp(layer.post_attention_layernorm(read)))

    def attention(self, index: int) -> Module:
        """The attention of layer `index`."""
        return self.layers[index].attention

    def key_value_weights(self, index: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Weights, shape (heads × size, width), and biases of the key and value projections of layer `index`."""
        (fused,) = self.key_value_modules(index)
        size = self.layers[index].attention.head_size
        # Head by head: its queries, its keys, its values.
        _, key, value = fused.weight.unflatten(0, (-1, 3, size)).unbind(1)
        if fused.bias is None:
            return key.flatten(0, 1), value.flatten(0, 1), None, None
        _, key_bias, value_bias = fused.bias.unflatten(0, (-1, 3, size)).unbind(1)
        return key.flatten(0, 1), value.flatten(0, 1), key_bias.flatten(), value_bias.flatten()

    def key_value_modules(self, index: int) -> tuple[Any, ...]:
        """The module that queries, keys and values of layer `index` come out of."""
        return (self.layers[index].attention.query_key_value,)

    def keys_and_values(self, index: int, normed: Tensor) -> tuple[Tensor, Tensor]:
        """What it makes of a normed state, each of shape (rows, tokens, heads × size)."""
        (fused,) = self.key_value_modules(index)
        _, key, value = fused(normed).unflatten(-1, (-1, 3, self.layers[index].attention.head_size)).unbind(-2)
        return key.flatten(-2), value.flatten(-2)

    def key_value_heads(self, index: int) -> int:
        """How many heads keys and values have in layer `index`."""
        return int(self.config.num_attention_heads)
