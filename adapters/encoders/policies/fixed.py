"""Leave after a fixed number of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters._common.checks import read_count, read_depth
from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave

__all__ = ["FixedDepthExit"]


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class FixedDepthExit(EncoderPolicy):
    """Exit at a fixed depth: what a smaller encoder would cost, and what a rule that looks at its rows must beat.

    Parameters
    ----------
    depth : int
        After how many layers every row leaves.

    Raises
    ------
    ews.errors.ValueRangeError
        If the depth is no whole number from 1 on.
    """

    promise = EncoderPromise({"depth": 2})
    knob = "depth"

    depth: int

    def __post_init__(self) -> None:
        self.depth = read_count("depth", self.depth)

    def bind(self, layers: int, classes: int) -> None:
        """See that there are so many layers."""
        read_depth("depth", self.depth, layers)

    def asks(self, layers: int) -> Sequence[int]:
        """There alone."""
        return (self.depth,) if self.depth < layers else ()

    def leave(self, view: ExitView) -> Leave | None:
        """All rows leave."""
        return Leave(np.ones(len(view.rows), dtype=np.bool_))

    def settings(self, layers: int, classes: int) -> tuple[Any, ...]:
        """From all layers to one."""
        return tuple(range(layers, 0, -1))
