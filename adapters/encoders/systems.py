"""Systems of encoders that can be trained: which heads, which rule, and where the training is."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.encoders.contract import EncoderPolicy
from adapters.encoders.registry import encoder_policy_named

__all__ = ["SYSTEMS", "EncoderSystem"]


@dataclass(frozen=True, slots=True)
class EncoderSystem:
    """Heads, rule and training that belong together.

    Attributes
    ----------
    heads : str
        Kind of the heads.
    policy : str
        Name of the rule that goes with them.
    home : str
        What trains them, ``"module:function"``.
    ends : bool
        Whether the last answer is always a head's, even where the model has a classifier of its own.
    epochs, batch_size : int
        What heads on a frozen encoder are usually trained for.
    needs_frozen : bool
        Whether it trains nothing of the encoder.
    shape : mapping
        Options of the heads.
    """

    heads: str
    policy: str
    home: str
    ends: bool = False
    epochs: int = 10
    batch_size: int = 32
    needs_frozen: bool = False
    shape: Mapping[str, Any] = field(default_factory=dict)

    def rule(self, layers: int) -> EncoderPolicy:
        """The rule that goes with them, for an encoder of so many layers.

        A patience of 6 was published for 12 layers; where there are fewer it is half of them, or no row would leave.
        """
        options = {"patience": max(1, min(6, layers // 2))} if self.policy == "pabee" else {}
        return encoder_policy_named(self.policy, **options)

    def function(self) -> Callable[..., Any]:
        """What trains it."""
        module, _, name = self.home.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found


SYSTEMS: dict[str, EncoderSystem] = {
    "jei_dnn": EncoderSystem(
        "gated", "jei", "adapters.training.jei_dnn:fit_jei_dnn", epochs=15, batch_size=64, needs_frozen=True
    ),
    "pabee": EncoderSystem("linear", "pabee", "adapters.training.pabee:fit_pabee"),
    "palbert": EncoderSystem("ponder", "ponder", "adapters.training.palbert:fit_palbert", ends=True),
}
