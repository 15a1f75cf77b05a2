"""Continuations side by side: one padded batch of them, and one pass of it through the layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.families import Family
from adapters.texts.continuations import Continuation, batches
from adapters.texts.reading import IntArray, padded, positions
from ews.errors import ArgumentError, described

__all__ = ["LayerPass", "TextBatch", "text_batches"]


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Some texts, padded to the left, and the tokens in them that a policy decides on.

    Attributes
    ----------
    text : ndarray of int64 of shape (tokens,)
        Of each token that a policy decides on, the index of its text.
    ids, mask, positions : Tensor of int64 of shape (texts, longest)
        All tokens, 0 for padding; 1 where they are no padding; their positions.
    decided : Tensor of int64 of shape (tokens,)
        Where the decided tokens are, the rows of the batch being one after the other.
    """

    text: IntArray
    ids: Tensor
    mask: Tensor
    positions: Tensor
    decided: Tensor

    @classmethod
    def of(cls, texts: Sequence[Continuation], indices: Sequence[int], device: Any) -> TextBatch:
        """Of the texts with these indices, on a device."""
        batch = [texts[index] for index in indices]
        ids, mask = padded([each.tokens for each in batch])
        width = ids.shape[1]
        chosen = torch.zeros(ids.shape, dtype=torch.bool)
        for row, each in enumerate(batch):
            chosen[row, width - len(each.tokens) + each.prompt : width - 1] = True
        text = np.repeat(np.asarray(indices, dtype=np.int64), [each.decided for each in batch])
        flat = chosen.flatten().nonzero()[:, 0]
        return cls(text, ids.to(device), mask.to(device), positions(mask).to(device), flat.to(device))

    def of_decided(self, hidden: Tensor) -> Tensor:
        """What tensors of shape (texts, longest, …) hold for the decided tokens, shape (tokens, …)."""
        return hidden.flatten(0, 1).index_select(0, self.decided)

    def put(self, hidden: Tensor, values: Tensor, rows: Tensor | None = None) -> Tensor:
        """A copy of states, those of the decided tokens (or of some of these) taken from others of the same shape."""
        at = self.decided if rows is None else self.decided.index_select(0, rows)
        taken = values.flatten(0, 1).index_select(0, at)
        return hidden.flatten(0, 1).index_copy(0, at, taken).view_as(hidden)

    def replaced(self, hidden: Tensor, values: Tensor, rows: Tensor) -> Tensor:
        """A copy of states in which some decided tokens have other values, shape (tokens, width)."""
        return hidden.flatten(0, 1).index_copy(0, self.decided.index_select(0, rows), values).view_as(hidden)


def text_batches(
    texts: Sequence[Continuation], *, indices: Sequence[int] | IntArray, batch_size: int, device: Any
) -> Iterator[TextBatch]:
    """Texts of like length together, so many at once; those on which nothing is decided are left out.

    Raises
    ------
    ews.errors.ArgumentError
        If nothing is decided on any of them.
    """
    some = [int(index) for index in indices if texts[int(index)].decided]
    if not some:
        given = described("no text with two tokens or more after its prompt")
        raise ArgumentError("texts", given, "one such text: the first token comes from the prompt")
    for chosen in batches(sorted(some, key=lambda index: len(texts[index].tokens)), batch_size):
        yield TextBatch.of(texts, chosen, device)


class LayerPass:
    """One pass of a batch through the layers of a model, without a cache, a layer or half a layer at a time.

    Parameters
    ----------
    family : Family
        The model.
    batch : TextBatch
        What it reads.

    Attributes
    ----------
    embedded : Tensor of shape (texts, longest, width)
        What enters the first layer.
    """

    def __init__(self, family: Family, batch: TextBatch) -> None:
        self.family = family
        self.embedded = family.embed(batch.ids, batch.positions)
        self._positions = batch.positions
        self._rotary = family.rotary(self.embedded, batch.positions)
        mask = None if bool(batch.mask.all()) else batch.mask
        self._masks = family.masks(self.embedded, mask, None, batch.positions)

    def _context(self, index: int, columns: int | None = None) -> dict[str, Any]:
        mask, positions, rotary = self._masks[self.family.kinds[index]], self._positions, self._rotary
        if columns is not None and columns < positions.shape[1]:
            mask = None if mask is None else mask[..., :columns, :columns]
            positions = positions[:, :columns]
            if rotary is not None:
                kind = self.family.kinds[index]
                rotary = {kind: tuple(each[:, :columns] for each in rotary[kind])}  # type: ignore[dict-item]
        return {"mask": mask, "position_ids": positions, "rotary": rotary, "cache": None}

    def run(self, index: int, hidden: Tensor, *, columns: int | None = None) -> Tensor:
        """A layer as it is, over the first `columns` of the batch (default: all), which `hidden` then holds alone."""
        return self.family.run(index, hidden, **self._context(index, columns))

    def halves(self, index: int, hidden: Tensor) -> tuple[Tensor, Tensor | None]:
        """Up to its feed-forward block: the residual stream after its attention, and what :meth:`second` takes."""
        return self.family.halves(index, hidden, **self._context(index))

    def second(self, index: int, post_attention: Tensor, entering: Tensor, found: Tensor | None) -> Tensor:
        """The rest of it, as the layer itself adds."""
        return self.family.second(index, post_attention, entering, found)
