"""Gemma 3, text only: windowed and full layers take turns, each kind with rotary frequencies of its own."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from adapters.errors import UnsupportedModelError
from adapters.families.base import Rotary
from adapters.families.qwen3 import Qwen3

__all__ = ["Gemma3"]


class Gemma3(Qwen3):
    """A decoder with norms before and after both halves of a layer, normed keys and a bound on the logits.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A ``Gemma3ForCausalLM``.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If its attention is not causal.
    """

    model_types: ClassVar[tuple[str, ...]] = ("gemma3_text",)

    def __init__(self, model: PreTrainedModel) -> None:
        if model.config.use_bidirectional_attention:
            raise UnsupportedModelError("model", "use_bidirectional_attention=True", "a model with causal attention")
        super().__init__(model)

    def rotary(self, hidden: Tensor, position_ids: Tensor) -> Rotary:
        """What attention needs of the positions, shape (rows, tokens)."""
        return {kind: self.decoder.rotary_emb(hidden, position_ids, kind) for kind in dict.fromkeys(self.kinds)}

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
