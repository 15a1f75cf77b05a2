"""Leave where updates have become small and no longer turn back: the state has reached a fixed point."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from adapters._common.checks import read_early_depths, read_share
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Exit, Plan, Policy, Promise, Trajectory
from adapters.families import Family

__all__ = ["FixedPointPolicy"]


@public("adapters")
class FixedPointPolicy(Policy):
    r"""Early exit near a fixed point: the update is small beside the state, and keeps its direction.

    With :math:`\Delta_l = h_l - h_{l-1}`, that is where :math:`\|\Delta_l\| / \|h_{l-1}\|` is below `update` and
    :math:`\cos(\Delta_l, \Delta_{l-1})` at least `alignment`. It costs time proportional to the width, needs no
    training, and is the nearest rival of a rule that watches the dynamics in windows.

    Parameters
    ----------
    update : float, default 0.03
        Bound on the relative size of the update. It comes from models that apply the same layers again and again; in
        a stock model hardly any layer stays below it.
    alignment : float, default 0.0
        Bound on the cosine of two updates in turn, from −1 (not asked for) to 1. At 0 a state that swings about a point
        is not taken to have reached it. A layer that changes nothing counts as aligned.
    depths : sequence of int, optional
        After how many layers to ask, from 2, since two updates are needed (default: from 2 to the last but one).
    cache : {"propagate", "deferred", "verify"}, default "deferred"
        How the cache is kept.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).

    Raises
    ------
    ews.errors.ValueRangeError, ews.errors.InputTypeError
        If a bound is no number within its range.

    References
    ----------
    Geiping, J. et al. (2025). Scaling up test-time compute with latent reasoning: a recurrent depth approach.
    arXiv:2502.05171 (exit where the relative update is below 0.03).
    """

    promise = Promise({"update": 0.9, "alignment": -0.2}, trained={"update": 2.0, "alignment": -1.0})

    def __init__(
        self,
        *,
        update: float = 0.03,
        alignment: float = 0.0,
        depths: Sequence[int] | None = None,
        cache: CacheMode = "deferred",
        drafts: int | None = None,
    ) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)
        self.update = read_share("update", update, high=float("inf"))
        self.alignment = read_share("alignment", alignment, low=-1.0)
        self.depths = depths
        self._plan = Plan()

    def bind(self, family: Family) -> None:
        """Resolve the depths to check at, for this model."""
        self._plan = Plan(checks=read_early_depths("depths", self.depths, family.depth, first=2))

    def plan(self, step: int) -> Plan:
        """Plan the same checks for every token."""
        return self._plan

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Leave where both bounds hold; never where one is not defined."""
        states = trajectory.window(3)
        states = states.to(torch.promote_types(states.dtype, torch.float32))
        updates = states.diff(dim=1)
        earlier, size = torch.linalg.vector_norm(updates, dim=-1).unbind(1)
        small = size < self.update * torch.linalg.vector_norm(states[:, 1], dim=-1)
        # Not divided, so that a layer that changes nothing is a fixed point, and NaN is none.
        aligned = updates.prod(1).sum(-1) >= self.alignment * earlier * size
        rows = (small & aligned).cpu().numpy()
        return Exit(rows=rows) if rows.any() else None
