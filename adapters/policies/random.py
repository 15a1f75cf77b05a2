"""Leave at random: what a policy must beat, and what drives every cache mode in the tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from adapters._common.checks import read_depths, read_share
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Plan, Policy, Promise
from adapters.families import Family

__all__ = ["RandomExitPolicy"]


@public("adapters")
class RandomExitPolicy(Policy):
    """Random early exit: each row leaves with the same probability, at a depth drawn evenly.

    Parameters
    ----------
    rate : float, default 0.5
        Share of tokens that leave early.
    depths : sequence of int, optional
        Depths at which rows may leave (default: after any layer but the last).
    cache : {"propagate", "deferred", "verify"}, default "deferred"
        How the cache is kept.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).
    seed : int, default 0
        Seed of the draws; each generation starts it anew.
    """

    promise = Promise({"rate": 0.6}, row_by_row=False)

    def __init__(
        self,
        *,
        rate: float = 0.5,
        depths: Sequence[int] | None = None,
        cache: CacheMode = "deferred",
        drafts: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)
        self.rate = read_share("rate", rate)
        self.depths = depths
        self.seed = seed
        self._among = np.zeros(0, dtype=np.int64)
        self._layers = 0

    def bind(self, family: Family) -> None:
        """Read how many layers the model has."""
        self._layers = family.depth
        among = range(1, family.depth) if self.depths is None else read_depths("depths", self.depths, family.depth)
        self._among = np.array(list(among), dtype=np.int64)

    def start(self, rows: int, input_ids: Tensor | None) -> None:
        """Begin a generation, with the draws from the start of the seed."""
        self._random = np.random.default_rng(self.seed)
        self._rows = rows

    def plan(self, step: int) -> Plan:
        """Draw an exit depth for each row."""
        leaves = self._random.random(self._rows) < self.rate
        drawn = self._random.choice(self._among, size=self._rows)
        return Plan(exit=np.where(leaves, drawn, self._layers))
