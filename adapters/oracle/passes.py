"""Tokens of a text on routes of their own, each before the same past: that of the full model.

A token's keys and values of earlier tokens are those that the full model left (attention is shared, and exact), so
that a route changes the token that takes it and no other. All decided tokens of a text go side by side: each sees the
full model's keys of what came before it, and its own of the route.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import DynamicCache

from adapters.families import Family
from adapters.heads.small_ffn import SmallFFNs
from adapters.oracle.routes import CHOICES, IntArray, Unit
from adapters.texts.continuations import Continuation

__all__ = ["TokenPass"]

FULL, SMALL = CHOICES["big"], CHOICES["small"]
_AT_ONCE = 1 << 13  # tokens × routes in one pass
_READ = 1 << 9  # states that the head reads at once

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


class TokenPass:
    """The decided tokens of one text, ready to be sent on routes.

    Parameters
    ----------
    family : Family
        The model.
    text : Continuation
        The text.
    unit : {"ffn", "layer", "exit"}
        What a route leaves out: feed-forward blocks alone, or layers.
    small : SmallFFNs or None
        What stands in for feed-forward blocks.

    Attributes
    ----------
    states : Tensor of shape (tokens, depth + 1, width)
        The full model's, after 0, 1, 2, … layers.
    """

    @torch.no_grad()
    def __init__(self, family: Family, text: Continuation, *, unit: Unit, small: SmallFFNs | None) -> None:
        self.family, self.small, self.unit = family, small, unit
        ids = torch.as_tensor(text.tokens, device=family.home)[None]
        positions = torch.arange(ids.shape[1], device=family.home)[None]
        hidden = family.embed(ids, positions)
        rotary = family.rotary(hidden, positions)
        masks = family.masks(hidden, None, None, positions)
        cache = DynamicCache()
        at = torch.arange(text.prompt, ids.shape[1] - 1, device=family.home)
        states = [hidden[0, at]]
        for index in range(family.depth):
            kind = masks[family.kinds[index]]
            hidden = family.run(index, hidden, mask=kind, position_ids=positions, rotary=rotary, cache=cache)
            states.append(hidden[0, at])
        self.states = torch.stack([each.to(family.home) for each in states], 1)
        held: list[Any] = list(cache.layers)
        self._past: list[tuple[Tensor, Tensor]] = [(layer.keys, layer.values) for layer in held]
        self._positions = positions[:, at]
        self._rotary = (
            None
            if rotary is None
            else {kind: tuple(each[:, at.to(each.device)] for each in pair) for kind, pair in rotary.items()}
        )
        self._wanted = ids[0, at + 1]
        self._at = at.tolist()
        self._masks = {index: self._mask(at, ids.shape[1], index) for index in range(family.depth)}
        # Where scores say how far a key is by its place among them (ALiBi), a token's own must be the next.
        self._in_place = rotary is None and hasattr(family.decoder, "build_alibi_tensor")

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return len(self._wanted)

    def _mask(self, at: Tensor, length: int, index: int) -> Tensor:
        """Each token sees what came before it, and itself on its route, which stands behind all of that."""
        keys = torch.arange(length, device=at.device)
        before = keys < at[:, None]
        window = self.family.windows[index]
        if window is not None:
            before &= keys > at[:, None] - window
        seen = torch.cat((before, torch.eye(len(at), dtype=torch.bool, device=at.device)), dim=1)[None, None]
        if getattr(self.family.config, "_attn_implementation", None) == "sdpa":
            return seen
        dtype = self.states.dtype
        return torch.where(seen, torch.zeros((), dtype=dtype, device=at.device), torch.finfo(dtype).min)

    @torch.no_grad()
    def losses(self, routes: IntArray) -> FloatArray:
        """Cross-entropy of the token that follows, on each route.

        Parameters
        ----------
        routes : ndarray of int64 of shape (routes, depth) or (routes, tokens, depth)
            For all tokens, or for each.

        Returns
        -------
        ndarray of float64 of shape (routes, tokens)
            In nats.
        """
        wide = np.broadcast_to(
            routes[:, None] if routes.ndim == 2 else routes, (len(routes), self.tokens, self.family.depth)
        )
        rows = max(1, _AT_ONCE // max(self.tokens, 1))
        parts = [self._losses(wide[start : start + rows]) for start in range(0, len(wide), rows)]
        return np.concatenate(parts) if parts else np.empty((0, self.tokens))

    @torch.no_grad()
    def follow(self, choose: Callable[[int, Tensor], Tensor]) -> tuple[FloatArray, IntArray]:
        """Cross-entropy where something chooses the block of each token on its way, and the routes that come of it.

        Parameters
        ----------
        choose : callable
            Of a layer and the states after its attention, shape (tokens, width): :class:`adapters.FFNRoute` of each.

        Returns
        -------
        (ndarray of float64 of shape (tokens,), ndarray of int64 of shape (tokens, depth))
            In nats; and the routes.
        """
        hidden, routes = self.states[:, 0][None], []
        for index in range(self.family.depth):
            halves = self._attend(index, hidden)
            routes.append(choose(index, halves[0][0]))
            hidden = self._feed(index, halves, hidden, routes[-1][None])
        return self._read(hidden)[0], torch.stack(routes, 1).cpu().numpy()

    def _losses(self, routes: IntArray) -> FloatArray:
        family, home = self.family, self.family.home
        hidden = self.states[:, 0].expand(len(routes), -1, -1)
        for index in range(family.depth):
            chosen = torch.as_tensor(np.ascontiguousarray(routes[..., index]), device=home)
            if self.unit == "ffn":
                after = self._feed(index, self._attend(index, hidden), hidden, chosen)
            else:
                runs = (chosen == FULL).any(1).nonzero()[:, 0]
                if not len(runs):
                    continue
                entering = hidden.index_select(0, runs)
                post_attention, attention = self._attend(index, entering)
                found = family.second(index, post_attention, entering, attention).to(home)
                found = torch.where((chosen.index_select(0, runs) == FULL)[..., None], found, entering)
                after = hidden.index_copy(0, runs, found)
            hidden = after
        return self._read(hidden)

    def _attend(self, index: int, hidden: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the first half leaves, and what the second needs to add as the layer does."""
        whole, mask = slice(None), self._masks[index]
        if not self._in_place:
            return self._attended(index, hidden, mask, whole, None)
        parts = []
        for number, at in enumerate(self._at):
            token = slice(number, number + 1)
            own = torch.cat((mask[:, :, token, :at], mask[:, :, token, -self.tokens + number, None]), dim=-1)
            parts.append(self._attended(index, hidden[:, token], own, token, at))
        found = [each for _, each in parts if each is not None]
        return torch.cat([each for each, _ in parts], dim=1), torch.cat(found, dim=1) if found else None

    def _attended(
        self, index: int, hidden: Tensor, mask: Tensor, tokens: slice, length: int | None
    ) -> tuple[Tensor, Tensor | None]:
        """After the attention, of some tokens before the first so many keys of the full model (None: all)."""
        past = DynamicCache()
        keys, values = (each[:, :, :length].expand(len(hidden), -1, -1, -1) for each in self._past[index])
        past.update(keys, values, index)
        rotary: Any = self._rotary
        halves = self.family.halves(
            index,
            self.family.placed(index, hidden),
            mask=mask,
            position_ids=self._positions[:, tokens].expand(len(hidden), -1),
            rotary=rotary,
            cache=past,
        )
        post_attention, found = (None if each is None else each.to(self.family.home) for each in halves)
        assert post_attention is not None
        return post_attention, found

    def _feed(self, index: int, halves: tuple[Tensor, Tensor | None], entering: Tensor, chosen: Tensor) -> Tensor:
        """Each token through the block that its route says."""
        flat, before, route = halves[0].flatten(0, 1), entering.flatten(0, 1), chosen.flatten()
        attention = None if halves[1] is None else halves[1].flatten(0, 1)
        found = flat
        for choice in (FULL, SMALL):
            at = (route == choice).nonzero()[:, 0]
            if len(at):
                post_attention = flat.index_select(0, at)
                if choice == FULL:
                    looked = None if attention is None else attention.index_select(0, at)
                    after = self._big(index, post_attention, before.index_select(0, at), looked)
                else:
                    after = self._little(index, post_attention)
                found = found.index_copy(0, at, after.to(flat))
        return found.view_as(halves[0])

    def _big(self, index: int, post_attention: Tensor, entering: Tensor, attention: Tensor | None) -> Tensor:
        looked = None if attention is None else attention[:, None]
        found: Tensor = self.family.second(index, post_attention[:, None], entering[:, None], looked)
        return found[:, 0]

    def _little(self, index: int, post_attention: Tensor) -> Tensor:
        assert self.small is not None
        added: Tensor = self.small(index, post_attention)
        return post_attention + added.to(post_attention)

    def _read(self, hidden: Tensor) -> FloatArray:
        flat, wanted = hidden.flatten(0, 1), self._wanted.repeat(len(hidden))
        parts = [self._losses_of(flat[start : start + _READ], wanted[start : start + _READ]) for start in _starts(flat)]
        return torch.cat(parts).view(hidden.shape[:2]).double().cpu().numpy()

    def _losses_of(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        logits = self.family.logits(self.family.finish(hidden[:, None]))[:, 0]
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return F.cross_entropy(wide, wanted.to(wide.device), reduction="none")


def _starts(flat: Tensor) -> Iterator[int]:
    return iter(range(0, len(flat), _READ))
