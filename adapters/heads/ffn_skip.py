"""The greedy rule of FFN-SkipLLM: a block that hardly turned the state is followed by some that are left out."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from adapters._common.checks import read_count, read_share
from adapters.decoding.contract import BoolArray, CacheMode, Plan, Policy
from adapters.families import Family
from ews.errors import ValueRangeError

__all__ = ["GreedyFFNSkip", "residual_cosine"]

_WHOLE = Plan()
_COLD_SHARE = 6  # of the layers, this part at each end is never left out by default


def residual_cosine(post_attention: Tensor, after: Tensor) -> Tensor:
    """Cosine of the residual stream before a feed-forward block and after its output was added to it.

    Parameters
    ----------
    post_attention, after : Tensor of shape (..., width)
        Both are the residual stream. The block's normed input and its raw output point anywhere: their cosine says
        nothing of how far the block turns the state.

    Returns
    -------
    Tensor of shape (...)
        In float32 or wider; NaN where it is not defined.
    """
    wide = torch.promote_types(after.dtype, torch.float32)
    before, after = post_attention.to(wide), after.to(wide)
    lengths = torch.linalg.vector_norm(before, dim=-1) * torch.linalg.vector_norm(after, dim=-1)
    found: Tensor = (before * after).sum(-1) / lengths
    return found


class GreedyFFNSkip(Policy):
    """What runs under the engine; see :class:`adapters.FFNSkipPolicy` for each option."""

    def __init__(
        self,
        *,
        threshold: float,
        k: int,
        cold_start: int | None,
        cold_end: int | None,
        warmup: float = 0,
        length: int = 1,
        cache: CacheMode = "exact",
    ) -> None:
        super().__init__(unit="ffn", cache=cache)
        self.threshold = read_share("threshold", threshold, low=-1.0)
        self.k = read_count("k", k, least=0)
        self.cold_start, self.cold_end = cold_start, cold_end
        self.warmup = warmup
        self.length = read_count("length", length)
        self.warmup_tokens = _read_warmup(warmup, self.length)
        self._plan = _WHOLE
        self._rows = 0
        self._left = np.zeros(0, dtype=np.int64)
        self._ran: BoolArray = np.zeros(0, dtype=bool)

    @property
    def goes_by_step(self) -> bool:
        """The first tokens run in full."""
        return self.warmup_tokens > 1

    def bind(self, family: Family) -> None:
        """Resolve the layers between the cold regions, for this model."""
        layers = family.depth
        margin = math.ceil(layers / _COLD_SHARE)
        start = margin if self.cold_start is None else _read_edge("cold_start", self.cold_start, layers)
        end = layers - margin if self.cold_end is None else _read_edge("cold_end", self.cold_end, layers)
        self._plan = Plan(ffn_checks=frozenset(range(start, end))) if self.k else _WHOLE

    def start(self, rows: int, input_ids: Tensor | None) -> None:  # noqa: ARG002 (the contract's)  # noqa: ARG002 (the contract's)
        """Begin a generation."""
        self._rows = rows

    def plan(self, step: int) -> Plan:
        """Plan to look between the cold regions, once the first tokens are written."""
        self._left = np.zeros(self._rows, dtype=np.int64)
        return _WHOLE if step + 1 < self.warmup_tokens else self._plan

    def run_ffn(self, index: int, post_attention: Tensor) -> bool | BoolArray:  # noqa: ARG002 (as above)  # noqa: ARG002 (as above)
        """Leave the block out where some are left to leave out; never where the state is not finite."""
        skips = self._left > 0
        if skips.any():
            skips &= post_attention.isfinite().all(-1).cpu().numpy()
        self._ran = ~skips
        self._left[skips] -= 1
        return True if self._ran.all() else self._ran

    def ffn_done(self, index: int, post_attention: Tensor, after: Tensor) -> None:  # noqa: ARG002 (as above)  # noqa: ARG002 (as above)
        """See how far the block turned the residual stream, in rows in which it ran."""
        saturated = (residual_cosine(post_attention, after) >= self.threshold).cpu().numpy()
        self._left[self._ran & saturated] = self.k


def _read_warmup(warmup: float, length: int) -> int:
    """How many tokens that is."""
    given: object = warmup
    if isinstance(given, Integral) and not isinstance(given, bool):
        return read_count("warmup", warmup, least=0)
    share = read_share("warmup", warmup)
    if share == 1.0:
        raise ValueRangeError("warmup", warmup, "a share below 1, or a whole number of tokens")
    return math.ceil(share * length)


def _read_edge(argument: str, value: object, layers: int) -> int:
    """Where a region begins or ends: a number of layers, none and all included."""
    found = read_count(argument, value, least=0)
    if found > layers:
        raise ValueRangeError(argument, value, f"0 to {layers}, the layers of this model")
    return found
