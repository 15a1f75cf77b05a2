"""The cache of keys and values where layers are left out, and what keeps it right.

Every mode leaves layer *l* with a gap-free prefix of the tokens; they differ in how the prefix of the layers after an
exit is brought up to date.

``exact``
    Attention always runs (only feed-forward blocks are left out), so there is nothing to bring up to date.
``monotone``
    Once left out, a layer is never run again in this generation, so its missing slots are never read. The cache cannot
    be handed on afterwards.
``propagate``
    The state at the exit is sent through the key and value projections of the layers left out. Approximate; one
    product.
``deferred``
    The state at the exit is kept. When a later token goes deeper, it and the tokens kept go through the missing layers
    in one pass. The cache is that of the full model.
``verify``
    As ``deferred``, and a token that left early is only a draft: it is emitted if the full model says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, StaticCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer, StaticLayer, StaticSlidingWindowLayer

from adapters.errors import UnsupportedGenerationError
from ews.errors import described

__all__ = [
    "Drafted",
    "RaggedSlots",
    "Visible",
    "is_as_seen",
    "layer_lengths",
    "require_known_cache",
    "require_level",
    "settle",
    "show_length",
    "stamps",
    "take_back",
]

_LAYERS = (DynamicLayer, DynamicSlidingWindowLayer, StaticLayer, StaticSlidingWindowLayer)


def require_known_cache(cache: Any, *, level: bool) -> None:
    """Refuse a cache that this module cannot keep right.

    Parameters
    ----------
    cache : transformers.Cache
        What the generation uses.
    level : bool
        Whether every layer takes each token as it comes. Else a layer may see several at once, or none.

    Raises
    ------
    adapters.errors.UnsupportedGenerationError
        If it is no dynamic or static cache, is kept elsewhere between layers, or is a static one with sliding windows,
        which forget by themselves, where layers are not level.
    """
    known = isinstance(cache, DynamicCache | StaticCache) and all(type(layer) in _LAYERS for layer in cache.layers)
    if not known or cache.offloading:
        kind = f"{'an offloading' if known else 'a'} {type(cache).__name__}"
        raise UnsupportedGenerationError(
            "past_key_values", described(kind), "a DynamicCache or a StaticCache, not offloading"
        )
    if not level and any(isinstance(layer, StaticSlidingWindowLayer) for layer in cache.layers):
        raise UnsupportedGenerationError(
            "past_key_values",
            described("a StaticCache with sliding windows"),
            "a DynamicCache, or a policy with cache='propagate' whose rows leave after the same layer",
        )


def layer_lengths(cache: Cache) -> list[int]:
    """How many tokens each layer has seen."""
    layers: Sequence[Any] = cache.layers  # transformers' types leave open what a layer of a cache holds
    return [int(layer.get_seq_length()) for layer in layers]


def require_level(lengths: list[int]) -> None:
    """Refuse a cache whose layers hold different numbers of tokens.

    Raises
    ------
    adapters.errors.UnsupportedGenerationError
        If they do.
    """
    if len(set(lengths)) > 1:
        raise UnsupportedGenerationError(
            "past_key_values",
            described(f"a cache whose layers hold {min(lengths)} to {max(lengths)} tokens"),
            "one whose layers hold the same: tokens waited in it when it was copied or changed layer by layer",
        )


def stamps(cache: Cache) -> list[tuple[Any, ...]]:
    """What every layer holds now: compared with the same at another time, whether anything was done to it."""
    layers: Sequence[Any] = cache.layers
    return [
        (layer.keys, _version(layer.keys), _version(layer.values), _told(getattr(layer, "cumulative_length", None)))
        for layer in layers
    ]


def is_as_seen(cache: Cache, seen: list[tuple[Any, ...]]) -> bool:
    """Whether the layers hold what they held when `seen` was taken."""
    layers: Sequence[Any] = cache.layers
    if len(layers) != len(seen):
        return False
    for layer, (keys, of_keys, of_values, told) in zip(layers, seen, strict=True):
        if layer.keys is not keys or _version(keys) != of_keys or _version(layer.values) != of_values:
            return False
        if told is not None and _told(layer.cumulative_length) != told:
            return False
    return True


def _version(held: Any) -> int:
    """How often a tensor was written to; those of inference mode do not say."""
    return -1 if held is None or held.is_inference() else int(held._version)


def _told(length: Any) -> Any:
    """A count of tokens, or how often it was written to: to read it would wait for the device."""
    return _version(length) if isinstance(length, Tensor) else length


class Drafted:
    """Entries of tokens that were drafted: all are held, and shown as far as the caller has asked for them.

    Parameters
    ----------
    cache : transformers.Cache
        Into which drafts go from now on. Sliding layers keep what their windows pass until :meth:`show`.
    """

    def __init__(self, cache: Any) -> None:
        self._recorded = [getattr(layer, "record_past", None) for layer in cache.layers]
        self._full: list[Any] = []
        self.slides = any(each is not None for each in self._recorded)  # whether some layer forgets
        cache.activate_past_recording()

    def show(self, cache: Cache, length: int) -> None:
        """Leave a cache with `length` tokens, as the plain model would: what is drafted beyond is put aside."""
        layers: Sequence[Any] = cache.layers
        if not self._full:
            self._full = [
                None if isinstance(layer, StaticLayer) else (layer.keys, layer.values, int(layer.get_seq_length()))
                for layer in layers
            ]
        for layer, full, recorded in zip(layers, self._full, self._recorded, strict=True):
            if full is None:
                layer.cumulative_length.fill_(length)  # what stands beyond is masked, and overwritten by what comes
                continue
            keys, values, end = full
            last = length - end + keys.shape[2]
            first = 0
            if recorded is not None:
                layer.record_past = recorded
                layer.cumulative_length = length
                first = 0 if recorded else max(0, last - layer.sliding_window + 1)
            layer.keys, layer.values = keys[:, :, first:last], values[:, :, first:last]


def take_back(cache: Cache, index: int, *, count: int, then: int) -> None:
    """Take the newest `count` tokens out of a layer that holds `then` others, and all that its window has passed."""
    layer: Any = cache.layers[index]
    if isinstance(layer, StaticLayer):
        layer.cumulative_length.fill_(then)  # what stands beyond is masked, and overwritten by what comes
        return
    layer.keys, layer.values = layer.keys[:, :, :-count], layer.values[:, :, :-count]
    if isinstance(layer, DynamicSlidingWindowLayer):
        layer.cumulative_length = then


class Visible:
    """A cache that hands attention what the mask speaks of, also where sliding layers hold more for the time being.

    Parameters
    ----------
    cache : transformers.Cache
        The cache of the generation.
    """

    is_compileable = False

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """What attention calls."""
        layer: Any = self.cache.layers[layer_idx]
        visible, _offset = layer.get_mask_sizes(keys.shape[2])
        held = layer.update(keys, values)
        return (held[0][:, :, -visible:], held[1][:, :, -visible:])


def show_length(cache: Cache, length: int) -> None:
    """Let the first layer of a fixed size say `length`: ``generate`` reads there how far it is, and masks by it."""
    first: Any = cache.layers[0]
    if isinstance(first, StaticLayer):
        first.cumulative_length.fill_(length)


class RaggedSlots:
    """What a layer takes for its cache where rows are not equally far.

    A row's new keys and values go to that row's slots; rows that are behind leave holes, which they fill later. No
    sliding layer forgets anything before :func:`settle`.

    Parameters
    ----------
    cache : transformers.Cache
        The cache of the generation.
    """

    is_compileable = False

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._rows: Tensor | None = None
        self._fresh: tuple[Tensor, Tensor] | None = None
        self._targets: tuple[Tensor, Tensor] | None = None
        self._end = 0

    def aim(self, rows: Tensor | None, fresh: tuple[Tensor, Tensor], targets: tuple[Tensor, Tensor], end: int) -> None:
        """Say where the next layer's keys and values go, which must have slots up to `end` then.

        The rows that run have these indices (None: all). Of each new entry `fresh` is its row among those that run and
        its token within the block, `targets` its row in the batch and its slot.
        """
        self._rows, self._fresh, self._targets, self._end = rows, fresh, targets, end

    def reach(self, index: int, end: int) -> tuple[int, int]:
        """Give a layer `end` slots; length and offset of what it holds then."""
        layer: Any = self.cache.layers[index]
        if isinstance(layer, StaticLayer):
            return layer.max_cache_len, 0
        offset = _offset(layer)
        short = end - offset - layer.keys.shape[2]
        if short > 0:
            for name in ("keys", "values"):
                held = getattr(layer, name)
                more = held.new_zeros((*held.shape[:2], short, held.shape[3]))
                setattr(layer, name, torch.cat((held, more), dim=2))
            if isinstance(layer, DynamicSlidingWindowLayer):
                layer.cumulative_length = end
        return layer.keys.shape[2], offset

    def write(self, index: int, rows: Tensor, slots: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put entries, keys and values of shape (entries, heads, size), to their rows and slots."""
        layer: Any = self.cache.layers[index]
        rows, slots = rows.to(layer.keys.device), slots.to(layer.keys.device) - _offset(layer)
        layer.keys[rows, :, slots] = keys
        layer.values[rows, :, slots] = values

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """What attention calls: takes in the new, returns all of the rows that run."""
        assert self._fresh is not None  # aim() comes first
        assert self._targets is not None
        self.reach(layer_idx, self._end)
        row, token = (each.to(keys.device) for each in self._fresh)
        taken = keys.transpose(1, 2)[row, token], values.transpose(1, 2)[row, token]
        self.write(layer_idx, *self._targets, *taken)
        layer: Any = self.cache.layers[layer_idx]
        if self._rows is None:
            return layer.keys, layer.values
        rows = self._rows.to(keys.device)
        return layer.keys.index_select(0, rows), layer.values.index_select(0, rows)


def settle(cache: Cache, length: int) -> None:
    """Tell every layer that all rows hold `length` tokens, and let sliding layers forget."""
    layers: Sequence[Any] = cache.layers
    for layer in layers:
        if isinstance(layer, StaticLayer):
            layer.cumulative_length.fill_(length)
        elif isinstance(layer, DynamicSlidingWindowLayer):
            layer.cumulative_length = length
            keys: Any = layer.keys
            values: Any = layer.values
            layer.keys, layer.values = (held[:, :, -layer.sliding_window + 1 :] for held in (keys, values))


def _offset(layer: Any) -> int:
    """Slot of the first key that a layer holds."""
    if isinstance(layer, DynamicSlidingWindowLayer):
        keys: Any = layer.keys
        return int(layer.cumulative_length) - int(keys.shape[2])
    return 0
