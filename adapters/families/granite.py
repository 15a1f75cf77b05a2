"""Granite: Llama with a factor on embeddings, on what each half of a layer adds, and on logits."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from adapters.families.base import Family

__all__ = ["Granite"]


class Granite(Family):
    """A decoder whose parts are scaled as its configuration says."""

    model_types: ClassVar[tuple[str, ...]] = ("granite",)

    def embed(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Token ids, shape (rows, tokens), to the residual stream, shape (rows, tokens, width)."""
        return self.decoder.embed_tokens(input_ids) * self.decoder.embedding_multiplier

    def attended(self, index: int, hidden: Tensor, found: Tensor) -> Tensor:
        """The residual stream with what the attention of layer `index` found added to it."""
        return hidden + found * self.layers[index].residual_multiplier

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block."""
        layer = self.layers[index]
        found = layer.mlp(layer.post_attention_layernorm(post_attention))
        return post_attention + found * layer.residual_multiplier

    def logits(self, finished: Tensor) -> Tensor:
        """What the head makes of it, over the vocabulary."""
        return self.head(finished) / self.config.logits_scaling

    @property
    def logit_scale(self) -> float:
        """What the head's products are multiplied by to become logits."""
        return 1 / float(self.config.logits_scaling)
