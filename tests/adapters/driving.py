"""What drives the engine in tests: prompts, policies that follow a script, and slow, obvious oracles made of hooks.

A hook changes what a layer of the plain model returns, so an oracle runs the model's own ``generate`` and shares no
code with the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Cache, DynamicCache, PreTrainedModel

from adapters.decoding.contract import CacheMode, Exit, FFNRoute, Plan, Policy, Trajectory, Unit
from adapters.families import Family, family_of
from tests.adapters.tiny import TINY, VOCABULARY

__all__ = [
    "ByCheck",
    "Feeding",
    "Growing",
    "Routed",
    "Scripted",
    "TOKENS",
    "alone",
    "cache_of",
    "counted",
    "fed_as",
    "full_cache",
    "layers_left_out",
    "plain",
    "prompt",
    "spread",
    "states_after",
    "tiny",
    "worst",
]

TOKENS = 7  # of the longest prompt


@cache
def tiny(name: str, dtype: torch.dtype = torch.float32, attention: str = "sdpa") -> PreTrainedModel:
    """A tiny model, built once."""
    return TINY[name](dtype=dtype, attn_implementation=attention)


def prompt(rows: int = 1, *, padded: bool = False, seed: int = 0, tokens: int = TOKENS) -> dict[str, Tensor]:
    """Token ids and, where padded, a mask: row r begins with 2 r slots of padding."""
    drawn = torch.randint(1, VOCABULARY, (rows, tokens), generator=torch.Generator().manual_seed(seed))
    mask = torch.ones_like(drawn)
    for row in range(rows if padded else 0):
        mask[row, : 2 * row] = 0
    return {"input_ids": drawn * mask, "attention_mask": mask}


def alone(inputs: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """One row without its padding."""
    held = inputs["attention_mask"][row].bool()
    return {name: one[row : row + 1, held] for name, one in inputs.items()}


def plain(model: Any, inputs: dict[str, Tensor], *, tokens: int = 8, **options: Any) -> Any:
    """The model's own ``generate``, greedy unless told otherwise, with what came out of the model."""
    options = {"max_new_tokens": tokens, "do_sample": False, **options}
    return model.generate(**inputs, return_dict_in_generate=True, output_logits=True, **options)


# ---- policies ------------------------------------------------------------------------------------------------------


class Scripted(Policy):
    """Row r of token t leaves after ``depths[t, r]`` layers, which is said beforehand."""

    def __init__(self, depths: Any, *, cache: CacheMode = "deferred", unit: Unit = "layer") -> None:
        super().__init__(unit=unit, cache=cache)
        self.depths = np.asarray(depths)
        self.steps: list[int] = []

    def plan(self, step: int) -> Plan:
        """The row of the script."""
        self.steps.append(step)
        return Plan(exit=self.depths[step % len(self.depths)])


class ByCheck(Scripted):
    """The same script, but each row is asked after every layer, the last included."""

    def bind(self, family: Family) -> None:
        """Ask everywhere."""
        self.checks = tuple(range(1, family.depth + 1))

    def plan(self, step: int) -> Plan:
        """Nothing is known beforehand."""
        self.now = self.depths[step % len(self.depths)]
        return Plan(checks=self.checks)

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Those that the script lets go here."""
        rows = self.now == trajectory.depth
        return Exit(rows=rows if trajectory.rows is None else rows[trajectory.rows])


class Feeding(Policy):
    """Feed-forward block l of token t runs for row r where ``runs[t, l, r]``."""

    def __init__(self, runs: Any, *, cache: CacheMode = "exact") -> None:
        super().__init__(unit="ffn", cache=cache)
        self.runs = np.asarray(runs)
        self.told: list[int] = []

    def plan(self, step: int) -> Plan:
        """Ask in every layer."""
        self.now = self.runs[step % len(self.runs)]
        return Plan(ffn_checks=frozenset(range(self.runs.shape[1])))

    def run_ffn(self, index: int, post_attention: Tensor) -> Any:
        """As the script says."""
        assert len(post_attention) == self.now.shape[1]
        return self.now[index]

    def ffn_done(self, index: int, post_attention: Tensor, after: Tensor) -> None:
        """Note the layer."""
        self.told.append(index)


class Routed(Policy):
    """Feed-forward block l of token t goes route ``routes[t, r, l]`` in row r, which is planned or asked for."""

    def __init__(self, routes: Any, *, instead: Callable[[int, Tensor], Tensor], planned: bool) -> None:
        super().__init__(unit="ffn", cache="exact")
        self.routes, self.instead, self.planned = np.asarray(routes), instead, planned
        self.substituted = 0

    def plan(self, step: int) -> Plan:
        """The routes, or a question in every layer."""
        self.now = self.routes[step % len(self.routes)]
        return Plan(ffn_routes=self.now) if self.planned else Plan(ffn_checks=frozenset(range(self.now.shape[1])))

    def run_ffn(self, index: int, post_attention: Tensor) -> Any:
        """As the script says."""
        assert not self.planned
        return self.now[:, index]

    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
        """What stands in."""
        self.substituted += len(post_attention)
        return self.instead(index, post_attention)


class Growing(Policy):
    """Layers ``bands[t]`` are left out of token t, as in SkipDecode."""

    def __init__(self, bands: Sequence[Sequence[int]], *, cache: CacheMode = "monotone") -> None:
        super().__init__(unit="layer", cache=cache)
        self.bands = bands

    def plan(self, step: int) -> Plan:
        """The band of this token."""
        return Plan(skip_layers=frozenset(self.bands[min(step, len(self.bands) - 1)]))


# ---- oracles -------------------------------------------------------------------------------------------------------


@contextmanager
def hooked(modules: Sequence[Any], hook: Callable[[int], Any], *, before: bool = False) -> Iterator[None]:
    """A hook on each of some modules, made from its index."""
    with ExitStack() as stack:
        for index, module in enumerate(modules):
            register = module.register_forward_pre_hook if before else module.register_forward_hook
            stack.callback(register(hook(index), with_kwargs=True).remove)
        yield


@contextmanager
def counted(model: Any, *, halves: bool = False) -> Iterator[list[tuple[int, int, int]]]:
    """Every call of a layer: its index, rows and tokens; of its attention, where layers may be run in `halves`."""
    calls: list[tuple[int, int, int]] = []
    family = family_of(model)

    def hook(index: int) -> Any:
        def note(_: Any, args: Any, named: Any) -> None:
            hidden = args[0] if args else named["hidden_states"]
            calls.append((index, *hidden.shape[:2]))

        return note

    modules = [family.attention(index) for index in range(family.depth)] if halves else family.layers
    with hooked(modules, hook, before=True):
        yield calls


@contextmanager
def layers_left_out(model: Any, bands: Sequence[Sequence[int]]) -> Iterator[None]:
    """Layers ``bands[t]`` of the plain model do nothing to token t (which counts one-token calls)."""
    seen: dict[int, int] = {}

    def hook(index: int) -> Any:
        def undo(_: Any, args: Any, __: Any, output: Any) -> Any:
            entering = args[0]
            if entering.shape[1] > 1:
                return output
            step = seen[index] = seen.get(index, -1) + 1
            if index not in bands[min(step, len(bands) - 1)]:
                return output
            return (entering, *output[1:]) if isinstance(output, tuple) else entering

        return undo

    with hooked(family_of(model).layers, hook):
        yield


@contextmanager
def fed_as(model: Any, runs: Any, instead: Tensor | None = None) -> Iterator[None]:
    """Feed-forward block l of token t gives 0 in row r unless ``runs[t, l, r]``, or ``instead[l]`` where that is 2."""
    runs = np.asarray(runs)
    layers = family_of(model).layers
    # The last of what a block does before what it found is added.
    named = ("post_feedforward_layernorm", "mlp.dense_4h_to_h", "mlp", "fc2")
    held = [dict(layer.named_modules()) for layer in layers]
    blocks = [next(parts[name] for name in named if name in parts) for parts in held]
    seen: dict[int, int] = {}
    rows = runs.shape[2]

    def hook(index: int) -> Any:
        def silence(_: Any, args: Any, __: Any, output: Tensor) -> Tensor:
            if output.reshape(rows, -1, output.shape[-1]).shape[1] > 1:
                return output
            step = seen[index] = seen.get(index, -1) + 1
            route = torch.as_tensor(1 * runs[step % len(runs), index]).view(rows, *[1] * (output.ndim - 1))
            other = 0.0 * output if instead is None else torch.where(route == FFNRoute.SUBSTITUTE, instead[index], 0.0)
            return torch.where(route == FFNRoute.FULL, output, other)

        return silence

    with hooked(blocks, hook):
        yield


@torch.no_grad()
def states_after(model: Any, inputs: dict[str, Tensor]) -> list[Tensor]:
    """The residual stream after each layer of the plain model, from one pass over everything."""
    states: list[Tensor] = []

    def hook(index: int) -> Any:
        def keep(_: Any, __: Any, ___: Any, output: Any) -> None:
            states.append(output[0] if isinstance(output, tuple) else output)

        return keep

    with hooked(family_of(model).layers, hook):
        model(**inputs, position_ids=positions(inputs), use_cache=False)
    return states


def positions(inputs: dict[str, Tensor]) -> Tensor:
    """Positions as ``generate`` counts them."""
    return (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)


def continued(inputs: dict[str, Tensor], sequences: Tensor) -> dict[str, Tensor]:
    """A generated sequence with its mask."""
    mask = inputs["attention_mask"]
    more = mask.new_ones((len(mask), sequences.shape[1] - mask.shape[1]))
    return {"input_ids": sequences, "attention_mask": torch.cat((mask, more), dim=1)}


@torch.no_grad()
def full_cache(model: Any, inputs: dict[str, Tensor], sequences: Tensor, *, one_by_one: bool = False) -> Cache:
    """What the plain model's cache holds before the last token of `sequences`, from one pass or from one a token."""
    cache = DynamicCache(config=model.config)
    whole = continued(inputs, sequences)
    ids, mask, place = whole["input_ids"], whole["attention_mask"], positions(whole)
    first = inputs["input_ids"].shape[1] if one_by_one else ids.shape[1] - 1
    begin = 0
    for end in range(first, ids.shape[1]):
        part = slice(begin, end)
        model(ids[:, part], attention_mask=mask[:, :end], position_ids=place[:, part], past_key_values=cache)
        begin = end
    return cache


def cache_of(cache: Cache, length: int) -> list[Tensor]:
    """Keys and values of each layer's newest slots that it must hold, side by side: (1, rows, heads, slots, size)."""
    held = []
    for layer in cache.layers:
        window = getattr(layer, "sliding_window", None)
        last = length if window is None else min(length, window - 1)
        filled = length if layer.keys.shape[2] > length else layer.keys.shape[2]
        both = torch.cat((layer.keys, layer.values), dim=-1)
        held.append(both[None, :, :, :filled][:, :, :, -last:])
    return held


def worst(found: Cache, expected: Cache, inputs: dict[str, Tensor], length: int) -> float:
    """Largest difference of two caches, padding left out."""
    mask = inputs["attention_mask"]
    differences = [0.0]
    for one, other in zip(cache_of(found, length), cache_of(expected, length), strict=True):
        assert one.shape == other.shape
        held = torch.ones((len(mask), length), dtype=torch.bool)
        held[:, : mask.shape[1]] = mask.bool()
        held = held[:, -one.shape[3] :]
        differences.append(float(((one - other).abs() * held[None, :, None, :, None]).max()))
    return max(differences)


def spread(model: Any, inputs: dict[str, Tensor], sequences: Tensor) -> float:
    """How much the plain model's cache differs from itself between one pass and one-token passes."""
    length = sequences.shape[1] - 1
    one, other = (full_cache(model, inputs, sequences, one_by_one=each) for each in (False, True))
    return worst(one, other, inputs, length)
