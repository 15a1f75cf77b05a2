"""Mistral: Llama with one sliding window for all layers, or none."""

from __future__ import annotations

from typing import ClassVar

from adapters.families.base import FULL, SLIDING, Family

__all__ = ["Mistral"]


class Mistral(Family):
    """A decoder that slides in every layer or in none."""

    model_types: ClassVar[tuple[str, ...]] = ("mistral",)

    def find_kinds(self) -> tuple[str, ...]:
        """Which mask each layer takes."""
        return (FULL if self.config.sliding_window is None else SLIDING,) * self.depth
