"""SkipDecode and unified layer skipping: budgets by position, against hooks on the plain model."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from adapters.errors import MonotonicityError, UnsupportedGenerationError
from adapters.policies import Plan
from adapters.policies.skip_decode import SkipDecodePolicy, bypassed_layers, exit_budget
from adapters.policies.unified_skip import UnifiedSkipPolicy, kept_layers
from ews.errors import ArgumentError, EWSError, InputTypeError, ValueRangeError
from tests.adapters.driving import alone, counted, layers_left_out, plain, prompt, tiny

LAYERS, TOKENS = 5, 12


def of_depth(layers: int, **options: Any) -> SkipDecodePolicy:
    """Met with a model of so many layers."""
    policy = SkipDecodePolicy(**options)
    policy.bind(SimpleNamespace(depth=layers))  # type: ignore[arg-type]
    return policy


def emitting(policy: Any) -> list[Tensor]:
    """What a policy lets go from here on."""
    heard: list[Tensor] = []
    policy.emitted = heard.append
    return heard


@pytest.mark.parametrize(
    ("length", "most", "least"), [(1, 5, 1), (7, 12, 3), (64, 30, 15), (100, 24, 24), (9, 6, 1), (1000, 32, 2)]
)
def test_the_budget_falls_from_one_bound_to_the_other(length: int, most: int, least: int) -> None:
    found = [exit_budget(t, length=length, max_exit=most, min_exit=least) for t in range(2 * length)]
    assert found[0] == most
    assert set(found[length:]) == {least}
    assert found == [round((1 - t / length) * most + t / length * least) for t in range(length)] + [least] * length
    assert all(later <= earlier for earlier, later in pairwise(found))


@pytest.mark.parametrize(("layers", "warmup"), [(5, 1), (12, 1), (12, 3), (30, 4), (2, 1)])
def test_the_band_grows_upwards_from_the_warm_up(layers: int, warmup: int) -> None:
    before: frozenset[int] = frozenset()
    for budget in range(layers, warmup - 1, -1):
        band = bypassed_layers(budget, layers=layers, warmup_layers=warmup)
        assert len(band) == layers - budget
        assert before <= band  # a layer that was left out stays out
        assert sorted(set(range(layers)) - band) == [
            *range(warmup),
            *range(layers - budget + warmup, layers),
        ]  # the warm-up, and the last of the others
        before = band
    assert bypassed_layers(layers - 1, layers=layers, warmup_layers=1) == {1}  # then 1, …, k


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2", "opt"])
@pytest.mark.parametrize("cache", ["monotone", "verify"])
def test_tokens_run_what_the_schedule_says(name: str, cache: Any) -> None:
    """As if hooks undid the layers of the plain model, which keeps what they put into its cache: nothing reads that."""
    model, inputs = tiny(name), prompt(3, padded=True)
    policy = SkipDecodePolicy(length=8, min_exit=2, cache=cache)
    heard = emitting(policy)
    with counted(model) as calls:
        found = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, custom_generate=policy)
    if cache == "verify":
        assert torch.equal(found, plain(model, inputs, tokens=TOKENS).sequences)
        return
    budgets = [round((1 - min(t / 8, 1)) * 5 + min(t / 8, 1) * 2) for t in range(1, TOKENS)]
    bands = [range(1, 1 + LAYERS - budget) for budget in budgets]
    with layers_left_out(model, bands):
        expected = plain(model, inputs, tokens=TOKENS)
    assert torch.equal(found, expected.sequences)
    for one, other in zip(heard, expected.logits[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert [layer for layer, _, tokens in calls if tokens > 1] == list(range(LAYERS))  # the prompt, at max_exit
    assert [layer for layer, _, tokens in calls if tokens == 1] == [
        layer for band in bands for layer in range(LAYERS) if layer not in band
    ]
    assert {rows for _, rows, _ in calls} == {3}  # the whole batch at one depth
    assert policy.report().layers_per_token == pytest.approx(np.mean(budgets))
    assert [policy.budget_at(t) for t in range(1, TOKENS)] == budgets


def test_rows_are_aligned_by_generated_token() -> None:
    """Not by position: a row with more padding, or that ended, has the depth of the others."""
    model, inputs = tiny("llama"), prompt(3, padded=True)
    policy = SkipDecodePolicy(length=6, min_exit=1)
    together = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, custom_generate=policy)
    ends = int(together[0, -TOKENS + 2])
    for row in range(3):
        one = model.generate(**alone(inputs, row), max_new_tokens=TOKENS, do_sample=False, custom_generate=policy)
        assert torch.equal(one[0, -TOKENS:], together[row, -TOKENS:])
    cut = model.generate(
        **inputs, max_new_tokens=TOKENS, do_sample=False, custom_generate=policy, eos_token_id=ends, pad_token_id=0
    )
    for row in (1, 2):
        stop = torch.cat(((together[row, 7:] == ends).nonzero()[:, 0], torch.tensor([TOKENS])))[0]
        assert torch.equal(cut[row, 7 : 8 + stop], together[row, 7 : 8 + stop])


@torch.no_grad()
def test_each_layer_holds_a_prefix_without_gaps() -> None:
    model, ids = tiny("llama"), prompt()["input_ids"]
    policy, cache = SkipDecodePolicy(length=6, min_exit=2), DynamicCache(config=model.config)
    with policy.attach(model) as engine:
        model(ids, past_key_values=cache)
        lengths = np.full(LAYERS, ids.shape[1])
        for token in range(1, 9):
            model(ids[:, :1], past_key_values=cache)
            ran = set(range(LAYERS)) - bypassed_layers(policy.budget_at(token), layers=LAYERS, warmup_layers=1)
            lengths[sorted(ran)] += 1
            assert engine._sessions[cache].lengths == lengths.tolist()
            assert all(lengths[layer] == ids.shape[1] + token for layer in ran)  # none that runs lacks a token
        with pytest.raises(MonotonicityError, match="gaps"):  # the next turn needs what is not there
            model(ids, past_key_values=cache)


class Rising(SkipDecodePolicy):
    """As no budget may be."""

    def plan(self, step: int) -> Plan:
        """More from token to token."""
        return super().plan(20 - step)


def test_a_budget_that_rises_is_refused() -> None:
    for policy, error in ((Rising(length=16, min_exit=2), MonotonicityError), (Rising(cache="propagate"), None)):
        options = {**prompt(2), "max_new_tokens": TOKENS, "do_sample": False, "custom_generate": policy}
        if error is None:
            assert tiny("llama").generate(**options).shape == (2, 7 + TOKENS)
        else:
            with pytest.raises(error, match=r"layer \d was left out before"):
                tiny("llama").generate(**options)
    with pytest.raises(ArgumentError, match=r"cache: got 'deferred'.*monotone"):
        tiny("llama").generate(**prompt(), max_new_tokens=6, custom_generate=SkipDecodePolicy(cache="deferred"))
    with pytest.raises(UnsupportedGenerationError, match="monotone"):
        plain(tiny("llama"), prompt(), custom_generate=SkipDecodePolicy())


@pytest.mark.parametrize("policy", [SkipDecodePolicy(min_exit=LAYERS), UnifiedSkipPolicy(speedup=1.0)])
@pytest.mark.parametrize("name", ["llama", "gpt_neox"])
def test_never_skipping_is_the_plain_model_bit_for_bit(policy: Any, name: str) -> None:
    model, inputs = tiny(name), prompt(3, padded=True)
    heard = emitting(policy)
    found = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, custom_generate=policy)
    expected = plain(model, inputs, tokens=TOKENS)
    assert torch.equal(found, expected.sequences)
    assert all(torch.equal(*pair) for pair in zip(heard, expected.logits[1:], strict=True))


@pytest.mark.parametrize("layers", [6, 12, 22, 30])
@pytest.mark.parametrize("speedup", [1.0, 1.2, 1.5, 2.0, 3.0])
def test_a_speedup_is_the_mean_depth(layers: int, speedup: float) -> None:
    policy = of_depth(layers, length=200, speedup=speedup)
    budgets = [policy.budget_at(t) for t in range(201)]
    assert abs(np.mean(budgets) - layers / speedup) <= 0.5
    assert min(budgets) >= min(2, layers)  # the warm-up and the last layer, at the least
    most, least = policy.budget_at(0), policy.budget_at(200)
    for options in ({"max_exit": most}, {"min_exit": least}):
        again = of_depth(layers, length=200, speedup=speedup, **options)
        assert abs(np.mean([again.budget_at(t) for t in range(201)]) - layers / speedup) <= 0.5


def test_defaults_and_what_cannot_be() -> None:
    policy = of_depth(30)
    assert [policy.budget_at(t) for t in (0, 64, 1000)] == [30, 15, 15]
    assert of_depth(1).budget_at(50) == 1
    assert of_depth(4, warmup_layers=4).budget_at(50) == 4
    with pytest.raises(ArgumentError, match="met no model"):
        SkipDecodePolicy().budget_at(1)
    for options, error, message in (
        ({"length": 0}, ValueRangeError, "length: got 0"),
        ({"length": 1.5}, ValueRangeError, "length"),
        ({"speedup": 0.5}, ValueRangeError, "speedup: got 0.5"),
        ({"speedup": "2"}, InputTypeError, "speedup"),
        ({"speedup": float("nan")}, ValueRangeError, "speedup"),
        ({"speedup": 2.0, "max_exit": 5, "min_exit": 2}, ArgumentError, "the other follows"),
        ({"warmup_layers": 0}, ValueRangeError, "warmup_layers"),
        ({"warmup_layers": 6}, ValueRangeError, "warmup_layers: got 6"),
        ({"min_exit": 0}, ValueRangeError, "min_exit: got 0"),
        ({"max_exit": 6}, ValueRangeError, "max_exit: got 6"),
        ({"max_exit": True}, InputTypeError, "max_exit"),
        ({"max_exit": 2, "min_exit": 3}, ValueRangeError, "never rises"),
        ({"min_exit": 1, "warmup_layers": 2}, ValueRangeError, "min_exit: got 1.*warm-up"),
        ({"speedup": 4.0}, ValueRangeError, "1 to 2.5"),
        ({"speedup": float("inf")}, ValueRangeError, "1 to 2.5"),
        ({"speedup": 2.0, "min_exit": 4}, ValueRangeError, r"1.11111 to 1.25 with min_exit=4"),
        ({"speedup": 1.2, "max_exit": 3}, ValueRangeError, r"1.66667 to 2.5 with max_exit=3"),
        ({"cache": "gone"}, EWSError, "cache"),
    ):
        with pytest.raises(error, match=message):
            of_depth(5, **options)


# ---- unified layer skipping ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [2, 5, 12, 24, 30])
def test_kept_layers_are_even_between_first_and_last(layers: int) -> None:
    for speedup in (1.0, 1.1, 1.25, 1.6, 2.0, layers / 2):
        kept = kept_layers(layers, speedup)
        assert len(kept) == len(set(kept)) == min(layers, max(2, int(layers / speedup)))
        assert (kept[0], kept[-1]) == (0, layers - 1)
        steps = np.diff(kept)
        assert steps.max() - steps.min() <= 1


def test_the_same_layers_are_left_out_of_every_token() -> None:
    model, inputs = tiny("llama"), prompt(3, padded=True)
    policy = UnifiedSkipPolicy(speedup=1.6)
    heard = emitting(policy)
    with counted(model) as calls:
        found = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, custom_generate=policy)
    with layers_left_out(model, [[1, 3]]):
        expected = plain(model, inputs, tokens=TOKENS)
    assert torch.equal(found, expected.sequences)
    for one, other in zip(heard, expected.logits[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert [layer for layer, _, tokens in calls if tokens == 1] == [0, 2, 4] * (TOKENS - 1)
    for speedup in (0.9, 2.6, float("inf")):
        with pytest.raises(ValueRangeError, match="speedup"):
            model.generate(**inputs, max_new_tokens=3, custom_generate=UnifiedSkipPolicy(speedup=speedup))
