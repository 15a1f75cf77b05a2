"""Stories that stories15m writes, to train and to measure on: it has no tokenizer for the texts of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from adapters.texts.continuations import Continuation

__all__ = ["stories"]


@torch.no_grad()
def stories(model: Any, count: int, *, length: int = 96, prompt: int = 16, seed: int = 0) -> list[Continuation]:
    """Stories drawn from the model at temperature 1, those that end early left out.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model.
    count : int
        How many.
    length : int, default 96
        Tokens of each.
    prompt : int, default 16
        How many of them are the prompt.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    list of Continuation
        No two alike but by chance.
    """
    torch.manual_seed(seed)
    start = torch.full((64, 1), int(model.config.bos_token_id or 1))
    found: list[Continuation] = []
    while len(found) < count:
        written = model.generate(
            start,
            attention_mask=torch.ones_like(start),
            do_sample=True,
            top_k=0,
            max_new_tokens=length - 1,
            pad_token_id=0,
        )
        rows = written.numpy().astype(np.int64)
        ends = (rows[:, 1:] == int(model.config.bos_token_id or 1)) | (
            rows[:, 1:] == model.generation_config.eos_token_id
        )
        found += [Continuation(row, prompt) for row in rows[~ends.any(1)]] if rows.shape[1] == length else []
    return found[:count]
