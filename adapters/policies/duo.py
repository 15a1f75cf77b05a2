"""Big, small or no feed-forward block, for each token at each layer (Duo-LLM)."""

from __future__ import annotations

from adapters.heads.small_ffn import CHOICES, Router, SmallFFNs

__all__ = ["CHOICES", "Router", "SmallFFNs"]
