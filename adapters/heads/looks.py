"""Looks through an exit head, with what a row emits if the look confirms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adapters.families import Family
from adapters.heads import shortlist as heads

__all__ = ["FullLook", "ShortLook", "look_in_full", "look_in_short"]


@dataclass(frozen=True, slots=True)
class FullLook:
    """Through the model's own norm and head.

    Attributes
    ----------
    token, confidence : Tensor of shape (rows,)
        The likeliest token and its probability.
    heads : int
        How many full heads that took.
    full : Tensor of shape (rows, vocabulary)
        The logits.
    """

    token: Tensor
    confidence: Tensor
    heads: int
    full: Tensor

    def logits(self, rows: Any = None) -> Tensor:
        """Of all rows, or of those named."""
        return self.full if rows is None else self.full[torch.as_tensor(rows, device=self.full.device)]


@dataclass(frozen=True, slots=True)
class ShortLook:
    """Through a short-listed head.

    Attributes
    ----------
    token, confidence : Tensor of shape (rows,)
        The best candidate and its share among the candidates.
    heads : int
        0: the full head is not run.
    head : heads.ShortHead
        What looked.
    seen : heads.Look
        What it saw.
    """

    token: Tensor
    confidence: Tensor
    heads: int
    head: heads.ShortHead
    seen: heads.Look

    def logits(self, rows: Any = None) -> Tensor:
        """Exact for candidates and approximate elsewhere, of all rows or of those named."""
        found = self.head.logits(self.seen)
        return found if rows is None else found[torch.as_tensor(rows, device=found.device)]


def look_in_full(family: Family, hidden: Tensor) -> FullLook:
    """States of shape (rows, width) through the model's own norm and head."""
    logits = family.logits(family.finish(hidden))
    best, token = logits.max(-1)
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return FullLook(token, (best - wide.logsumexp(-1)).exp(), len(hidden), logits)


def look_in_short(head: heads.ShortHead, depth: int, hidden: Tensor) -> ShortLook:
    """States of shape (rows, width) after `depth` layers through a short-listed head."""
    seen = head.look(hidden, depth)
    return ShortLook(seen.token, seen.confidence, 0, head, seen)
