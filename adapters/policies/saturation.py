"""Leave where a layer hardly turns the state (CALM, hidden-state saturation)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from adapters._common.checks import read_share
from adapters._common.publish import public
from adapters.decoding.contract import CacheMode, Promise, Trajectory
from adapters.policies.threshold import ThresholdPolicy

__all__ = ["SaturationPolicy"]


@public("adapters")
class SaturationPolicy(ThresholdPolicy):
    r"""Early exit by saturation: leave where :math:`\cos(h_l, h_{l-1})` is at least a threshold; the head runs once.

    Parameters
    ----------
    threshold : float, default 0.98
        Cosine of the states after this layer and before it, from −1 to 1. In stock models most layers turn the state
        little whether or not the token is decided, so that this alone tells little (AUROC 0.5–0.6 on a model of 135
        million parameters). :meth:`calibrate` finds one for a stated risk.
    depths : sequence of int, optional
        After how many layers to ask (default: after every layer but the last).
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
        If the threshold is no number from −1 to 1.

    References
    ----------
    Schuster, T. et al. (2022). Confident adaptive language modeling. NeurIPS 35, sec. 3.2 (hidden-state saturation) and
    eq. 5 (decaying threshold).
    """

    promise = Promise({"threshold": 0.7})

    def __init__(
        self,
        *,
        threshold: float = 0.98,
        depths: Sequence[int] | None = None,
        horizon: int | None = None,
        temperature: float = 4.0,
        cache: CacheMode = "deferred",
        drafts: int | None = None,
    ) -> None:
        super().__init__(
            threshold=read_share("threshold", threshold, low=-1.0),
            depths=depths,
            horizon=horizon,
            temperature=temperature,
            cache=cache,
            drafts=drafts,
        )

    def look(self, trajectory: Trajectory) -> tuple[Tensor, Tensor | None]:
        """The cosine of the state and the one before the layer."""
        after, before = trajectory.state(), trajectory.state(-2)
        wide = torch.promote_types(after.dtype, torch.float32)
        after, before = after.to(wide), before.to(wide)
        lengths = torch.linalg.vector_norm(after, dim=-1) * torch.linalg.vector_norm(before, dim=-1)
        return (after * before).sum(-1) / lengths, None
