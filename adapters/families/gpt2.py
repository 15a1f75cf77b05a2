"""GPT-2: learned positions, projections stored as (in, out), queries, keys and values in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from transformers import PreTrainedModel

from adapters.errors import UnsupportedModelError
from adapters.families.base import Family, Module, Rotary

__all__ = ["GPT2"]


class GPT2(Family):
    """A decoder with embedded positions and a fused projection.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A ``GPT2LMHeadModel``.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If it has cross-attention.
    """

    model_types: ClassVar[tuple[str, ...]] = ("gpt2",)

    def __init__(self, model: PreTrainedModel) -> None:
        if model.config.add_cross_attention:
            raise UnsupportedModelError("model", "add_cross_attention=True", "a decoder that reads no encoder")
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
        decoder = self.decoder
        found = decoder.wte(input_ids)
        return decoder.drop(found + decoder.wpe(position_ids).to(found.device))

    def rotary(self, hidden: Tensor, position_ids: Tensor) -> Rotary:
        """None: the embedding holds the positions."""
        return None

    def attend(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> Tensor:
        """The first half of layer `index`: the residual stream after its attention."""
        layer = self.layers[index]
        found, _ = layer.attn(layer.ln_1(hidden), **self.arguments(index, mask, position_ids, rotary, cache))
        return found + hidden

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block."""
        layer = self.layers[index]
        return post_attention + layer.mlp(layer.ln_2(post_attention))

    def attention_input_norm(self, index: int) -> Module:
        """The norm before the attention of layer `index`."""
        return self.layers[index].ln_1

    def attention(self, index: int) -> Module:
        """The attention of layer `index`."""
        return self.layers[index].attn

    def key_value_weights(self, index: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Weights, shape (heads × size, width), and biases of the key and value projections of layer `index`."""
        (fused,) = self.key_value_modules(index)
        _, key, value = fused.weight.T.chunk(3)
        _, key_bias, value_bias = fused.bias.chunk(3)
        return key, value, key_bias, value_bias

    def key_value_modules(self, index: int) -> tuple[Any, ...]:
        """The module that queries, keys and values of layer `index` come out of."""
        return (self.layers[index].attn.c_attn,)

    def keys_and_values(self, index: int, normed: Tensor) -> tuple[Tensor, Tensor]:
        """What it makes of a normed state, each of shape (rows, tokens, heads × size)."""
        (fused,) = self.key_value_modules(index)
        _, key, value = fused(normed).chunk(3, dim=-1)
        return key, value

    def key_value_heads(self, index: int) -> int:
        """How many heads keys and values have in layer `index`."""
        return int(self.config.num_attention_heads)
