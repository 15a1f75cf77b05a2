"""Ablation of feed-forward blocks: which predictions are others where some blocks are left out of a token's way.

As in decoding, the prompt runs in full, and the block is left out for every token after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.families import Family
from adapters.heads.full import top_tokens
from adapters.texts.batch import LayerPass, text_batches
from adapters.texts.continuations import Continuation
from adapters.texts.reading import IntArray

__all__ = ["FFNAblation", "ablate_ffn"]


@dataclass(frozen=True, slots=True)
class FFNAblation:
    """What became of one batch of texts.

    Attributes
    ----------
    text : ndarray of int64 of shape (tokens,)
        Index of the text of each token that a policy decides on.
    states : list of Tensor of shape (tokens, width)
        The full model's residual stream after 0, 1, 2, … layers.
    post_attention : list of Tensor of shape (tokens, width)
        The same between attention and feed-forward block of each layer.
    changed : ndarray of bool of shape (tokens, groups)
        Whether the prediction is another without the blocks of a group.
    """

    text: IntArray
    states: list[Tensor]
    post_attention: list[Tensor]
    changed: np.ndarray[Any, np.dtype[np.bool_]]


@torch.no_grad()
def ablate_ffn(
    family: Family,
    texts: Sequence[Continuation],
    *,
    indices: Sequence[int] | IntArray,
    groups: Sequence[Collection[int]],
    batch_size: int = 8,
) -> Iterator[FFNAblation]:
    """Leave out one group of feed-forward blocks after the other, on text that the full model wrote.

    Parameters
    ----------
    family : Family
        The model.
    texts : sequence of Continuation
        All texts.
    indices : sequence of int
        Which of them.
    groups : sequence of collections of int
        Layers whose blocks are left out together; each group takes the layers from its first on once more.
    batch_size : int, default 8
        Texts in one pass.

    Yields
    ------
    FFNAblation
        Batch after batch.
    """
    for batch in text_batches(texts, indices=indices, batch_size=batch_size, device=family.model.device):
        layers = LayerPass(family, batch)
        entering, attended = [layers.embedded], []
        for index in range(family.depth):
            post_attention, found = layers.halves(index, entering[-1])
            attended.append(batch.of_decided(post_attention))
            entering.append(layers.second(index, post_attention, entering[-1], found))
        states = [batch.of_decided(each) for each in entering]
        full = top_tokens(family, states[-1])
        changed = np.zeros((len(batch.text), len(groups)), dtype=bool)
        for column, group in enumerate(groups):
            hidden = entering[min(group)]
            for index in range(min(group), family.depth):
                if index in group:
                    post_attention, found = layers.halves(index, hidden)
                    whole = layers.second(index, post_attention, hidden, found)
                    hidden = batch.put(whole, post_attention)  # the prompt runs in full
                else:
                    hidden = layers.run(index, hidden)
            changed[:, column] = (top_tokens(family, batch.of_decided(hidden)) != full).cpu().numpy()
        yield FFNAblation(batch.text, states, attended, changed)
