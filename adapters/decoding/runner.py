"""What a pass through the layers asks for: the policy's answers, the feed-forward blocks, the head and projections."""

from __future__ import annotations

import time
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.agreement import agreed_exit, agreed_ffn, agreed_plan
from adapters.decoding.contract import BoolArray, Deciding, Exit, FFNRoute, IntArray, Plan, Trajectory
from adapters.decoding.heads import HeadCount
from adapters.decoding.projection import Projection
from adapters.decoding.report import DecodingStatistics
from adapters.decoding.session import Session
from adapters.families import Family, at_hand
from adapters.families.surroundings import require_plain_layers
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["Runner"]


class Runner:
    """Asks one policy, and runs parts of one model that are no layers; counts both.

    Parameters
    ----------
    family : Family
        The model.
    policy : Deciding
        What decides.
    """

    def __init__(self, family: Family, policy: Deciding) -> None:
        self.family = family
        self.policy = policy
        self.heads = HeadCount(family.head)
        self.statistics = self.new_statistics()
        self._projection: Projection | None = None
        self._planned: Plan | None = None

    def new_statistics(self) -> DecodingStatistics:
        """Counts of nothing yet."""
        return DecodingStatistics(type(self.policy).__name__, self.policy.unit, self.policy.cache, self.family.depth)

    # ---- the policy -----------------------------------------------------------------------------------------------

    def plan(self, session: Session) -> Plan:
        """Ask the policy what it knows beforehand, and see that the cache can be kept right under it."""
        started = time.perf_counter()
        plan = self.policy.plan(session.length - session.begin)
        if self.family.processes is not None:
            plan = agreed_plan(self.family.processes, plan, rows=session.rows, depth=self.family.depth)
        if plan.skip_layers and self.policy.cache not in ("monotone", "propagate", "verify"):
            raise ArgumentError(
                "cache",
                self.policy.cache,
                "'monotone', 'propagate' or 'verify' for a policy that leaves out layers in between",
            )
        splits = bool(plan.ffn_checks) or plan.ffn_routes is not None
        if splits and self.policy.cache in ("deferred", "verify"):
            raise ArgumentError(
                "cache",
                self.policy.cache,
                "'exact', 'monotone' or 'propagate' for a policy that leaves out feed-forward blocks",
            )
        if plan.exit is not None and self.policy.cache == "exact":
            raise ArgumentError("cache", "exact", "another mode for a policy that leaves layers out")
        if plan.exit is not None:
            _require_exit(plan.exit, self.family.depth)
        if plan is not self._planned:  # most policies say the same of every token
            _require_places(plan, self.family.depth)
            _require_routes(plan, rows=session.rows, depth=self.family.depth)
            self._planned = plan
        if splits and self.policy.unit == "layer":
            require_plain_layers(self.family)
        self.statistics.deciding += time.perf_counter() - started
        return plan

    def ask(self, trajectory: Trajectory) -> Exit | None:
        """The policy's answer at a check, the same on every process that shares the model."""
        started = time.perf_counter()
        looked = self.policy.looking
        with self.heads.counting() as heads:
            leaving = self.policy.check(trajectory)
        if self.family.processes is not None:
            leaving = agreed_exit(self.family.processes, leaving, rows=len(trajectory.state()))
        if leaving is not None and leaving.rows is not None and not np.any(leaving.rows):
            leaving = None
        if leaving is not None and self.policy.cache == "exact" and trajectory.depth < self.family.depth:
            raise ArgumentError("cache", "exact", "another mode for a policy that leaves layers out")
        looked = max(self.policy.looking - looked, heads.seconds)  # the policy's time may hold that of the head
        self.statistics.looking += looked
        self.statistics.heads += heads.rows
        self.statistics.deciding += time.perf_counter() - started - looked
        return leaving

    def run_halves(
        self,
        index: int,
        entering: Tensor,
        context: dict[str, Any],
        *,
        route: int | IntArray | None,
        live: BoolArray | None,
        asked: Tensor | None,
    ) -> Tensor:
        """A layer whose feed-forward block the policy may leave out, or put something in the place of.

        Rows that are `live` (None: all) count in the report. Where no `route` of the rows is known beforehand the
        policy is `asked` about the rows with these indices (None: all of them; else those that are live), the same on
        every process that shares the model; others run along.
        """
        family = self.family
        with at_hand((family.layers[index],)):
            post_attention, attention = family.halves(index, entering, **context)
            routes = np.full(len(entering), FFNRoute.FULL, dtype=np.int64)
            if route is None:
                seen = post_attention if asked is None else post_attention.index_select(0, asked)
                routes[slice(None) if asked is None else live] = self._ask_ffn(index, seen)
            else:
                routes[:] = route
            counted = routes if live is None else routes[live]
            runs = routes == FFNRoute.FULL
            if runs.all():
                after = family.second(index, post_attention, entering, attention)
            else:
                self.statistics.ffn_left_out += int((counted == FFNRoute.LEFT_OUT).sum())
                self.statistics.ffn_substituted += int((counted == FFNRoute.SUBSTITUTE).sum())
                after = self._routed(index, post_attention, entering, attention, routes)
        if route is not None or not runs.any():
            return after
        home = family.home
        started = time.perf_counter()
        done = after if asked is None else after.index_select(0, asked)
        self.policy.ffn_done(index, seen[:, -1].to(home), done[:, -1].to(home))
        self.statistics.deciding += time.perf_counter() - started
        return after

    def _ask_ffn(self, index: int, seen: Tensor) -> int | BoolArray | IntArray:
        """The policy's answer at a feed-forward block, the same on every process that shares the model."""
        started = time.perf_counter()
        answer = self.policy.run_ffn(index, seen[:, -1].to(self.family.home))
        if self.family.processes is not None:
            answer = agreed_ffn(self.family.processes, answer, rows=len(seen))
        self.statistics.deciding += time.perf_counter() - started
        return answer

    def _routed(
        self, index: int, post_attention: Tensor, entering: Tensor, attention: Tensor | None, routes: IntArray
    ) -> Tensor:
        """The state after a layer whose rows go different ways through, or past, its feed-forward block."""
        if (routes == FFNRoute.SUBSTITUTE).all():
            return self._with_substitute(index, post_attention)
        after = post_attention
        for way in (FFNRoute.FULL, FFNRoute.SUBSTITUTE):
            chosen = np.flatnonzero(routes == way)
            if not len(chosen):
                continue
            rows = torch.as_tensor(chosen, device=post_attention.device)
            before = post_attention.index_select(0, rows)
            if way is FFNRoute.FULL:
                looked = None if attention is None else attention.index_select(0, rows)
                found = self.family.second(index, before, entering.index_select(0, rows), looked)
            else:
                found = self._with_substitute(index, before)
            after = after.index_copy(0, rows, found)
        return after

    def _with_substitute(self, index: int, post_attention: Tensor) -> Tensor:
        """The state with what the policy puts in the place of a feed-forward block added to it."""
        states = post_attention[:, -1]
        found: Any = self.policy.instead_of_ffn(index, states.to(self.family.home))
        if not isinstance(found, Tensor) or found.shape != states.shape:
            given = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise InputTypeError(
                "instead_of_ffn", described(given), f"a tensor of shape {tuple(states.shape)}, one row for each state"
            )
        return post_attention + found.to(post_attention)[:, None]

    # ---- the model ------------------------------------------------------------------------------------------------

    def head(self, hidden: Tensor, counted: int) -> Tensor:
        """The model's own norm and head, on states of which some count in the report."""
        self.statistics.heads += counted
        return self.family.logits(self.family.finish(hidden))

    @property
    def projection(self) -> Projection:
        """Key and value projections of all layers, stacked at first use in a generation."""
        if self._projection is None:
            self._projection = Projection(self.family)
        return self._projection

    def forget_weights(self) -> None:
        """Weights may have changed since: read them anew."""
        self._projection = None


def _require_exit(exit_after: Any, depth: int) -> None:
    """That a plan leaves after a number of layers that there are."""
    given = np.asarray(exit_after)
    if given.dtype.kind not in "iu" or not (given.min() >= 1 and given.max() <= depth):
        raise ValueRangeError("exit", exit_after, f"whole numbers from 1 to {depth}, the layers of this model")


def _require_places(plan: Plan, depth: int) -> None:
    """That a plan names layers that there are: what it asked for elsewhere would never happen, without a word."""
    named: tuple[tuple[str, Any, int, int], ...] = (
        ("checks", plan.checks, 1, depth),
        ("skip_layers", plan.skip_layers, 1, depth - 1),
        ("ffn_checks", plan.ffn_checks, 0, depth - 1),
    )
    for name, places, first, last in named:
        wrong = [one for one in places if not isinstance(one, Integral) or not first <= int(one) <= last]
        if wrong:
            raise ValueRangeError(name, wrong[0], f"whole numbers from {first} to {last} for this model")
    if any(later <= earlier for earlier, later in pairwise(plan.checks)):
        raise ValueRangeError("checks", plan.checks, "depths that rise")


def _require_routes(plan: Plan, *, rows: int, depth: int) -> None:
    """That a plan has a route for each layer that there is, and that nothing else would have to be asked there."""
    if plan.ffn_routes is None:
        return
    if plan.ffn_checks:
        raise ArgumentError("ffn_checks", plan.ffn_checks, "none beside ffn_routes, which leave nothing to ask")
    given = np.asarray(plan.ffn_routes)
    if given.dtype.kind not in "biu" or given.shape not in ((depth,), (rows, depth)):
        raise InputTypeError(
            "ffn_routes",
            described(f"an array of {given.dtype} of shape {given.shape}"),
            f"whole numbers of shape ({depth},) or ({rows}, {depth}) for this model and batch",
        )
    wrong = given[~np.isin(given, list(FFNRoute))]
    if len(wrong):
        raise ValueRangeError("ffn_routes", int(wrong[0]), "0 (left out), 1 (in full) or 2 (a substitute)")
