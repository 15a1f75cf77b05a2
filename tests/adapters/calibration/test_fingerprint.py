"""Which model is which."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch

from adapters.calibration.fingerprint import fingerprint
from tests.adapters.driving import tiny
from tests.adapters.tiny import TINY


def test_models_differ() -> None:
    found = {name: fingerprint(tiny(name)) for name in TINY}
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in found.values())
    assert len(set(found.values())) == len(TINY)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma3"])
def test_the_same_model_in_other_types(name: str) -> None:
    found = {fingerprint(TINY[name](dtype=dtype)) for dtype in (torch.float32, torch.float64, torch.bfloat16)}
    assert len(found) == 1


def test_weights_in_bfloat16_keep_their_name_in_float16() -> None:
    """Released models are mostly trained and kept in bfloat16, and sometimes loaded in float16."""
    model = TINY["llama"](dtype=torch.bfloat16)
    for parameter in model.parameters():  # float16 has no numbers as small as bfloat16 has
        parameter.data = parameter.data.where(parameter.data.abs() > 1e-3, 1e-3)
    assert fingerprint(copy.deepcopy(model).to(torch.float16)) == fingerprint(model)


@pytest.mark.parametrize("change", [{"seed": 1}, {"layers": 6}, {"vocab_size": 103}, {"intermediate_size": 97}])
def test_another_shape_or_other_weights(change: dict[str, int]) -> None:
    assert fingerprint(TINY["llama"](**change)) != fingerprint(TINY["llama"]())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mistral", {"sliding_window": 16}),
        ("gpt_neox", {"use_parallel_residual": False}),
        ("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}),
        ("llama", {"rms_norm_eps": 1e-3}),
        ("gemma3", {"final_logit_softcapping": None}),
        ("granite", {"residual_multiplier": 0.5}),
        ("granite", {"logits_scaling": 2.0}),
        ("cohere", {"logit_scale": 0.5}),
        ("mixtral", {"num_experts_per_tok": 1}),
    ],
)
def test_the_same_weights_run_in_another_way(name: str, change: dict[str, Any]) -> None:
    assert fingerprint(TINY[name](**change)) != fingerprint(TINY[name]())


@pytest.mark.parametrize("part", ["model.layers.3.mlp.down_proj", "model.norm", "lm_head", "model.embed_tokens"])
def test_every_parameter_counts(part: str) -> None:
    model = copy.deepcopy(tiny("llama"))
    before = fingerprint(model)
    weight = model.get_submodule(part).weight
    weight.data *= 1.02  # as fine-tuning would move it
    assert fingerprint(model) != before


def test_it_is_the_same_again_and_changes_nothing() -> None:
    model = tiny("llama")
    before = {name: each.clone() for name, each in model.state_dict().items()}
    assert fingerprint(model) == fingerprint(model) == fingerprint(TINY["llama"](attn_implementation="eager"))
    assert all(torch.equal(before[name], each) for name, each in model.state_dict().items())


def test_adapters_count() -> None:
    """A module put in the place of another changes names."""
    model = copy.deepcopy(tiny("llama"))
    before = fingerprint(model)
    layer = model.model.layers[0].mlp
    layer.up_proj = torch.nn.Sequential(layer.up_proj)
    assert fingerprint(model) != before
