"""Drafts from early exits, checked by the whole model in the pass that completes the cache: nothing is lost.

A token that leaves early gives a draft of the next, which goes on in its place; the first that does not leave takes all
kept ones through the remaining layers, and with them come the logits of the whole model after each. Those are handed
out one call at a time as long as the caller's tokens are the drafted ones, whatever way of choosing made them; else the
drafts are withdrawn. So the caller only ever sees the whole model's logits: greedy, sampled or processed, the outcome
is what it would have been (Leviathan et al. 2023, for a draft that is certain).
"""

from __future__ import annotations

import warnings

from torch import Tensor
from transformers.cache_utils import StaticLayer

from adapters.decoding.contract import Plan
from adapters.decoding.kv import Drafted
from adapters.decoding.level import level_step
from adapters.decoding.runner import Runner
from adapters.decoding.session import Session
from adapters.errors import FullDepthWarning

__all__ = ["verified_step", "withdraw"]

_EVERYTHING = Plan()


def verified_step(runner: Runner, session: Session, input_ids: Tensor, position_ids: Tensor) -> Tensor:
    """Logits of the whole model after the caller's token, shape (rows, 1, vocabulary)."""
    if session.rows > 1:
        note = "cache='verify' drafts for one row only: a batch runs at full depth (cache='deferred' does not)"
        if note not in runner.statistics.events:
            runner.statistics.events.append(note)
            warnings.warn(note, FullDepthWarning, stacklevel=2)
        return level_step(runner, session, input_ids, position_ids, _EVERYTHING)
    if session.ahead:
        logits: Tensor
        drafted, logits = session.ahead[0]
        if int(input_ids) == drafted:
            session.ahead.pop(0)
            _show(session, session.length + 1)
            runner.statistics.accepted += 1
            return logits
    withdraw(session)
    return _round(runner, session, input_ids, position_ids)


def _round(runner: Runner, session: Session, input_ids: Tensor, position_ids: Tensor) -> Tensor:
    """Draft until a token goes through all layers; keep what is known of the drafts for the calls to come."""
    begin = session.length
    room = min(runner.policy.drafts, _room(runner, session))
    drafts: list[int] = []
    session.drafted = Drafted(session.cache)
    try:
        while True:
            plan = _EVERYTHING if len(drafts) >= room else runner.plan(session)
            logits = level_step(runner, session, input_ids, position_ids, plan)
            if not session.kept:
                break
            drafts.append(int(logits.argmax()))
            input_ids, position_ids = input_ids.new_tensor([[drafts[-1]]]), position_ids + 1
    except BaseException:
        session.kept.clear()
        _show(session, begin)
        raise
    runner.statistics.drafted += len(drafts)
    session.ahead = [(token, logits[:, at : at + 1]) for at, token in enumerate(drafts, start=1)]
    _show(session, begin + 1)
    return logits[:, :1]


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
