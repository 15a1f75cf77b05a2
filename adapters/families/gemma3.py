"""Gemma 3, text only: Gemma 2 with normed keys, and rotary frequencies of its own for each kind of layer."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from adapters.families.base import Rotary
from adapters.families.gemma2 import Gemma2

__all__ = ["Gemma3"]


class Gemma3(Gemma2):
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

    def rotary(self, hidden: Tensor, position_ids: Tensor) -> Rotary:
        """What attention needs of the positions, shape (rows, tokens)."""
        return {kind: self.decoder.rotary_emb(hidden, position_ids, kind) for kind in dict.fromkeys(self.kinds)}

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: normed and turned to their positions."""
        return super().shape_keys(index, self.attention(index).k_norm(keys), rotary)
