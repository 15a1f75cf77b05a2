"""Policies on text that the full model wrote, decoded token by token: for those that go by the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from adapters.decoding.contract import Policy
from adapters.texts.batch import TextBatch, text_batches
from adapters.texts.continuations import Continuation
from adapters.texts.reading import end_tokens, pad_token
from adapters.texts.replaying import Replay, read_logits
from ews.errors import ArgumentError, described

__all__ = ["forced_replay"]


@torch.no_grad()
def forced_replay(model: Any, policy: Policy, texts: Sequence[Continuation], *, batch_size: int = 1) -> Replay:
    """What :func:`adapters.replay` gives, by decoding token by token, for policies that go by the step.

    What a policy would emit is written down at each token, and the token of the text is taken instead.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model that wrote the texts.
    policy : Policy
        Any policy but one with ``cache="verify"``, whose drafts the text would cross.
    texts : sequence of Continuation
        See :func:`adapters.full_model_continuations`.
    batch_size : int, default 1
        How many texts are decoded side by side. What is counted of a token (depth, layers, blocks) is then the mean
        over those that were decoded with it.

    Returns
    -------
    Replay
        One entry for each token that a policy decides on.

    Raises
    ------
    ews.errors.ArgumentError
        If no text has such a token, or the policy drafts.
    """
    if policy.cache == "verify":
        raise ArgumentError("policy", described("one with cache='verify'"), "another cache, or adapters.replay")
    batches = text_batches(texts, indices=range(len(texts)), batch_size=batch_size, device=model.device)
    parts = [_decoded(model, policy, texts, batch) for batch in batches]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    by_text = np.argsort(columns[0], kind="stable")
    return Replay(type(policy).__name__, *(column[by_text] for column in columns))


def _decoded(model: Any, policy: Policy, texts: Sequence[Continuation], batch: TextBatch) -> tuple[Any, ...]:
    """One batch of texts; the columns of a replay."""
    texts = [texts[index] for index in dict.fromkeys(batch.text.tolist())]  # as they stand in the batch
    given = {"attention_mask": batch.mask, "position_ids": batch.positions, "use_cache": False}
    full_logits = batch.of_decided(model(batch.ids, **given).logits)
    full, full_likelihood, _ = read_logits((full_logits,), batch.of_decided(batch.ids.roll(-1, dims=1)))
    longest = max(each.prompt for each in texts)
    prompts = torch.full((len(texts), longest), pad_token(model))
    mask = torch.zeros_like(prompts)
    for row, each in enumerate(texts):
        prompts[row, longest - each.prompt :] = torch.from_numpy(each.tokens[: each.prompt])
        mask[row, longest - each.prompt :] = 1
    with policy.attach(model) as engine:
        forcing = _Forcing(texts, engine, idle=next(iter(end_tokens(model)), pad_token(model)))
        model.generate(
            prompts.to(model.device),
            attention_mask=mask.to(model.device),
            do_sample=False,
            num_beams=1,
            max_new_tokens=max(each.decided for each in texts) + 1,
            pad_token_id=pad_token(model),
            logits_processor=LogitsProcessorList([forcing]),
            repetition_penalty=1.0,  # scores as the model gives them
        )
    said, likelihood, probability, counts = forcing.columns()
    agrees = said == full.cpu().numpy()
    return (batch.text, agrees, *counts[:2], likelihood, full_likelihood.cpu().numpy(), counts[2], said, probability)


class _Forcing(LogitsProcessor):
    """Writes down what is emitted, and has each text go on as it is."""

    def __init__(self, texts: Sequence[Continuation], engine: Any, *, idle: int) -> None:
        self.texts, self.engine, self.idle = texts, engine, idle
        self.step = 0
        self.read: list[tuple[Tensor, Tensor, Tensor]] = []  # of each step: said, likelihood of what follows, how sure
        self.counts: list[tuple[int, int, int, int]] = []  # sums so far: tokens, depths, feed-forward blocks, layers

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002 (as it is called)
        statistics = self.engine.statistics
        goes_on = [
            int(each.tokens[each.prompt + self.step]) if self.step <= each.decided else self.idle for each in self.texts
        ]
        forced = torch.tensor(goes_on, device=scores.device)
        if statistics.tokens:  # the first token comes from the prompt
            self.read.append(read_logits((scores,), forced))
        exits = sum(depth * count for depth, count in statistics.exits.items())
        blocks, layers = (count - statistics.completed for count in (statistics.ffn_blocks, statistics.layers))
        self.counts.append((statistics.tokens, exits, blocks, layers))
        self.step += 1
        return torch.full_like(scores, -torch.inf).scatter(1, forced[:, None], 0.0)

    def columns(self) -> tuple[Any, Any, Any, list[Any]]:
        """For each decided token, text by text: said, likelihood, how sure, and [depth, blocks, layers]."""
        said, likelihood, probability = (torch.stack(each).cpu().numpy() for each in zip(*self.read, strict=True))
        tokens, *sums = np.diff(np.asarray(self.counts), axis=0).T
        means = [each // tokens if np.all(each % tokens == 0) else each / tokens for each in sums]
        decided = [each.decided for each in self.texts]

        def by_text(values: Any) -> Any:
            return np.concatenate([values[:count, row] for row, count in enumerate(decided)])

        counts = [np.concatenate([each[:count] for count in decided]) for each in means]
        return by_text(said), by_text(likelihood), by_text(probability), counts
