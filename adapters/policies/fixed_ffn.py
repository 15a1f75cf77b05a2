"""The feed-forward blocks of the same layers left out of every token: a control."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adapters._common.checks import read_layers, require_cache
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, FFNRoute, Plan, Policy, Promise
from adapters.families import Family

__all__ = ["FixedFFNSkipPolicy"]


@public("adapters")
class FixedFFNSkipPolicy(Policy):
    """Fixed FFN skipping: the feed-forward blocks of some layers are left out of every token; attention always runs.

    The control of rules that choose blocks by the state: nothing is looked at.

    Parameters
    ----------
    layers : sequence of int
        The layers, from 0.
    cache : {"exact"}, default "exact"
        Attention always runs.

    Raises
    ------
    ews.errors.ArgumentError
        If the model that it meets has no such layer.
    """

    promise = Promise({"layers": (1, 3)}, caches=("exact",), leaves=False, skips=True, waits=0)

    def __init__(self, *, layers: Sequence[int], cache: CacheMode = "exact") -> None:
        super().__init__(unit="ffn", cache=cache)
        require_cache(cache, self.promise.caches, "feed-forward blocks alone")
        self.layers = layers
        self._plan = Plan()

    def bind(self, family: Family) -> None:
        """Resolve the layers, for this model."""
        routes = np.full(family.depth, int(FFNRoute.FULL))
        routes[list(read_layers("layers", self.layers, family.depth))] = FFNRoute.LEFT_OUT
        self._plan = Plan(ffn_routes=routes)

    def plan(self, step: int) -> Plan:
        """Plan the same routes for every token."""
        return self._plan
