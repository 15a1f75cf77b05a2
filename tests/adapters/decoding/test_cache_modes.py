"""Every way to keep the cache against a slow oracle: the plain model with hooks, or one row and one layer at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import Cache, DynamicCache

from adapters.decoding.projection import Projection
from adapters.errors import MonotonicityError, UnsupportedGenerationError
from adapters.families import Family, family_of
from adapters.policies import Exit, FFNRoute, FixedExitPolicy, Plan, Policy, RandomExitPolicy, Trajectory
from ews.errors import ArgumentError, InputTypeError, ValueRangeError
from tests.adapters.driving import (
    ByCheck,
    Feeding,
    Growing,
    Routed,
    Scripted,
    alone,
    cache_of,
    continued,
    counted,
    fed_as,
    full_cache,
    layers_left_out,
    plain,
    prompt,
    states_after,
    tiny,
    worst,
)
from tests.adapters.tiny import SINGLE, THOROUGH, TINY, VOCABULARY, WINDOWED

TOKENS, LAYERS = 16, 5
PROMPT = prompt()["input_ids"].shape[1]
EXACT = 1e-9  # float64
# Gemma's norm, and generate's logits, are float32 in a float64 model too.
ROUNDED = 2e-5

every_model = pytest.mark.parametrize("name", TINY)
rows_of_batch = pytest.mark.parametrize("rows", [1, 3])


def script(rows: int, *, rate: float = 0.6, seed: int = 0) -> np.ndarray[Any, Any]:
    """Depths, tokens × rows, of which a share `rate` is drawn."""
    random = np.random.default_rng(seed)
    depths = random.integers(1, LAYERS, (TOKENS, rows))
    return np.where(random.random((TOKENS, rows)) < rate, depths, LAYERS)


def fine(name: str) -> Any:
    """A model in the type that it is exact in."""
    return tiny(name, torch.float32 if name in SINGLE else torch.float64)


def exact(name: str) -> float:
    """How far keys and values may be from those of an oracle."""
    return 1e-3 if name in SINGLE else ROUNDED if name.startswith("gemma") else EXACT


def rounded(name: str) -> dict[str, float]:
    """How far logits may be, which generate rounds to float32."""
    return dict.fromkeys(("rtol", "atol"), 1e-3 if name in SINGLE else ROUNDED)


def spoken(family: Family, hidden: Tensor) -> Tensor:
    """What the model's own head makes of a state, shape (width,)."""
    return family.logits(family.finish(hidden[None, None]))[0, 0].float()


# ---- deferred ------------------------------------------------------------------------------------------------------


@every_model
@rows_of_batch
@pytest.mark.parametrize("way", [Scripted, ByCheck])
def test_deferred_emits_what_the_whole_pass_knew_there(name: str, rows: int, way: Any) -> None:
    model, inputs = fine(name), prompt(rows, padded=True)
    depths = script(rows)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=way(depths))
    states = states_after(model, continued(inputs, found.sequences[:, :-1]))
    begin = inputs["input_ids"].shape[1]
    for step in range(TOKENS - 1):
        for row in range(rows):
            expected = spoken(family_of(model), states[depths[step, row] - 1][row, begin + step])
            torch.testing.assert_close(found.logits[step + 1][row], expected, **rounded(name))


@every_model
def test_a_long_wait_is_made_good_in_one_pass(name: str) -> None:
    """Tokens that wait for more than a window, then one that goes all the way; and some that wait when all ends."""
    model, inputs = fine(name), prompt()
    for ending in (LAYERS, 2):
        depths = np.array([*[2] * 6, 3, 1, *[2] * 4, ending, 1, 4])[:, None]
        with counted(model) as calls:
            policy = Scripted(depths)
            found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
        length = found.sequences.shape[1] - 1
        assert worst(found.past_key_values, full_cache(model, inputs, found.sequences), inputs, length) <= exact(name)
        longest = max(tokens for index, _, tokens in calls[LAYERS:] if index == LAYERS - 1)
        assert longest == (13 if ending == LAYERS else 15)
        assert policy.report().layers_per_token == LAYERS


@rows_of_batch
@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
def test_what_nobody_will_see_is_not_completed(name: str, rows: int) -> None:
    model, inputs = tiny(name), prompt(rows, padded=True)
    policy = Scripted(np.full((1, rows), 2))
    with counted(model) as calls:
        model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, custom_generate=policy)
    assert policy.report().layers_per_token == 2
    assert len(calls) == LAYERS + 2 * (TOKENS - 1)


@pytest.mark.parametrize("name", THOROUGH)
@pytest.mark.parametrize("cache", ["deferred", "propagate"])
@pytest.mark.parametrize("way", [Scripted, ByCheck])
def test_rows_that_part_are_each_as_alone(name: str, cache: Any, way: Any) -> None:
    model, inputs, depths = tiny(name), prompt(3, padded=True), script(3, seed=4)
    together = plain(model, inputs, tokens=TOKENS, custom_generate=way(depths, cache=cache))
    for row in range(3):
        one = plain(
            model, alone(inputs, row), tokens=TOKENS, custom_generate=way(depths[:, row : row + 1], cache=cache)
        )
        for step in range(TOKENS):
            torch.testing.assert_close(together.logits[step][row], one.logits[step][0], rtol=1e-3, atol=1e-3)
        assert torch.equal(together.sequences[row, -TOKENS:], one.sequences[0, -TOKENS:])
        begin = 2 * row  # of padding
        for kept, single in zip(
            cache_of(together.past_key_values, 7 + TOKENS - 1),
            cache_of(one.past_key_values, 7 - begin + TOKENS - 1),
            strict=True,
        ):
            last = min(kept.shape[3], single.shape[3])
            torch.testing.assert_close(kept[:, row : row + 1, :, -last:], single[:, :, :, -last:], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("cache", ["deferred", "propagate"])
def test_what_is_completed_later_is_told_apart(cache: Any) -> None:
    """Rows that part, with tokens that wait when all ends: each layer that ran counts once, and as what it was."""
    model, inputs, policy = tiny("llama"), prompt(3), Scripted([[2, 3, 5]], cache=cache)
    with counted(model) as calls:
        plain(model, inputs, tokens=5, custom_generate=policy)
    report = policy.report()
    decoded = sum(rows * tokens for _, rows, tokens in calls) - 3 * 7 * LAYERS
    at_once, tokens = 4 * (2 + 3 + 5), 12
    assert report.tokens == tokens
    assert report.layers_per_token * tokens == decoded == (LAYERS * tokens if cache == "deferred" else at_once)
    assert report.completed_share == pytest.approx(1 - at_once / decoded)


def test_drafts_see_past_a_mask_of_fixed_size() -> None:
    """A mask that ends at the caller's token says nothing against the drafts behind it."""
    model, both = tiny("llama", torch.float64), prompt(2, padded=True)
    inputs = {name: one[1:] for name, one in both.items()}  # the row with padding
    assert not inputs["attention_mask"].all()
    options = {"cache_implementation": "static", "tokens": TOKENS}
    policy = FixedExitPolicy(depth=4, cache="verify")
    expected = plain(model, inputs, **options)
    found = plain(model, inputs, custom_generate=policy, **options)
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=ROUNDED, atol=ROUNDED)
    assert policy.report().drafted > policy.report().accepted > 0


# ---- propagate -----------------------------------------------------------------------------------------------------


@torch.no_grad()
def propagated(model: Any, inputs: dict[str, Tensor], tokens: Tensor, depths: Any) -> tuple[Cache, list[Tensor]]:
    """One row, one layer at a time: after the exit each layer sees the state that left, and only its cache is kept."""
    family = family_of(model)
    cache = full_cache(model, inputs, torch.cat((inputs["input_ids"], tokens[:, :1]), dim=1))
    emitted = []
    for step, depth in enumerate(depths):
        place = torch.tensor([[inputs["input_ids"].shape[1] + step]])
        state = family.embed(tokens[:, step : step + 1], place)
        rotary, masks = family.rotary(state, place), family.masks(state, None, cache, place)
        for index in range(LAYERS):
            mask = masks[family.kinds[index]]
            after = family.run(index, state, mask=mask, position_ids=place, rotary=rotary, cache=cache)
            state = after if index < depth else state
        emitted.append(spoken(family, state[0, 0]))
    return cache, emitted


@every_model
@rows_of_batch
@pytest.mark.parametrize("way", [Scripted, ByCheck])
def test_propagate_projects_the_state_that_left(name: str, rows: int, way: Any) -> None:
    model, inputs = fine(name), prompt(rows, padded=True)
    depths = script(rows, seed=2)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=way(depths, cache="propagate"))
    assert {int(layer.get_seq_length()) for layer in found.past_key_values.layers} == {7 + TOKENS - 1}
    for row in range(rows):
        one = alone(inputs, row)
        cache, emitted = propagated(model, one, found.sequences[row : row + 1, 7:], depths[: TOKENS - 1, row])
        for step, expected in enumerate(emitted):
            torch.testing.assert_close(found.logits[step + 1][row], expected, **rounded(name))
        for kept, slow in zip(
            cache_of(found.past_key_values, 7 + TOKENS - 1),
            cache_of(cache, one["input_ids"].shape[1] + TOKENS - 1),
            strict=True,
        ):
            last = min(kept.shape[3], slow.shape[3])
            allowed = exact(name)
            torch.testing.assert_close(
                kept[:, row : row + 1, :, -last:], slow[:, :, :, -last:], rtol=allowed, atol=allowed
            )


@every_model
@pytest.mark.parametrize("fixed_size", [False, True])
def test_layers_in_between_are_propagated_too(name: str, fixed_size: bool) -> None:
    """The band may shrink again: layers left out before have no gaps."""
    model, inputs = fine(name), prompt(2, padded=True)
    bands = [[1, 2], [3], [], [2], [1, 4], []] * 3
    options = {"cache_implementation": "static"} if fixed_size else {}
    with layers_left_out(model, bands):  # a layer that a hook undoes has projected what it left as it was
        expected = plain(model, inputs, tokens=TOKENS, **options)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=Growing(bands, cache="propagate"), **options)
    assert torch.equal(found.sequences, expected.sequences)
    length = found.sequences.shape[1] - 1
    allowed = exact(name)
    assert worst(found.past_key_values, expected.past_key_values, inputs, length) <= allowed


@pytest.mark.parametrize("name", WINDOWED)
def test_rows_that_part_need_windows_that_can_wait(name: str) -> None:
    policy = Scripted(script(2), cache="propagate")
    with pytest.raises(UnsupportedGenerationError, match=r"StaticCache with sliding windows.*the same layer"):
        plain(tiny(name), prompt(2), custom_generate=policy, cache_implementation="static")


def _swapped(model: Any) -> None:
    for layer in model.model.layers:
        twin = copy.deepcopy(layer.self_attn.v_proj)
        twin.weight.data *= -2.0
        layer.self_attn.v_proj = twin


CHANGES: dict[str, Callable[[Any], Any]] = {
    "new data": lambda model: [
        setattr(layer.self_attn.v_proj.weight, "data", layer.self_attn.v_proj.weight.data * -2.0)
        for layer in model.model.layers
    ],
    "in place, past the counter": lambda model: [
        layer.self_attn.k_proj.weight.data.mul_(-2.0) for layer in model.model.layers
    ],
    "through numpy": lambda model: [
        np.negative(held, out=held)
        for held in (layer.self_attn.v_proj.weight.detach().numpy() for layer in model.model.layers)
    ],
    "a single number": lambda model: model.model.layers[4].self_attn.v_proj.weight.data[0, 0].add_(50.0),
    "norms": lambda model: [layer.input_layernorm.weight.data.mul_(3.0) for layer in model.model.layers],
    "loaded": lambda model: model.load_state_dict({name: 0.5 * one for name, one in model.state_dict().items()}),
    "assigned": lambda model: model.load_state_dict(
        {name: one.flip(-1) for name, one in model.state_dict().items()}, assign=True
    ),
    "swapped": _swapped,
    "another type": lambda model: model.to(torch.bfloat16),
}


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_projections_are_those_of_the_weights_as_they_are(change: str, attached: bool) -> None:
    """Also of a policy that decoded with other weights before, and within one block."""
    inputs, policy = prompt(), Scripted([[4], [2], [LAYERS]], cache="propagate")
    model = TINY["llama"]()

    def written(deciding: Policy) -> Any:
        if attached and deciding is policy:
            return plain(model, inputs).logits
        return plain(model, inputs, custom_generate=deciding).logits

    with policy.attach(model) if attached else nullcontext():
        before = written(policy)
        with torch.no_grad():
            CHANGES[change](model)
        after = written(policy)
    fresh = written(Scripted([[4], [2], [LAYERS]], cache="propagate"))
    assert not torch.equal(before[-1], after[-1])
    assert all(torch.equal(*pair) for pair in zip(after, fresh, strict=True))


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt_neox", "gemma3"])
@pytest.mark.parametrize("inside", [0, 1])
def test_layers_are_read_where_they_are_first_asked_for(name: str, inside: int) -> None:
    """In any order, and whether or not some of it is asked for in inference mode."""
    family = family_of(TINY[name](dtype=torch.float64))
    hidden = torch.randn(1, 2, family.width, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        rotary = family.rotary(hidden, torch.arange(2)[None])
        whole = Projection(family)(0, hidden, rotary)
    with torch.inference_mode() if inside else torch.no_grad():
        bits = Projection(family)
    for turn, (first, last) in enumerate([(3, 4), (4, None), (1, 2), (2, 4), (0, None)]):
        with torch.inference_mode() if turn % 2 == inside else torch.no_grad():
            found = bits(first, hidden.clone(), rotary, last)
        for ours, expected in zip(found, whole[first:last], strict=True):
            for one, other in zip(ours, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_norms_may_be_held_in_another_type_than_weights() -> None:
    model = TINY["gpt2"]().to(torch.bfloat16)
    for block in model.transformer.h:
        block.ln_1.float()
    inputs = prompt()
    found = plain(model, inputs, tokens=4, custom_generate=FixedExitPolicy(depth=2, cache="propagate"))
    twin = copy.deepcopy(model).to(torch.bfloat16)
    expected = plain(twin, inputs, tokens=4, custom_generate=FixedExitPolicy(depth=2, cache="propagate"))
    torch.testing.assert_close(found.logits[-1], expected.logits[-1], rtol=0.1, atol=0.1)


# ---- monotone ------------------------------------------------------------------------------------------------------

BANDS = [[3], [3], [2, 3], [1, 2, 3], [1, 2, 3]]


@pytest.mark.parametrize(("name", "rows"), [(name, 3) for name in TINY] + [(name, 1) for name in THOROUGH])
@pytest.mark.parametrize("fixed_size", [False, True])
@pytest.mark.parametrize(
    ("bands", "policy"),
    [(BANDS, lambda: Growing(BANDS)), ([[3, 4]], lambda: FixedExitPolicy(depth=3))],
    ids=["band", "top"],
)
def test_monotone_is_the_model_without_these_layers(
    name: str, rows: int, fixed_size: bool, bands: Any, policy: Any
) -> None:
    if fixed_size and name in WINDOWED:
        return  # refused, see the contract
    model, inputs = fine(name), prompt(rows, padded=True)
    options: dict[str, Any] = {"max_new_tokens": TOKENS, "do_sample": False}
    options |= {"cache_implementation": "static"} if fixed_size else {}
    with layers_left_out(model, bands):
        expected = model.generate(**inputs, **options)
    with counted(model) as calls:
        found = model.generate(**inputs, custom_generate=policy(), **options)
    assert torch.equal(found, expected)
    out = [bands[min(step, len(bands) - 1)] for step in range(TOKENS - 1)]
    assert len(calls) == LAYERS + sum(LAYERS - len(each) for each in out)


def test_a_layer_with_gaps_is_not_run_again() -> None:
    inputs = prompt()
    with pytest.raises(MonotonicityError, match=r"layer 2 .*propagate"):
        tiny("llama").generate(**inputs, max_new_tokens=6, custom_generate=Growing([[2], [3]]), do_sample=False)
    with pytest.raises(MonotonicityError, match=r"layer 3 .*propagate"):
        tiny("llama").generate(
            **inputs, max_new_tokens=6, custom_generate=Scripted([[3], [4]], cache="monotone"), do_sample=False
        )


def test_several_tokens_after_gaps_are_refused() -> None:
    model, inputs = tiny("llama"), prompt()
    cache = DynamicCache(config=model.config)
    with FixedExitPolicy(depth=2).attach(model):
        model(**inputs, past_key_values=cache)
        model(torch.tensor([[4]]), past_key_values=cache)
        with pytest.raises(MonotonicityError, match=r"several tokens.*propagate"):
            model(torch.tensor([[4, 5]]), past_key_values=cache)


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("way", ["returned", "given"])
def test_a_cache_with_gaps_is_not_handed_on(attached: bool, way: str) -> None:
    model, policy = tiny("llama"), FixedExitPolicy(depth=2)
    options: dict[str, Any] = {**prompt(), "max_new_tokens": 4, "do_sample": False}
    if way == "given":
        options["past_key_values"] = DynamicCache(config=model.config)
    else:
        options["return_dict_in_generate"] = True
    refused = pytest.raises(UnsupportedGenerationError, match=r"monotone.*propagate")
    if attached:
        with policy.attach(model), refused:
            model.generate(**options)
    else:
        with refused:
            model.generate(**options, custom_generate=policy)


def test_rows_that_part_cannot_be_monotone() -> None:
    with pytest.raises(ArgumentError, match=r"monotone.*deferred"):
        tiny("llama").generate(
            **prompt(2), max_new_tokens=4, custom_generate=Scripted(script(2), cache="monotone"), do_sample=False
        )


# ---- feed-forward blocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TINY.keys() - {"opt-post"}))  # whose block ends with a norm that goes with it
@rows_of_batch
@pytest.mark.parametrize("fixed_size", [False, True])
def test_feed_forward_blocks_left_out_add_nothing(name: str, rows: int, fixed_size: bool) -> None:
    model, inputs = fine(name), prompt(rows, padded=True)
    runs = np.random.default_rng(3).random((TOKENS, LAYERS, rows)) < 0.5
    runs[4], runs[5] = True, False
    options = {"cache_implementation": "static"} if fixed_size else {}
    with fed_as(model, runs):
        expected = plain(model, inputs, tokens=TOKENS, **options)
    policy = Feeding(runs)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy, **options)
    assert torch.equal(found.sequences, expected.sequences)
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, **rounded(name))
    length = found.sequences.shape[1] - 1
    assert worst(found.past_key_values, expected.past_key_values, inputs, length) <= exact(name)
    report = policy.report()
    used = runs[: TOKENS - 1]
    assert report.layers_per_token == LAYERS
    assert report.ffn_blocks_per_token == pytest.approx(used.sum() / (rows * (TOKENS - 1)))
    assert len(policy.told) == used.any(axis=2).sum()  # told where it ran for any


@pytest.mark.parametrize("name", ["gemma3", "gpt2", "gpt_neox", "gpt_neox-serial", "llama", "opt", "phi3"])
@pytest.mark.parametrize(("rows", "planned"), [(1, True), (3, True), (3, False)])
def test_substitutes_add_what_the_policy_says(name: str, rows: int, planned: bool) -> None:
    """Also where attention and block run side by side."""
    model, inputs = tiny(name, torch.float64), prompt(rows, padded=True)
    random = np.random.default_rng(6)
    routes = random.integers(0, 3, (TOKENS, rows, LAYERS))
    routes[3], routes[4], routes[5] = FFNRoute.SUBSTITUTE, FFNRoute.LEFT_OUT, FFNRoute.FULL
    added = torch.from_numpy(random.standard_normal((LAYERS, family_of(model).width)))
    with fed_as(model, routes.swapaxes(1, 2), added):
        expected = plain(model, inputs, tokens=TOKENS)
    policy = Routed(routes, instead=lambda index, states: added[index].expand(len(states), -1), planned=planned)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=ROUNDED, atol=ROUNDED)
    assert worst(found.past_key_values, expected.past_key_values, inputs, found.sequences.shape[1] - 1) <= EXACT
    report, used = policy.report(), routes[: TOKENS - 1]
    counts = [(used == route).sum() / (rows * (TOKENS - 1)) for route in FFNRoute]
    assert report.ffn_left_out_per_token == pytest.approx(counts[FFNRoute.LEFT_OUT])
    assert report.ffn_blocks_per_token == pytest.approx(counts[FFNRoute.FULL])
    assert report.ffn_substituted_per_token == pytest.approx(counts[FFNRoute.SUBSTITUTE])
    assert policy.substituted == (used == FFNRoute.SUBSTITUTE).sum()
    assert f"{counts[2]:.2f} feed-forward blocks a token substituted, {counts[0]:.2f} left out" in report.summary()


def _itself(index: int, states: Tensor) -> Tensor:
    return states


class Parting(Scripted):
    """Rows leave at depths that a script says, and blocks go routes, being their own substitutes."""

    def __init__(self, depths: Any, routes: Any, model: Any, *, planned: bool) -> None:
        super().__init__(depths, cache="propagate", unit="both")
        self.family, self.routes, self.planned = family_of(model), routes, planned

    def plan(self, step: int) -> Plan:
        self.now = self.routes[step % len(self.routes)]
        self.gone = self.depths[step % len(self.depths)]
        if self.planned:
            return Plan(exit=self.gone, ffn_routes=self.now)
        return Plan(exit=self.gone, ffn_checks=frozenset(range(LAYERS)))

    def run_ffn(self, index: int, post_attention: Tensor) -> Any:
        return self.now[self.gone > index, index]

    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
        states = post_attention[:, None]
        return (self.family.feed(index, states, states) - states)[:, 0]


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
@pytest.mark.parametrize("planned", [True, False])
def test_rows_that_part_take_routes_of_their_own(name: str, planned: bool) -> None:
    """Substitutes that are the blocks themselves: nothing changes, if each row gets its own."""
    model, inputs, depths = tiny(name, torch.float64), prompt(3, padded=True), script(3)
    routes = np.random.default_rng(2).integers(1, 3, (TOKENS, 3, LAYERS))
    expected = plain(model, inputs, tokens=TOKENS, custom_generate=Scripted(depths, cache="propagate"))
    policy = Parting(depths, routes, model, planned=planned)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=ROUNDED, atol=ROUNDED)
    report = policy.report()
    ran = np.arange(LAYERS) < depths[: TOKENS - 1, :, None]
    other = (routes[: TOKENS - 1] == FFNRoute.SUBSTITUTE) & ran
    assert report.ffn_substituted_per_token * report.tokens == pytest.approx(other.sum())
    assert report.ffn_blocks_per_token * report.tokens == pytest.approx((ran & ~other).sum())
    assert report.ffn_left_out_per_token == 0


def test_a_route_in_full_is_the_plain_model() -> None:
    """Bit for bit, also where a layer in halves would round otherwise."""
    for name in ("llama", "gpt_neox"):
        model, inputs = tiny(name), prompt(3, padded=True)
        policy = Routed(np.ones((1, 3, LAYERS), dtype=int), instead=_itself, planned=True)
        found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
        expected = plain(model, inputs, tokens=TOKENS)
        assert all(torch.equal(*pair) for pair in zip(found.logits, expected.logits, strict=True))


@pytest.mark.parametrize(
    ("plan", "error", "message"),
    [
        (Plan(ffn_routes=np.full(LAYERS, 3)), ValueRangeError, "ffn_routes: got 3"),
        (Plan(ffn_routes=np.full((LAYERS + 1,), 1)), InputTypeError, r"shape \(6,\).*\(5,\) or \(1, 5\)"),
        (Plan(ffn_routes=np.full((2, LAYERS), 1)), InputTypeError, r"shape \(2, 5\)"),
        (Plan(ffn_routes=np.full(LAYERS, 1.0)), InputTypeError, "float64"),
        (Plan(ffn_routes=np.full(LAYERS, 1), ffn_checks=frozenset({2})), ArgumentError, "ffn_checks.*ffn_routes"),
        (Plan(ffn_routes=np.full(LAYERS, 2)), InputTypeError, r"instead_of_ffn: got.*\(1, 3\).*\(1, 48\)"),
    ],
)
def test_routes_that_cannot_be_gone_are_refused(plan: Plan, error: Any, message: str) -> None:
    class Odd(Feeding):
        def plan(self, step: int) -> Plan:
            return plan

        def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
            return post_attention[:, :3]

    with pytest.raises(error, match=message):
        tiny("llama").generate(**prompt(), max_new_tokens=4, custom_generate=Odd(np.ones((1, LAYERS, 1))))


def test_a_substitute_of_a_policy_that_has_none_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"run_ffn: got FFNRoute.SUBSTITUTE.*instead_of_ffn"):
        tiny("llama").generate(**prompt(), max_new_tokens=4, custom_generate=Feeding(np.full((1, LAYERS, 1), 2)))


@pytest.mark.parametrize("cache", ["deferred", "verify"])
@pytest.mark.parametrize("planned", [False, True])
def test_feed_forward_blocks_need_a_cache_without_waiting(cache: Any, planned: bool) -> None:
    policy: Policy = Feeding(np.ones((1, LAYERS, 1), dtype=bool))
    if planned:
        policy = Routed(np.ones((1, 1, LAYERS), dtype=int), instead=_itself, planned=True)
    policy.cache = cache
    with pytest.raises(ArgumentError, match=rf"cache: got '{cache}'.*'exact'"):
        tiny("llama").generate(**prompt(), max_new_tokens=4, custom_generate=policy, do_sample=False)


# ---- verify --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "gemma3", "mistral", "opt", "gpt2", "phi3"])
@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize("cut", ["exit", "between", "asked"])
def test_rows_of_a_batch_are_drafted_together(name: str, sample: bool, cut: str) -> None:
    model, inputs = tiny(name, torch.float64), prompt(2, padded=True)
    policies: dict[str, Policy] = {
        "exit": Scripted(script(1), cache="verify"),
        "between": Growing([[2], [1, 3], [], [3]], cache="verify"),
        "asked": ByCheck(np.array([[2, 2], [3, 1], [4, 4], [5, 5]]), cache="verify"),
    }
    policy = policies[cut]
    torch.manual_seed(4)
    expected = plain(model, inputs, tokens=TOKENS, do_sample=sample)
    torch.manual_seed(4)
    found = plain(model, inputs, tokens=TOKENS, do_sample=sample, custom_generate=policy)
    assert torch.equal(found.sequences, expected.sequences)
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert worst(found.past_key_values, expected.past_key_values, inputs, found.sequences.shape[1] - 1) <= EXACT
    assert policy.report().drafted > 0
    longer = continued(inputs, torch.cat((found.sequences, prompt(2, seed=1, tokens=3)["input_ids"]), dim=1))
    turn = plain(model, longer, past_key_values=found.past_key_values)
    assert torch.equal(turn.sequences, plain(model, longer, past_key_values=expected.past_key_values).sequences)


def agreeing(*, layers: int = 8) -> Any:
    """A model whose last layers hardly matter, so that drafts hold."""
    model = TINY["llama"](layers=layers, dtype=torch.float64)
    for layer in model.model.layers[layers // 2 :]:
        layer.self_attn.o_proj.weight.data *= 0.01
        layer.mlp.down_proj.weight.data *= 0.01
    return model


def _stepping(step: int, length: int) -> dict[str, Tensor]:
    return {"position_ids": torch.tensor([[length - 1 + 2 * step]])}


def _forgetting(step: int, length: int) -> dict[str, Tensor]:
    mask = torch.ones(1, length, dtype=torch.int64)
    mask[:, 2 : length - 6] = 0
    return {"attention_mask": mask}


def _hiding(step: int, length: int) -> dict[str, Tensor]:
    slots = torch.arange(length)
    return {"attention_mask": (((slots + step) % 3 > 0) | (slots == length - 1))[None, None, None]}


def _hiding_by_addition(step: int, length: int) -> dict[str, Tensor]:
    return {"attention_mask": torch.where(_hiding(step, length)["attention_mask"], 0.0, float("-inf")).double()}


def _hiding_what_comes(step: int, length: int) -> dict[str, Tensor]:
    mask = torch.ones(1, length, dtype=torch.int64)
    mask[:, PROMPT::2] = 0
    mask[:, -1] = 1
    return {"attention_mask": mask}


_written = torch.ones(1, 64, dtype=torch.int64)


def _written_on(step: int, length: int) -> dict[str, Tensor]:
    _written[:, : PROMPT - 2] = 1
    _written[:, step % (PROMPT - 2)] = 0
    return {"attention_mask": _written[:, :length]}


@torch.no_grad()
@pytest.mark.parametrize(
    "said", [_stepping, _forgetting, _hiding, _hiding_by_addition, _hiding_what_comes, _written_on]
)
@pytest.mark.parametrize("cache", ["verify", "deferred"])
def test_what_a_caller_says_of_each_token_is_heeded(said: Any, cache: Any) -> None:
    """Positions that leap and masks that change: what was drafted or left for later under others is not for these."""
    model, rows = agreeing(), torch.randint(1, VOCABULARY, (1, 14), generator=torch.Generator().manual_seed(5))
    policy = Scripted([[4], [4], [8]] if cache == "deferred" else [[4]], cache=cache)
    found: list[tuple[list[Tensor], Cache]] = []
    for around in (nullcontext(), policy.attach(model)):
        held = DynamicCache(config=model.config)
        with around:
            logits = [model(**prompt(), past_key_values=held).logits[:, -1]]
            for step in range(14):
                token = rows[:, step : step + 1] if cache == "deferred" else logits[-1].argmax(-1, keepdim=True)
                given = said(step, PROMPT + 1 + step)
                logits.append(model(token, past_key_values=held, **given).logits[:, -1])
        found.append((logits, held))
    (expected, whole), (logits, held) = found
    assert policy.report().completed_share > 0.1
    for step, (one, other) in enumerate(zip(logits, expected, strict=True)):
        if cache == "verify" or step % 3 == 0:  # after the prompt, every third runs in full
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    for one, other in zip(cache_of(held, PROMPT + 14), cache_of(whole, PROMPT + 14), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("ends", [None, 40])
def test_each_token_is_emitted_after_one_depth(rows: int, ends: int | None) -> None:
    model, policy = agreeing(), Scripted([[4], [6], [5]], cache="verify")
    plain(model, prompt(rows, padded=True), tokens=TOKENS, eos_token_id=ends, custom_generate=policy)
    report = policy.report()
    assert sum(report.exits.values()) == report.tokens
    assert report.exits[8] == report.tokens - report.accepted
    assert 0 < report.accepted <= report.drafted


def test_a_batch_goes_on_where_rows_have_ended() -> None:
    model, inputs = tiny("llama", torch.float64), prompt(3, padded=True)
    free = plain(model, inputs, tokens=24).sequences[:, inputs["input_ids"].shape[1] :]
    ends = int(free[1, 4])  # where the second row ends
    options: dict[str, Any] = {"tokens": 24, "eos_token_id": ends}
    expected = plain(model, inputs, **options)
    policy = Scripted([[4]], cache="verify")
    found = plain(model, inputs, custom_generate=policy, **options)
    assert torch.equal(found.sequences, expected.sequences)
    assert worst(found.past_key_values, expected.past_key_values, inputs, found.sequences.shape[1] - 1) <= EXACT


@pytest.mark.parametrize("name", ["llama", "gemma3", "mistral", "phi3", "gpt_neox"])
@pytest.mark.parametrize("fixed_size", [False, True])
def test_layers_in_between_may_be_left_out_of_drafts(name: str, fixed_size: bool) -> None:
    if fixed_size and name in ("gemma3", "mistral"):
        return
    model, inputs = tiny(name, torch.float64), prompt()
    options: dict[str, Any] = {"cache_implementation": "static"} if fixed_size else {}
    expected = plain(model, inputs, tokens=TOKENS, **options)
    for bands in ([[3]], [[2, 3], [1], [], [4], [1, 2, 3]], [[1, 4], [3], [2]]):
        policy = Growing(bands, cache="verify")
        found = plain(model, inputs, tokens=TOKENS, custom_generate=policy, **options)
        assert torch.equal(found.sequences, expected.sequences)
        for one, other in zip(found.logits, expected.logits, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        assert worst(found.past_key_values, expected.past_key_values, inputs, found.sequences.shape[1] - 1) <= EXACT
        assert policy.report().drafted >= policy.report().accepted


def test_what_a_draft_leaves_out_is_not_run() -> None:
    """The fourth of five layers is left out of each draft, which is then checked by the fourth and the fifth."""
    model, policy = tiny("llama"), Growing([[3]], cache="verify")
    policy.drafts = 1
    with counted(model) as calls:
        plain(model, prompt(), tokens=4, custom_generate=policy)
    first = [(index, tokens) for index, _, tokens in calls[LAYERS : LAYERS + 3 + 1 + 3 + 2]]
    assert first == [(0, 1), (1, 1), (2, 1), (4, 1), (0, 1), (1, 1), (2, 1), (3, 2), (4, 2)]


def test_drafts_that_fail_are_given_up_and_the_report_says_so() -> None:
    class Wrong(Scripted):
        """Says the least likely token early."""

        def bind(self, family: Family) -> None:
            self.family = family

        def plan(self, step: int) -> Plan:
            return Plan(checks=(4,))

        def check(self, trajectory: Trajectory) -> Exit | None:
            return Exit(logits=-self.family.logits(self.family.finish(trajectory.state())))

    model, policy = tiny("llama", torch.float64), Wrong([[4]], cache="verify")
    expected = plain(model, prompt(), tokens=60)
    found = plain(model, prompt(), tokens=60, custom_generate=policy)
    assert torch.equal(found.sequences, expected.sequences)
    report = policy.report()
    assert report.drafted <= 12
    assert report.accepted <= 1
    assert report.layers_per_token < 1.25 * LAYERS
    assert any("without drafts" in event for event in report.events)
    assert any("did not pay" in event for event in report.events)


@pytest.mark.parametrize("drafts", [1, 2, 7])
def test_no_more_drafts_than_asked_for(drafts: int) -> None:
    model = tiny("llama", torch.float64)
    policy = FixedExitPolicy(depth=5, cache="verify", drafts=drafts)
    assert policy.drafts == drafts
    early = FixedExitPolicy(depth=4, cache="verify", drafts=drafts)
    with counted(model) as calls:
        plain(model, prompt(), tokens=TOKENS, custom_generate=early)
    assert max(tokens for _, _, tokens in calls[LAYERS:]) <= drafts + 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"cache": "verify", "drafts": 0}, "drafts: got 0"),
        ({"cache": "verify", "drafts": 2.5}, "drafts: got 2.5"),
        ({"cache": "verify", "drafts": True}, "drafts: got True"),
        ({"cache": "deferred", "drafts": 2}, "drafts: got 2.*verify"),
        ({"drafts": 2}, "drafts: got 2.*verify"),
    ],
)
def test_numbers_of_drafts_that_mean_nothing(options: Any, match: str) -> None:
    with pytest.raises(ArgumentError, match=match):
        FixedExitPolicy(depth=4, **options)


def test_tokens_are_numbered_as_they_are_written() -> None:
    """Drafts that were withdrawn do not count, and those that were accepted do."""
    policy = Scripted([[2]], cache="verify")
    plain(tiny("llama"), prompt(), tokens=8, custom_generate=policy)
    assert policy.steps[:4] == [0, 1, 2, 3]
    assert set(policy.steps) <= set(range(11))
    report = policy.report()
    assert report.drafted > report.accepted
    rounds = [step for before, step in zip([99, *policy.steps], policy.steps, strict=False) if step <= before]
    assert rounds == sorted(set(rounds))
    assert 1 < len(rounds) <= 7 - report.accepted  # nothing is asked where drafts rest


@pytest.mark.parametrize("depth", [2, LAYERS])
def test_the_whole_model_has_the_last_word(depth: int) -> None:
    """A policy that puts a head of its own in place of the model's cannot change what is verified."""

    def own(trajectory: Trajectory) -> Exit:
        return Exit(logits=torch.randn(len(trajectory.state()), 101, generator=torch.Generator().manual_seed(1)))

    model, inputs = tiny("llama", torch.float64), prompt()
    found = plain(model, inputs, custom_generate=Answers(Plan(checks=(depth,)), own, cache="verify"))
    assert torch.equal(found.sequences, plain(model, inputs).sequences)


# ---- positions that stretch as the text grows ----------------------------------------------------------------------

STRETCHING: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamic": (
        "llama",
        {
            "max_position_embeddings": 12,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
        },
    ),
    "longrope": (
        "phi3",
        {
            "max_position_embeddings": 64,
            "original_max_position_embeddings": 12,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "partial_rotary_factor": 0.5,
                "short_factor": [1.0, 1.1, 1.2],
                "long_factor": [2.0, 3.0, 4.0],
                "original_max_position_embeddings": 12,
            },
        },
    ),
}


def stretching(kind: str) -> Any:
    name, options = STRETCHING[kind]
    return TINY[name](dtype=torch.float64, **options)  # built anew: frequencies are part of its state


@pytest.mark.parametrize("kind", STRETCHING)
@rows_of_batch
def test_deferred_keeps_the_frequencies_of_each_token(kind: str, rows: int) -> None:
    inputs = prompt(rows, padded=True)
    alone_too = plain(stretching(kind), inputs, tokens=TOKENS).past_key_values
    if int(alone_too.get_seq_length()) != 7 + TOKENS - 1:
        return  # transformers 5.16 forgets the text where frequencies change
    found = plain(stretching(kind), inputs, tokens=TOKENS, custom_generate=Scripted(script(rows, rate=0.8)))
    # Token by token frequencies change; once they have changed for good, generate reads in everything again.
    one_by_one = kind == "dynamic"
    expected = full_cache(stretching(kind), inputs, found.sequences, one_by_one=one_by_one)
    other = full_cache(stretching(kind), inputs, found.sequences, one_by_one=not one_by_one)
    length = found.sequences.shape[1] - 1
    assert worst(found.past_key_values, expected, inputs, length) <= 1e-9
    assert worst(other, expected, inputs, length) > 0.1


@pytest.mark.parametrize("kind", STRETCHING)
@pytest.mark.parametrize("sample", [False, True])
def test_no_draft_stretches_the_positions(kind: str, sample: bool) -> None:
    inputs, policy = prompt(), Scripted(script(1, rate=0.8), cache="verify")
    torch.manual_seed(2)
    expected = plain(stretching(kind), inputs, tokens=TOKENS, do_sample=sample)
    torch.manual_seed(2)
    found = plain(stretching(kind), inputs, tokens=TOKENS, do_sample=sample, custom_generate=policy)
    assert torch.equal(found.sequences, expected.sequences)
    assert policy.report().drafted > 0
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=ROUNDED, atol=ROUNDED)


# ---- what a policy may answer --------------------------------------------------------------------------------------


class Answers(Policy):
    """Gives one plan, and at a check what a function says."""

    def __init__(self, plan: Plan, answer: Any = None, *, cache: Any = "deferred") -> None:
        super().__init__(unit="layer", cache=cache)
        self._plan, self._answer = plan, answer

    def plan(self, step: int) -> Plan:
        """Always the same."""
        return self._plan

    def check(self, trajectory: Trajectory) -> Exit | None:
        """As the function says."""
        return None if self._answer is None else self._answer(trajectory)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("cache", ["deferred", "propagate"])
def test_own_logits_are_emitted(rows: int, cache: Any) -> None:
    own = torch.zeros(rows, 101)
    own[torch.arange(rows), torch.arange(10, 10 + rows)] = 5.0

    for depth in (2, LAYERS):
        policy = Answers(Plan(checks=(depth,)), lambda _: Exit(logits=own), cache=cache)
        found = plain(tiny("llama"), prompt(rows), custom_generate=policy)
        assert torch.equal(found.logits[3], own)
        assert policy.report().exits == {depth: 7 * rows}
        assert policy.report().heads_per_token == 0


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(checks=(2, LAYERS + 1)), "checks: got 6"),
        (Plan(checks=(0,)), "checks: got 0"),
        (Plan(checks=(3, 2)), r"checks: got \(3, 2\); allowed: depths that rise"),
        (Plan(skip_layers=frozenset({0})), "skip_layers: got 0"),
        (Plan(skip_layers=frozenset({LAYERS})), "skip_layers: got 5"),
        (Plan(ffn_checks=frozenset({LAYERS})), "ffn_checks: got 5"),
        (Plan(ffn_checks=frozenset({1.5})), "ffn_checks: got 1.5"),  # type: ignore[arg-type]
        (Plan(exit=2.5), "exit: got 2.5"),  # type: ignore[arg-type]
    ],
)
def test_a_plan_that_names_what_the_model_has_not_is_refused(plan: Plan, said: str) -> None:
    with pytest.raises(ValueRangeError, match=said):
        plain(tiny("llama"), prompt(), custom_generate=Answers(plan, cache="propagate"))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("nobody", [None, Exit(rows=np.zeros(3, dtype=bool))], ids=["none", "false"])
def test_nobody_leaves(rows: int, nobody: Any) -> None:
    if rows == 1 and nobody is not None:
        nobody = Exit(rows=np.zeros(1, dtype=bool))
    model, inputs = tiny("llama"), prompt(rows, padded=True)
    found = plain(model, inputs, custom_generate=Answers(Plan(checks=(1, 2, LAYERS)), lambda _: nobody))
    expected = plain(model, inputs)
    assert all(torch.equal(*pair) for pair in zip(found.logits, expected.logits, strict=True))


def test_a_depth_for_each_row_and_a_check_there() -> None:
    """Rows whose depth was said beforehand leave there, and another joins them with logits of its own."""
    own = torch.full((1, 101), -1.0)
    own[0, 7] = 1.0

    def answer(trajectory: Trajectory) -> Exit | None:
        rows = np.arange(3) if trajectory.rows is None else trajectory.rows
        return Exit(rows=rows == 1, logits=own) if (rows == 1).any() else None

    model, inputs = tiny("llama", torch.float64), prompt(3)
    policy = Answers(Plan(exit=np.array([2, LAYERS, LAYERS]), checks=(2,)), answer)
    found = plain(model, inputs, tokens=2, custom_generate=policy)
    states = states_after(model, continued(inputs, found.sequences[:, :-1]))
    assert policy.report().exits == {2: 2, LAYERS: 1}
    assert torch.equal(found.logits[1][1], own[0])
    for row, depth in ((0, 2), (2, LAYERS)):
        expected = spoken(family_of(model), states[depth - 1][row, -1])
        torch.testing.assert_close(found.logits[1][row], expected, rtol=ROUNDED, atol=ROUNDED)


@pytest.mark.parametrize("kind", [int, np.int64, np.int32, lambda depth: np.array([depth])])
def test_a_depth_is_any_whole_number(kind: Any) -> None:
    policy = Answers(Plan(exit=kind(2)))
    plain(tiny("llama"), prompt(), custom_generate=policy)
    assert policy.report().exits == {2: 7}


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("depth", [0, -1, LAYERS + 1])
def test_other_depths_are_refused(rows: int, depth: int) -> None:
    for given in (depth, np.full(rows, depth)):
        with pytest.raises(ValueRangeError, match=rf"exit: .*1 to {LAYERS}, the layers"):
            plain(tiny("llama"), prompt(rows), custom_generate=Answers(Plan(exit=given)))


def test_looks_through_the_head_are_counted() -> None:
    class Looking(Answers):
        def bind(self, family: Family) -> None:
            self.family = family

        def check(self, trajectory: Trajectory) -> Exit | None:
            self.family.logits(self.family.finish(trajectory.state()))
            return None

    policy = Looking(Plan(checks=(1, 2)))
    plain(tiny("llama"), prompt(3), custom_generate=policy)
    assert policy.report().heads_per_token == 3


@pytest.mark.parametrize("cache", ["deferred", "exact"])
def test_layers_in_between_need_a_cache_that_allows_it(cache: Any) -> None:
    with pytest.raises(ArgumentError, match=rf"cache: got '{cache}'.*'monotone', 'propagate' or 'verify'"):
        plain(tiny("llama"), prompt(), custom_generate=Growing([[2]], cache=cache))


def test_exits_and_an_exact_cache_exclude_each_other() -> None:
    for policy in (
        Answers(Plan(exit=2), cache="exact"),
        Answers(Plan(checks=(2,)), lambda _: Exit(), cache="exact"),
        RandomExitPolicy(rate=1.0, cache="exact"),
    ):
        with pytest.raises(ArgumentError, match=r"cache: got 'exact'"):
            plain(tiny("llama"), prompt(), custom_generate=policy)
