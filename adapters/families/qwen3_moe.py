"""Qwen3-MoE: Qwen3 with mixtures, and one sliding window for all layers, or none."""

from __future__ import annotations

from typing import ClassVar

from adapters.families.base import FULL, SLIDING
from adapters.families.mixture import Mixture
from adapters.families.qwen3 import Qwen3

__all__ = ["Qwen3Moe"]


class Qwen3Moe(Mixture, Qwen3):
    """A decoder of mixtures with normed keys, and of plain blocks where its configuration says so."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen3_moe",)

    def find_kinds(self) -> tuple[str, ...]:
        """Which mask each layer takes."""
        return (FULL if self.config.sliding_window is None else SLIDING,) * self.depth
