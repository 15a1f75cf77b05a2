"""A pass in which all rows are equally far: plain tensors, and the cache itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.contract import Exit, Plan, Trajectory
from adapters.decoding.kv import Visible, take_back
from adapters.decoding.masks import block_mask, filled_slots
from adapters.decoding.runner import Runner
from adapters.decoding.session import Kept, Session, joined, part_of
from adapters.errors import MonotonicityError
from adapters.families import Rotary

__all__ = ["LevelRun", "complete", "level_step"]


def level_step(runner: Runner, session: Session, input_ids: Tensor, position_ids: Tensor, plan: Plan) -> Tensor:
    """One token in each row; logits of shape (rows, 1, vocabulary).

    With ``cache="verify"`` they are those of all tokens that went through the last layer in this pass.
    """
    family, statistics = runner.family, runner.statistics
    verifies = runner.policy.cache == "verify"
    block = family.embed(input_ids, position_ids)
    last = family.depth if plan.exit is None else int(np.max(plan.exit))
    states = [block[:, -1]]
    trajectory = Trajectory(states, None)
    run = LevelRun(runner, session, block, position_ids)
    checks = set(plan.checks)
    listens = bool(checks)
    if verifies:  # the full model has the last word
        checks.discard(family.depth)
    leaving: Exit | None = None
    index = 0
    while index < last:
        if index in plan.skip_layers:
            run.leave_out(index)
        else:
            run.layer(index, plan if plan.splits(index) else None)
        if listens:
            states.append(run.block[:, -1].to(family.home))
        index += 1
        if index in checks:
            leaving = runner.ask(trajectory)
            if verifies:
                leaving = _of_all(leaving, session)
            if leaving is not None:
                break
    session.length += 1
    session.left = index
    if not verifies:
        statistics.exits[index] += session.counted
    if index < family.depth and not run.tries:
        run.leave(index)
    if leaving is not None and leaving.logits is not None:
        return leaving.logits[:, None]
    if verifies and index == family.depth:
        return runner.head(run.block, run.counted)
    return runner.head(run.block[:, -1:], session.counted)


def complete(runner: Runner, session: Session) -> None:
    """Run what was kept through the layers that it missed, so that the cache is that of the full model."""
    if session.kept:
        run = LevelRun(runner, session, None, None)
        for index in range(session.kept[-1].depth, runner.family.depth):
            run.layer(index)


def _of_all(leaving: Exit | None, session: Session) -> Exit | None:
    """An exit of all rows, those that have ended included; None where some row goes on, and all do."""
    if leaving is None or leaving.rows is None:
        return leaving
    rows = np.asarray(leaving.rows, dtype=bool)
    if rows.all():
        return leaving
    return Exit() if session.ended is not None and (rows | session.ended).all() else None


class LevelRun:
    """One pass of a block of tokens."""

    def __init__(self, runner: Runner, session: Session, block: Tensor | None, position_ids: Tensor | None) -> None:
        self.runner, self.session, self.family = runner, session, runner.family
        self.own = 0 if block is None else session.counted * block.shape[1]  # tokens that are new in this pass
        self.counted = self.own
        self.block: Any = block
        self.positions: Any = position_ids
        self.rotary: Rotary = None
        self.plain: Mapping[str, Tensor | None] | None = None
        cache = session.cache
        self.cache: Any = Visible(cache) if session.drafted is not None and session.drafted.slides else cache
        if block is not None and position_ids is not None:
            self.rotary = self.family.rotary(block.to(self.family.home), position_ids)
            if session.is_level:
                self.plain = self.family.masks(block, session.attention_mask, cache, position_ids)
        self.tries = False  # layers run for a draft's sake alone
        self._masks: dict[tuple[Any, ...], Tensor | None] = {}

    def layer(self, index: int, splits: Plan | None = None) -> None:
        """Run one layer, with the tokens that were kept before it; in halves where there is a plan for these."""
        session, family, statistics = self.session, self.family, self.runner.statistics
        if index in session.gaps:
            raise MonotonicityError(
                f"layer {index} was left out before and has gaps in its cache; with cache='monotone' it must stay out "
                "(cache='propagate' fills the gaps)"
            )
        if not self.tries:
            if index in session.tried:
                take_back(session.cache, index, count=session.tried.pop(index), then=session.lengths[index])
            self._take_in(index)
        self.block = family.placed(index, self.block)
        tokens = self.block.shape[1]
        context = {
            "mask": self._mask(index, tokens),
            "position_ids": self.positions,
            "rotary": self.rotary,
            "cache": self.cache,
        }
        if splits is not None:
            live = None if session.ended is None else ~session.ended
            route = splits.route(index)
            self.block = self.runner.run_halves(index, self.block, context, route=route, live=live, asked=None)
        else:
            self.block = family.run(index, self.block, **context)
        if self.tries:
            session.tried[index] = session.tried.get(index, 0) + tokens
            statistics.layers += session.counted
            return
        session.lengths[index] += tokens
        statistics.layers += self.counted
        statistics.completed += self.counted - self.own

    def _take_in(self, depth: int) -> None:
        """Put the tokens that were kept at this depth before those of the pass."""
        kept = self.session.kept
        found = []
        while kept and kept[-1].depth == depth:
            found.append(kept.pop())
        if not found:
            return
        found.reverse()
        self.counted += sum(each.counted for each in found)
        if self.block is not None:
            found.append(Kept(self.block, self.positions, self.rotary, depth, 0))
        device = found[-1].hidden.device
        self.block = torch.cat([each.hidden.to(device) for each in found], dim=1)
        self.positions = torch.cat([each.positions for each in found], dim=1)
        self.rotary = joined([each.rotary for each in found])

    def leave_out(self, index: int) -> None:
        """A layer in between that no row runs."""
        if self.runner.policy.cache == "monotone":
            self.session.gaps.add(index)
            return
        if self.runner.policy.cache == "verify":
            if not self.tries:  # the full model goes on from here
                self.leave(index)
                self.tries = True
                self.block, self.positions = self.block[:, -1:], self.positions[:, -1:]
                self.rotary = part_of(self.rotary, slice(-1, None))
            return
        (pair,) = self.runner.projection(index, self.block, self.rotary, index + 1)
        self.session.cache.update(*pair, index)
        self.session.lengths[index] += self.block.shape[1]

    def leave(self, depth: int) -> None:
        """All rows leave after `depth` layers."""
        session, mode = self.session, self.runner.policy.cache
        if mode == "monotone":
            session.gaps.update(range(depth, self.family.depth))
        elif mode == "propagate":
            for index, pair in enumerate(self.runner.projection(depth, self.block, self.rotary), start=depth):
                session.cache.update(*pair, index)
                session.lengths[index] += self.block.shape[1]
        else:
            session.kept.append(Kept(self.block, self.positions, self.rotary, depth, self.counted))

    def _mask(self, index: int, tokens: int) -> Tensor | None:
        family, session = self.family, self.session
        if self.plain is not None and tokens == 1:
            return self.plain[family.kinds[index]]
        layer: Any = session.cache.layers[index]
        length, offset = layer.get_mask_sizes(tokens)
        end = session.lengths[index] + session.tried.get(index, 0) + tokens
        window = family.windows[index]
        key = (window, tokens, length, offset, end)
        if key not in self._masks:
            valid = session.valid_slots(filled_slots)
            sees_all = (
                not family.always_masked
                and tokens == 1
                and offset + length == end
                and (window is None or length <= window)
            )
            self._masks[key] = (
                None
                if sees_all and valid is None
                else block_mask(
                    torch.arange(end - tokens, end, device=self.positions.device)[None],
                    kv_length=int(length),
                    kv_offset=int(offset),
                    valid=valid,
                    window=window,
                    dtype=self.block.dtype,
                    eager=family.config._attn_implementation == "eager",
                )
            )
        return self._masks[key]
