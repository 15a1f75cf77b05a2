"""Leave nowhere: what every exit rule is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters._common.publish import public
from adapters.encoders.contract import EncoderPolicy, EncoderPromise, ExitView, Leave

__all__ = ["NeverLeave"]


@public("adapters.encoders")
@dataclass(kw_only=True, eq=False)
class NeverLeave(EncoderPolicy):
    """No early exit: every row runs every layer, and nothing is asked on the way."""

    promise = EncoderPromise(leaves=False, never={})

    def asks(self, layers: int) -> Sequence[int]:
        """Nowhere."""
        return ()

    def leave(self, view: ExitView) -> Leave | None:
        """No row leaves."""
        return None
