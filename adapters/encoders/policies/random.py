"""Leave at random: the control for every rule that looks at its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters._common.checks import read_share
from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave

__all__ = ["RandomDepthExit"]


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class RandomDepthExit(EncoderPolicy):
    """Random exit: after each layer a row leaves with the same probability.

    Parameters
    ----------
    rate : float, default 0.2
        That probability.
    seed : int or numpy.random.Generator, default 0
        Of the draws. Each call starts anew from a whole number, and goes on with a generator. A row's draws depend on
        its place in the call alone, not on batches.

    Raises
    ------
    ews.errors.ArgumentError
        If the rate is no number from 0 to 1.
    """

    promise = EncoderPromise({"rate": 0.4}, never={"rate": 0.0})
    knob = "rate"

    rate: float = 0.2
    seed: int | np.random.Generator = 0

    def __post_init__(self) -> None:
        self.rate = read_share("rate", self.rate)
        np.random.default_rng(self.seed)
        self._layers = 0

    def bind(self, layers: int, classes: int) -> None:
        """Note how many layers there are."""
        self._layers = layers

    def begin(self, rows: int) -> None:
        """Draw for every row and layer."""
        self._drawn = np.random.default_rng(self.seed).random((rows, self._layers))

    def leave(self, view: ExitView) -> Leave | None:
        """Rows whose draw for this layer is below the rate leave."""
        found = self._drawn[view.rows, view.depth - 1] < self.rate
        return Leave(found) if found.any() else None

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """Rates from 0 to 1."""
        return tuple(np.linspace(0.0, 1.0, 41).tolist())
