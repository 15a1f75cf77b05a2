"""Duo-LLM: small blocks beside the model's own, routers, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapters.calibration.fingerprint import fingerprint
from adapters.cli.loading import load_policy
from adapters.errors import PolicyMismatchError
from adapters.families import family_of
from adapters.policies.duo import CHOICES, DuoPolicy, Router, SmallFFNs
from adapters.texts.continuations import Continuation
from adapters.training.duo import train_duo
from adapters.training.registry import FitSettings
from ews.errors import EWSError, UnknownNameError, ValueRangeError
from tests.adapters.driving import alone, plain, prompt, tiny
from tests.adapters.tiny import TINY

GATED = ("gemma3", "llama", "phi3", "qwen3")


@pytest.mark.parametrize("name", sorted({*GATED, "gpt2", "gpt_neox", "opt", "mistral"} & TINY.keys()))
def test_small_blocks_are_of_the_models_kind(name: str) -> None:
    family = family_of(tiny(name))
    small = SmallFFNs.for_family(family, ratio=16)
    shape = small.shape
    assert (shape.layers, shape.width, shape.inner) == (5, family.width, 6)  # 96 / 16
    assert shape.gated is (name in (*GATED, "mistral"))
    assert shape.norm == ("layer" if isinstance(family.norm, nn.LayerNorm) else "rms")
    hidden = torch.randn(2, 3, family.width, generator=torch.Generator().manual_seed(0))
    assert not small(2, hidden).any()  # nothing before it is trained
    for block in small.blocks:
        nn.init.normal_(block.down.weight, generator=torch.Generator().manual_seed(1))
    found = small(2, hidden)
    assert found.shape == hidden.shape
    assert bool(found.any())
    whole = sum(each.numel() for each in family.layers[0].parameters())
    assert sum(each.numel() for each in small.blocks[0].parameters()) < whole / 8


def test_a_small_block_is_swiglu_of_the_normed_state() -> None:
    family = family_of(tiny("llama"))
    small = SmallFFNs.for_family(family).double()
    block = small.blocks[3]
    nn.init.normal_(block.down.weight, generator=torch.Generator().manual_seed(1))
    hidden = torch.randn(4, family.width, generator=torch.Generator().manual_seed(0))
    wide = hidden.double()
    normed = wide / (wide.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
    gate = normed @ block.gate.weight.T
    expected = (gate * gate.sigmoid() * (normed @ block.up.weight.T)) @ block.down.weight.T
    torch.testing.assert_close(small(3, hidden), expected)


def test_the_size_of_a_state_plays_no_part_for_a_router() -> None:
    router = Router.for_family(family_of(tiny("llama")))
    hidden = torch.randn(4, 48, generator=torch.Generator().manual_seed(0))
    assert CHOICES[int(router(1, hidden).argmax(-1)[0])] == "big"  # all alike before it is trained
    nn.init.normal_(router.weight, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(router(1, 100 * hidden), router(1, hidden), rtol=1e-4, atol=1e-4)
    assert not torch.equal(router(1, hidden), router(2, hidden))


def test_shapes_that_cannot_be_are_refused() -> None:
    family = family_of(tiny("llama"))
    for ratio in (0, -1, 2.5, True):
        with pytest.raises(ValueRangeError, match="ratio"):
            SmallFFNs.for_family(family, ratio=ratio)  # type: ignore[arg-type]
    assert SmallFFNs.for_family(family, ratio=10_000).shape.inner == 1
    shape = SmallFFNs.for_family(family).shape.to_dict()
    with pytest.raises(UnknownNameError, match="'silu'"):
        type(SmallFFNs.for_family(family).shape)(**{**shape, "activation": "sillu"})
    with pytest.raises(UnknownNameError, match="'rms'"):
        type(SmallFFNs.for_family(family).shape)(**{**shape, "norm": "rmss"})


# ---- the policy ----------------------------------------------------------------------------------------------------

LAYERS, TOKENS = 5, 14
BIG, SMALL, SKIP = range(3)


def trained(name: str = "llama", dtype: torch.dtype = torch.float64) -> tuple[SmallFFNs, Router]:
    """Small blocks and a router with weights of some size, as if they had been trained."""
    family = family_of(tiny(name))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        small, router = SmallFFNs.for_family(family, ratio=4), Router.for_family(family)
        for block in small.blocks:
            nn.init.normal_(block.down.weight, std=0.2)
        nn.init.normal_(router.weight, std=0.2)
    return small.to(dtype), router.to(dtype)


class Routed:
    """The routes in hooks that the plain Llama calls, token by token and layer by layer."""

    def __init__(self, small: SmallFFNs, route: Any) -> None:
        self.small, self.route = small, route
        self.before: dict[int, Tensor] = {}
        self.counts = np.zeros(3, dtype=int)

    def after(self, index: int, output: Tensor) -> Tensor:
        if output.shape[1] > 1:
            return output
        output = output.clone()
        for row in range(len(output)):
            h = self.before[index][row, -1]
            choice = self.route(index, row, h)
            self.counts[choice] += 1
            if choice != BIG:
                output[row, -1] = self.small(index, h[None])[0] if choice == SMALL else 0
        return output


@contextmanager
def routing(model: Any, routed: Routed) -> Iterator[None]:
    with ExitStack() as stack:
        for index, layer in enumerate(model.model.layers):

            def seen(_: Any, args: Any, index: int = index) -> None:
                routed.before[index] = args[0]

            def fed(_: Any, __: Any, output: Tensor, index: int = index) -> Tensor:
                return routed.after(index, output)

            stack.callback(layer.post_attention_layernorm.register_forward_pre_hook(seen).remove)
            stack.callback(layer.mlp.register_forward_hook(fed).remove)
        yield


@torch.no_grad()
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("skip", [False, True])
def test_a_router_sends_each_token_its_way(rows: int, skip: bool) -> None:
    model, inputs = tiny("llama", torch.float64), prompt(rows, padded=True)
    small, router = trained()

    def route(index: int, _row: int, h: Tensor) -> int:
        scaled = h / h.pow(2).mean().sqrt()
        scores = router.weight[index] @ scaled + router.bias[index]
        return int(scores[: 3 if skip else 2].argmax())

    oracle = Routed(small, route)
    with routing(model, oracle):
        expected = plain(model, inputs, tokens=TOKENS)
    policy = DuoPolicy(small=small, router=router, skip=skip)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    report = policy.report()
    counts = (report.ffn_blocks_per_token, report.ffn_substituted_per_token, report.ffn_left_out_per_token)
    np.testing.assert_allclose(np.array(counts) * report.tokens, oracle.counts)
    assert (oracle.counts > 0).tolist() == [True, True, skip]
    assert not report.events
    for row in range(rows):  # what a row does depends on nothing but that row
        one = plain(model, alone(inputs, row), tokens=TOKENS, custom_generate=policy)
        assert torch.equal(one.sequences[0, -TOKENS:], found.sequences[row, -TOKENS:])


@torch.no_grad()
@pytest.mark.parametrize("way", ["fixed", "random"])
def test_routes_that_are_fixed_or_drawn(way: str) -> None:
    model, inputs = tiny("llama", torch.float64), prompt(3, padded=True)
    small, _ = trained()
    fixed = ("small", "big", "skip", "small", "big")
    options: dict[str, Any] = {"route": fixed} if way == "fixed" else {"route": "random", "shares": (0.5, 0.2, 0.3)}
    drawn = np.random.default_rng(7)
    now: list[Any] = []

    def route(index: int, row: int, _h: Tensor) -> int:
        if way == "fixed":
            return CHOICES.index(fixed[index])
        if index == row == 0:
            now[:] = [drawn.choice(3, size=(3, LAYERS), p=(0.5, 0.2, 0.3))]
        return int(now[0][row, index])

    oracle = Routed(small, route)
    with routing(model, oracle):
        expected = plain(model, inputs, tokens=TOKENS)
    policy = DuoPolicy(small=small, seed=7, **options)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert policy.report().ffn_substituted_per_token * policy.report().tokens == pytest.approx(oracle.counts[SMALL])


@pytest.mark.parametrize("name", ["llama", "gpt_neox", "phi", "falcon", "cohere"])
def test_the_big_route_is_the_plain_model_bit_for_bit(name: str) -> None:
    model, inputs = tiny(name), prompt(3, padded=True)
    expected = plain(model, inputs)
    family = family_of(model)
    ways: list[dict[str, Any]] = [{"route": ("big",) * LAYERS}, {"route": "random", "shares": (1, 0, 0)}]
    ways += [{"small": SmallFFNs.for_family(family), "router": Router.for_family(family), "skip": True}]
    for options in ways:
        found = plain(model, inputs, custom_generate=DuoPolicy(**options))
        assert all(torch.equal(*pair) for pair in zip(found.logits, expected.logits, strict=True))


def test_undefined_states_take_the_whole_block() -> None:
    small, router = trained(dtype=torch.float32)
    router.bias.data[:, SKIP] = 99.0
    policy = DuoPolicy(small=small, router=router, skip=True)
    policy.bind(family_of(tiny("llama")))
    state = torch.randn(4, 48, generator=torch.Generator().manual_seed(0))
    state[1, 3], state[2] = torch.nan, torch.inf
    assert policy.run_ffn(2, state).tolist() == [0, 1, 1, 0]


def test_small_blocks_that_were_not_trained_are_said() -> None:
    policy = DuoPolicy(route=("small",) * LAYERS)
    found = plain(tiny("llama"), prompt(), custom_generate=policy)
    without = plain(tiny("llama"), prompt(), custom_generate=DuoPolicy(route=("skip",) * LAYERS))
    assert torch.equal(found.sequences, without.sequences)
    assert policy.report().events == ("the small feed-forward blocks were not trained: they add nothing",)
    assert policy.report().ffn_substituted_per_token == LAYERS


def test_another_model_is_refused() -> None:
    small, router = trained()
    for options in (
        {"small": small, "router": Router(LAYERS, 47)},
        {"small": small, "router": Router(LAYERS + 1, 48)},
        {"small": SmallFFNs.for_family(family_of(TINY["llama"](layers=4))), "router": router},
        {"small": small, "router": router, "base": fingerprint(TINY["llama"](seed=9))},
    ):
        with pytest.raises(PolicyMismatchError, match=r"small|router|model"):
            plain(tiny("llama"), prompt(), custom_generate=DuoPolicy(**options))
    policy = DuoPolicy(small=small, router=router, base=fingerprint(tiny("llama")))
    plain(tiny("llama"), prompt(), custom_generate=policy)
    assert policy.report().tokens == 7


def test_options_that_cannot_be_are_refused() -> None:
    small, router = trained()
    for options, message in (
        ({}, "route: got 'router' without one"),
        ({"router": router}, "small"),
        ({"route": "rooter"}, "'router'"),
        ({"route": ("big", "smal")}, "'small'"),
        ({"route": ("big",) * 4}, "choices for 4 layers"),
        ({"route": ()}, "route"),
        ({"route": 3}, "route"),
        ({"route": "random", "shares": (0.5, 0.5)}, "shares"),
        ({"route": "random", "shares": (0.5, 0.5, 0.5)}, "add up to 1"),
        ({"route": "random", "shares": (1.5, -0.5, 0.0)}, "shares"),
        ({"small": router, "route": "random"}, "small"),
        ({"router": small, "small": small}, "router"),
        ({"small": small, "router": router, "skip": 1}, "skip"),
        ({"route": "random", "cache": "propagate"}, "'exact'"),
    ):
        with pytest.raises(EWSError, match=message):
            plain(tiny("llama"), prompt(), custom_generate=DuoPolicy(**options))


def test_what_was_trained_is_a_policy(tmp_path: Path) -> None:
    """From the trainer's folder to the command line's policy; another model is refused."""
    model = tiny("llama")
    data = [Continuation(np.arange(1, 13) * step % 97 + 1, 3) for step in range(1, 5)]
    train_duo(model, data, folder=tmp_path, fit=FitSettings(epochs=2), ratio=4, skip=True)
    policy = load_policy(str(tmp_path), model)
    assert isinstance(policy, DuoPolicy)
    assert policy.skip
    found = plain(model, prompt(3), tokens=TOKENS, custom_generate=policy)
    again = plain(model, prompt(3), tokens=TOKENS, custom_generate=load_policy(str(tmp_path), model))
    assert torch.equal(found.sequences, again.sequences)
    with pytest.raises(PolicyMismatchError, match="model"):
        load_policy(str(tmp_path), TINY["llama"](seed=1))
