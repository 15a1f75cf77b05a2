"""BERT: a pooler between the last layer and the classifier."""

from __future__ import annotations

from torch import Tensor

from adapters.encoders.backbones.base import Backbone

__all__ = ["Bert"]


class Bert(Backbone):
    """Layers in ``encoder.layer``, called with states and mask."""

    model_types = ("bert",)

    def own_logits(self, hidden: Tensor) -> Tensor:
        """The classifier, on what the pooler makes of the first token."""
        found: Tensor = self.model.classifier(self.model.dropout(self.base.pooler(hidden)))
        return found
