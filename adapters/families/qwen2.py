"""Qwen2 and Qwen2.5: Llama with biases on queries, keys and values, and a sliding window in some layers if so set."""

from __future__ import annotations

from typing import ClassVar

from adapters.families.base import Family

__all__ = ["Qwen2"]


class Qwen2(Family):
    """A decoder whose configuration says of each layer what it attends."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen2",)

    def find_kinds(self) -> tuple[str, ...]:
        """Which mask each layer takes."""
        return tuple(self.config.layer_types[: self.depth])
