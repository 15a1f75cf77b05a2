"""Cohere's Command R7B and Command A: Cohere with windows, where layers that see everything turn nothing."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from adapters.families.base import Rotary
from adapters.families.cohere import Cohere

__all__ = ["Cohere2"]


class Cohere2(Cohere):
    """A decoder whose configuration says of each layer what it attends."""

    model_types: ClassVar[tuple[str, ...]] = ("cohere2",)

    def find_kinds(self) -> tuple[str, ...]:
        """Which mask each layer takes."""
        return tuple(self.config.layer_types[: self.depth])

    def shape_keys(self, index: int, keys: Tensor, rotary: Rotary) -> Tensor:
        """Keys, shape (rows, heads, tokens, size), as the cache holds them."""
        return keys if self.windows[index] is None else self.turned(index, keys, rotary)
