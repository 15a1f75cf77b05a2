"""Leave by learned gates (JEI-DNN)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from adapters._common.checks import read_share
from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave
from adapters.encoders.distributions import dense_at_both_ends, hazard

__all__ = ["JEIPolicy"]


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class JEIPolicy(EncoderPolicy):
    """Exit by jointly learned gates (JEI-DNN): after the first layer whose hazard reaches a threshold.

    A gate sees four statistics of its head's softmax. With g_l how open it is, P_l = max(0, min(g_l, 1 − Σ_{j<l} P_j))
    is the probability of leaving there, and P_l / (1 − Σ_{j<l} P_j) the hazard.

    Parameters
    ----------
    threshold : float, default 0.5
        Hazard from which a row leaves; above 1 none does.

    Raises
    ------
    ews.errors.ArgumentError
        If the threshold is no number from 0 on.

    References
    ----------
    Regol, F., Chataoui, J. & Coates, M. (2024). Jointly-learned exit and inference for a dynamic neural network.
    ICLR 2024, arXiv:2310.09163.
    """

    promise = EncoderPromise({"threshold": 0.5}, never={"threshold": 1.01})
    heads: ClassVar[str | None] = "gated"
    history = True
    knob = "threshold"

    threshold: float = 0.5

    def __post_init__(self) -> None:
        self.threshold = read_share("threshold", self.threshold, high=np.inf)

    def leave(self, view: ExitView) -> Leave | None:
        """Rows whose hazard here reaches the threshold leave."""
        gate = view.halts(view.depth)
        spent = np.zeros(len(gate))
        for depth in range(1, view.depth):
            spent = spent + view.halts(depth)
        return Leave(hazard(gate, spent) >= self.threshold)

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """From above every hazard to 0."""
        return tuple((1.0 + 1e-6 - dense_at_both_ends()).clip(min=0.0).tolist())
