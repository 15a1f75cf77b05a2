"""Layers whose attention and feed-forward block read the same state, and are added to it together."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from torch import Tensor

from adapters.families.base import Family, Rotary

__all__ = ["SideBySide"]


class SideBySide(Family):
    """A decoder whose halves run side by side: (attention + feed-forward block) + state, rounded in this order."""

    def in_turn(self, index: int) -> bool:
        """Whether the block of layer `index` reads what its attention left, as in other families."""
        return False

    @abstractmethod
    def look(self, index: int, hidden: Tensor, arguments: dict[str, Any]) -> Tensor:
        """What the attention of layer `index` adds to the state."""

    @abstractmethod
    def fed(self, index: int, read: Tensor) -> Tensor:
        """What the feed-forward block of layer `index` adds to the state, from the state that it reads."""

    def halves(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> tuple[Tensor, Tensor | None]:
        """As :meth:`attend`, and what the attention found, to be added to what the block finds first."""
        found = self.look(index, hidden, self.arguments(index, mask, position_ids, rotary, cache))
        return hidden + found, None if self.in_turn(index) else found

    def attend(
        self, index: int, hidden: Tensor, *, mask: Tensor | None, position_ids: Tensor, rotary: Rotary, cache: Any
    ) -> Tensor:
        """The first half of layer `index`: the residual stream after its attention."""
        context: dict[str, Any] = {"mask": mask, "position_ids": position_ids, "rotary": rotary, "cache": cache}
        return self.halves(index, hidden, **context)[0]

    def feed(self, index: int, post_attention: Tensor, entering: Tensor) -> Tensor:
        """The second half, without what the attention found: side by side it may differ in the last bit."""
        return self.fed(index, post_attention if self.in_turn(index) else entering) + post_attention

    def second(self, index: int, post_attention: Tensor, entering: Tensor, found: Tensor | None) -> Tensor:
        """The second half, added in the order of the layer."""
        if found is None:
            return self.feed(index, post_attention, entering)
        return (found + self.fed(index, entering)) + entering
