"""Whom a call belongs to: threads, tasks, several caches; and caches that their owner does something to."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import pickle
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import Cache, DynamicCache, StaticCache

from adapters import ConfidencePolicy
from adapters.errors import MonotonicityError, NothingDecidedWarning, UnsupportedGenerationError
from adapters.policies import FixedExitPolicy, NeverExitPolicy, Policy, RandomExitPolicy
from ews.errors import ArgumentError
from tests.adapters.driving import Scripted, alone, counted, full_cache, plain, prompt, tiny, worst
from tests.adapters.tiny import TINY

MODES: tuple[Any, ...] = ("deferred", "propagate", "verify", "monotone")
TOKENS = 10


def greedy(model: Any, inputs: dict[str, Tensor], **options: Any) -> list[int]:
    found: list[int] = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False, **options)[0].tolist()
    return found


# ---- threads -------------------------------------------------------------------------------------------------------


def in_threads(*jobs: Callable[[], None]) -> None:
    """Run jobs at the same time; the first error of any is raised."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        started = [pool.submit(job) for job in jobs]
    for each in started:
        each.result()


def test_four_threads_with_four_policies() -> None:
    model = tiny("llama")
    held = dict(model.__dict__)
    policies: list[Callable[[], Policy]] = [
        lambda: FixedExitPolicy(depth=2, cache="verify"),
        lambda: FixedExitPolicy(depth=3, cache="deferred"),
        lambda: ConfidencePolicy(threshold=0.3, cache="propagate"),
        lambda: FixedExitPolicy(depth=4, cache="monotone"),
    ]
    prompts = [prompt(seed=seed) for seed in range(5)]
    expected = [[greedy(model, inputs, custom_generate=make()) for inputs in prompts] for make in policies]

    def job(index: int) -> Callable[[], None]:
        def generate() -> None:
            policy = policies[index]()
            for time in range(50):
                assert greedy(model, prompts[time % 5], custom_generate=policy) == expected[index][time % 5]
            assert policy.report().tokens == TOKENS - 1

        return generate

    in_threads(*map(job, range(4)))
    assert model.__dict__ == held


def test_threads_without_a_policy_get_the_plain_model() -> None:
    model, inputs = tiny("llama"), prompt()
    expected, left = greedy(model, inputs), greedy(model, inputs, custom_generate=FixedExitPolicy(depth=2))
    assert left != expected

    def plainly() -> None:
        for _ in range(20):
            assert greedy(model, inputs) == expected

    def attached() -> None:
        with FixedExitPolicy(depth=2).attach(model):
            for _ in range(20):
                assert greedy(model, inputs) == left

    in_threads(plainly, attached, attached)
    with FixedExitPolicy(depth=2).attach(model):
        in_threads(plainly)
        assert greedy(model, inputs) == left
    assert "forward" not in model.__dict__


def test_tasks_are_told_apart_and_their_threads_belong_to_them() -> None:
    model, inputs = tiny("llama"), prompt()
    depths = (2, 3, 4)
    expected = [greedy(model, inputs, custom_generate=FixedExitPolicy(depth=depth)) for depth in depths]

    async def one(depth: int) -> list[list[int]]:
        with FixedExitPolicy(depth=depth).attach(model):
            await asyncio.sleep(0)
            here = greedy(model, inputs)
            there = await asyncio.gather(*(asyncio.to_thread(greedy, model, inputs) for _ in range(3)))
            return [here, *there]

    async def everyone() -> list[list[list[int]]]:
        return list(await asyncio.gather(*map(one, depths)))

    for found, wanted in zip(asyncio.run(everyone()), expected, strict=True):
        assert found == [wanted] * 4


def test_a_policy_decides_for_one_generation_at_a_time() -> None:
    model, inputs, policy = tiny("llama"), prompt(), RandomExitPolicy(rate=0.6)
    expected = greedy(model, inputs, custom_generate=policy)

    def generate() -> None:
        for _ in range(10):
            assert greedy(model, inputs, custom_generate=policy) == expected

    in_threads(generate, generate, generate)  # one waits for the other
    refused = pytest.raises(ArgumentError, match=r"policy: got one that is attached.*copy\.deepcopy")
    with policy.attach(model):
        with refused:
            in_threads(lambda: greedy(model, inputs, custom_generate=policy) and None)
        assert greedy(model, inputs) == expected
        in_threads(lambda: greedy(model, inputs, custom_generate=copy.deepcopy(policy)) and None)
        with refused, policy.attach(tiny("qwen2")):
            pass
    generate()


# ---- nothing was decided -------------------------------------------------------------------------------------------


def one_token(model: Any) -> None:
    model.generate(**prompt(), max_new_tokens=1, do_sample=False)


def texts_are_scored(model: Any) -> None:
    for seed in range(3):  # as evaluation harnesses do
        kept = model(**prompt(2, seed=seed)).logits
        assert kept.shape == (2, 7, 101)


def scored_after_a_generation(model: Any) -> None:
    greedy(model, prompt())
    texts_are_scored(model)


def from_another_thread(model: Any) -> None:
    in_threads(lambda: greedy(model, prompt()) and None)


def trained(model: Any) -> None:
    for _ in range(2):
        ids = prompt()["input_ids"]
        model(ids, labels=ids)


@torch.no_grad()
@pytest.mark.parametrize("do", [one_token, texts_are_scored, scored_after_a_generation, from_another_thread, trained])
def test_what_decides_nothing_says_so(do: Any) -> None:
    def attached() -> None:
        with FixedExitPolicy(depth=2).attach(tiny("llama")):
            do(tiny("llama"))

    with pytest.warns(NothingDecidedWarning, match=r"decided on no token|follow each other") as said:
        attached()
    assert len(said) == 1


def test_a_generation_that_decides_nothing_says_so() -> None:
    with pytest.warns(NothingDecidedWarning, match="decided on no token of this generation"):
        tiny("llama").generate(**prompt(), max_new_tokens=1, do_sample=False, custom_generate=FixedExitPolicy(depth=2))


@pytest.mark.parametrize("name", ["generate_batch", "init_continuous_batching", "continuous_batching_context_manager"])
def test_continuous_batching_is_refused_by_name(name: str) -> None:
    model = tiny("llama")
    refused = pytest.raises(UnsupportedGenerationError, match=rf"{name}: got continuous batching; allowed: generate")
    with NeverExitPolicy().attach(model), refused:
        getattr(model, name)([[1, 2, 3]])
    assert name not in model.__dict__


# ---- several caches ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", MODES)
@pytest.mark.parametrize("way", ["custom_generate", "attach"])
@pytest.mark.parametrize("negative", [False, True])
def test_guidance(way: str, cache: Any, negative: bool) -> None:
    """The policy decides for the text; what it is held against goes through the whole model, and is reported."""
    model, inputs = tiny("llama", torch.float64), prompt()
    options: dict[str, Any] = {"guidance_scale": 1.5, "max_new_tokens": TOKENS, "do_sample": False}
    if negative:
        options["negative_prompt_ids"] = prompt(seed=3)["input_ids"]
    policy = FixedExitPolicy(depth=3, cache=cache)
    with counted(model) as calls:
        if way == "attach":
            with policy.attach(model):
                found = model.generate(**inputs, **options)
        else:
            found = model.generate(**inputs, **options, custom_generate=policy)
    if cache == "verify":
        assert torch.equal(found, model.generate(**inputs, **options))
    report = policy.report()
    beside = TOKENS + (6 if negative else 0)
    assert report.tokens == TOKENS - 1
    assert f"{beside} tokens of another cache" in report.events[-1]
    ran = sum(rows * tokens for _, rows, tokens in calls) - 5 * (7 + beside)
    assert ran == report.layers_per_token * report.tokens
    if cache != "verify":
        assert report.layers_per_token == 3


@torch.no_grad()
@pytest.mark.parametrize("cache", ["deferred", "propagate", "verify"])
def test_caches_that_take_turns(cache: Any) -> None:
    """Each has its own session: what waits in one is not touched by the other."""
    model = tiny("llama", torch.float64)
    prompts = [prompt(seed=seed)["input_ids"] for seed in (1, 2)]
    apart = []
    for ids in prompts:
        with FixedExitPolicy(depth=2, cache=cache).attach(model):
            held = DynamicCache(config=model.config)
            model(ids, past_key_values=held)
            apart.append([model(torch.tensor([[k]]), past_key_values=held).logits for k in range(1, 9)])
    policy = FixedExitPolicy(depth=2, cache=cache)
    with counted(model) as calls, policy.attach(model):
        caches = [DynamicCache(config=model.config) for _ in prompts]
        for ids, held in zip(prompts, caches, strict=True):
            model(ids, past_key_values=held)
        for step in range(8):
            for index in (0, 1):
                found = model(torch.tensor([[step + 1]]), past_key_values=caches[index]).logits
                torch.testing.assert_close(found, apart[index][step], rtol=1e-9, atol=1e-9)
        if cache != "verify":
            assert len(calls) == 10 + 2 * 16
    for ids, held in zip(prompts, caches, strict=True):
        text = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        whole = torch.cat((ids, torch.arange(1, 10)[None]), dim=1)
        assert {int(layer.get_seq_length()) for layer in held.layers} == {15}
        if cache != "propagate":
            assert worst(held, full_cache(model, text, whole), text, 15) <= 1e-9


@torch.no_grad()
def test_a_cache_is_not_kept_alive() -> None:
    model = tiny("llama")
    with FixedExitPolicy(depth=2, cache="deferred").attach(model):
        for _ in range(2):
            cache = DynamicCache(config=model.config)
            model(**prompt(), past_key_values=cache)
            model(torch.tensor([[4]]), past_key_values=cache)
            dead = weakref.ref(cache)
            del cache
            gc.collect()
            assert dead() is None


# ---- copies of a model that a policy is attached to ----------------------------------------------------------------


def _saved_and_loaded(model: Any) -> Any:
    held = io.BytesIO()
    torch.save(model, held)
    held.seek(0)
    return torch.load(held, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), _saved_and_loaded])
def test_a_copy_of_a_model_is_plain(copied: Any) -> None:
    """Made within a block, it computes with its own weights, and takes a policy of its own."""
    model, inputs = TINY["llama"](), prompt()
    expected = plain(model, inputs).sequences
    with FixedExitPolicy(depth=2, cache="propagate").attach(model):
        plain(model, inputs)
        other = copied(model)
        assert torch.equal(plain(other, inputs).sequences, expected)
        other.lm_head.weight.data *= -1
        changed = plain(other, inputs).sequences
        assert not torch.equal(changed, expected)
    del model
    policy = FixedExitPolicy(depth=2, cache="verify")
    assert torch.equal(plain(other, inputs, custom_generate=policy).sequences, changed)
    assert policy.report().tokens == 7
    with policy.attach(other):
        assert torch.equal(plain(other, inputs).sequences, changed)
    assert torch.equal(plain(copied(other), inputs).sequences, changed)


# ---- what owners do to their caches --------------------------------------------------------------------------------


@contextmanager
def nothing() -> Iterator[None]:
    yield


def first_row(cache: Cache) -> Tensor:
    cache.batch_select_indices(torch.tensor([0]))
    return torch.tensor([[9]])


def two_rows(cache: Cache) -> Tensor:
    cache.batch_repeat_interleave(2)
    return torch.tensor([[9], [3]])


def cropped(cache: Cache) -> Tensor:
    cache.crop(-1)
    return torch.tensor([[9]])


def cropped_far(cache: Cache) -> Tensor:
    cache.crop(-4)
    return torch.tensor([[9]])


def reordered(cache: Cache) -> Tensor:
    cache.reorder_cache(torch.tensor([0]))
    return torch.tensor([[9]])


def emptied(cache: Cache) -> Tensor:
    cache.reset()
    return torch.tensor([[9]])


def scaled(cache: Cache) -> Tensor:
    for layer in cache.layers:
        layer.keys *= 0.5
    return torch.tensor([[9]])


def empties() -> bool:
    """Whether this version of transformers empties a dynamic cache that is reset (5.16 fills it with zeros)."""
    cache = DynamicCache()
    cache.update(torch.ones(1, 1, 2, 1), torch.ones(1, 1, 2, 1), 0)
    cache.reset()
    return cache.get_seq_length() == 0


def untouched(cache: Cache) -> Tensor:
    return torch.tensor([[9]])


CHANGES = (untouched, cropped, cropped_far, first_row, two_rows, reordered, emptied, scaled)


def made(kind: str, model: Any) -> Cache:
    return StaticCache(model.config, max_cache_len=40) if kind == "static" else DynamicCache(config=model.config)


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", ["verify", "deferred", "never"])
@pytest.mark.parametrize("kind", ["dynamic", "static"])
@pytest.mark.parametrize("name", ["llama", "gemma3"])
@pytest.mark.parametrize("written", [1, 4])
@pytest.mark.filterwarnings("ignore:cache='verify' drafts for one row")
def test_changes_between_tokens(name: str, kind: str, mode: str, change: Any, written: int) -> None:
    """A loop of one's own, in which a cache is changed, gives what the plain model gives (early exits: what they give
    with a cache that nothing waits in)."""
    model = tiny(name, torch.float64)
    if kind == "static" and name == "gemma3":
        return  # refused: see the contract
    if kind == "dynamic" and change is emptied and not empties():
        return
    if kind == "static" and change in (first_row, two_rows, cropped, cropped_far):
        return  # caches of fixed size know no such change, or only in newer versions
    policy: Any = {
        "verify": lambda: FixedExitPolicy(depth=2, cache="verify"),
        "deferred": lambda: FixedExitPolicy(depth=2, cache="deferred"),
        "never": NeverExitPolicy,
    }[mode]
    results: list[list[Any]] = []
    for attached in (False, True):
        cache, found = made(kind, model), []
        with policy().attach(model) if attached else nothing():
            model(prompt(tokens=3)["input_ids"], past_key_values=cache)
            token = torch.tensor([[5]])
            for _ in range(written):
                token = model(token, past_key_values=cache).logits.argmax(-1) if mode == "verify" else token + 1
                if mode != "verify":
                    model(token, past_key_values=cache)
                found.append(int(cache.get_seq_length()))
            token = change(cache)
            found.append(int(cache.get_seq_length()))
            for _ in range(3):
                logits = model(token, past_key_values=cache).logits
                found.append(int(cache.get_seq_length()))
                found.append(logits)
                token = token + 1
            end = int(cache.get_seq_length()) if kind == "static" else None
            found += [each[:, :, :end] for layer in cache.layers for each in (layer.keys, layer.values)]
        results.append(found)
    for one, other in zip(*results, strict=True):
        if isinstance(one, Tensor):
            if mode == "verify" or mode == "never" or one.ndim == 4:  # early logits are not the model's
                torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        else:
            assert one == other


@torch.no_grad()
@pytest.mark.parametrize("mode", ["verify", "deferred", "propagate"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
def test_copies_are_whole(mode: Any, copied: Any) -> None:
    model, ids = tiny("llama", torch.float64), prompt()["input_ids"]
    cache = DynamicCache(config=model.config)
    with FixedExitPolicy(depth=2, cache=mode).attach(model):
        model(ids, past_key_values=cache)
        for token in (4, 5, 6):
            model(torch.tensor([[token]]), past_key_values=cache)
        twin = copied(cache)
        assert type(twin) is DynamicCache
        assert {int(layer.get_seq_length()) for layer in twin.layers} == {10}
        inside = model(torch.tensor([[7]]), past_key_values=copy.deepcopy(twin)).logits
        original = model(torch.tensor([[7]]), past_key_values=cache).logits
        torch.testing.assert_close(inside, original, rtol=1e-9, atol=1e-9)  # drafts round differently
    outside = model(torch.tensor([[7]]), past_key_values=twin).logits
    whole = torch.cat((ids, torch.tensor([[4, 5, 6, 7]])), dim=1)
    if mode != "propagate":
        torch.testing.assert_close(outside, model(whole).logits[:, -1:], rtol=1e-9, atol=1e-9)
    if mode == "verify":
        torch.testing.assert_close(inside, outside, rtol=1e-9, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 3])
def test_rows_that_part_are_completed_when_looked_at(rows: int) -> None:
    model, inputs = tiny("llama", torch.float64), prompt(rows)
    ids = torch.cat((inputs["input_ids"], torch.full((rows, 2), 4)), dim=1)
    cache = DynamicCache(config=model.config)
    with Scripted(np.array([[2, 4, 5][:rows]])).attach(model):
        model(**inputs, past_key_values=cache)
        model(ids[:, 7:8], past_key_values=cache)
        assert cache.get_seq_length() == 8
        seen = copy.deepcopy(cache)
    assert worst(seen, full_cache(model, inputs, ids), inputs, 8) <= 1e-9
    assert type(cache) is DynamicCache


@torch.no_grad()
def test_what_cannot_be_completed_is_not_handed_on() -> None:
    model, cache = tiny("llama"), DynamicCache(config=tiny("llama").config)
    with FixedExitPolicy(depth=2).attach(model):
        model(**prompt(), past_key_values=cache)
        model(torch.tensor([[4]]), past_key_values=cache)
        for look in (copy.deepcopy, lambda held: held.crop(-1), lambda held: held.layers[0], list):
            with pytest.raises(MonotonicityError, match="gaps"):
                look(cache)
        model(torch.tensor([[5]]), past_key_values=cache)
        assert cache.get_seq_length() == 9
    with pytest.raises(MonotonicityError, match="gaps"):
        model(torch.tensor([[6]]), past_key_values=cache)
    if not empties():
        return
    cache.reset()
    expected = model(**prompt()).logits
    assert torch.equal(model(**prompt(), past_key_values=cache).logits, expected)


@torch.no_grad()
def test_layers_that_were_held_before_are_noticed() -> None:
    """Who reaches past the cache to a layer is told, before anything goes wrong."""
    model, cache = tiny("llama"), DynamicCache(config=tiny("llama").config)
    with FixedExitPolicy(depth=2, cache="deferred").attach(model):
        model(**prompt(), past_key_values=cache)
        first = cache.layers[0]
        model(torch.tensor([[4]]), past_key_values=cache)
        first.crop(-1)
        with pytest.raises(UnsupportedGenerationError, match="changed layer by layer"):
            model(torch.tensor([[5]]), past_key_values=cache)
    uneven = DynamicCache(config=model.config)
    model(**prompt(), past_key_values=uneven)
    uneven.layers[3].crop(-2)
    refused = pytest.raises(UnsupportedGenerationError, match="layers hold 5 to 7 tokens")
    with NeverExitPolicy().attach(model), refused:
        model(torch.tensor([[5]]), past_key_values=uneven)


def greedy_from(model: Any, cache: Cache) -> None:
    for token in (5, 6, 7, 8):
        model(torch.tensor([[token]]), past_key_values=cache)


@torch.no_grad()
@pytest.mark.parametrize("mode", ["verify", "deferred"])
def test_a_token_that_breaks_off_leaves_no_cache_to_go_on_with(mode: Any) -> None:
    class Breaking(FixedExitPolicy):
        broken = False

        def plan(self, step: int) -> Any:
            if self.broken and step > 1:
                raise RuntimeError("broke")
            return super().plan(step)

    model, cache, policy = tiny("llama", torch.float64), DynamicCache(), Breaking(depth=2, cache=mode)
    with policy.attach(model):
        model(**prompt(), past_key_values=cache)
        model(torch.tensor([[4]]), past_key_values=cache)
        policy.broken = True
        with pytest.raises(RuntimeError, match="broke"):
            greedy_from(model, cache)
        if mode == "deferred":
            with pytest.raises(UnsupportedGenerationError, match="broke off"):
                model(torch.tensor([[6]]), past_key_values=cache)
            return  # the other mode takes back what it drafted
        begun = int(cache.get_seq_length())
    ids = torch.cat((prompt()["input_ids"], torch.tensor([[4, 5, 6, 7, 8]])), dim=1)[:, :begun]
    expected = model(torch.cat((ids, torch.tensor([[8]])), dim=1)).logits[:, -1:]
    found = model(torch.tensor([[8]]), past_key_values=cache).logits
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


# ---- rows that have ended ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["custom_generate", "attach"])
@pytest.mark.parametrize("kind", ["fixed", "script", "never"])
@pytest.mark.parametrize("cache", ["deferred", "propagate"])
def test_rows_that_ended_do_not_count(way: str, kind: str, cache: Any) -> None:
    model, inputs = tiny("llama"), prompt(3, padded=True)
    ends = {"eos_token_id": list(range(1, 25)), "pad_token_id": 0, "max_new_tokens": 20, "do_sample": False}
    asked: list[int] = []

    class Asking(Scripted):
        def check(self, trajectory: Any) -> Any:
            asked.append(len(trajectory.state()))
            return super().check(trajectory)

    def made_policy() -> Policy:
        if kind == "script":
            return Scripted(np.random.default_rng(5).integers(1, 6, (20, 3)), cache=cache)
        return FixedExitPolicy(depth=4, cache=cache) if kind == "fixed" else NeverExitPolicy(cache=cache)

    policy = made_policy()
    if way == "attach":
        with policy.attach(model):
            together = model.generate(**inputs, **ends)[:, 7:]
    else:
        together = model.generate(**inputs, **ends, custom_generate=policy)[:, 7:]
    written = (together != 0).sum(dim=1)
    assert len(set(written.tolist())) > 1
    report = policy.report()
    assert report.tokens == int((written - 1).sum())
    assert sum(report.exits.values()) == report.tokens
    if kind == "never":
        assert report.layers_per_token == 5
        assert report.heads_per_token == 1
    if kind == "fixed":
        for row in range(3):
            one = alone(inputs, row)
            single = model.generate(**one, **ends, custom_generate=made_policy())[0, one["input_ids"].shape[1] :]
            assert torch.equal(together[row, : len(single)], single)
    if cache == "propagate":
        left = sum(depth * count for depth, count in report.exits.items())
        assert report.layers_per_token * report.tokens == pytest.approx(left)
