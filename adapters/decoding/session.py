"""What the engine remembers between the tokens of one generation."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Cache

from adapters.families import Rotary

__all__ = ["Kept", "Session", "joined", "part_of"]


@dataclass(slots=True)
class Kept:
    """Neighbouring tokens that left after the same layer.

    Attributes
    ----------
    hidden : Tensor of shape (rows, tokens, width)
        Their state there.
    positions : Tensor of int64 of shape (rows or 1, tokens)
        Their positions.
    rotary : Rotary
        What attention needs of these. It is kept, not worked out again, since frequencies may have changed by then:
        some models stretch them as the text grows.
    depth : int
        After how many layers.
    counted : int
        How many of them, over all rows, count in the report.
    """

    hidden: Tensor
    positions: Tensor
    rotary: Rotary
    depth: int
    counted: int


def joined(parts: Sequence[Rotary]) -> Rotary:
    """Of tokens that follow each other."""
    given = [part for part in parts if part is not None]
    if len(given) < 2:
        return given[0] if given else None
    return {
        kind: (torch.cat([part[kind][0] for part in given], dim=1), torch.cat([part[kind][1] for part in given], dim=1))
        for kind in given[0]
    }


def part_of(rotary: Rotary, tokens: slice, rows: Tensor | None = None) -> Rotary:
    """Of some tokens, in all rows or in some."""
    if rotary is None:
        return None
    found = {kind: (cosine[:, tokens], sine[:, tokens]) for kind, (cosine, sine) in rotary.items()}
    if rows is None:
        return found
    return {kind: (c.index_select(0, rows), s.index_select(0, rows)) for kind, (c, s) in found.items()}


@dataclass(slots=True, weakref_slot=True)
class Session:
    """One generation: its cache, and what is still missing in it.

    Attributes
    ----------
    held : weakref to transformers.Cache
        The user's, or the one that ``generate`` made. It is not kept alive.
    rows : int
        Size of the batch.
    lengths : list of int
        How many tokens each layer holds (where rows are equally far).
    length : int
        How many tokens there are.
    begin : int
        How many there were when this generation began to decode.
    kept : list of Kept
        Tokens that left early, oldest first. Depths fall from one to the next: a token that went deeper took all that
        were kept before with it.
    gaps : set of int
        Layers that were left out for good.
    ragged : Ragged or None
        The same for rows that are not equally far; see :mod:`adapters.decoding.ragged`.
    ahead : list
        Tokens that were drafted and checked, with their positions and what follows; see
        :mod:`adapters.decoding.verify`.
    drafting : Drafting or None
        What became of drafts so far.
    tried : dict of int to int
        Of layers that a draft ran after it had left one out: how many tokens they hold for the draft's sake alone.
    drafted : Drafted or None
        What the cache holds of them, and does not show.
    seen : list
        What the layers held when the last token had been answered: whether the caller changed them since.
    ended : ndarray of bool of shape (rows,) or None
        Rows that have come to their end; None where none has.
    attention_mask : object
        Of the newest step, as ``generate`` made it.
    masked : int
        How many slots it speaks of.
    begun : int
        How many tokens there were before the newest.
    left : int
        After how many layers the newest pass ended.
    """

    held: weakref.ref[Cache]
    rows: int
    lengths: list[int]
    length: int = 0
    begin: int = 0
    kept: list[Kept] = field(default_factory=list)
    gaps: set[int] = field(default_factory=set)
    ragged: Any = None
    ahead: list[Any] = field(default_factory=list)
    drafting: Any = None
    tried: dict[int, int] = field(default_factory=dict)
    drafted: Any = None
    seen: list[Any] = field(default_factory=list)
    ended: np.ndarray[Any, np.dtype[np.bool_]] | None = None
    attention_mask: Any = None
    masked: int = 0
    begun: int = 0
    left: int = 0

    def __post_init__(self) -> None:
        self.length = self.begin = self.lengths[0]

    @property
    def cache(self) -> Cache:
        """The cache, which a caller holds while anything is done with it."""
        cache = self.held()
        assert cache is not None
        return cache

    @property
    def counted(self) -> int:
        """How many rows have not ended."""
        return self.rows if self.ended is None else int(self.rows - self.ended.sum())

    @property
    def is_level(self) -> bool:
        """Whether every layer holds the same tokens, so that the model's own masks are right."""
        return not self.kept and not self.gaps

    @property
    def waits(self) -> bool:
        """Whether some layer lacks a token."""
        return bool(self.kept) or bool(self.gaps) or self.ragged is not None

    def valid_slots(self, read: Callable[[Any], Tensor | None]) -> Tensor | None:
        """Which slots hold no padding; None where all do."""
        valid = read(self.attention_mask)
        if valid is not None and valid.shape[1] > self.masked:
            # A mask of fixed size is False beyond the newest token; what comes there is no padding.
            valid = valid.clone()
            valid[:, self.masked :] = True
        return valid
