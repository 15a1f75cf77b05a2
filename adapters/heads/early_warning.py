"""Under the engine: a warning from exit classifiers, then a confirmation through an exit head."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.contract import BoolArray, CacheMode, Exit, Plan, Policy, Trajectory, Unit
from adapters.families import Family
from adapters.heads.exit_classifier import classifier_features, states_needed
from adapters.heads.fitted import ExitClassifier, FittedExit, FittedSkip

__all__ = ["CACHE_OF_UNIT", "EarlyWarning"]

CACHE_OF_UNIT: dict[Unit, CacheMode] = {"layer": "deferred", "ffn": "exact", "both": "propagate"}


class EarlyWarning(Policy):
    """Early exits and FFN skips by classifiers and heads that are at hand.

    Parameters
    ----------
    fitted : callable
        Takes a model apart (a family) and returns what was fitted for it: exits by depth, and FFN skips by depth.
    unit, cache, drafts
        See :class:`adapters.Policy`.
    """

    def __init__(
        self,
        fitted: Callable[[Family], tuple[dict[int, FittedExit], dict[int, FittedSkip]]],
        *,
        unit: Unit,
        cache: CacheMode,
        drafts: int | None = None,
    ) -> None:
        super().__init__(unit=unit, cache=cache, drafts=drafts)
        self._fitted = fitted
        self._exits: dict[int, FittedExit] = {}
        self._skips: dict[int, FittedSkip] = {}
        self._runs: dict[int, BoolArray] = {}
        self._plan = Plan()

    def bind(self, family: Family) -> None:
        """Meet the model: see that a calibration is of this one, or choose depths."""
        self._family = family
        self._exits, self._skips = self._fitted(family)
        blocks = frozenset(index for skip in self._skips.values() for index in skip.layers)
        self._plan = Plan(checks=tuple(sorted({*self._exits, *self._skips})), ffn_checks=blocks)

    def unbind(self) -> None:
        """Forget the heads, whose weights are the model's."""
        self._exits, self._skips, self._runs = {}, {}, {}

    def plan(self, step: int) -> Plan:  # noqa: ARG002 (the contract's)
        """Plan the same checks for every token; none where nothing was found that pays."""
        self._runs = {}
        return self._plan

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Warn by the exit classifier; where it does, predict and confirm."""
        depth = trajectory.depth
        left = self._leave(self._exits[depth], trajectory) if depth in self._exits else None
        staying = None if left is None or left.rows is None else ~np.asarray(left.rows)
        if left is not None and staying is None:
            return left
        if staying is not None:  # what was decided for rows that leave here has no row any more
            self._runs = {index: runs[staying] for index, runs in self._runs.items()}
        if depth in self._skips:
            skip = self._skips[depth]
            runs = ~_warned(skip.classifier, skip, trajectory)
            runs = runs if staying is None else runs[staying]
            self._runs |= dict.fromkeys(skip.layers, runs)
        return left

    def run_ffn(self, index: int, post_attention: Tensor) -> bool | BoolArray:  # noqa: ARG002 (the contract's)
        """As was decided at the check before this group of blocks."""
        runs = self._runs.get(index)
        return True if runs is None else runs

    def _leave(self, fitted: FittedExit, trajectory: Trajectory) -> Exit | None:
        rows: np.ndarray[Any, Any] | None = None
        if fitted.classifier is not None:
            # All processes may take part in a prediction, so that they must agree for which rows there is one.
            opened = self._family.agreed(_warned(fitted.classifier, fitted, trajectory))
            if not opened.any():
                return None
            rows = None if opened.all() else np.flatnonzero(opened)
        hidden = trajectory.state()
        if rows is not None:
            hidden = hidden.index_select(0, torch.as_tensor(rows, device=hidden.device))
        started = time.perf_counter()
        predicted = fitted.predict(hidden)
        sure = predicted.confidence.cpu().numpy() >= fitted.threshold  # the host waits here
        found = None
        if sure.any():
            logits = predicted.logits(None if sure.all() else np.flatnonzero(sure))
            mask: BoolArray | None = sure
            if rows is not None:
                mask = np.zeros(len(trajectory.state()), dtype=bool)
                mask[rows] = sure
            found = Exit(rows=None if mask is not None and mask.all() else mask, logits=logits)
        self.looking += time.perf_counter() - started
        return found


def _warned(classifier: ExitClassifier, fitted: FittedExit | FittedSkip, trajectory: Trajectory) -> BoolArray:
    """Whether a classifier opens, for each row; never where a statistic is undefined."""
    states = trajectory.window(states_needed(fitted.window))
    return classifier.opens(classifier_features(states, features=fitted.features))
