"""Mixtral: Mistral with a mixture of experts in the place of each feed-forward block."""

from __future__ import annotations

from typing import ClassVar

from adapters.families.mistral import Mistral
from adapters.families.mixture import Mixture

__all__ = ["Mixtral"]


class Mixtral(Mixture, Mistral):
    """A decoder of mixtures that slides in every layer or in none."""

    model_types: ClassVar[tuple[str, ...]] = ("mixtral",)
