"""Leave where the model's own head is sure (CALM, softmax response)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from adapters._common.checks import read_share
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Promise, Trajectory
from adapters.policies.threshold import ThresholdPolicy
from ews.errors import UnknownNameError

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
class ConfidencePolicy(ThresholdPolicy):
    r"""Early exit by confidence: leave where the model's own norm and head, after some layers, are sure enough.

    Each prediction costs a full head, which on small models with large vocabularies is the work of several layers: name
    few `depths`. The logits of the prediction that a token leaves at are what it emits.

    Parameters
    ----------
    threshold : float, default 0.9
        How sure, from 0 to 1; leaves where the measure is not below it. :meth:`calibrate` finds one for a stated risk.
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

    Attributes
    ----------
    calibration : ThresholdCalibration or None
        What the threshold comes from, where that is :meth:`calibrate`.

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
        super().__init__(
            threshold=read_share("threshold", threshold),
            depths=depths,
            horizon=horizon,
            temperature=temperature,
            cache=cache,
            drafts=drafts,
        )
        if measure not in MEASURES:
            raise UnknownNameError("measure", measure, MEASURES)
        self.measure = measure

    def look(self, trajectory: Trajectory) -> tuple[Tensor, Tensor | None]:
        """Predict by the model's head, and say how sure that is."""
        logits = self._family.logits(self._family.finish(trajectory.state()[:, None]))[:, 0]
        return MEASURES[self.measure](logits.to(torch.promote_types(logits.dtype, torch.float32))), logits
