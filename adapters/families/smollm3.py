"""SmolLM3: some layers turn no keys to their positions, and are told them by the causal mask alone."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from adapters.families.base import Rotary
from adapters.families.qwen2 import Qwen2

__all__ = ["SmolLM3"]


class SmolLM3(Qwen2):
    """A decoder whose configuration says of each layer whether positions are turned in."""

    model_types: ClassVar[tuple[str, ...]] = ("smollm3",)

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them."""
        return super().shape_keys(index, keys, rotary) if self.config.no_rope_layers[index] else keys
