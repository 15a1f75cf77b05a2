"""Never leave: the full model, through the engine; what everything else is compared with."""

from __future__ import annotations

from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Plan, Policy, Promise

__all__ = ["NeverExitPolicy"]

_WHOLE = Plan()


@public("adapters")
class NeverExitPolicy(Policy):
    """Run every layer for every token; tokens and logits are those of plain ``generate``, bit for bit.

    Parameters
    ----------
    cache : {"propagate", "deferred", "verify", "monotone"}, default "propagate"
        Nothing is ever missing, so it makes no difference but for what it costs.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).
    """

    promise = Promise(caches=("deferred", "monotone", "propagate", "verify"), leaves=False)

    def __init__(self, *, cache: CacheMode = "propagate", drafts: int | None = None) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)

    def plan(self, step: int) -> Plan:
        """Plan every layer."""
        return _WHOLE
