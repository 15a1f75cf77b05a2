"""Qwen3: keys are normed, head by head, before they are turned to their positions."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from adapters.families.base import Rotary
from adapters.families.qwen2 import Qwen2

__all__ = ["Qwen3"]


class Qwen3(Qwen2):
    """A decoder with normed keys."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen3",)

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them: normed and turned to their positions."""
        return super().shape_keys(index, self.layers[index].self_attn.k_norm(keys), rotary)
