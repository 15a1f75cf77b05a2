"""Qwen1.5-MoE and Qwen2-MoE: Qwen2 with mixtures, and beside their experts one that every token goes through."""

from __future__ import annotations

from typing import ClassVar

from adapters.families.mixture import Mixture
from adapters.families.qwen2 import Qwen2

__all__ = ["Qwen2Moe"]


class Qwen2Moe(Mixture, Qwen2):
    """A decoder of mixtures, and of plain blocks where its configuration says so."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen2_moe",)
