"""What every exit policy must do; a new one is tested here by being registered.

Two of them drive the engine on every architecture: the one that never leaves must be the plain model bit for bit, and
the one that leaves at random must leave every cache as the plain model would. What differs between policies, and is no
less binding, is what each promises.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import DynamicCache, LlamaForCausalLM, StaticCache

from adapters.errors import UnsupportedGenerationError
from adapters.families import family_of
from adapters.policies import (
    FFNRoute,
    NeverExitPolicy,
    Plan,
    Policy,
    Promise,
    RandomExitPolicy,
    Trajectory,
)
from adapters.policies.duo import DuoPolicy
from adapters.policies.ffn_skip import FFNSkipPolicy
from adapters.policies.registry import POLICIES, policy_named
from adapters.texts.continuations import full_model_continuations
from adapters.texts.replaying import replay
from ews.errors import EWSError, UnknownNameError
from tests.adapters.driving import alone, continued, counted, full_cache, plain, prompt, spread, tiny, worst
from tests.adapters.tiny import SINGLE, THOROUGH, TINY, VOCABULARY, WINDOWED

TOKENS = 16  # beyond the windows of the tiny models
EXACT = 1e-9  # float64
# A single row, and sampling, are the engine's matter, not the model's: they need not be tried on every one.
EVERYWHERE = [(name, rows) for name in TINY for rows in ((1, 3) if name in THOROUGH else (3,))]


PROMISES: dict[str, Promise] = {name: policy.promise for name, policy in POLICIES.items()}
CASES = [(name, cache) for name, promise in PROMISES.items() for cache in promise.caches]
BATCHES = [case for case in CASES if case[1] != "verify"]  # drafts are for one row


def having(*caches: str) -> list[tuple[str, str]]:
    return [case for case in CASES if case[1] in caches]


def made(name: str, cache: str) -> Policy:
    return policy_named(name, cache=cache, **PROMISES[name].options)


def under(policy: Policy, model: Any, inputs: dict[str, Tensor], **options: Any) -> Any:
    """As :func:`plain`; nothing is returned of a cache with gaps."""
    if policy.cache == "monotone":
        return model.generate(
            **inputs, custom_generate=policy, **{"max_new_tokens": TOKENS, "do_sample": False, **options}
        )
    return plain(model, inputs, custom_generate=policy, **{"tokens": TOKENS, **options})


def sequences(found: Any) -> Tensor:
    return found if isinstance(found, Tensor) else found.sequences


def caches(model: Any, tokens: int) -> Iterator[Any]:
    yield DynamicCache(config=model.config)
    yield StaticCache(config=model.config, max_cache_len=tokens)


# ---- each policy ---------------------------------------------------------------------------------------------------


def test_every_policy_promises() -> None:
    for name, promise in PROMISES.items():
        accepted = set()
        for cache in ("exact", "monotone", "propagate", "deferred", "verify"):
            try:
                under(policy_named(name, cache=cache, **promise.options), tiny("llama"), prompt())
                accepted.add(cache)
            except EWSError:
                continue
        assert set(promise.caches) <= accepted


@pytest.mark.parametrize("name", POLICIES)
def test_unknown_cache_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="'deferred'"):
        made(name, "defered")


@pytest.mark.parametrize(("name", "cache", "rows"), [(*case, 1) for case in CASES] + [(*case, 3) for case in BATCHES])
def test_the_same_again_by_both_ways(name: str, cache: str, rows: int) -> None:
    model, inputs, policy = tiny("llama"), prompt(rows, padded=True), made(name, cache)
    before = {key: value.clone() for key, value in inputs.items()}
    first, again = (sequences(under(policy, model, inputs)) for _ in range(2))
    with policy.attach(model):
        attached = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
    assert torch.equal(first, again)
    assert torch.equal(first, attached)
    assert all(torch.equal(value, inputs[key]) for key, value in before.items())


@pytest.mark.parametrize(("name", "cache"), CASES)
def test_the_report_says_what_ran(name: str, cache: str) -> None:
    model, inputs, policy = tiny("llama"), prompt(), made(name, cache)
    with counted(model, halves=policy.unit != "layer") as calls:
        under(policy, model, inputs)
    report = policy.report()
    ran = sum(rows * tokens for _, rows, tokens in calls) - inputs["input_ids"].numel() * 5
    assert report.tokens == TOKENS - 1
    assert report.layers_per_token * report.tokens == pytest.approx(ran)
    assert report.depth == 5
    assert report.prompt_tokens == inputs["input_ids"].numel()
    assert 0 <= report.deciding_share <= 1
    assert 0 <= report.prediction_share <= 1
    assert (min(report.exits) < 5) is PROMISES[name].leaves
    at_once = (1 - report.completed_share) * report.layers_per_token * report.tokens
    left = sum(depth * count for depth, count in report.exits.items())
    skipped = report.ffn_blocks_per_token < report.layers_per_token or (cache != "verify" and at_once < left - 1e-6)
    assert skipped or cache == "verify" or not PROMISES[name].skips
    assert not skipped or PROMISES[name].skips
    if cache != "verify":
        assert sum(report.exits.values()) == report.tokens
        assert report.drafted == report.accepted == 0
    if cache in ("exact", "monotone", "propagate"):
        assert report.layers_per_token * report.tokens == left or PROMISES[name].skips
        assert report.completed_share == 0
    if cache == "exact":
        assert report.layers_per_token == 5
    if cache == "verify" and (PROMISES[name].leaves or PROMISES[name].skips):
        assert report.drafted >= report.accepted
        assert report.drafted > 0
    told = json.loads(json.dumps(report.to_dict()))
    assert told["exits"] == {str(depth): count for depth, count in report.exits.items()}
    assert f"cache {cache}" in report.summary()


@pytest.mark.parametrize(("name", "cache"), having("deferred"))
@pytest.mark.parametrize("rows", [1, 3])
def test_deferred_leaves_the_cache_of_the_whole_model(name: str, cache: str, rows: int) -> None:
    model, inputs, policy = tiny("llama", torch.float64), prompt(rows, padded=True), made(name, cache)
    found = under(policy, model, inputs)
    length = found.sequences.shape[1] - 1
    assert {int(layer.get_seq_length()) for layer in found.past_key_values.layers} == {length}
    assert worst(found.past_key_values, full_cache(model, inputs, found.sequences), inputs, length) <= EXACT
    report = policy.report()
    assert report.layers_per_token == 5  # what was left out was made good in the end
    at_once = sum(depth * count for depth, count in report.exits.items()) / report.tokens
    assert report.completed_share == pytest.approx(1 - at_once / 5)


@pytest.mark.parametrize(("name", "cache"), having("verify"))
@pytest.mark.parametrize("sample", [False, True])
def test_verify_says_what_the_whole_model_says(name: str, cache: str, sample: bool) -> None:
    model, inputs, policy = tiny("llama", torch.float64), prompt(), made(name, cache)
    torch.manual_seed(5)
    expected = plain(model, inputs, tokens=TOKENS, do_sample=sample)
    torch.manual_seed(5)
    found = under(policy, model, inputs, do_sample=sample)
    assert torch.equal(found.sequences, expected.sequences)
    length = found.sequences.shape[1] - 1
    assert worst(found.past_key_values, expected.past_key_values, inputs, length) <= EXACT


@pytest.mark.parametrize(("name", "cache"), [case for case in BATCHES if PROMISES[case[0]].row_by_row])
def test_a_padded_batch_is_its_rows(name: str, cache: str) -> None:
    model, inputs, policy = tiny("llama"), prompt(3, padded=True), made(name, cache)
    together = sequences(under(policy, model, inputs))[:, -TOKENS:]
    exits = policy.report().exits
    apart: dict[int, int] = {}
    for row in range(3):
        assert torch.equal(sequences(under(policy, model, alone(inputs, row)))[0, -TOKENS:], together[row])
        for depth, count in policy.report().exits.items():
            apart[depth] = apart.get(depth, 0) + count
    assert apart == exits


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("rows", [1, 3])
def test_undefined_states_never_pass_a_block_by(name: str, rows: int) -> None:
    """Where a policy looks at a state before it leaves a feed-forward block out."""
    policy, family = made(name, PROMISES[name].caches[0]), family_of(tiny("llama"))
    policy.bind(family)
    for bad, how in product((torch.nan, torch.inf), ("before", "one number", "after")):
        policy.start(rows, None)
        for step in range(6):
            for index in sorted(policy.plan(step).ffn_checks):
                state = torch.randn(rows, family.width, generator=torch.Generator().manual_seed(step))
                broken = state.clone()
                broken[:, : 1 if how == "one number" else None] = bad
                runs = np.broadcast_to(policy.run_ffn(index, state if how == "after" else broken), (rows,))
                assert (runs == FFNRoute.FULL).all(), f"passes block {index} by where the state is {bad} ({how})"
                policy.ffn_done(index, state, broken if how == "after" else state)


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("rows", [1, 3])
def test_undefined_states_never_leave(name: str, rows: int) -> None:
    policy = made(name, PROMISES[name].caches[0])
    family = family_of(tiny("llama"))
    policy.bind(family)
    policy.start(rows, None)
    for step, bad, how in product(range(6), (torch.nan, torch.inf), ("newest", "one number", "all")):
        for depth in policy.plan(step).checks:
            generator = torch.Generator().manual_seed(step)
            states = [torch.randn(rows, family.width, generator=generator) for _ in range(depth + 1)]
            for state in states if how == "all" else states[-1:]:
                state[:, : 1 if how == "one number" else None] = bad
            found = policy.check(Trajectory(states, None))
            stays = found is None or (found.rows is not None and not np.any(found.rows))
            assert stays, f"leaves after {depth} layers where {how} of the states is {bad}"


_WAITING = ("cpu", "item", "tolist", "__bool__", "__float__", "__int__", "__index__", "__array__")
# What gives as many numbers as there are on the device, or compares there: the host waits for these too.
_COUNTING = ("nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "equal")


class _Counting(TorchDispatchMode):
    """Notes operations whose result the host must know before it goes on."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        masks = name == "index" and any(index is not None and index.dtype == torch.bool for index in args[1])
        if name in _COUNTING or masks:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def waits() -> Iterator[list[str]]:
    """Every time that the host would wait for a device."""
    seen: list[str] = []
    fetched: list[Tensor] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in _WAITING:
            original = getattr(Tensor, name)

            def noted(self: Tensor, *args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
                found = _original(self, *args, **kwargs)
                seen.append(_name)
                fetched.extend([found] if _name == "cpu" else [])
                return found

            patch.setattr(Tensor, name, noted)
        to_numpy = Tensor.numpy

        def fetched_first(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            assert any(self is each for each in fetched), "numpy() of what is on the device: cpu() comes first"
            return to_numpy(self, *args, **kwargs)

        patch.setattr(Tensor, "numpy", fetched_first)
        with _Counting(seen):
            yield seen


@pytest.mark.parametrize("name", [name for name, promise in PROMISES.items() if promise.waits is not None])
def test_a_check_waits_no_more_than_promised(name: str) -> None:
    policy, family = made(name, PROMISES[name].caches[0]), family_of(tiny("llama"))
    policy.bind(family)
    policy.start(3, None)
    states = [torch.randn(3, family.width, generator=torch.Generator().manual_seed(k)) for k in range(6)]
    for depth in policy.plan(0).checks:
        with waits() as seen:
            policy.check(Trajectory(states[: depth + 1], None))
        assert len(seen) <= (PROMISES[name].waits or 0), seen


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("rows", [1, 3])
def test_a_plan_names_what_the_model_has(name: str, rows: int) -> None:
    policy, family = made(name, PROMISES[name].caches[0]), family_of(tiny("llama"))
    policy.bind(family)
    policy.start(rows, None)
    for step in range(6):
        plan = policy.plan(step)
        assert isinstance(plan, Plan)
        exits = np.asarray(family.depth if plan.exit is None else plan.exit)
        assert exits.dtype.kind == "i"
        assert exits.shape in ((), (rows,))
        assert set(exits.ravel()) <= set(range(1, family.depth + 1))
        assert list(plan.checks) == sorted(set(plan.checks) & set(range(1, family.depth + 1))), "rising, each once"
        assert set(plan.skip_layers) <= set(range(1, family.depth)), "layer 0 cannot be left out"
        assert set(plan.ffn_checks) <= set(range(family.depth))
        if plan.ffn_routes is not None:
            assert not plan.ffn_checks
            assert plan.ffn_routes.shape in ((family.depth,), (rows, family.depth))
            assert np.isin(plan.ffn_routes, FFNRoute).all()


@pytest.mark.parametrize("name", [name for name, promise in PROMISES.items() if promise.row_by_row])
def test_a_plan_that_changes_says_so(name: str) -> None:
    """Else a policy would be measured by the plan of its first token."""
    policy, family = made(name, PROMISES[name].caches[0]), family_of(tiny("llama"))
    policy.bind(family)
    policy.start(2, None)
    plans = {repr(policy.plan(step)) for step in range(100)}
    assert len(plans) == 1 or policy.goes_by_step


@torch.no_grad()
@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("rows", [1, 3])
def test_what_it_is_shown_it_leaves_as_it_is(name: str, rows: int) -> None:
    """Prompt, tokens, states and logits are the engine's own, not copies; chance and gradients belong to the caller."""
    policy, family = made(name, PROMISES[name].caches[0]), family_of(tiny("llama"))
    generator = torch.Generator().manual_seed(1)
    states = [torch.randn(rows, family.width, generator=generator) for _ in range(family.depth + 1)]
    logits, ids = torch.randn(rows, VOCABULARY, generator=generator), prompt(rows)["input_ids"]
    shown = [*states, logits, ids]
    before, chance = [each.clone() for each in shown], torch.get_rng_state()
    policy.bind(family)
    policy.start(rows, ids)
    for step in range(3):
        policy.taken(ids[:, -1:])
        plan = policy.plan(step)
        for depth in plan.checks:
            found = policy.check(Trajectory(states[: depth + 1], None))
            if found is not None and found.rows is not None:
                assert isinstance(found.rows, np.ndarray), "Exit.rows is on the host"
                assert found.rows.dtype == bool
                assert found.rows.shape == (rows,)
        for index in plan.ffn_checks:
            routes = np.broadcast_to(policy.run_ffn(index, states[0]), (rows,))
            if (routes == FFNRoute.SUBSTITUTE).any():
                at = torch.as_tensor(np.flatnonzero(routes == FFNRoute.SUBSTITUTE))
                assert policy.instead_of_ffn(index, states[0][at]).shape == (len(at), family.width)
            if (routes == FFNRoute.FULL).any():
                policy.ffn_done(index, states[0], states[1])
        policy.emitted(logits)
        assert not torch.is_grad_enabled()
    assert all(torch.equal(*pair) for pair in zip(shown, before, strict=True))
    assert torch.equal(torch.get_rng_state(), chance), "draws from a generator of its own only"


class _Products(TorchDispatchMode):
    """Counts states that are multiplied by the whole of some matrices, whoever does it and however it is called."""

    def __init__(self, **weights: Sequence[Tensor]) -> None:
        super().__init__()
        self.rows = dict.fromkeys(weights, 0)
        self.held = {
            weight.untyped_storage().data_ptr(): (name, len(weight)) for name in weights for weight in weights[name]
        }

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func._schema.name in ("aten::mm", "aten::addmm", "aten::bmm", "aten::mv", "aten::addmv"):
            for each in args:
                place = each.untyped_storage().data_ptr() if isinstance(each, Tensor) else None
                if place in self.held:
                    name, size = self.held[place]
                    self.rows[name] += found.numel() // size
        return found


@pytest.mark.parametrize(("name", "cache"), CASES)
def test_the_report_counts_what_runs_by_any_way(name: str, cache: str) -> None:
    """Calls of a head, or of parts of a layer, that no hook sees and that the policy says nothing of."""
    model, inputs, policy = tiny("llama"), prompt(), made(name, cache)
    layers, substituted = model.model.layers, []

    def noted(index: int, post_attention: Tensor, instead: Any = policy.instead_of_ffn) -> Tensor:
        substituted.append(len(post_attention))
        found: Tensor = instead(index, post_attention)
        return found

    policy.instead_of_ffn = noted  # type: ignore[method-assign]
    with _Products(
        head=[model.lm_head.weight],
        attention=[layer.self_attn.o_proj.weight for layer in layers],
        ffn=[layer.mlp.up_proj.weight for layer in layers],
    ) as products:
        under(policy, model, inputs)
    report, prompted = policy.report(), inputs["input_ids"].numel() * 5
    assert report.heads_per_token * report.tokens == pytest.approx(products.rows["head"] - 1)  # one is the prompt's
    assert report.layers_per_token * report.tokens == pytest.approx(products.rows["attention"] - prompted)
    assert report.ffn_blocks_per_token * report.tokens == pytest.approx(products.rows["ffn"] - prompted)
    assert report.ffn_substituted_per_token * report.tokens == pytest.approx(sum(substituted))
    other = products.rows["attention"] - products.rows["ffn"] - sum(substituted)
    assert report.ffn_left_out_per_token * report.tokens == pytest.approx(other)
    told = report.to_dict()
    parts = ("ffn_blocks_per_token", "ffn_substituted_per_token", "ffn_left_out_per_token")
    assert sum(told[part] for part in parts) == pytest.approx(told["layers_per_token"])


def condition(model: Any) -> dict[str, Any]:
    """What can be seen to have changed of a model, but for its weights."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    modules = {
        name: (module.training, *(len(getattr(module, kind)) for kind in hooks), module.__dict__.get("forward"))
        for name, module in model.named_modules()
    }
    return {"modules": modules, "config": model.config.to_dict(), "settings": model.generation_config.to_dict()}


@pytest.mark.parametrize(("name", "cache"), CASES)
def test_the_model_is_as_before(name: str, cache: str) -> None:
    model, inputs, policy = TINY["llama"](), prompt(), made(name, cache)
    expected = plain(model, inputs)
    held, was = dict(model.__dict__), condition(model)
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    under(policy, model, inputs)
    assert model.__dict__.keys() == held.keys()
    assert all(model.__dict__[key] is value for key, value in held.items())
    assert condition(model) == was
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    again = plain(model, inputs)
    assert all(torch.equal(*pair) for pair in zip(again.logits, expected.logits, strict=True))


@pytest.mark.parametrize(("name", "cache"), having("deferred", "verify", "propagate", "exact"))
def test_the_next_turn(name: str, cache: str) -> None:
    """The cache that a policy returns goes into the plain model, and into the policy again."""
    model, inputs, policy = tiny("llama", torch.float64), prompt(), made(name, cache)
    first = under(policy, model, inputs)
    extra = prompt(seed=1, tokens=4)["input_ids"]
    longer = continued(inputs, torch.cat((first.sequences, extra), dim=1))
    turns = {}
    for way, more in {"plain": {}, "policy": {"custom_generate": policy}}.items():
        cache_before = DynamicCache(config=model.config)
        for index, layer in enumerate(first.past_key_values.layers):
            cache_before.update(layer.keys, layer.values, index)
        turns[way] = plain(model, longer, tokens=6, past_key_values=cache_before, **more)
        assert cache_before.get_seq_length() == longer["input_ids"].shape[1] + 5
    if cache not in ("exact", "propagate"):
        assert torch.equal(turns["plain"].sequences, plain(model, longer, tokens=6).sequences)
        again = plain(model, longer, tokens=6, custom_generate=policy)
        assert torch.equal(turns["policy"].sequences, again.sequences)


@pytest.mark.parametrize(("name", "cache"), CASES)
def test_half_precision(name: str, cache: str) -> None:
    model, inputs, policy = tiny("llama", torch.bfloat16), prompt(), made(name, cache)
    found = sequences(under(policy, model, inputs))
    assert found.shape == (1, inputs["input_ids"].shape[1] + TOKENS)
    assert policy.report().tokens == TOKENS - 1


# ---- never: the plain model, bit for bit ---------------------------------------------------------------------------


@pytest.mark.parametrize(("model_name", "rows"), EVERYWHERE)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_never_is_the_plain_model(model_name: str, attention: str, rows: int) -> None:
    model, inputs = tiny(model_name, attention=attention), prompt(rows, padded=True)
    for fixed_size, sample in product((False, True), (False, True) if model_name in THOROUGH else (False,)):
        options: dict[str, Any] = {"do_sample": sample, "tokens": 10}
        options |= {"cache_implementation": "static"} if fixed_size else {}
        torch.manual_seed(3)
        expected = plain(model, inputs, **options)
        for cache in ("propagate",) if fixed_size and model_name in WINDOWED else ("propagate", "deferred"):
            torch.manual_seed(3)
            found = plain(model, inputs, custom_generate=NeverExitPolicy(cache=cache), **options)
            same_bits(found, expected)
            torch.manual_seed(3)
            with NeverExitPolicy(cache=cache).attach(model):
                attached = plain(model, inputs, **options)
            same_bits(attached, expected)


class AsksAndRunsAll(Policy):
    """Asks at every feed-forward block, and leaves none out."""

    def __init__(self) -> None:
        super().__init__(unit="ffn", cache="exact")
        self.asked = 0

    def bind(self, family: Any) -> None:
        self.depth = family.depth

    def plan(self, step: int) -> Plan:
        return Plan(ffn_checks=frozenset(range(self.depth)))

    def run_ffn(self, index: int, post_attention: Tensor) -> np.ndarray:
        self.asked += 1
        return np.ones(len(post_attention), dtype=bool)


@pytest.mark.parametrize("model_name", TINY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_halves_that_all_run_are_the_plain_model(model_name: str, dtype: torch.dtype) -> None:
    """Also where halves run side by side, and are added to each other before the state."""
    model, inputs = tiny(model_name, dtype), prompt(3, padded=True)
    expected = plain(model, inputs, tokens=6)
    asking, depth = AsksAndRunsAll(), family_of(model).depth
    for policy in (asking, DuoPolicy(route=("big",) * depth), FFNSkipPolicy(threshold=1.0, cold_start=0, cold_end=0)):
        same_bits(plain(model, inputs, custom_generate=policy, tokens=6), expected)
    assert asking.asked == 5 * depth
    texts = full_model_continuations(model, [[1, 2, 3], [4, 5, 6, 7]], max_new_tokens=5)
    never, asked = (replay(model, each, texts) for each in (NeverExitPolicy(), asking))
    assert (never.log_likelihood == asked.log_likelihood).all()  # of many tokens at once, too


def same_bits(found: Any, expected: Any) -> None:
    assert torch.equal(found.sequences, expected.sequences)
    assert len(found.logits) == len(expected.logits)
    assert all(torch.equal(*pair) for pair in zip(found.logits, expected.logits, strict=True))
    for one, other in zip(found.past_key_values.layers, expected.past_key_values.layers, strict=True):
        assert torch.equal(one.keys, other.keys)
        assert torch.equal(one.values, other.values)
        assert int(one.get_seq_length()) == int(other.get_seq_length())


@pytest.mark.parametrize("model_name", WINDOWED)
@pytest.mark.parametrize("cache", ["deferred", "verify", "monotone"])
def test_windows_of_fixed_size_are_refused_where_layers_lag(model_name: str, cache: Any) -> None:
    policy = NeverExitPolicy(cache=cache)
    with pytest.raises(UnsupportedGenerationError, match=r"StaticCache with sliding windows.*DynamicCache"):
        tiny(model_name).generate(
            **prompt(), max_new_tokens=3, custom_generate=policy, cache_implementation="static", do_sample=False
        )


# ---- random: every cache -------------------------------------------------------------------------------------------


def leaves_enough(policy: Policy) -> None:
    """At least three of ten tokens left early, and each depth occurred."""
    exits = policy.report().exits
    assert set(exits) == {1, 2, 3, 4, 5}
    assert exits[5] <= 0.7 * sum(exits.values())


@pytest.mark.parametrize(
    ("model_name", "rows", "attention"),
    [(*one, way) for one in EVERYWHERE for way in ("sdpa", "eager") if way == "sdpa" or one[0] in THOROUGH],
)
def test_random_exits_leave_the_cache_of_the_whole_model(model_name: str, rows: int, attention: str) -> None:
    inputs = prompt(rows, padded=True)
    length = inputs["input_ids"].shape[1] + TOKENS - 1
    rounds = attention == "eager" or model_name in SINGLE  # eager softmax is float32
    types = (torch.float32,) if rounds else (torch.float32, torch.float64)
    for dtype in types:
        model = tiny(model_name, dtype, attention)
        for cache in caches(model, length):
            if isinstance(cache, StaticCache) and model_name in WINDOWED:
                continue
            policy = RandomExitPolicy(rate=0.7, seed=1)
            found = plain(model, inputs, tokens=TOKENS, custom_generate=policy, past_key_values=cache)
            leaves_enough(policy)
            assert {int(layer.get_seq_length()) for layer in cache.layers} == {length}
            expected = full_cache(model, inputs, found.sequences)
            allowed = EXACT if dtype == torch.float64 else 2 * spread(model, inputs, found.sequences)
            assert worst(cache, expected, inputs, length) <= allowed


# Seeds under which some drafts hold: layers of a random model rarely agree.
DRAWN = {"deepseek_v3": 13, "qwen3_moe": 7, "phi": 30}


@pytest.mark.parametrize("model_name", TINY)
@pytest.mark.parametrize("sample", [False, True])
def test_random_drafts_change_nothing(model_name: str, sample: bool) -> None:
    single = model_name in SINGLE
    model, inputs = tiny(model_name, torch.float32 if single else torch.float64), prompt()
    length = inputs["input_ids"].shape[1] + TOKENS - 1
    rounding = 1e-3 if single else 1e-5  # generate rounds logits to float32
    for cache in caches(model, length):
        if isinstance(cache, StaticCache) and model_name in WINDOWED:
            continue
        policy = RandomExitPolicy(rate=0.8, cache="verify", seed=DRAWN.get(model_name, 22))
        torch.manual_seed(7)
        expected = plain(model, inputs, tokens=TOKENS, do_sample=sample)
        torch.manual_seed(7)
        found = plain(model, inputs, tokens=TOKENS, do_sample=sample, custom_generate=policy, past_key_values=cache)
        assert torch.equal(found.sequences, expected.sequences)
        for one, other in zip(found.logits, expected.logits, strict=True):
            torch.testing.assert_close(one, other, rtol=rounding, atol=rounding)
        assert policy.report().drafted > policy.report().accepted > 0 or sample
        assert {int(layer.get_seq_length()) for layer in cache.layers} == {length}
        allowed = 2 * spread(model, inputs, found.sequences) if single else EXACT
        assert worst(cache, full_cache(model, inputs, found.sequences), inputs, length) <= allowed
        assert not any(getattr(layer, "record_past", False) for layer in cache.layers)


# ---- a real model --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stories(stories15m: Path) -> Any:
    return LlamaForCausalLM.from_pretrained(stories15m, attn_implementation="sdpa").eval()


OPENING: Sequence[int] = (1, 9038, 2501, 263, 931)  # "Once upon a time"


@pytest.mark.parametrize("name", POLICIES)
def test_a_real_model_is_itself_after_drafts(name: str, stories: Any) -> None:
    """In float32, where the drafts' pass rounds differently: greedy tokens of a trained model stand clear of that."""
    inputs = {"input_ids": torch.tensor([OPENING]), "attention_mask": torch.ones(1, len(OPENING), dtype=torch.int64)}
    promise = PROMISES[name]
    if "verify" not in promise.caches:
        return
    policy = policy_named(name, cache="verify", **(promise.options if promise.trained is None else promise.trained))
    expected = plain(stories, inputs, tokens=24)
    found = plain(stories, inputs, tokens=24, custom_generate=policy)
    assert torch.equal(found.sequences, expected.sequences)
    assert (policy.report().drafted > 0) is (promise.leaves or promise.skips)


def test_a_real_model_that_never_leaves(stories: Any) -> None:
    ids = np.array([OPENING, (0, 0, *OPENING[:3])])
    inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor((ids > 0).astype(np.int64))}
    same_bits(
        plain(stories, inputs, tokens=16, pad_token_id=0, custom_generate=NeverExitPolicy()),
        plain(stories, inputs, tokens=16, pad_token_id=0),
    )
