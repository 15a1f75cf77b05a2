"""MPNet: one relative position bias for all layers, no segments."""

from __future__ import annotations

from torch import Tensor

from adapters.encoders.backbones.base import Backbone, first_of

__all__ = ["MPNet"]


class MPNet(Backbone):
    """The bias is worked out once from the number of tokens, and is the same for every row."""

    model_types = ("mpnet",)
    has_token_types = False

    def shared(self, hidden: Tensor) -> Tensor:
        """The bias of relative positions, shape (rows, heads, tokens, tokens)."""
        found: Tensor = self.base.encoder.compute_position_bias(hidden)
        return found

    def layer(self, index: int, hidden: Tensor, mask: Tensor | None, shared: Tensor | None) -> Tensor:
        """States after layer `index`."""
        return first_of(self.base.encoder.layer[index](hidden, mask, shared))

    def own_logits(self, hidden: Tensor) -> Tensor:
        """The classifier, which takes the first token itself."""
        found: Tensor = self.model.classifier(hidden)
        return found
