"""StarCoder2: norms with a bias, biases on all projections, and one sliding window for all layers, or none."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from adapters.families.mistral import Mistral

__all__ = ["StarCoder2"]


class StarCoder2(Mistral):
    """A decoder that slides in every layer or in none, and may drop what its embedding says."""

    model_types: ClassVar[tuple[str, ...]] = ("starcoder2",)

    def embed(self, input_ids: Tensor, position_ids: Tensor) -> Tensor:
        """Token ids, shape (rows, tokens), to the residual stream, shape (rows, tokens, width)."""
        decoder = self.decoder
        found = decoder.embed_tokens(input_ids)
        return nn.functional.dropout(found, p=decoder.embedding_dropout, training=decoder.training)
