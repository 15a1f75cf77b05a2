"""Leave by learned halting probabilities (PALBERT, PonderNet)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from adapters._common.checks import read_share
from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave
from adapters.encoders.distributions import dense_at_both_ends, exit_distribution
from ews.errors import UnknownNameError

__all__ = ["PonderPolicy"]

_EXITS = ("quantile", "sample", "expectation")


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class PonderPolicy(EncoderPolicy):
    """Exit by learned halting probabilities λ_i, of heads trained as PALBERT's.

    Parameters
    ----------
    exit : {"quantile", "sample", "expectation"}, default "quantile"
        ``"quantile"``: PALBERT's Q-exit, after the first layer by which a row would have left with a probability above
        `q`; it draws nothing. ``"sample"``: PonderNet's, a Bernoulli draw with λ_i after each layer. ``"expectation"``:
        all layers run, and the answer is the mean of the heads' probabilities, weighted by how likely a row is to
        leave after each.
    q : float, default 0.5
        The quantile; 1 for never.
    seed : int or numpy.random.Generator, default 0
        Of the draws. Each call starts anew from a whole number, and goes on with a generator. A row's draws depend on
        its place in the call alone, not on batches.

    Raises
    ------
    ews.errors.ArgumentError
        If the exit is not known, or q no number from 0 to 1.

    References
    ----------
    Balagansky, N. & Gavrilov, D. (2022). PALBERT: teaching ALBERT to ponder. NeurIPS 35, arXiv:2204.03276. Banino, A.,
    Balaguer, J. & Blundell, C. (2021). PonderNet: learning to ponder. arXiv:2107.05407.
    """

    promise = EncoderPromise({"q": 0.6}, never={"q": 1.0})
    heads: ClassVar[str | None] = "ponder"
    history = True
    knob = "q"

    exit: Literal["quantile", "sample", "expectation"] = "quantile"
    q: float = 0.5
    seed: int | np.random.Generator = 0

    def __post_init__(self) -> None:
        if self.exit not in _EXITS:
            raise UnknownNameError("exit", self.exit, _EXITS)
        self.q = read_share("q", self.q)
        np.random.default_rng(self.seed)
        self._layers = 0

    def bind(self, layers: int, classes: int) -> None:
        """Note how many layers there are."""
        self._layers = layers

    def begin(self, rows: int) -> None:
        """Draw for every row and layer, where exits are drawn."""
        if self.exit == "sample":
            self._drawn = np.random.default_rng(self.seed).random((rows, self._layers))

    def asks(self, layers: int) -> Sequence[int]:
        """After every layer but the last; for the expectation after the last alone."""
        return (layers,) if self.exit == "expectation" else range(1, layers)

    def leave(self, view: ExitView) -> Leave | None:
        """Rows leave by quantile or draw; the expectation is what they emit in the end."""
        halts = view.halts(view.depth)
        if self.exit == "quantile":
            return Leave(1.0 - self._stays(view, view.depth) > self.q)
        if self.exit == "sample":
            return Leave(self._drawn[view.rows, view.depth - 1] < halts)
        halting = view.halting
        assert halting is not None
        weights = exit_distribution(halting).unsqueeze(-1)
        mixed = (weights * view.logits.softmax(-1)).sum(1).log()
        return Leave(np.ones(len(halts), dtype=np.bool_), mixed)

    def _stays(self, view: ExitView, depth: int) -> Any:
        """Probability of not having left after a layer, ∏ (1 − λ): one less what `exit_cdf` gives."""

        def product(at: int) -> Any:
            here = 1.0 - view.halts(at)
            return here if at == 1 else self._stays(view, at - 1) * here

        return view.once("stays", depth, product)

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """Quantiles from 1, which none is above, to 0."""
        if self.exit != "quantile":
            return super().settings(layers, classes)
        return tuple((1.0 - dense_at_both_ends()).tolist())
