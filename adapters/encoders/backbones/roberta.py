"""RoBERTa and what is built alike: no pooler, a classifier of two layers."""

from __future__ import annotations

from torch import Tensor

from adapters.encoders.backbones.base import Backbone

__all__ = ["Roberta"]


class Roberta(Backbone):
    """As BERT, but for the classifier, which reads all states and takes the first itself."""

    model_types = ("roberta", "xlm-roberta", "camembert")

    def own_logits(self, hidden: Tensor) -> Tensor:
        """The classifier, which takes the first token itself."""
        found: Tensor = self.model.classifier(hidden)
        return found
