"""Llama, SmolLM, TinyLlama: the plain pre-norm decoder with rotary positions and grouped queries."""

from __future__ import annotations

from typing import ClassVar

from adapters.families.base import Family

__all__ = ["Llama"]


class Llama(Family):
    """The decoder that the defaults of :class:`Family` describe."""

    model_types: ClassVar[tuple[str, ...]] = ("llama",)
