"""Exit-head prediction: the token that a head reads from a state, how sure it is, and what a row emits if it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from adapters.heads.full import softcapped

if TYPE_CHECKING:
    from adapters.families import Family

__all__ = ["ExitPrediction", "predict_in_full"]


@dataclass(frozen=True, slots=True)
class ExitPrediction:
    """What an exit head predicts from the states of some rows.

    Attributes
    ----------
    token : Tensor of int64 of shape (rows,)
        The likeliest token.
    confidence : Tensor of shape (rows,)
        Its softmax probability, among the tokens that were scored exactly; float32 or wider.
    heads : int
        How many rows went through the model's own head for that.
    scores : Tensor of shape (rows, vocabulary)
        Logits; of a short-listed head those of its screen, approximate and without the bound of a soft cap.
    ids : Tensor of int64 of shape (rows, candidates) or None
        The short list, in no order; None where all of the vocabulary was scored exactly.
    exact : Tensor of float32 of shape (rows, candidates) or None
        Exact logits of the short list.
    softcap : float or None
        Bound of the logits that `scores` of a short-listed head are still without.
    """

    token: Tensor
    confidence: Tensor
    heads: int
    scores: Tensor
    ids: Tensor | None = None
    exact: Tensor | None = None
    softcap: float | None = None

    def logits(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None) -> Tensor:
        """Over the whole vocabulary, for the model's logits processors.

        Parameters
        ----------
        rows : ndarray of int64, optional
            Which rows (default: all).

        Returns
        -------
        Tensor of shape (rows, vocabulary)
            Exact for the short list and the screen's elsewhere, so that a constraint that forbids all of the short list
            still finds an order among the other tokens and no row is empty.
        """

        def of_rows(values: Tensor) -> Tensor:
            return values if rows is None else values[torch.as_tensor(rows, device=values.device)]

        scores = of_rows(self.scores)
        if self.ids is None or self.exact is None:
            return scores
        return softcapped(scores.float(), self.softcap).scatter(1, of_rows(self.ids), of_rows(self.exact))


def predict_in_full(family: Family, hidden: Tensor) -> ExitPrediction:
    """Exit-head prediction through the model's own norm and head: all of the vocabulary is scored."""
    logits = family.logits(family.finish(hidden))
    best, token = logits.max(-1)
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return ExitPrediction(token, (best - wide.logsumexp(-1)).exp(), len(hidden), logits)
