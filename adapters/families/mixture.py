"""Decoders whose feed-forward block is a mixture: of its experts a router chooses a few for each token."""

from __future__ import annotations

from adapters.families.base import Family, Module

__all__ = ["Mixture"]


class Mixture(Family):
    """A decoder whose feed-forward blocks, or most of them, hold experts.

    To a policy such a block is one, router and experts shared by all tokens included: it runs, or is left out. Experts
    are chosen for each token by itself, so that a row goes the same way alone and in a batch.
    """

    def experts(self, index: int) -> Module | None:
        """The module that holds the experts of layer `index`; None where its block is a plain one."""
        return getattr(self.layers[index].mlp, "experts", None)

    def weights_read(self, index: int) -> float:
        """How many weights of layer `index` a token meets: of the experts, as many as the router chooses."""
        every = super().weights_read(index)
        experts = self.experts(index)
        if experts is None:
            return every
        stacks = list(experts.parameters())
        held = sum(each.numel() for each in stacks)
        return every - held * (1 - self.config.num_experts_per_tok / len(stacks[0]))
