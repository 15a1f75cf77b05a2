"""Policies on text that the whole model wrote, many tokens in one pass: what each would have said, layer by layer.

Each token of a text is a row for the policy. Attention is causal, so one pass over the text gives every token the
states that it has in decoding, as long as what the policy leaves out is left out here too: a feed-forward block that is
not run for a token is not run for it; after an exit a token's state stands still (``cache="propagate"``: its keys and
values in higher layers come from that state) or goes on (``"deferred"``: they are completed by the whole model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters._common.publish import public
from adapters.decoding.contract import Policy, Trajectory
from adapters.families import Family, family_of
from adapters.texts.continuations import Continuation, batches, decided_positions
from adapters.texts.reading import IntArray, padded, positions

__all__ = ["Replay", "replay"]

_LOGITS_AT_ONCE = 2**24


@public("adapters")
@dataclass(frozen=True, slots=True)
class Replay:
    """What a policy did on text of the whole model.

    Attributes
    ----------
    policy : str
        Its name.
    text : ndarray of int64 of shape (tokens,)
        Index of the text that each token belongs to.
    agrees : ndarray of bool of shape (tokens,)
        Whether the policy would emit the token that the whole model would.
    depth : ndarray of int64 of shape (tokens,)
        After how many layers.
    feeds : ndarray of int64 of shape (tokens,)
        How many feed-forward blocks ran up to there.
    log_likelihood : ndarray of float64 of shape (tokens,)
        Natural logarithm of the probability that the policy gave to the token that follows in the text.
    dense_log_likelihood : ndarray of float64 of shape (tokens,)
        The same of the whole model.
    """

    policy: str
    text: IntArray
    agrees: np.ndarray[Any, np.dtype[np.bool_]]
    depth: IntArray
    feeds: IntArray
    log_likelihood: np.ndarray[Any, np.dtype[np.float64]]
    dense_log_likelihood: np.ndarray[Any, np.dtype[np.float64]]

    @property
    def agreement(self) -> float:
        """Share of tokens that agree."""
        return float(self.agrees.mean())

    @property
    def perplexity(self) -> float:
        """Of the text under the policy."""
        return float(np.exp(-self.log_likelihood.mean()))

    @property
    def dense_perplexity(self) -> float:
        """Of the text under the whole model."""
        return float(np.exp(-self.dense_log_likelihood.mean()))

    def counts(self) -> tuple[IntArray, IntArray]:
        """Of each text, how many tokens disagree and how many there are."""
        texts = int(self.text.max()) + 1 if len(self.text) else 0
        return np.bincount(self.text[~self.agrees], minlength=texts), np.bincount(self.text, minlength=texts)


@torch.no_grad()
def replay(model: Any, policy: Policy, texts: Sequence[Continuation], *, batch_size: int = 8) -> Replay:
    """Ask a policy about every token of texts that the whole model wrote.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model that wrote them.
    policy : Policy
        Whose plan does not depend on the step (its rows are the tokens here, and there is one step). With
        ``cache="verify"`` it is taken for what it drafts.
    texts : sequence of Continuation
        See :func:`adapters.dense_continuations`.
    batch_size : int, default 8
        How many texts in one pass.

    Returns
    -------
    Replay
        One entry for each token that a policy decides on.

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> from adapters import FixedExitPolicy, dense_continuations
    >>> texts = dense_continuations(model, [[1, 2, 3], [4, 5]], max_new_tokens=6)
    >>> found = replay(model, FixedExitPolicy(depth=3), texts)
    >>> len(found.agrees), int(found.depth.max())
    (10, 3)
    """
    family = family_of(model)
    policy.bind(family)
    order = np.argsort([len(each.tokens) for each in texts], kind="stable")
    order = np.array([index for index in order if texts[index].decided > 0], dtype=np.int64)
    parts = [_pass(family, policy, [texts[i] for i in chosen], chosen) for chosen in batches(order, batch_size)]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    by_text = np.argsort(columns[0], kind="stable")
    return Replay(type(policy).__name__, *(column[by_text] for column in columns))


def _pass(family: Family, policy: Policy, batch: Sequence[Continuation], indices: Sequence[int]) -> tuple[Any, ...]:
    ids, mask = padded([each.tokens for each in batch])
    chosen = decided_positions(batch, ids.shape[1])
    device = family.model.device
    text = np.repeat(np.asarray(indices), [each.decided for each in batch])
    ids, mask = ids.to(device), mask.to(device)
    flat = chosen.flatten().nonzero()[:, 0].to(device)
    follows = ids.roll(-1, dims=1).flatten().index_select(0, flat)

    places = positions(mask)
    hidden = family.embed(ids, places)
    rotary = family.rotary(hidden, places)
    masks = family.masks(hidden, mask if not bool(mask.all()) else None, None, places)
    rows = len(flat)
    policy.start(rows, None)
    plan = policy.plan(0)
    whole = hidden  # the same text through the whole model, where the policy changes states on its way
    changes = bool(plan.feeds or plan.skip_layers) or policy.cache == "propagate"
    depth = np.full(rows, family.depth, dtype=np.int64)
    feeds = np.zeros(rows, dtype=np.int64)
    running = np.arange(rows)
    exits = np.full(rows, family.depth) if plan.exit is None else np.broadcast_to(np.asarray(plan.exit), (rows,))
    states = [hidden.flatten(0, 1).index_select(0, flat)]
    said = torch.zeros(rows, dtype=torch.int64, device=device)
    likelihood = torch.zeros(rows, dtype=torch.float64, device=device)

    def speak(gone: IntArray, logits: Tensor | None) -> None:
        for part in np.array_split(
            np.arange(len(gone)), max(1, -(-len(gone) * family.config.vocab_size // _LOGITS_AT_ONCE))
        ):
            at = torch.as_tensor(gone[part], device=device)
            found = family.logits(family.finish(states[-1].index_select(0, at))) if logits is None else logits[part]
            said[at] = found.argmax(-1)
            likelihood[at] = _log_likelihood(found, follows[at])

    for index in range(family.depth):
        context = {"mask": masks[family.kinds[index]], "position_ids": places, "rotary": rotary, "cache": None}
        if changes:
            whole = family.run(index, whole, **context)
        entering = hidden
        if index in plan.skip_layers:  # by these tokens; a prompt runs in full
            through = family.run(index, hidden, **context).flatten(0, 1)
            hidden = through.index_copy(0, flat, entering.flatten(0, 1).index_select(0, flat)).view_as(entering)
        elif index in plan.feeds and len(running):
            middle = family.attend(index, hidden, **context)
            newest = middle.flatten(0, 1).index_select(0, flat)
            runs = np.ones(rows, dtype=bool)
            at = torch.as_tensor(running, device=device)
            runs[running] = policy.feeds(index, newest.index_select(0, at))
            after = family.feed(index, middle, entering)
            if runs[running].all():
                policy.fed(index, newest.index_select(0, at), after.flatten(0, 1).index_select(0, flat[at]))
            out = flat[torch.as_tensor(np.flatnonzero(~runs), device=device)]
            hidden = after.flatten(0, 1).index_copy(0, out, middle.flatten(0, 1).index_select(0, out)).view_as(after)
            feeds[running] += runs[running]
        else:
            hidden = family.run(index, hidden, **context)
            feeds[running] += 1
        if policy.cache == "propagate" and len(running) < rows:
            gone = np.setdiff1d(np.arange(rows), running)
            still = flat[torch.as_tensor(gone, device=device)]
            kept = entering.flatten(0, 1).index_select(0, still)
            hidden = hidden.flatten(0, 1).index_copy(0, still, kept).view_as(hidden)
        states.append(hidden.flatten(0, 1).index_select(0, flat))
        at_depth = index + 1
        if not len(running):
            continue
        leaving = exits[running] == at_depth
        logits = None
        if at_depth in plan.checks and not leaving.all():
            everyone = len(running) == rows
            found = policy.check(Trajectory(states, None if everyone else running))
            if found is not None:
                leaving = (
                    np.ones(len(running), dtype=bool) if found.rows is None else np.asarray(found.rows, dtype=bool)
                )
                logits = found.logits
        if leaving.any() and (at_depth < family.depth or logits is not None):
            gone = running[leaving]
            speak(gone, logits)
            depth[gone] = at_depth
            running = running[~leaving]
    if len(running):
        speak(running, None)
    final = (whole if changes else hidden).flatten(0, 1).index_select(0, flat)
    dense, dense_likelihood = _dense(family, final, follows)
    agrees = (said == dense).cpu().numpy()
    return text, agrees, depth, feeds, likelihood.cpu().numpy(), dense_likelihood


def _dense(family: Family, final: Tensor, follows: Tensor) -> tuple[Tensor, np.ndarray[Any, Any]]:
    """What the whole model says."""
    rows = max(1, _LOGITS_AT_ONCE // int(family.config.vocab_size))
    said, likelihood = [], []
    for part, following in zip(final.split(rows), follows.split(rows), strict=True):
        logits = family.logits(family.finish(part))
        said.append(logits.argmax(-1))
        likelihood.append(_log_likelihood(logits, following))
    return torch.cat(said), torch.cat(likelihood).cpu().numpy()


def _log_likelihood(logits: Tensor, tokens: Tensor) -> Tensor:
    wide = logits.float()
    return (wide.gather(-1, tokens[:, None])[:, 0] - wide.logsumexp(-1)).double()
