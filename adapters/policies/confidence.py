"""Leave where the model's own head is sure (CALM, softmax response)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from adapters._common.checks import read_early_depths, read_share
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Exit, Plan, Policy, Promise, Trajectory
from adapters.families import Family
from ews.errors import InputTypeError, UnknownNameError, ValueRangeError

__all__ = ["MEASURES", "ConfidencePolicy"]


def _probability(logits: Tensor) -> Tensor:
    """Probability of the likeliest token."""
    return (logits.amax(-1) - logits.logsumexp(-1)).exp()


def _margin(logits: Tensor) -> Tensor:
    """By how much it is likelier than the second (Schuster et al. 2022, sec. 3.2)."""
    two = (logits.topk(2, dim=-1).values - logits.logsumexp(-1, keepdim=True)).exp()
    return two[..., 0] - two[..., 1]


MEASURES: dict[str, Callable[[Tensor], Tensor]] = {"margin": _margin, "probability": _probability}


@public("adapters")
class ConfidencePolicy(Policy):
    r"""Early exit by confidence: leave where the model's own norm and head, after some layers, are sure enough.

    Each prediction costs a full head, which on small models with large vocabularies is the work of several layers: name
    few `depths`. The logits of the prediction that a token leaves at are what it emits.

    Parameters
    ----------
    threshold : float, default 0.9
        How sure, from 0 to 1; leaves where the measure is not below it.
    measure : {"probability", "margin"}, default "probability"
        Probability of the likeliest token, or its distance from that of the second.
    depths : sequence of int, optional
        After how many layers to predict (default: after every layer but the last, which needs none).
    horizon : int, optional
        Expected number of tokens N. With it the threshold of token t falls, as
        :math:`\min(1, 0.9\,\lambda + 0.1\,e^{-\tau t / N})`, since early mistakes spoil more of what follows. Default:
        it stays.
    temperature : float, default 4.0
        The rate τ of that fall.
    cache : {"propagate", "deferred", "verify"}, default "deferred"
        How the cache is kept.
    drafts : int, optional
        With ``cache="verify"``, how many tokens are drafted at most before the full model checks (default: 4).

    Raises
    ------
    ews.errors.ValueRangeError, ews.errors.InputTypeError
        If a number is none, or outside its range.
    ews.errors.UnknownNameError
        If the measure is not known.

    References
    ----------
    Schuster, T. et al. (2022). Confident adaptive language modeling. NeurIPS 35, sec. 3.2 (softmax response) and eq. 5
    (decaying threshold).
    """

    promise = Promise({"threshold": 0.3}, trained={"threshold": 0.9})

    def __init__(
        self,
        *,
        threshold: float = 0.9,
        measure: str = "probability",
        depths: Sequence[int] | None = None,
        horizon: int | None = None,
        temperature: float = 4.0,
        cache: CacheMode = "deferred",
        drafts: int | None = None,
    ) -> None:
        super().__init__(unit="layer", cache=cache, drafts=drafts)
        if measure not in MEASURES:
            raise UnknownNameError("measure", measure, MEASURES)
        if horizon is not None and (not isinstance(horizon, Integral) or isinstance(horizon, bool)):
            raise InputTypeError("horizon", horizon, "a whole number of tokens, or None")
        if horizon is not None and horizon < 1:
            raise ValueRangeError("horizon", horizon, "1 or more")
        self.threshold = read_share("threshold", threshold)
        self.measure = measure
        self.depths = depths
        self.horizon = horizon
        self.temperature = read_share("temperature", temperature, high=np.inf)
        self._plan = Plan()
        self._now = self.threshold

    @property
    def goes_by_step(self) -> bool:
        """With a horizon the threshold falls from token to token."""
        return self.horizon is not None

    def bind(self, family: Family) -> None:
        """Resolve the depths to predict at, and how, for this model."""
        self._family = family
        self._plan = Plan(checks=read_early_depths("depths", self.depths, family.depth))

    def threshold_at(self, token: int) -> float:
        """The threshold for one token.

        Parameters
        ----------
        token : int
            Number of the token, from 0, which comes from the prompt.

        Returns
        -------
        float
            From 0 to 1.
        """
        if self.horizon is None:
            return self.threshold
        return min(1.0, 0.9 * self.threshold + 0.1 * float(np.exp(-self.temperature * token / self.horizon)))

    def plan(self, step: int) -> Plan:
        """Plan the same exit-head predictions for every token."""
        self._now = self.threshold_at(step + 1)
        return self._plan

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Predict by the model's head, and leave where that is sure."""
        started = time.perf_counter()
        logits = self._family.logits(self._family.finish(trajectory.state()[:, None]))[:, 0]
        sure = MEASURES[self.measure](logits.to(torch.promote_types(logits.dtype, torch.float32))) >= self._now
        rows = sure.cpu().numpy()  # the one time that the host waits
        self.looking += time.perf_counter() - started
        if not rows.any():
            return None
        if rows.all():
            return Exit(logits=logits)
        return Exit(rows=rows, logits=logits[torch.as_tensor(np.flatnonzero(rows), device=logits.device)])
