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
from transformers import DynamicCache, LlamaForCausalLM, StaticCache

from adapters.errors import UnsupportedGenerationError
from adapters.families import family_of
from adapters.policies import NeverExitPolicy, Policy, Promise, RandomExitPolicy, Trajectory
from adapters.policies.registry import POLICIES, policy_named
from ews.errors import EWSError, UnknownNameError
from tests.adapters.driving import alone, continued, counted, full_cache, plain, prompt, spread, tiny, worst
from tests.adapters.tiny import TINY

TOKENS = 16  # beyond the windows of the tiny models
EXACT = 1e-9  # float64
WINDOWED = ("gemma3", "mistral")


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
    with counted(model) as calls:
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
    if cache != "verify":
        assert sum(report.exits.values()) == report.tokens
        assert report.drafted == report.accepted == 0
    if cache in ("monotone", "propagate"):
        left = sum(depth * count for depth, count in report.exits.items())
        assert report.layers_per_token * report.tokens == left
        assert report.completed_share == 0
    if cache == "verify" and PROMISES[name].leaves:
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
            assert found is None or (found.rows is not None and not found.rows.any()), how


@contextmanager
def waits() -> Iterator[list[str]]:
    """Every time that the host would wait for a device."""
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("cpu", "item", "tolist", "__bool__", "__float__", "__int__", "__index__", "__array__"):
            original = getattr(Tensor, name)

            def noted(self: Tensor, *args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
                seen.append(_name)
                return _original(self, *args, **kwargs)

            patch.setattr(Tensor, name, noted)
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
        assert len(seen) <= (PROMISES[name].waits or 0)


@pytest.mark.parametrize(("name", "cache"), CASES)
def test_the_model_is_as_before(name: str, cache: str) -> None:
    model, inputs, policy = tiny("llama"), prompt(), made(name, cache)
    held, settings = dict(model.__dict__), model.generation_config.to_dict()
    expected = plain(model, inputs)
    under(policy, model, inputs)
    assert model.__dict__.keys() == held.keys()
    assert all(model.__dict__[key] is value for key, value in held.items())
    assert model.generation_config.to_dict() == settings
    again = plain(model, inputs)
    assert all(torch.equal(*pair) for pair in zip(again.logits, expected.logits, strict=True))


@pytest.mark.parametrize(("name", "cache"), having("deferred", "verify", "propagate"))
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
    if cache != "propagate":
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


@pytest.mark.parametrize("model_name", TINY)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("rows", [1, 3])
def test_never_is_the_plain_model(model_name: str, attention: str, rows: int) -> None:
    model, inputs = tiny(model_name, attention=attention), prompt(rows, padded=True)
    for fixed_size, sample in product((False, True), (False, True)):
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


@pytest.mark.parametrize("model_name", TINY)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("rows", [1, 3])
def test_random_exits_leave_the_cache_of_the_whole_model(model_name: str, attention: str, rows: int) -> None:
    inputs = prompt(rows, padded=True)
    length = inputs["input_ids"].shape[1] + TOKENS - 1
    types = (torch.float32,) if attention == "eager" else (torch.float32, torch.float64)  # eager softmax is float32
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


@pytest.mark.parametrize("model_name", TINY)
@pytest.mark.parametrize("sample", [False, True])
def test_random_drafts_change_nothing(model_name: str, sample: bool) -> None:
    model, inputs = tiny(model_name, torch.float64), prompt()
    length = inputs["input_ids"].shape[1] + TOKENS - 1
    for cache in caches(model, length):
        if isinstance(cache, StaticCache) and model_name in WINDOWED:
            continue
        policy = RandomExitPolicy(rate=0.8, cache="verify", seed=2)
        torch.manual_seed(7)
        expected = plain(model, inputs, tokens=TOKENS, do_sample=sample)
        torch.manual_seed(7)
        found = plain(model, inputs, tokens=TOKENS, do_sample=sample, custom_generate=policy, past_key_values=cache)
        assert torch.equal(found.sequences, expected.sequences)
        for one, other in zip(found.logits, expected.logits, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)  # generate rounds them to float32
        assert policy.report().drafted > policy.report().accepted > 0 or sample
        assert {int(layer.get_seq_length()) for layer in cache.layers} == {length}
        assert worst(cache, full_cache(model, inputs, found.sequences), inputs, length) <= EXACT
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
    assert (policy.report().drafted > 0) is PROMISES[name].leaves


def test_a_real_model_that_never_leaves(stories: Any) -> None:
    ids = np.array([OPENING, (0, 0, *OPENING[:3])])
    inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor((ids > 0).astype(np.int64))}
    same_bits(
        plain(stories, inputs, tokens=16, pad_token_id=0, custom_generate=NeverExitPolicy()),
        plain(stories, inputs, tokens=16, pad_token_id=0),
    )
