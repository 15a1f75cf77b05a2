"""Leave where the prediction of the model's own head is no longer spread out (DeeBERT)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from adapters._common.checks import read_share
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Promise, Trajectory
from adapters.policies.threshold import ThresholdPolicy

__all__ = ["EntropyPolicy", "prediction_entropy"]


def prediction_entropy(logits: Tensor) -> Tensor:
    """Entropy of the softmax of logits, shape (..., vocabulary), in nats."""
    found: Tensor = torch.special.entr(logits.softmax(-1)).sum(-1)
    return found


@public("adapters")
class EntropyPolicy(ThresholdPolicy):
    r"""Early exit by entropy: leave where that of a prediction by the model's own norm and head is below a threshold.

    The rule of DeeBERT for classifiers, with the vocabulary for classes. Each prediction costs a full head, which on
    small models with large vocabularies is the work of several layers: name few `depths`. The logits of the prediction
    that a token leaves at are what it emits.

    Parameters
    ----------
    threshold : float, default 0.5
        Entropy in nats below which a token leaves: at 0 none does, above ln(vocabulary) all do. The default is that of
        two tokens with probabilities of 0.8 and 0.2. :meth:`calibrate` finds one for a stated risk.
    depths : sequence of int, optional
        After how many layers to predict (default: after every layer but the last, which needs none).
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
        If the threshold is no number of 0 or more.

    References
    ----------
    Xin, J. et al. (2020). DeeBERT: dynamic early exiting for accelerating BERT inference. ACL 2020. arXiv:2004.12993,
    algorithm 1.
    """

    promise = Promise({"threshold": 2.5}, trained={"threshold": 0.5})
    leaves_below = True

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        depths: Sequence[int] | None = None,
        cache: CacheMode = "deferred",
        drafts: int | None = None,
    ) -> None:
        read = read_share("threshold", threshold, high=float("inf"))
        super().__init__(threshold=read, depths=depths, cache=cache, drafts=drafts)

    def look(self, trajectory: Trajectory) -> tuple[Tensor, Tensor | None]:
        """Predict by the model's head, and say how spread out that is."""
        logits = self._family.logits(self._family.finish(trajectory.state()[:, None]))[:, 0]
        return prediction_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32))), logits
