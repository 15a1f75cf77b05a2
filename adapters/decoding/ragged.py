"""A step in which rows of a batch leave after different layers.

Each row's missing tokens are its newest ones, so a layer runs the block of tokens that any running row misses, for
the running rows only. Entries of the block that a row holds already are computed for nothing and dropped; they arise
only where rows have different numbers of tokens to complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.contract import Plan, Trajectory
from adapters.decoding.kv import RaggedSlots, require_known_cache, settle, show_length
from adapters.decoding.level import complete as complete_level
from adapters.decoding.masks import block_mask, filled_slots
from adapters.decoding.runner import Runner
from adapters.decoding.session import Session, joined, part_of
from adapters.families import Rotary
from ews.errors import ArgumentError, described

__all__ = ["Ragged", "complete", "ragged_step"]


@dataclass(slots=True)
class Ragged:
    """Tokens that some row has not finished.

    Attributes
    ----------
    hidden : Tensor of shape (rows, tokens, width)
        State of each.
    positions : Tensor of int64 of shape (rows, tokens)
        Position of each.
    rotary : Rotary
        What attention needs of these.
    depth : ndarray of int64 of shape (rows, tokens)
        After how many layers; it never rises along a row.
    counts : ndarray of bool of shape (rows, tokens)
        Whether it counts in the report: not where its row has ended.
    """

    hidden: Tensor
    positions: Tensor
    rotary: Rotary
    depth: np.ndarray[Any, np.dtype[np.int64]]
    counts: np.ndarray[Any, np.dtype[np.bool_]]


class _Run:
    """One pass over tokens that rows are not equally far with."""

    def __init__(self, runner: Runner, session: Session, tokens: Ragged, *, level: bool) -> None:
        self.runner, self.session, self.family, self.tokens = runner, session, runner.family, tokens
        self.rows = tokens.hidden.shape[0]
        self.end = session.length
        self.device = tokens.hidden.device
        self.slots = RaggedSlots(session.cache)
        self.rotary = tokens.rotary
        self.level = level  # so far every row holds the same, and layers may take the cache itself
        self.plain = (
            self.family.masks(tokens.hidden, session.attention_mask, session.cache, tokens.positions) if level else None
        )
        self.valid = session.valid_slots(filled_slots)

    def _index(self, rows: Any) -> Tensor:
        return torch.as_tensor(rows, device=self.device)

    def layer(self, index: int, rows: np.ndarray[Any, Any], splits: Plan | None = None) -> None:
        """Run one layer for some rows, with all tokens that they miss there; in halves where there is a plan for it."""
        tokens, family, statistics = self.tokens, self.family, self.runner.statistics
        everyone = len(rows) == self.rows
        missing = (tokens.depth[rows] <= index).sum(axis=1)
        width = int(missing.max())
        picked = None if everyone else self._index(rows)
        block, positions = tokens.hidden[:, -width:], tokens.positions[:, -width:]
        rotary = part_of(self.rotary, slice(-width, None), picked)
        if picked is not None:
            block, positions = block.index_select(0, picked), positions.index_select(0, picked)
        fresh = np.arange(width) >= width - missing[:, None]
        of_row, of_token = np.nonzero(fresh)
        source = self._index(of_row), self._index(of_token)
        target = self._index(rows[of_row])
        cache: Any  # the one of the generation, or the slots that stand in for it
        if self.level and everyone:
            mask, cache = self.plain[family.kinds[index]], self.session.cache  # type: ignore[index]
            self.session.lengths[index] += 1
        else:
            length, offset = self.slots.reach(index, self.end)
            mask = block_mask(
                torch.arange(self.end - width, self.end, device=self.device)[None],
                kv_length=length,
                kv_offset=offset,
                valid=self.valid if picked is None or self.valid is None else self.valid.index_select(0, picked),
                window=family.windows[index],
                dtype=block.dtype,
                eager=family.config._attn_implementation == "eager",
            )
            cache = self.slots
            self.slots.aim(picked, source, (target, source[1] + (self.end - width)), self.end)
        context = {"mask": mask, "position_ids": positions, "rotary": rotary, "cache": cache}
        block = family.placed(index, block)
        if splits is not None:
            live = tokens.counts[rows, -1]
            asked = None if live.all() else torch.as_tensor(np.flatnonzero(live), device=block.device)
            route = splits.route(index, rows)
            after = self.runner.run_halves(index, block, context, route=route, live=live, asked=asked)
        else:
            after = family.run(index, block, **context)
        after = after.to(self.device)
        if everyone and fresh.all() and width == tokens.hidden.shape[1]:
            tokens.hidden = after
        else:
            tokens.hidden = tokens.hidden.clone()
            tokens.hidden[target, source[1] + (tokens.hidden.shape[1] - width)] = after[source]
        tokens.depth[rows[of_row], of_token + tokens.depth.shape[1] - width] = index + 1
        ran = int(tokens.counts[rows[of_row], of_token + tokens.counts.shape[1] - width].sum())
        statistics.layers += ran
        statistics.completed += ran - int(tokens.counts[rows, -1].sum())

    def fill(self, first: int, last: int, rows: np.ndarray[Any, Any]) -> None:
        """Project keys and values of the newest token into layers that these rows do not run."""
        if first == last:
            return
        picked = self._index(rows)
        newest = self.tokens.hidden[:, -1:].index_select(0, picked)
        rotary = part_of(self.rotary, slice(-1, None), picked)
        slot = torch.full_like(picked, self.end - 1)
        for index, (keys, values) in enumerate(self.runner.projection(first, newest, rotary, last), start=first):
            self.slots.reach(index, self.end)
            self.slots.write(index, picked, slot, keys[:, :, 0], values[:, :, 0])
        self.tokens.depth[rows, -1] = last

    def close(self) -> None:
        """Forget tokens that every row has finished; with none left, all layers hold the same again."""
        tokens, session, depth = self.tokens, self.session, self.family.depth
        open_columns = np.flatnonzero((tokens.depth < depth).any(axis=0))
        if len(open_columns):
            first = int(open_columns[0])
            session.ragged = Ragged(
                tokens.hidden[:, first:],
                tokens.positions[:, first:],
                part_of(self.rotary, slice(first, None)),
                tokens.depth[:, first:],
                tokens.counts[:, first:],
            )
            show_length(session.cache, self.end)
            return
        session.ragged = None
        settle(session.cache, self.end)
        session.lengths = [self.end] * depth


def ragged_step(runner: Runner, session: Session, input_ids: Tensor, position_ids: Tensor, plan: Plan) -> Tensor:
    """One token in each row; logits of shape (rows, 1, vocabulary).

    Rows that have ended are not asked: they leave with the first that does, and nobody reads their logits.
    """
    family, policy = runner.family, runner.policy
    if policy.cache == "monotone":
        raise ArgumentError(
            "cache", described("'monotone' and rows that leave after different layers"), "'deferred' or 'propagate'"
        )
    require_known_cache(session.cache, level=False)
    complete_level(runner, session)
    rows = len(input_ids)
    hidden = family.embed(input_ids, position_ids)
    places = position_ids.expand(rows, 1)
    live = np.ones(rows, dtype=bool) if session.ended is None else ~session.ended
    tokens = Ragged(
        hidden, places, family.rotary(hidden, places), np.zeros((rows, 1), dtype=np.int64), live[:, None].copy()
    )
    before = session.ragged
    if before is not None:
        tokens.hidden = torch.cat((before.hidden, hidden), dim=1)
        tokens.positions = torch.cat((before.positions, tokens.positions), dim=1)
        tokens.rotary = joined((before.rotary, tokens.rotary))
        tokens.depth = np.concatenate((before.depth, tokens.depth), axis=1)
        tokens.counts = np.concatenate((before.counts, tokens.counts), axis=1)
    session.length += 1
    run = _Run(runner, session, tokens, level=before is None)
    running, following = np.flatnonzero(live), np.flatnonzero(~live)
    exits = np.full(rows, family.depth) if plan.exit is None else np.broadcast_to(plan.exit, (rows,))
    states = [hidden[:, -1]]
    trajectory = Trajectory(states, running if len(following) else None)
    emitted: list[tuple[np.ndarray[Any, Any], Tensor]] = []
    for index in range(family.depth):
        going = np.sort(np.concatenate((running, following))) if len(following) else running
        if index in plan.skip_layers:
            run.level = False
            run.fill(index, index + 1, going)
        else:
            run.layer(index, going, plan if plan.splits(index) else None)
        states.append(run.tokens.hidden[:, -1])
        depth = index + 1
        found = runner.ask(trajectory) if depth in plan.checks else None
        asked = np.zeros(len(running), dtype=bool)
        if found is not None:
            asked = ~asked if found.rows is None else np.asarray(found.rows, dtype=bool)
        planned = (exits[running] == depth) & ~asked
        spoken = None if found is None else found.logits
        groups = [(asked | planned, None)] if spoken is None else [(asked, spoken), (planned, None)]
        gone = np.zeros(len(running), dtype=bool)
        for leaving, logits in groups:
            if not leaving.any() or (logits is None and depth == family.depth):
                continue
            which = running[leaving]
            if logits is None:
                newest = run.tokens.hidden[:, -1:].index_select(0, run._index(which))
                logits = runner.head(newest, len(which))[:, 0]
            emitted.append((which, logits))
            gone |= leaving
        if gone.any():
            runner.statistics.exits[depth] += int(gone.sum())
            left = np.sort(np.concatenate((running[gone], following)))
            if policy.cache == "propagate":
                run.fill(depth, family.depth, left)
            if len(following):
                spoken = emitted[-1][1]
                emitted.append((following, spoken.new_zeros((len(following), spoken.shape[-1]))))
                following = following[:0]
            running = running[~gone]
            trajectory = Trajectory(states, running)
            run.level = False
        if not len(running):
            break
    if len(running):
        runner.statistics.exits[family.depth] += len(running)
        going = np.sort(np.concatenate((running, following)))
        newest = run.tokens.hidden[:, -1:]
        whole = newest if len(going) == rows else newest.index_select(0, run._index(going))
        emitted.append((going, runner.head(whole, len(running))[:, 0]))
    run.close()
    if len(emitted) == 1:
        return emitted[0][1][:, None]
    order = np.argsort(np.concatenate([each for each, _ in emitted]))
    dtype = emitted[-1][1].dtype
    return torch.cat([logits.to(run.device, dtype) for _, logits in emitted])[run._index(order)][:, None]


def complete(runner: Runner, session: Session) -> None:
    """Run what rows have not finished, so that the cache is that of the full model."""
    tokens: Ragged = session.ragged
    run = _Run(runner, session, tokens, level=False)
    for index in range(runner.family.depth):
        rows = np.flatnonzero(tokens.depth[:, -1] <= index)
        if len(rows):
            run.layer(index, rows)
            runner.statistics.completed += int(tokens.counts[rows, -1].sum())
    run.close()
