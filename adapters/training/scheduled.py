"""A forward pass in which each position runs the layers of a schedule: what training under one needs.

A schedule only ever takes layers away from one token to the next. Whoever runs a layer therefore has been preceded by
nothing but positions that ran it too, so that the plain causal mask shows it the keys and values that the cache would
hold, and no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapters.decoding.contract import Policy
from adapters.families import Family
from adapters.texts.batch import LayerPass
from adapters.training.texts import CausalBatch
from ews.errors import ArgumentError, described

__all__ = ["Schedule", "scheduled_states"]

IntArray = np.ndarray[Any, np.dtype[np.int64]]


class Schedule:
    """Which layers each token after the prompt runs, read off the plans of a policy.

    Parameters
    ----------
    policy : Policy
        One whose plan of a token depends on nothing but its place: SkipDecode, say.
    family : Family
        The model.
    steps : int
        How many tokens.

    Attributes
    ----------
    last : ndarray of int64 of shape (depth,)
        How many tokens run each layer, which are the first so many.

    Raises
    ------
    ews.errors.ArgumentError
        If the policy decides while a token runs, or has a layer come back that was left out before.
    """

    def __init__(self, policy: Policy, family: Family, steps: int) -> None:
        policy.bind(family)
        runs = np.ones((family.depth, max(steps, 1)), dtype=bool)
        for step in range(steps):
            plan = policy.plan(step)
            if plan.checks or plan.ffn_checks or isinstance(plan.exit, np.ndarray):
                given = described(f"{type(policy).__name__}, which decides while a token runs")
                raise ArgumentError("policy", given, "one whose plan says all: a fixed schedule")
            runs[sorted(plan.skip_layers), step] = False
            if plan.exit is not None:
                runs[plan.exit :, step] = False
        if (runs[:, 1:] & ~runs[:, :-1]).any():
            given = described(f"{type(policy).__name__}, under which a layer runs that did not before")
            raise ArgumentError("policy", given, "a schedule that never rises")
        self.steps = steps
        self.last: IntArray = runs.sum(axis=1) if steps else np.full(family.depth, 1 << 30)

    @property
    def layers(self) -> float:
        """Mean number of layers of a token."""
        return float(np.minimum(self.last, self.steps).sum() / max(self.steps, 1))


def scheduled_states(family: Family, batch: CausalBatch, schedule: Schedule) -> Tensor:
    """The residual stream after the last layer that each position runs, shape (texts, longest, width).

    Equal, up to rounding, to what decoding under the policy gives for the same tokens. Prompts run in full.

    Parameters
    ----------
    family : Family
        The model.
    batch : CausalBatch
        What it reads.
    schedule : Schedule
        Of as many steps as the longest text has after its prompt.

    Returns
    -------
    Tensor
        With gradients, where they are on.
    """
    layers = LayerPass(family, batch.batch)
    hidden = layers.embedded
    width = hidden.shape[1]
    columns = torch.arange(width, device=batch.begins.device)
    first = int(batch.begins.max())
    for index in range(family.depth):
        last = int(schedule.last[index])
        if last >= schedule.steps:
            hidden = layers.run(index, hidden)
            continue
        cut = min(first + last, width)
        some = hidden[:, :cut]
        after = layers.run(index, some, columns=cut)
        runs = (columns[:cut] < batch.begins[:, None] + last)[..., None].to(after.device)
        hidden = torch.cat((torch.where(runs, after, some.to(after.device)), hidden[:, cut:].to(after.device)), dim=1)
    return hidden
