"""OLMoE: mixtures, and keys that are normed as one, all heads together."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from transformers import PreTrainedModel

from adapters.errors import UnsupportedModelError
from adapters.families.base import Rotary
from adapters.families.mixture import Mixture
from adapters.families.olmo2 import normed_together

__all__ = ["OLMoE"]


class OLMoE(Mixture):
    """A decoder of mixtures with normed keys.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        An ``OlmoeForCausalLM``.

    Raises
    ------
    adapters.errors.UnsupportedModelError
        If it clips queries, keys and values, as no released one does.
    """

    model_types: ClassVar[tuple[str, ...]] = ("olmoe",)

    def __init__(self, model: PreTrainedModel) -> None:
        if model.config.clip_qkv is not None:
            raise UnsupportedModelError("model", f"clip_qkv={model.config.clip_qkv}", "clip_qkv=None")
        super().__init__(model)

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: normed and turned to their positions."""
        return super().shape_keys(index, normed_together(self.attention(index).k_norm, keys), rotary)
