"""Policies on text that the full model wrote, many tokens in one pass: what each would have said, layer by layer.

Each token of a text is a row for the policy. Attention is causal, so one pass over the text gives every token the
states that it has in decoding, as long as what the policy leaves out is left out here too: a feed-forward block that is
not run for a token is not run for it; after an exit a token's state stands still (``cache="propagate"``: its keys and
values in higher layers come from that state) or goes on (``"deferred"``: they are completed by the full model).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters._common.deprecated import renamed_attribute
from adapters._common.publish import public
from adapters.decoding.contract import FFNRoute, Plan, Policy, Trajectory
from adapters.families import Family, family_of
from adapters.heads.full import logits_in_parts
from adapters.texts.batch import LayerPass, TextBatch, text_batches
from adapters.texts.continuations import Continuation
from adapters.texts.reading import IntArray
from ews.errors import ArgumentError, described

__all__ = ["Replay", "read_logits", "replay"]


@public("adapters")
@dataclass(frozen=True, slots=True)
class Replay:
    """Replay of a policy on text that the full model wrote: agreement, depths and likelihoods.

    Attributes
    ----------
    policy : str
        Class name of the policy.
    text : ndarray of int64 of shape (tokens,)
        Index of the text that each token belongs to.
    agrees : ndarray of bool of shape (tokens,)
        Whether the policy would emit the token that the full model would.
    depth : ndarray of int64 of shape (tokens,)
        After how many layers.
    ffn_blocks : ndarray of int64 of shape (tokens,)
        How many feed-forward blocks ran up to there, in full.
    log_likelihood : ndarray of float64 of shape (tokens,)
        Natural logarithm of the probability that the policy gave to the token that follows in the text.
    full_model_log_likelihood : ndarray of float64 of shape (tokens,)
        The same of the full model.
    layers : ndarray of int64 of shape (tokens,)
        How many layers ran: `depth`, without those in between that were left out.
    said : ndarray of int64 of shape (tokens,)
        The token that the policy would emit.
    probability : ndarray of float64 of shape (tokens,)
        The probability that it gave to that token.
    """

    policy: str
    text: IntArray
    agrees: np.ndarray[Any, np.dtype[np.bool_]]
    depth: IntArray
    ffn_blocks: IntArray
    log_likelihood: np.ndarray[Any, np.dtype[np.float64]]
    full_model_log_likelihood: np.ndarray[Any, np.dtype[np.float64]]
    layers: IntArray
    said: IntArray
    probability: np.ndarray[Any, np.dtype[np.float64]]

    feeds = renamed_attribute("feeds", "ffn_blocks")
    dense_log_likelihood = renamed_attribute("dense_log_likelihood", "full_model_log_likelihood")
    dense_perplexity = renamed_attribute("dense_perplexity", "full_model_perplexity")

    @property
    def agreement(self) -> float:
        """Share of tokens that agree."""
        return float(self.agrees.mean())

    @property
    def perplexity(self) -> float:
        """Perplexity of the text under the policy."""
        return float(np.exp(-self.log_likelihood.mean()))

    @property
    def full_model_perplexity(self) -> float:
        """Perplexity of the text under the full model."""
        return float(np.exp(-self.full_model_log_likelihood.mean()))

    def counts(self) -> tuple[IntArray, IntArray]:
        """Number of tokens that disagree, and of all, in each text."""
        texts = int(self.text.max()) + 1 if len(self.text) else 0
        return np.bincount(self.text[~self.agrees], minlength=texts), np.bincount(self.text, minlength=texts)


@torch.no_grad()
def replay(
    model: Any,
    policy: Policy,
    texts: Sequence[Continuation],
    *,
    batch_size: int = 8,
    full_model: Replay | None = None,
) -> Replay:
    """Replay a policy on texts that the full model wrote, token by token.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The model that wrote them.
    policy : Policy
        Whose rows are the tokens here, with one step for all of them. One that goes by the step
        (:attr:`adapters.Policy.goes_by_step`) is asked token by token instead, which takes longer. With
        ``cache="verify"`` a policy is taken for what it drafts; one that goes by the step then drafts each token after
        tokens that have been verified.
    texts : sequence of Continuation
        See :func:`adapters.full_model_continuations`.
    batch_size : int, default 8
        How many texts in one pass.
    full_model : Replay, optional
        That of a policy that leaves nothing out (:class:`adapters.NeverExitPolicy`), of the same texts in batches of
        the same size: where several policies are replayed, the full model need not run beside each.

    Returns
    -------
    Replay
        One entry for each token that a policy decides on.

    Raises
    ------
    ews.errors.ArgumentError
        If `full_model` is of other texts, or of a policy that leaves something out.

    Examples
    --------
    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(
    ...     vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=4, num_attention_heads=2,
    ...     eos_token_id=None, pad_token_id=0,
    ... )
    >>> model = LlamaForCausalLM(config).eval()
    >>> from adapters import FixedExitPolicy, full_model_continuations
    >>> texts = full_model_continuations(model, [[1, 2, 3], [4, 5]], max_new_tokens=6)
    >>> found = replay(model, FixedExitPolicy(depth=3), texts)
    >>> len(found.agrees), int(found.depth.max())
    (10, 3)
    """
    if policy.goes_by_step and policy.cache != "verify":
        from adapters.texts.forcing import forced_replay

        return forced_replay(model, policy, texts, batch_size=batch_size if policy.promise.row_by_row else 1)
    family = family_of(model)
    if full_model is not None:
        _require_full(full_model, texts, family.depth)
    policy.bind(family)
    known, stepwise = full_model is not None, policy.goes_by_step
    size = 1 if stepwise else batch_size
    batches = text_batches(texts, indices=range(len(texts)), batch_size=size, device=model.device)
    parts: list[tuple[Any, ...]] = []
    for batch in batches:
        if stepwise:
            parts.extend(_by_step(family, policy, batch, known=known))
            continue
        policy.start(len(batch.text), None)
        parts.append(_pass(family, policy, batch, policy.plan(0), known=known))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    by_text = np.argsort(columns[0], kind="stable")
    found = Replay(type(policy).__name__, *(column[by_text] for column in columns))
    if full_model is None:
        return found
    likelihood = full_model.log_likelihood
    return replace(found, agrees=found.said == full_model.said, full_model_log_likelihood=likelihood)


def _require_full(given: Replay, texts: Sequence[Continuation], depth: int) -> None:
    """That a replay can stand for the full model on some texts."""
    of_texts = np.repeat(np.arange(len(texts)), [each.decided for each in texts])
    if not np.array_equal(given.text, of_texts):
        raise ArgumentError("full_model", described("a replay of other texts"), "one of the same texts")
    if min(given.depth.min(), given.ffn_blocks.min()) < depth:
        allowed = "that of a policy that leaves nothing out"
        raise ArgumentError("full_model", described(f"a replay of {given.policy}, which leaves something out"), allowed)


def _by_step(family: Family, policy: Policy, batch: TextBatch, *, known: bool) -> Iterator[tuple[Any, ...]]:
    """One text as a generation: each token by the plan of its own step, those before it being the full model's."""
    given = {"attention_mask": batch.mask, "position_ids": batch.positions, "use_cache": False}
    listens = type(policy).emitted is not Policy.emitted
    emitted = batch.of_decided(family.model(batch.ids, **given).logits) if listens else None
    policy.start(1, batch.ids[:, : int(batch.decided[0])])
    for step, place in enumerate(batch.decided):
        policy.taken(batch.ids[:, place : place + 1])
        alone = replace(batch, text=batch.text[step : step + 1], decided=batch.decided[step : step + 1])
        yield _pass(family, policy, alone, policy.plan(step), known=known)
        if emitted is not None:
            policy.emitted(emitted[step : step + 1])


def _pass(family: Family, policy: Policy, batch: TextBatch, plan: Plan, *, known: bool) -> tuple[Any, ...]:
    device = batch.ids.device
    follows = batch.of_decided(batch.ids.roll(-1, dims=1))
    layers = LayerPass(family, batch)
    hidden = layers.embedded
    rows = len(batch.text)
    whole = hidden  # the same text through the full model, where the policy changes states on its way
    splits = bool(plan.ffn_checks) or plan.ffn_routes is not None
    changes = not known and (splits or bool(plan.skip_layers) or policy.cache == "propagate")
    depth = np.full(rows, family.depth, dtype=np.int64)
    ffn_blocks, ran = np.zeros((2, rows), dtype=np.int64)
    running = np.arange(rows)
    exits = np.full(rows, family.depth) if plan.exit is None else np.broadcast_to(np.asarray(plan.exit), (rows,))
    states = [batch.of_decided(hidden)]
    said = torch.zeros(rows, dtype=torch.int64, device=device)
    likelihood, sure = torch.zeros(2, rows, dtype=torch.float64, device=device)

    def speak(gone: IntArray, logits: Tensor | None) -> None:
        at = torch.as_tensor(gone, device=device)
        parts = logits_in_parts(family, states[-1].index_select(0, at)) if logits is None else (logits,)
        said[at], likelihood[at], sure[at] = read_logits(parts, follows[at])

    for index in range(family.depth):
        if known and not len(running):
            break  # all have left, and what the full model says is known
        if changes:
            whole = layers.run(index, whole)
        entering = hidden
        ran[running] += index not in plan.skip_layers
        if index in plan.skip_layers:  # by these tokens; a prompt runs in full
            hidden = batch.put(layers.run(index, hidden), entering)
        elif plan.splits(index) and len(running):
            post_attention, attention = layers.halves(index, hidden)
            newest = batch.of_decided(post_attention)
            routes = np.full(rows, FFNRoute.FULL, dtype=np.int64)
            at = torch.as_tensor(running, device=device)
            route = plan.route(index, running)
            routes[running] = policy.run_ffn(index, newest.index_select(0, at)) if route is None else route
            hidden = layers.second(index, post_attention, entering, attention)
            otherwise = torch.as_tensor(np.flatnonzero(routes != FFNRoute.FULL), device=device)
            hidden = batch.put(hidden, post_attention, otherwise)
            instead = torch.as_tensor(np.flatnonzero(routes == FFNRoute.SUBSTITUTE), device=device)
            if len(instead):
                before = newest.index_select(0, instead)
                hidden = batch.replaced(hidden, before + policy.instead_of_ffn(index, before).to(before), instead)
            if route is None and (routes[running] == FFNRoute.FULL).any():
                policy.ffn_done(index, newest.index_select(0, at), batch.of_decided(hidden).index_select(0, at))
            ffn_blocks[running] += routes[running] == FFNRoute.FULL
        else:
            hidden = layers.run(index, hidden)
            ffn_blocks[running] += 1
        if policy.cache == "propagate" and len(running) < rows:
            gone = np.setdiff1d(np.arange(rows), running)
            hidden = batch.put(hidden, entering, torch.as_tensor(gone, device=device))
        states.append(batch.of_decided(hidden))
        at_depth = index + 1
        if not len(running):
            continue
        last = (
            at_depth == family.depth
        )  # where a policy may put its own head in place of the model's; no draft ends here
        leaving = (exits[running] == at_depth) & ~np.bool_(last)
        logits = None
        if at_depth in plan.checks and not leaving.all() and not (last and policy.cache == "verify"):
            everyone = len(running) == rows
            found = policy.check(Trajectory(states, None if everyone else running))
            if found is not None:
                leaving = (
                    np.ones(len(running), dtype=bool) if found.rows is None else np.asarray(found.rows, dtype=bool)
                )
                logits = found.logits
        if leaving.any() and (not last or logits is not None):
            gone = running[leaving]
            speak(gone, logits)
            depth[gone] = at_depth
            running = running[~leaving]
    if len(running):
        speak(running, None)
    full, full_likelihood = said, likelihood  # what is known is put in their place
    if not known:
        final = batch.of_decided(whole if changes else hidden)
        full, full_likelihood, _ = read_logits(logits_in_parts(family, final), follows)
    agrees = (said == full).cpu().numpy()
    read = (each.cpu().numpy() for each in (likelihood, full_likelihood, said, sure))
    likelihoods, (emitted, probability) = (next(read), next(read)), read
    return (batch.text, agrees, depth, ffn_blocks, *likelihoods, ran, emitted, probability)


def read_logits(parts: Iterable[Tensor], follows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What logits, shape (rows, vocabulary), say; they may come in parts.

    Parameters
    ----------
    parts : iterable of Tensor
        The logits, some rows after the other.
    follows : Tensor of int64 of shape (rows,)
        Tokens that follow in the text.

    Returns
    -------
    (Tensor of int64, Tensor of float64, Tensor of float64), each of shape (rows,)
        The likeliest tokens, the log-likelihood of those that follow, and the probability of the likeliest.
    """
    said, likelihood, sure, begin = [], [], [], 0
    for logits in parts:
        wide = logits.float()
        whole = wide.logsumexp(-1)
        most = wide.max(-1)
        next_ones = follows[begin : begin + len(logits)]
        said.append(most.indices)
        likelihood.append((wide.gather(-1, next_ones[:, None])[:, 0] - whole).double())
        sure.append((most.values - whole).double().exp())
        begin += len(logits)
    return torch.cat(said), torch.cat(likelihood), torch.cat(sure)
