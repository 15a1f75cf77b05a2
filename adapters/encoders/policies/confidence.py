"""Leave where a head is sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters._common.checks import read_share
from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave
from adapters.encoders.distributions import dense_at_both_ends, largest_probability

__all__ = ["ConfidenceExit"]


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class ConfidenceExit(EncoderPolicy):
    """Exit by confidence: a row leaves where the likeliest class is likely enough (softmax response).

    Parameters
    ----------
    threshold : float, default 0.9
        Probability from which it is; above 1 none leaves.

    Raises
    ------
    ews.errors.ArgumentError
        If the threshold is no number from 0 on.

    References
    ----------
    Schuster, T. et al. (2022). Confident adaptive language modeling. NeurIPS 35, sec. 3.2.
    """

    promise = EncoderPromise({"threshold": 0.5}, never={"threshold": 1.01})
    knob = "threshold"

    threshold: float = 0.9

    def __post_init__(self) -> None:
        self.threshold = read_share("threshold", self.threshold, high=np.inf)

    def leave(self, view: ExitView) -> Leave | None:
        """Rows whose newest head is sure leave."""
        return Leave(largest_probability(view.scores) >= self.threshold)

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """From certainty, which none reaches, to the share of a class among all, dense near both."""
        return tuple((1.0 + 1e-6 - (1.0 - 1.0 / classes) * dense_at_both_ends()).tolist())
