"""The exit table: what classifiers and heads say of every token, at each depth that could be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.families import Family
from adapters.heads.exit_classifier import FeatureSet, classifier_features, states_needed
from adapters.heads.full import top_tokens
from adapters.heads.shortlist import ShortListHead
from adapters.texts.batch import TextBatch, text_batches
from adapters.texts.continuations import Continuation
from adapters.texts.reading import IntArray
from adapters.texts.recording import listening

__all__ = ["ExitTable", "gather", "trajectories_of"]

_ROWS = 512  # tokens whose vocabulary-wide scores are held at once


@dataclass(frozen=True, slots=True)
class ExitTable:
    """One row for each token that a policy decides on, one column for each depth.

    Attributes
    ----------
    text : ndarray of int64 of shape (tokens,)
        Index of its text.
    depths : tuple of int
        The depths.
    features : ndarray of float64 of shape (tokens, depths, features)
        What the classifier sees.
    confidence : ndarray of float64 of shape (tokens, depths)
        How sure the exit-head prediction is.
    correct : ndarray of bool of shape (tokens, depths)
        Whether its token is that of the full model.
    """

    text: IntArray
    depths: tuple[int, ...]
    features: np.ndarray[Any, np.dtype[np.float64]]
    confidence: np.ndarray[Any, np.dtype[np.float64]]
    correct: np.ndarray[Any, np.dtype[np.bool_]]

    def of_texts(self, texts: Sequence[int] | IntArray) -> ExitTable:
        """Only the tokens of some texts."""
        kept = np.isin(self.text, np.asarray(texts))
        return ExitTable(self.text[kept], self.depths, self.features[kept], self.confidence[kept], self.correct[kept])


@torch.no_grad()
def trajectories_of(
    family: Family, texts: Sequence[Continuation], *, indices: Sequence[int] | IntArray, batch_size: int = 8
) -> Iterator[tuple[IntArray, list[Tensor]]]:
    """The residual stream after every layer, of the tokens that a policy decides on; one batch of texts at a time.

    Parameters
    ----------
    family : Family
        The model.
    texts : sequence of Continuation
        All texts.
    indices : sequence of int
        Which of them.
    batch_size : int, default 8
        How many in one pass.

    Yields
    ------
    (ndarray of int64 of shape (tokens,), list of Tensor of shape (tokens, width))
        Index of the text of each token; states after 0, 1, 2, … layers.
    """
    for batch in text_batches(texts, indices=indices, batch_size=batch_size, device=family.model.device):
        states: list[Tensor] = []

        def take(hidden: Tensor, batch: TextBatch = batch, states: list[Tensor] = states) -> None:
            states.append(batch.of_decided(hidden))

        with listening(family, take):
            family.model(
                batch.ids,
                attention_mask=batch.mask,
                position_ids=batch.positions,
                use_cache=False,
                logits_to_keep=1,
            )
        yield batch.text, states


@torch.no_grad()
def gather(
    family: Family,
    texts: Sequence[Continuation],
    head: ShortListHead,
    *,
    indices: Sequence[int] | IntArray,
    depths: Sequence[int],
    window: int,
    features: FeatureSet = "both",
    progress: Callable[[int], None] | None = None,
) -> ExitTable:
    """Fill an exit table: classifier features and exit-head prediction of every token at every depth.

    Parameters
    ----------
    family : Family
        The model.
    texts : sequence of Continuation
        All texts.
    head : ShortListHead
        The short-listed head.
    indices : sequence of int
        Which texts.
    depths : sequence of int
        Where.
    window : int
        Layers in the exit classifier's window.
    features : {"windowed", "raw", "both"}, default "both"
        What the classifier sees.
    progress : callable, optional
        Called with the number of texts after each batch.

    Returns
    -------
    ExitTable
        Everything that rules are chosen by.
    """
    needed = states_needed(window)
    parts: list[tuple[Any, ...]] = []
    for text, states in trajectories_of(family, texts, indices=indices):
        full = top_tokens(family, states[-1])
        seen, sure, right = [], [], []
        for depth in depths:
            stacked = torch.stack(states[depth + 1 - needed : depth + 1], dim=1)
            seen.append(classifier_features(stacked, features=features).cpu().numpy())
            predicted = [head.predict(part, depth) for part in torch.split(states[depth], _ROWS)]
            sure.append(torch.cat([each.confidence for each in predicted]).double().cpu().numpy())
            right.append((torch.cat([each.token for each in predicted]) == full).cpu().numpy())
        parts.append((text, np.stack(seen, 1), np.stack(sure, 1), np.stack(right, 1)))
        if progress is not None:
            progress(len(np.unique(text)))
    text, seen_, sure_, right_ = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(text, kind="stable")
    return ExitTable(text[order], tuple(depths), seen_[order], sure_[order], right_[order])
