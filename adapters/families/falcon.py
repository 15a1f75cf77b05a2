"""Falcon: halves side by side or in turn, one fused projection, and keys that many queries or all share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import Cache, PreTrainedModel

from adapters.errors import UnsupportedModelError
from adapters.families.base import Masks, Module, Rotary
from adapters.families.side_by_side import SideBySide

__all__ = ["Falcon"]


class Falcon(SideBySide):
    """A decoder of the old or the new Falcon architecture, with rotary positions.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A ``FalconForCausalLM``.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If attention is told positions by a bias (Falcon-RW): transformers folds that into the masks of a whole pass.
    """

    model_types: ClassVar[tuple[str, ...]] = ("falcon",)
    always_masked: ClassVar[bool] = True

    def __init__(self, model: PreTrainedModel) -> None:
        if model.config.alibi:
            raise UnsupportedModelError("model", "alibi=True (Falcon-RW)", "a Falcon with rotary positions")
        super().__init__(model)

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
        return self.decoder.word_embeddings(input_ids)

    def masks(self, hidden: Tensor, attention_mask: Any, cache: Cache | None, position_ids: Tensor | None) -> Masks:
        """The mask that the model itself would make, which does not read packed sequences out of the positions."""
        return super().masks(hidden, attention_mask, cache, None)

    def arguments(
        self, index: int, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> dict[str, Any]:
        """Keyword arguments of layer `index` and of its attention alike."""
        return {**super().arguments(index, mask, position_ids, rotary, cache), "alibi": None}

    def run(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> Tensor:
        """Layer `index` as it is."""
        found, _ = self.layers[index](hidden, **self.arguments(index, mask, position_ids, rotary, cache))
        return found

    def in_turn(self, index: int) -> bool:
        """Whether the block of layer `index` reads what its attention left."""
        return not (self.config.new_decoder_architecture or self.config.parallel_attn)

    def look(self, index: int, hidden: Tensor, arguments: dict[str, Any]) -> Tensor:
        """What the attention of layer `index` adds to the state."""
        normed = self.attention_input_norm(index)(hidden)
        found, _ = self.attention(index)(hidden_states=normed, **arguments)
        return self._dropped(index, found, "attention_dropout" if self.in_turn(index) else "hidden_dropout")

    def fed(self, index: int, read: Tensor) -> Tensor:
        """What the feed-forward block of layer `index` adds to the state, from the state that it reads."""
        layer = self.layers[index]
        if self._has_two_norms(index):
            normed = layer.ln_mlp(read)
        else:
            normed = (layer.post_attention_layernorm if self.in_turn(index) else layer.input_layernorm)(read)
        return self._dropped(index, layer.mlp(normed), "hidden_dropout")

    def attention_input_norm(self, index: int) -> Module:
        """The norm before the attention of layer `index`."""
        layer = self.layers[index]
        return layer.ln_attn if self._has_two_norms(index) else layer.input_layernorm

    def attention(self, index: int) -> Module:
        """The attention of layer `index`."""
        return self.layers[index].self_attention

    def key_value_weights(self, index: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Weights, shape (heads × size, width), and biases of the key and value projections of layer `index`."""
        (fused,) = self.key_value_modules(index)
        key, value = self._halves(index, fused.weight.T)
        if fused.bias is None:
            return key.T, value.T, None, None
        return key.T, value.T, *self._halves(index, fused.bias)

    def key_value_modules(self, index: int) -> tuple[Any, ...]:
        """The module that queries, keys and values of layer `index` come out of."""
        return (self.attention(index).query_key_value,)

    def keys_and_values(self, index: int, normed: Tensor) -> tuple[Tensor, Tensor]:
        """What it makes of a normed state, each of shape (rows, tokens, heads × size)."""
        (fused,) = self.key_value_modules(index)
        return self._halves(index, fused(normed))

    def key_value_heads(self, index: int) -> int:
        """How many heads keys and values have in layer `index`, before each is repeated for its queries."""
        return int(self.attention(index).num_kv_heads)

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: turned, one for each query if new."""
        return self.shape_values(index, super().shape_keys(index, keys, rotary), rotary)

    def shape_values(self, index: int, values: Tensor, rotary: Rotary) -> Tensor:
        """Values, shape (rows, heads, tokens, size), as the cache holds them: one for each query if new."""
        attention = self.attention(index)
        if not attention.new_decoder_architecture:
            return values
        return values.repeat_interleave(attention.num_heads // attention.num_kv_heads, dim=1)

    def _halves(self, index: int, fused: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values out of the last dimension of what holds queries too: of each group, they come last."""
        attention = self.attention(index)
        groups = fused.unflatten(-1, (attention.num_kv_heads, -1, attention.head_dim))
        return groups[..., -2, :].flatten(-2), groups[..., -1, :].flatten(-2)

    def _has_two_norms(self, index: int) -> bool:
        return hasattr(self.layers[index], "ln_mlp")

    def _dropped(self, index: int, found: Tensor, share: str) -> Tensor:
        return nn.functional.dropout(found, p=getattr(self.config, share), training=self.layers[index].training)
