"""Leave every token after the same layer."""

from __future__ import annotations

from adapters._common.checks import read_depth
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Plan, Policy, Promise
from adapters.families import Family

__all__ = ["FixedExitPolicy"]


@public("adapters")
class FixedExitPolicy(Policy):
    """Early exit after a fixed number of layers, through the model's own norm and head.

    Parameters
    ----------
    depth : int
        How many layers run.
    cache : {"monotone", "propagate", "deferred", "verify"}, default "monotone"
        The layers above are never run after the prompt, so nothing is missed with ``"monotone"``. With ``"verify"``
        this is self-speculation with a draft of fixed depth (Elhoushi et al. 2024).
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).

    References
    ----------
    Elhoushi, M. et al. (2024). LayerSkip: enabling early exit inference and self-speculative decoding.
    arXiv:2404.16710.
    """

    promise = Promise({"depth": 3}, caches=("deferred", "monotone", "propagate", "verify"))

    def __init__(self, *, depth: int, cache: CacheMode = "monotone", drafts: int | None = None) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)
        self.depth = depth
        self._plan = Plan()

    def bind(self, family: Family) -> None:
        """Check that the model has as many layers."""
        self._plan = Plan(exit=read_depth("depth", self.depth, family.depth))

    def plan(self, step: int) -> Plan:
        """Plan the same depth for every token."""
        return self._plan
