"""Leave where a head hesitates little (DeeBERT)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters._common.checks import read_share
from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave
from adapters.encoders.distributions import dense_at_both_ends, softmax_entropy

__all__ = ["EntropyExit"]


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class EntropyExit(EncoderPolicy):
    """Exit by entropy: a row leaves where the entropy of a head's softmax is below a threshold (DeeBERT).

    Parameters
    ----------
    threshold : float, default 0.3
        In nats; 0 for never.

    Raises
    ------
    ews.errors.ArgumentError
        If the threshold is no number from 0 on.

    References
    ----------
    Xin, J. et al. (2020). DeeBERT: dynamic early exiting for accelerating BERT inference. ACL 2020, 2246–2251.
    """

    promise = EncoderPromise({"threshold": 0.95}, never={"threshold": 0.0})
    knob = "threshold"

    threshold: float = 0.3

    def __post_init__(self) -> None:
        self.threshold = read_share("threshold", self.threshold, high=np.inf)

    def leave(self, view: ExitView) -> Leave | None:
        """Rows whose newest head hesitates little leave."""
        return Leave(softmax_entropy(view.scores) < self.threshold)

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """From 0 to beyond the entropy of an even guess, dense near both."""
        return tuple(((1.0 + 1e-6) * math.log(classes) * dense_at_both_ends()).tolist())
