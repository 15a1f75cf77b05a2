"""What the full model goes on to write: the text that policies are fitted to and measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.families import family_of
from adapters.texts.reading import IntArray, end_tokens, pad_token, padded, read_texts
from ews.errors import ValueRangeError

__all__ = ["Continuation", "batches", "full_model_continuations"]


@dataclass(frozen=True, slots=True)
class Continuation:
    """A prompt and what the full model wrote after it.

    Attributes
    ----------
    tokens : ndarray of int64 of shape (prompt + written,)
        All of it.
    prompt : int
        How many of these are the prompt.
    """

    tokens: IntArray
    prompt: int

    @property
    def decided(self) -> int:
        """How many tokens a policy decides on: all that were written but the first, which comes from the prompt."""
        return max(len(self.tokens) - self.prompt - 1, 0)


def full_model_continuations(
    model: Any,
    texts: Sequence[Any],
    *,
    tokenizer: Any = None,
    max_new_tokens: int = 64,
    batch_size: int = 16,
    progress: Any = None,
) -> list[Continuation]:
    """Continue each text with the full model, by greedy decoding.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        A causal language model.
    texts : sequence of str, or of sequences of int
        The prompts.
    tokenizer : callable, optional
        What makes tokens of strings.
    max_new_tokens : int, default 64
        How many tokens at most; fewer where the model ends by itself.
    batch_size : int, default 16
        How many prompts at once, padded to the left.
    progress : callable, optional
        Called with the number of texts after each batch.

    Returns
    -------
    list of Continuation
        In the order of the texts.

    Raises
    ------
    ews.errors.ArgumentError
        If a text cannot be read, or a number is too small.

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> [first, second] = full_model_continuations(model, [[1, 2, 3], [4, 5]], max_new_tokens=6)
    >>> len(first.tokens), first.prompt, first.decided
    (9, 3, 5)
    """
    for name, value, least in (("max_new_tokens", max_new_tokens, 2), ("batch_size", batch_size, 1)):
        if value < least:
            raise ValueRangeError(name, value, f"{least} or more")
    family = family_of(model)
    prompts = read_texts(texts, tokenizer, family, further=max_new_tokens)
    ends, pad = end_tokens(model), pad_token(model)
    found: list[Continuation | None] = [None] * len(prompts)
    order = np.argsort([len(tokens) for tokens in prompts], kind="stable")
    for chosen in batches(order, batch_size):
        ids, mask = padded([prompts[index] for index in chosen])
        ids, mask = ids.to(model.device), mask.to(model.device)
        written = model.generate(
            ids, attention_mask=mask, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1, pad_token_id=pad
        )[:, ids.shape[1] :].cpu()
        for index, row in zip(chosen, written.numpy(), strict=True):
            stops = np.flatnonzero(np.isin(row, ends))
            row = row[: stops[0] + 1] if len(stops) else row
            found[index] = Continuation(np.concatenate((prompts[index], row)), len(prompts[index]))
        if progress is not None:
            progress(len(chosen))
    return [each for each in found if each is not None]


def batches(order: Sequence[int] | IntArray, size: int) -> Iterator[list[int]]:
    """Cut a list of indices into parts."""
    for start in range(0, len(order), size):
        yield [int(index) for index in order[start : start + size]]
