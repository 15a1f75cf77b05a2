"""Rules of others with the short-listed head of the early-warning policy, so that rule stands against rule."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.contract import Exit, Plan, Policy, Trajectory
from adapters.families import Family
from adapters.heads.prediction import ExitPrediction
from adapters.heads.shortlist import ShortListHead
from adapters.policies.entropy import prediction_entropy

__all__ = ["MEASURES", "ShortHeadPolicy"]


def _probability(found: ExitPrediction) -> Tensor:
    return found.confidence


def _less_entropy(found: ExitPrediction) -> Tensor:
    assert found.exact is not None
    return -prediction_entropy(found.exact)


# How sure a prediction is, among its candidates: the larger the surer.
MEASURES: dict[str, Callable[[ExitPrediction], Tensor]] = {"probability": _probability, "entropy": _less_entropy}


class ShortHeadPolicy(Policy):
    """A rule for early exits whose predictions and tokens come from a short-listed head, after the last layer too.

    Parameters
    ----------
    rule : Policy
        Says who leaves where, by a plan or by checks that take no head.
    head : ShortListHead
        On the same model.
    measure : {"probability", "entropy"}, optional
        For a rule that goes by a prediction: what is read of the short-listed head's, at the depths of the rule.
    threshold : float, optional
        What it must reach (of "entropy": less the entropy must reach it).
    """

    def __init__(
        self, rule: Policy, head: ShortListHead, *, measure: str | None = None, threshold: float = np.inf
    ) -> None:
        super().__init__(unit=rule.unit, cache=rule.cache)
        self.rule, self.head, self.measure, self.threshold = rule, head, measure, threshold
        self.predicted = 0  # rows that went through the head
        self._exits: np.ndarray[Any, Any] | None = None
        self._depth = self._rows = 0

    @property
    def goes_by_step(self) -> bool:
        """As the rule."""
        return self.rule.goes_by_step

    def bind(self, family: Family) -> None:
        """Both to the model."""
        self._depth = family.depth
        self.rule.bind(family)

    def unbind(self) -> None:
        """Both from the model."""
        self.rule.unbind()

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        """Begin a generation."""
        self._rows = rows
        self.rule.start(rows, input_ids)

    def taken(self, input_ids: Tensor) -> None:
        """Pass on tokens."""
        self.rule.taken(input_ids)

    def emitted(self, logits: Tensor) -> None:
        """Pass on logits."""
        self.rule.emitted(logits)

    def plan(self, step: int) -> Plan:
        """Ask where the rule asks or leaves, and after the last layer."""
        plan = self.rule.plan(step)
        self._exits = None if plan.exit is None else np.broadcast_to(np.asarray(plan.exit), (self._rows,))
        leaves = set() if self._exits is None else set(self._exits.tolist())
        return replace(plan, exit=None, checks=tuple(sorted({*plan.checks, *leaves, self._depth})))

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Let rows leave by the rule, and all that are left after the last layer."""
        state, depth = trajectory.state(), trajectory.depth
        last = depth == self._depth
        if self.measure is not None:
            predicted = self._predict(state, depth)
            sure = MEASURES[self.measure](predicted).cpu().numpy() >= self.threshold
            leaving = np.ones(len(state), dtype=bool) if last else sure
            rows = None if leaving.all() else np.flatnonzero(leaving)
            return Exit(None if rows is None else leaving, predicted.logits(rows)) if leaving.any() else None
        leaving = np.ones(len(state), dtype=bool) if last else self._leaving(trajectory)
        if not leaving.any():
            return None
        if leaving.all():
            return Exit(None, self._predict(state, depth).logits())
        at = torch.as_tensor(np.flatnonzero(leaving), device=state.device)
        return Exit(leaving, self._predict(state.index_select(0, at), depth).logits())

    def _leaving(self, trajectory: Trajectory) -> np.ndarray[Any, Any]:
        rows = len(trajectory.state())
        if self._exits is not None:
            exits = self._exits if trajectory.rows is None else self._exits[trajectory.rows]
            return np.asarray(exits == trajectory.depth)
        found = self.rule.check(trajectory)
        if found is None:
            return np.zeros(rows, dtype=bool)
        return np.ones(rows, dtype=bool) if found.rows is None else np.asarray(found.rows, dtype=bool)

    def _predict(self, state: Tensor, depth: int) -> ExitPrediction:
        started = time.perf_counter()
        found = self.head.predict(state, depth)
        self.predicted += len(state)
        self.looking += time.perf_counter() - started
        return found
