"""Texts for the training of causal models: checked, batched, and what is to be predicted in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from adapters.families import Family
from adapters.texts.batch import TextBatch
from adapters.texts.continuations import Continuation
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["CausalBatch", "require_texts"]


@dataclass(frozen=True, slots=True)
class CausalBatch:
    """Some texts, padded to the left, with the tokens that are predicted in them: all that follow the prompts.

    Attributes
    ----------
    batch : TextBatch
        The texts.
    begins : Tensor of int64 of shape (texts,)
        In which column the first token after each prompt stands.
    at : Tensor of int64 of shape (targets,)
        Where the positions are that predict, from the last of a prompt on, the rows of the batch one after the other.
    wanted : Tensor of int64 of shape (targets,)
        What they should predict.
    """

    batch: TextBatch
    begins: Tensor
    at: Tensor
    wanted: Tensor

    @classmethod
    def of(cls, texts: Sequence[Continuation], device: Any) -> CausalBatch:
        """Of some texts, on a device."""
        batch = TextBatch.of(texts, range(len(texts)), device)
        width = batch.ids.shape[1]
        begins = torch.tensor([width - len(each.tokens) + each.prompt for each in texts], device=device)
        columns = torch.arange(width, device=device)
        chosen = (columns >= begins[:, None] - 1) & (columns < width - 1)
        at = chosen.flatten().nonzero()[:, 0]
        return cls(batch, begins, at, batch.ids.flatten()[at + 1])

    def of_targets(self, hidden: Tensor) -> Tensor:
        """What tensors of shape (texts, longest, …) hold where something is predicted, shape (targets, …)."""
        return hidden.flatten(0, 1).index_select(0, self.at)

    def loss(self, family: Family, hidden: Tensor) -> Tensor:
        """Mean cross-entropy of what the model's norm and head make of states, shape (texts, longest, width)."""
        logits = family.logits(family.finish(self.of_targets(hidden)))
        return F.cross_entropy(logits.float() if logits.dtype in _HALVES else logits, self.wanted)


_HALVES = (torch.float16, torch.bfloat16)


def require_texts(texts: Sequence[Any], family: Family) -> list[Continuation]:
    """See that a model can be trained on texts.

    Parameters
    ----------
    texts : sequence of Continuation
        Prompts and what follows them.
    family : Family
        The model.

    Returns
    -------
    list of Continuation
        The same.

    Raises
    ------
    ews.errors.ArgumentError
        If there is none, or one has no prompt, nothing after it, too many tokens or unknown ones.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence):
        raise InputTypeError("data", described(f"a {type(texts).__name__}"), "a list of Continuation")
    if not texts:
        raise ArgumentError("data", described("no text"), "one text or more")
    vocabulary = int(family.config.vocab_size)
    longest = getattr(family.config, "max_position_embeddings", None)
    for index, each in enumerate(texts):
        name = f"data[{index}]"
        if not isinstance(each, Continuation):
            raise InputTypeError(name, described(f"a {type(each).__name__}"), "a Continuation")
        if not 1 <= each.prompt < len(each.tokens):
            given = described(f"a prompt of {each.prompt} of {len(each.tokens)} tokens")
            raise ValueRangeError(name, given, "one token or more of a prompt, and one or more after it")
        if each.tokens.min() < 0 or each.tokens.max() >= vocabulary:
            outside = each.tokens.min() if each.tokens.min() < 0 else each.tokens.max()
            raise ValueRangeError(name, int(outside), f"tokens from 0 to {vocabulary - 1}")
        if longest is not None and len(each.tokens) > longest:
            given = described(f"{len(each.tokens)} tokens")
            raise ValueRangeError(name, given, f"at most the model's {longest} positions")
    return list(texts)
