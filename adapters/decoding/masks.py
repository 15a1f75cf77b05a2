"""Attention masks of passes in which a layer sees several tokens, or rows that are not equally far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from adapters.families import FULL

__all__ = ["block_mask", "filled_slots", "says_the_same"]


def block_mask(
    queries: Tensor,
    *,
    kv_length: int,
    kv_offset: int,
    valid: Tensor | None,
    window: int | None,
    dtype: torch.dtype,
    eager: bool,
) -> Tensor:
    """Who sees whom.

    Parameters
    ----------
    queries : Tensor of int64 of shape (rows or 1, tokens)
        Slot of each query in the cache.
    kv_length, kv_offset : int
        The layer's keys are those of slots offset, …, offset + length − 1.
    valid : Tensor of bool of shape (rows, slots) or None
        False where a slot holds padding; None where none does. Slots beyond its end are valid.
    window : int or None
        How many slots back a query sees, its own included.
    dtype : torch.dtype
        Of an additive mask.
    eager : bool
        Additive (0 and the least finite number) instead of boolean.

    Returns
    -------
    Tensor of shape (rows or 1, 1, tokens, kv_length)
        The mask.
    """
    keys = torch.arange(kv_offset, kv_offset + kv_length, device=queries.device)
    allowed = keys <= queries[:, :, None]
    if window is not None:
        allowed = allowed & (keys > queries[:, :, None] - window)
    if valid is not None:
        part = valid[:, kv_offset : kv_offset + kv_length]
        if part.shape[1] < kv_length:
            rest = torch.ones((len(part), kv_length - part.shape[1]), dtype=torch.bool, device=part.device)
            part = torch.cat((part, rest), dim=1)
        allowed = allowed & part[:, None, :]
    allowed = allowed[:, None]
    if not eager:
        return allowed
    nothing = torch.zeros((), dtype=dtype, device=queries.device)
    return torch.where(allowed, nothing, torch.finfo(dtype).min)


def filled_slots(attention_mask: Any) -> Tensor | None:
    """Which slots hold tokens, from whatever form the mask of a one-token step has.

    Parameters
    ----------
    attention_mask : Tensor or mapping of kind to Tensor, or None
        Of shape (rows, slots), or (rows, 1, 1, slots) where the cache has a fixed size, as ``generate``
        makes it.

    Returns
    -------
    Tensor of bool of shape (rows, slots) or None
        None where no slot holds padding. With a cache of fixed size slots that are still to come are False.
    """
    if isinstance(attention_mask, Mapping):
        attention_mask = attention_mask.get(FULL)
    if attention_mask is None:
        return None
    mask: Tensor = attention_mask
    if mask.ndim == 4:
        last = mask[:, 0, -1]
        return last if last.dtype == torch.bool else last == 0
    return mask.bool()


def says_the_same(before: Tensor | None, now: Tensor | None) -> bool:
    """Whether a mask still hides the slots that it hid at the token before, and shows those that have come.

    Parameters
    ----------
    before, now : Tensor of bool of shape (rows or 1, slots) or None
        Which slots hold no padding; None where all do. Slots beyond the end are valid.

    Returns
    -------
    bool
        True where what was worked out under the one mask holds under the other.
    """
    if before is None or now is None:
        either = now if before is None else before
        return either is None or bool(either.all())
    slots = min(before.shape[1], now.shape[1])
    rest = (before[:, slots:], now[:, slots:])
    return bool((before[:, :slots] == now[:, :slots]).all()) and all(bool(each.all()) for each in rest)
