"""The same layers left out of every token, evenly between the first and the last."""

from __future__ import annotations

import numpy as np

from adapters._common.checks import read_share, require_cache
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Plan, Policy, Promise
from adapters.families import Family
from ews.errors import ValueRangeError

__all__ = ["UnifiedSkipPolicy", "kept_layers"]


def kept_layers(layers: int, speedup: float) -> tuple[int, ...]:
    """Layers that run: ⌊layers / speedup⌋ of them, the first, the last, and the others evenly between.

    Parameters
    ----------
    layers : int
        How many there are.
    speedup : float
        Target, 1 or more.

    Returns
    -------
    tuple of int
        Their indices, rising; two at the least, where there are two.

    Examples
    --------
    >>> kept_layers(12, 2.0), kept_layers(12, 1.0) == tuple(range(12))
    ((0, 2, 4, 7, 9, 11), True)
    """
    count = min(layers, max(2, int(layers / speedup)))
    return tuple(int(index) for index in np.linspace(0, layers - 1, count).round())


@public("adapters")
class UnifiedSkipPolicy(Policy):
    """Unified layer skipping: the same layers are left out of every token, evenly between the first and the last.

    What is left out depends on the target alone, neither on the token nor on its state, so that all rows of a batch do
    the same and nothing is decided while decoding. The prompt runs in full.

    Parameters
    ----------
    speedup : float, default 1.25
        Target s: the number of layers by s, rounded down, run. At 2, which is what is published for models that were
        fine-tuned for it, a stock model writes nothing of use.
    cache : {"monotone", "propagate", "verify"}, default "monotone"
        How the cache is kept; layers that are left out are never needed again. With ``"verify"`` this is
        self-speculation with a fixed set of layers as the draft (Draft & Verify).
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).

    Raises
    ------
    ews.errors.ValueRangeError, ews.errors.InputTypeError
        If `speedup` is no number of 1 or more, or more than half the layers of the model it meets.

    References
    ----------
    Liu, Y. et al. (2024). Accelerating inference in large language models with a unified layer skipping strategy.
    arXiv:2404.06954. Zhang, J. et al. (2024). Draft & Verify: lossless large language model acceleration via
    self-speculative decoding. ACL 2024. arXiv:2309.08168.
    """

    promise = Promise({"speedup": 1.6}, caches=("monotone", "propagate", "verify"), leaves=False, skips=True, waits=0)

    def __init__(self, *, speedup: float = 1.25, cache: CacheMode = "monotone", drafts: int | None = None) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)
        require_cache(cache, self.promise.caches, "layers in between")
        self.speedup = read_share("speedup", speedup, low=1.0, high=float("inf"))
        self._plan = Plan()

    def bind(self, family: Family) -> None:
        """Choose the layers of this model."""
        if self.speedup > max(family.depth / 2, 1.0):
            allowed = f"1 to {max(family.depth / 2, 1.0):g} for this model, whose first and last layer always run"
            raise ValueRangeError("speedup", self.speedup, allowed)
        self._plan = Plan(skip_layers=frozenset(range(family.depth)) - set(kept_layers(family.depth, self.speedup)))

    def plan(self, step: int) -> Plan:
        """Plan the same layers for every token."""
        return self._plan
