"""ALBERT: few groups of weights, each run as several layers, behind a narrow embedding."""

from __future__ import annotations

from torch import Tensor

from adapters.encoders.backbones.base import Backbone, first_of

__all__ = ["Albert"]


class Albert(Backbone):
    """A layer is one run of a group of weights, as the configuration counts layers."""

    model_types = ("albert",)

    def enter(self, embedded: Tensor) -> Tensor:
        """The embedding, made as wide as the layers."""
        found: Tensor = self.base.encoder.embedding_hidden_mapping_in(embedded)
        return found

    def layer(self, index: int, hidden: Tensor, mask: Tensor | None, shared: Tensor | None) -> Tensor:
        """States after layer `index`."""
        group = int(index / (self.depth / int(self.config.num_hidden_groups)))  # as AlbertTransformer.forward
        return first_of(self.base.encoder.albert_layer_groups[group](hidden, mask))

    def own_logits(self, hidden: Tensor) -> Tensor:
        """The classifier, on what the pooler makes of the first token."""
        pooled = self.base.pooler_activation(self.base.pooler(hidden[:, 0]))
        found: Tensor = self.model.classifier(self.model.dropout(pooled))
        return found
