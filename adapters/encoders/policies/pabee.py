"""Leave where the answer has not changed for some layers (PABEE)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters._common.checks import read_count
from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave

__all__ = ["PabeePolicy"]


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class PabeePolicy(EncoderPolicy):
    """Patience-based early exit (PABEE): a row leaves once its answer was the same over `patience` more layers.

    The count starts anew with every change of the likeliest class.

    Parameters
    ----------
    patience : int, default 6
        How many layers must repeat the answer of the layer before; with as many as the encoder has none leaves.

    Raises
    ------
    ews.errors.ValueRangeError
        If the patience is no whole number from 1 on.

    References
    ----------
    Zhou, W. et al. (2020). BERT loses patience: fast and robust inference with early exit. NeurIPS 33.
    """

    promise = EncoderPromise({"patience": 1}, never={"patience": 99})
    history = True
    knob = "patience"

    patience: int = 6

    def __post_init__(self) -> None:
        self.patience = read_count("patience", self.patience)

    def asks(self, layers: int) -> Sequence[int]:
        """From the first layer on after which the answer can have been repeated so often."""
        return range(self.patience + 1, layers)

    def leave(self, view: ExitView) -> Leave | None:
        """Rows whose answer did not change over the last `patience` layers leave."""
        newest = view.once("answer", view.depth, _answers(view))
        same = np.ones(len(newest), dtype=np.bool_)
        for depth in range(view.depth - self.patience, view.depth):
            same &= view.once("answer", depth, _answers(view)) == newest
        return Leave(same)

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """From the patience that never leaves to a single repetition."""
        return tuple(range(max(1, layers - 1), 0, -1))


def _answers(view: ExitView) -> Callable[[int], np.ndarray[Any, Any]]:
    return lambda depth: view.said(depth).argmax(-1)
