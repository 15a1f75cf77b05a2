"""Gemma 2: windowed and full layers take turns, four norms a layer, bounds on what attention and head say."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from adapters.errors import UnsupportedModelError
from adapters.families.qwen2 import Qwen2

__all__ = ["Gemma2"]


class Gemma2(Qwen2):
    """A decoder with norms before and after both halves of a layer and a bound on the logits.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A ``Gemma2ForCausalLM``.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If its attention is not causal.
    """

    model_types: ClassVar[tuple[str, ...]] = ("gemma2",)

    def __init__(self, model: PreTrainedModel) -> None:
        if getattr(model.config, "use_bidirectional_attention", None):
            raise UnsupportedModelError("model", "use_bidirectional_attention=True", "a model with causal attention")
        super().__init__(model)

    def attended(self, index: int, hidden: Tensor, found: Tensor) -> Tensor:
        """The residual stream with what the attention of layer `index` found added to it."""
        return hidden + self.layers[index].post_attention_layernorm(found)

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half: the residual stream after the feed-forward block."""
        layer = self.layers[index]
        found = layer.mlp(layer.pre_feedforward_layernorm(post_attention))
        return post_attention + layer.post_feedforward_layernorm(found)

    def logits(self, finished: Tensor) -> Tensor:
        """What the head makes of it, over the vocabulary."""
        found: Tensor = self.head(finished)
        bound = self.config.final_logit_softcapping
        return found if bound is None else torch.tanh(found / bound) * bound
