"""Drafts from early exits, checked by the full model in the pass that completes the cache: nothing is lost.

A token that leaves early gives a draft of the next, which goes on in its place; the first that does not leave takes all
kept ones through the remaining layers, and with them come the logits of the full model after each. Those are handed
out one call at a time as long as the caller's tokens are the drafted ones, whatever way of choosing made them; else the
drafts are withdrawn. So the caller only ever sees the full model's logits: greedy, sampled or processed, the outcome
is what it would have been (Leviathan et al. 2023, for a draft that is certain). Rows of a batch go on together, as far
as the drafts of all of them hold.

Where layers in between are left out of a draft (as in SWIFT), it is kept before the first of them, and what the later
ones made of it for the draft's sake is taken back before they run for all tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers.cache_utils import StaticLayer

from adapters.decoding.contract import Plan
from adapters.decoding.drafting import Drafting
from adapters.decoding.kv import Drafted
from adapters.decoding.level import level_step
from adapters.decoding.runner import Runner
from adapters.decoding.session import Session

__all__ = ["verified_step", "withdraw"]

_EVERYTHING = Plan()


def verified_step(runner: Runner, session: Session, input_ids: Tensor, position_ids: Tensor) -> Tensor:
    """Logits of the full model after the caller's token, shape (rows, 1, vocabulary)."""
    if session.drafting is None:
        session.drafting = Drafting(runner.policy.drafts, runner.family.depth, runner.family.head_in_layers)
    if session.ahead:
        logits: Tensor
        drafted, placed, depth, logits = session.ahead[0]
        # What was drafted holds for the token that was drafted, where it was thought to stand (as a rule it does).
        taken = bool((input_ids == drafted).all() & (position_ids == placed).all())
        session.drafting.checked(held=taken)
        if taken:
            session.ahead.pop(0)
            _show(session, session.length + 1)
            runner.statistics.accepted += session.counted
            runner.statistics.exits[depth] += session.counted
            return logits
    withdraw(session)
    return _round(runner, session, input_ids, position_ids)


def _round(runner: Runner, session: Session, input_ids: Tensor, position_ids: Tensor) -> Tensor:
    """Draft until a token goes through all layers; keep what is known of the drafts for the calls to come."""
    begin = session.length
    room = min(session.drafting.begin_round(), _room(runner, session))
    drafts: list[tuple[Tensor, Tensor, int]] = []  # tokens, positions and after how many layers they were drafted
    depths: list[int] = []
    session.drafted = Drafted(session.cache)
    try:
        while True:
            plan = _EVERYTHING if len(drafts) >= room else runner.plan(session)
            before = runner.statistics.layers
            logits = level_step(runner, session, input_ids, position_ids, plan)
            if not session.kept:
                break
            depths.append((runner.statistics.layers - before) // max(session.counted, 1))
            input_ids, position_ids = _draft(session, input_ids, logits), position_ids + 1
            drafts.append((input_ids, position_ids, session.left))
    except BaseException:
        session.kept.clear()
        session.tried.clear()
        _show(session, begin)
        raise
    runner.statistics.exits[runner.family.depth] += session.counted
    runner.statistics.drafted += len(drafts) * session.counted
    session.drafting.drafted(depths)
    session.ahead = [(*draft, logits[:, at : at + 1]) for at, draft in enumerate(drafts, start=1)]
    if drafts or session.drafted.slides:  # else every layer holds the token and no more
        _show(session, begin + 1)
    return logits[:, :1]


def _draft(session: Session, input_ids: Tensor, logits: Tensor) -> Tensor:
    """The likeliest token of each row; where a row has ended, its padding goes on."""
    best = logits[:, -1].argmax(-1, keepdim=True).to(input_ids.device)  # the head may be on another
    if session.ended is None:
        return best
    return torch.where(torch.as_tensor(session.ended, device=best.device)[:, None], input_ids, best)


def _show(session: Session, length: int) -> None:
    """Leave the cache with so many tokens, whatever was drafted beyond."""
    session.drafted.show(session.cache, length)
    session.length = length
    session.lengths = [length] * len(session.lengths)


def withdraw(session: Session) -> None:
    """Forget drafts that were not asked for: the cache does not show them."""
    session.ahead = []
    session.drafted = None


def _room(runner: Runner, session: Session) -> int:
    """How many tokens may be drafted behind the newest: as many as fit, and none that would change the frequencies.

    Models of kind "longrope" (Phi-3) change them once, and ``generate`` then reads in the whole text again, which it
    would not if drafts were there already. Of kind "dynamic" they change with every token from there on, and do not
    change back where a draft is withdrawn.
    """
    sizes = [layer.max_cache_len for layer in session.cache.layers if isinstance(layer, StaticLayer)]
    room = min(sizes, default=1 << 30) - session.length - 1
    for kind, first in runner.family.stretches:
        if session.length < first:
            room = min(room, first - session.length - 1)
        elif kind == "dynamic":
            room = 0
    return room
