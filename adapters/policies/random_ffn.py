"""Feed-forward blocks left out at random: a control."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from adapters._common.checks import read_layers, read_share, require_cache
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, FFNRoute, Plan, Policy, Promise
from adapters.families import Family

__all__ = ["RandomFFNSkipPolicy"]


@public("adapters")
class RandomFFNSkipPolicy(Policy):
    """Random FFN skipping: each feed-forward block is left out with the same probability; attention always runs.

    What a rule that chooses blocks by the state must beat at the same share.

    Parameters
    ----------
    rate : float, default 0.25
        Probability that a block is left out, for each row and layer on its own.
    layers : sequence of int, optional
        Layers whose blocks may be left out (default: all).
    cache : {"exact"}, default "exact"
        Attention always runs.
    seed : int, default 0
        Seed of the draws; each generation starts it anew.

    Raises
    ------
    ews.errors.ArgumentError
        If the rate is no number from 0 to 1, or the model that it meets has no such layer.
    """

    promise = Promise({"rate": 0.5}, caches=("exact",), leaves=False, skips=True, row_by_row=False, waits=0)

    def __init__(
        self, *, rate: float = 0.25, layers: Sequence[int] | None = None, cache: CacheMode = "exact", seed: int = 0
    ) -> None:
        super().__init__(unit="ffn", cache=cache)
        require_cache(cache, self.promise.caches, "feed-forward blocks alone")
        self.rate = read_share("rate", rate)
        self.layers = layers
        self.seed = seed
        self._among = np.zeros(0, dtype=bool)

    def bind(self, family: Family) -> None:
        """Resolve the layers, for this model."""
        self._among = np.full(family.depth, self.layers is None)
        if self.layers is not None:
            self._among[list(read_layers("layers", self.layers, family.depth))] = True

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        """Begin a generation, with the draws from the start of the seed."""
        self._random = np.random.default_rng(self.seed)
        self._rows = rows

    def plan(self, step: int) -> Plan:
        """Draw a route for each row and layer."""
        drawn = self._random.random((self._rows, len(self._among))) < self.rate
        return Plan(ffn_routes=np.where(drawn & self._among, int(FFNRoute.LEFT_OUT), int(FFNRoute.FULL)))
