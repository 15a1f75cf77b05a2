"""Leave where a layer hardly turns the state (CALM, hidden-state saturation)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from adapters._common.checks import read_early_depths, read_share
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Exit, Plan, Policy, Promise, Trajectory
from adapters.families import Family

__all__ = ["SaturationPolicy"]


@public("adapters")
class SaturationPolicy(Policy):
    r"""Early exit by saturation: leave where :math:`\cos(h_l, h_{l-1})` is at least a threshold; the head runs once.

    Parameters
    ----------
    threshold : float, default 0.98
        Cosine of the states after this layer and before it, from −1 to 1. In stock models most layers turn the state
        little whether or not the token is decided, so that this alone tells little (AUROC 0.5–0.6 on a model of 135
        million parameters).
    depths : sequence of int, optional
        After how many layers to ask (default: after every layer but the last).
    cache : {"propagate", "deferred", "verify"}, default "deferred"
        How the cache is kept.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).

    Raises
    ------
    ews.errors.ValueRangeError, ews.errors.InputTypeError
        If the threshold is no number from −1 to 1.

    References
    ----------
    Schuster, T. et al. (2022). Confident adaptive language modeling. NeurIPS 35, sec. 3.2 (hidden-state saturation).
    """

    promise = Promise({"threshold": 0.7})

    def __init__(
        self,
        *,
        threshold: float = 0.98,
        depths: Sequence[int] | None = None,
        cache: CacheMode = "deferred",
        drafts: int | None = None,
    ) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)
        self.threshold = read_share("threshold", threshold, low=-1.0)
        self.depths = depths
        self._plan = Plan()

    def bind(self, family: Family) -> None:
        """Resolve the depths to check at, for this model."""
        self._plan = Plan(checks=read_early_depths("depths", self.depths, family.depth))

    def plan(self, step: int) -> Plan:
        """Plan the same checks for every token."""
        return self._plan

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Leave where the cosine is high; never where it is not defined."""
        after, before = trajectory.state(), trajectory.state(-2)
        wide = torch.promote_types(after.dtype, torch.float32)
        after, before = after.to(wide), before.to(wide)
        lengths = torch.linalg.vector_norm(after, dim=-1) * torch.linalg.vector_norm(before, dim=-1)
        rows = ((after * before).sum(-1) / lengths >= self.threshold).cpu().numpy()
        return Exit(rows=rows) if rows.any() else None
