"""Duo-LLM: small blocks beside the model's own, routers, and what is kept of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from adapters.families import family_of
from adapters.policies.duo import CHOICES, Router, SmallFFNs
from ews.errors import UnknownNameError, ValueRangeError
from tests.adapters.driving import tiny
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
