"""Texts to batches of token ids: read, checked and padded to the left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from adapters.families import Family
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["end_tokens", "pad_token", "padded", "positions", "read_texts"]

IntArray = npt.NDArray[np.int64]


def read_texts(texts: Iterable[Any], tokenizer: Any, family: Family, *, further: int) -> list[IntArray]:
    """Texts to token ids, checked before anything runs.

    Parameters
    ----------
    texts : iterable of str or of sequences of int
        The texts.
    tokenizer : callable or None
        What makes tokens of strings.
    family : Family
        The model that is to read them.
    further : int
        How many tokens it will read after each.

    Returns
    -------
    list of ndarray of int64 of shape (tokens,)
        None of them empty.

    Raises
    ------
    ews.errors.ArgumentError
        If anything in them cannot be read; the message says which text.
    """
    if isinstance(texts, str):
        raise InputTypeError("texts", texts, "a list of texts; put a single one into a list")
    if isinstance(texts, Mapping) or not isinstance(texts, Iterable):
        raise InputTypeError("texts", described(f"a {type(texts).__name__}"), "a list of strings or of lists of int")
    found = [_read_text(index, text, tokenizer) for index, text in enumerate(texts)]
    if not found:
        raise ArgumentError("texts", described("no text"), "one text or more")
    vocabulary = int(family.config.vocab_size)
    longest = getattr(family.config, "max_position_embeddings", None)
    for index, tokens in enumerate(found):
        if tokens.min() < 0 or tokens.max() >= vocabulary:
            outside = tokens.min() if tokens.min() < 0 else tokens.max()
            raise ValueRangeError(f"texts[{index}]", int(outside), f"tokens from 0 to {vocabulary - 1}")
        if longest is not None and len(tokens) + further > longest:
            given = described(f"{len(tokens)} tokens" + (f" and {further} more to be read" if further else ""))
            raise ValueRangeError(f"texts[{index}]", given, f"at most the model's {longest} positions")
    return found


def _read_text(index: int, text: Any, tokenizer: Any) -> IntArray:
    argument = f"texts[{index}]"
    if isinstance(text, str):
        if tokenizer is None:
            raise ArgumentError("tokenizer", None, f"a tokenizer, since {argument} is a string; or texts of token ids")
        text = tokenizer(text)["input_ids"]
    try:
        tokens = np.asarray(text.detach().cpu() if isinstance(text, Tensor) else text)
    except ValueError:  # rows of different lengths
        raise InputTypeError(argument, text, "a string, or token ids in one dimension") from None
    if tokens.ndim != 1 or (tokens.size and tokens.dtype.kind not in "iu"):
        given = described(f"a {type(text).__name__} of shape {tokens.shape} and type {tokens.dtype}")
        raise InputTypeError(argument, given, "a string, or token ids in one dimension")
    if not tokens.size:
        raise ArgumentError(argument, described("a text of no tokens"), "at least one token")
    return tokens.astype(np.int64)


def padded(batch: Sequence[IntArray]) -> tuple[Tensor, Tensor]:
    """Texts of different lengths side by side, padded to the left: tokens, 0 for padding, and the mask."""
    width = max(len(tokens) for tokens in batch)
    input_ids = torch.zeros(len(batch), width, dtype=torch.int64)
    mask = torch.zeros_like(input_ids)
    for row, tokens in enumerate(batch):
        input_ids[row, width - len(tokens) :] = torch.from_numpy(tokens)
        mask[row, width - len(tokens) :] = 1
    return input_ids, mask


def positions(mask: Tensor) -> Tensor:
    """Positions of the tokens of each row, from 0; padding, where the mask is 0, is not counted and has 0 itself."""
    return (mask.cumsum(1) - 1).clamp(min=0)


def end_tokens(model: Any) -> tuple[int, ...]:
    """Tokens that end a text, as far as the model's own configuration knows."""
    found = model.generation_config.eos_token_id
    return tuple(found) if isinstance(found, list | tuple) else () if found is None else (found,)


def pad_token(model: Any) -> int:
    """What to pad with where nobody looks: the model's own padding, or one of its ends."""
    found = model.generation_config.pad_token_id
    return found if found is not None else next(iter(end_tokens(model)), 0)
