"""OPT: learned positions, norms before the blocks or (350m) after them, embeddings that may be narrower than layers."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import Cache

from adapters.families.base import Family, Masks, Module, Rotary

__all__ = ["OPT"]


class OPT(Family):
    """A decoder with embedded positions and biases everywhere."""

    model_types: ClassVar[tuple[str, ...]] = ("opt",)

    def find_decoder(self) -> Module:
        """The module that holds embedding, layers and norm."""
        return self.model.model.decoder

    def find_norm(self) -> Module:
        """The norm after the last layer; it does nothing where each layer ends with one."""
        found = self.decoder.final_layer_norm
        return nn.Identity() if found is None else found

    def positions(self, input_ids: Tensor, attention_mask: Any, seen: int) -> Tensor:
        """Positions that the model itself counts where it is given none: padding does not count."""
        if not isinstance(attention_mask, Tensor) or attention_mask.ndim != 2:
            return super().positions(input_ids, attention_mask, seen)
        held = attention_mask.long()
        return (held.cumsum(1) * held - 1)[:, seen:]

    def embed(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Token ids, shape (rows, tokens), to the residual stream, shape (rows, tokens, width)."""
        decoder = self.decoder
        found = decoder.embed_tokens(input_ids)
        if decoder.project_in is not None:
            found = decoder.project_in(found)
        return found + decoder.embed_positions(None, position_ids=position_ids).to(found.device)

    def rotary(self, hidden: Tensor, position_ids: Tensor) -> Rotary:
        """None: the embedding holds the positions."""
        return None

    def masks(self, hidden: Tensor, attention_mask: Any, cache: Cache | None, position_ids: Tensor | None) -> Masks:
        """The masks that the model itself would make, which does not read packed sequences out of the positions."""
        return super().masks(hidden, attention_mask, cache, None)

    def attended(self, index: int, hidden: Tensor, found: Tensor) -> Tensor:
        """The residual stream with what the attention of layer `index` found added to it."""
        layer = self.layers[index]
        post_attention = hidden + _dropped(layer, found)
        return post_attention if layer.do_layer_norm_before else layer.self_attn_layer_norm(post_attention)

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block."""
        layer = self.layers[index]
        # As the layer does: a product may round differently else.
        flat = post_attention.reshape(-1, post_attention.shape[-1])
        found = layer.final_layer_norm(flat) if layer.do_layer_norm_before else flat
        found = layer.fc2(layer.activation_fn(layer.fc1(found)))
        after = (flat + _dropped(layer, found)).view(post_attention.shape)
        return after if layer.do_layer_norm_before else layer.final_layer_norm(after)

    def finish(self, hidden: Tensor) -> Tensor:
        """The residual stream after the last layer run, to what the head reads."""
        found = self.norm(hidden)
        return found if self.decoder.project_out is None else self.decoder.project_out(found)

    def logits(self, finished: Tensor) -> Tensor:
        """What the head makes of it, over the vocabulary."""
        return self.head(finished).contiguous()

    def attention_input_norm(self, index: int) -> Module:
        """The norm before the attention of layer `index`; it does nothing where norms come after."""
        layer = self.layers[index]
        return layer.self_attn_layer_norm if layer.do_layer_norm_before else nn.Identity()

    def key_value_heads(self, index: int) -> int:
        """How many heads keys and values have in layer `index`."""
        return int(self.config.num_attention_heads)


def _dropped(layer: Module, found: Tensor) -> Tensor:
    return nn.functional.dropout(found, p=layer.dropout, training=True) if layer.training else found
