"""How little feed-forward blocks change, and what becomes of the text without them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adapters.decoding.contract import Plan, Policy
from adapters.families import Family
from adapters.texts.continuations import Continuation, batches, decided_positions
from adapters.texts.reading import IntArray, padded, positions

__all__ = ["FeedCheck", "LeavesFeedsOut", "check_feeds"]

_ROWS = 256  # tokens whose vocabulary-wide scores are held at once


@dataclass(frozen=True, slots=True)
class FeedCheck:
    """The feed-forward block of one layer.

    Attributes
    ----------
    layer : int
        Its index.
    cosine : float
        Median cosine, over tokens, of the residual stream before the block and after its output was added.
    changed : float or None
        Share of tokens that are others when this block alone is left out, for all but the prompt; None where not
        measured.
    """

    layer: int
    cosine: float
    changed: float | None


@torch.no_grad()
def check_feeds(
    family: Family,
    texts: Sequence[Continuation],
    *,
    indices: Sequence[int] | IntArray,
    layers: Collection[int],
    batch_size: int = 8,
) -> tuple[FeedCheck, ...]:
    """Cosines at every layer, and what changes without each of some blocks, on text that the whole model wrote.

    Parameters
    ----------
    family : Family
        The model.
    texts : sequence of Continuation
        All texts.
    indices : sequence of int
        Which of them.
    layers : collection of int
        Whose blocks are left out, one after the other; each takes the layers above it once more.
    batch_size : int, default 8
        Texts in one pass.

    Returns
    -------
    tuple of FeedCheck
        One for each layer of the model.
    """
    cosines: list[list[Tensor]] = [[] for _ in range(family.depth)]
    changed: dict[int, list[Tensor]] = {index: [] for index in layers}
    for chosen in batches([int(index) for index in indices if texts[index].decided], batch_size):
        batch = [texts[index] for index in chosen]
        ids, mask = padded([each.tokens for each in batch])
        flat = decided_positions(batch, ids.shape[1]).flatten().nonzero()[:, 0].to(family.model.device)
        ids, mask = ids.to(family.model.device), mask.to(family.model.device)
        places = positions(mask)
        hidden = family.embed(ids, places)
        rotary = family.rotary(hidden, places)
        masks = family.masks(hidden, None if bool(mask.all()) else mask, None, places)

        def context(index: int, masks: Any = masks, places: Tensor = places, rotary: Any = rotary) -> dict[str, Any]:
            return {"mask": masks[family.kinds[index]], "position_ids": places, "rotary": rotary, "cache": None}

        without: dict[int, Tensor] = {}
        for index in range(family.depth):
            middle = family.attend(index, hidden, **context(index))
            after = family.feed(index, middle, hidden)
            pair = (_kept(middle, flat).float(), _kept(after, flat).float())
            cosines[index].append(torch.nn.functional.cosine_similarity(*pair, dim=-1))
            if index in changed:  # the prompt runs in full, as it does under a policy
                without[index] = after.flatten(0, 1).index_copy(0, flat, _kept(middle, flat)).view_as(after)
            hidden = after
        dense = _said(family, _kept(hidden, flat))
        for index, others in changed.items():
            other = without.pop(index)
            for above in range(index + 1, family.depth):
                other = family.run(above, other, **context(above))
            others.append(_said(family, _kept(other, flat)) != dense)
    return tuple(
        FeedCheck(
            layer=index,
            cosine=float(torch.cat(each).median()),
            changed=float(torch.cat(changed[index]).double().mean()) if index in changed else None,
        )
        for index, each in enumerate(cosines)
    )


class LeavesFeedsOut(Policy):
    """Leave the same feed-forward blocks out for every token.

    Parameters
    ----------
    layers : collection of int
        Whose.
    """

    def __init__(self, layers: Collection[int]) -> None:
        super().__init__(unit="ffn", cache="exact")
        self._plan = Plan(feeds=frozenset(layers))

    def plan(self, step: int) -> Plan:  # noqa: ARG002 (the contract's)
        """Always the same."""
        return self._plan

    def feeds(self, index: int, middle: Tensor) -> bool:  # noqa: ARG002 (the contract's)
        """None of those that are asked about."""
        return False


def _kept(hidden: Tensor, flat: Tensor) -> Tensor:
    return hidden.flatten(0, 1).index_select(0, flat)


def _said(family: Family, states: Tensor) -> Tensor:
    return torch.cat([family.logits(family.finish(part)).argmax(-1) for part in torch.split(states, _ROWS)])
