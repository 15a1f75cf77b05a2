"""The calling convention of transformers: read where it is known, refused where it is not."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import nn
from transformers import DynamicCache, LlamaForCausalLM

from adapters.errors import UnsupportedGenerationError, UnsupportedModelError, UnsupportedVersionError
from adapters.families import family_of
from adapters.families.convention import convention_of
from adapters.policies import FixedExitPolicy, NeverExitPolicy
from ews.errors import ArgumentError
from tests.adapters.driving import TOKENS, prompt, tiny
from tests.adapters.tiny import TINY


@pytest.mark.parametrize("version", ["4.57.6", "5.0.0", "5.15.1", "6.0.0", "6.1.0.dev0", "unknown"])
def test_other_versions_are_refused(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama")
    monkeypatch.setattr("transformers.__version__", version)
    with pytest.raises(UnsupportedVersionError, match=r"5\.16 to 5\.x.*pip install 'transformers>=5\.16,<6'"):
        family_of(model)


def test_a_newer_minor_version_is_read_by_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.__version__", "5.99.0")
    policy = FixedExitPolicy(depth=2)
    tiny("llama").generate(**prompt(), max_new_tokens=4, do_sample=False, custom_generate=policy)
    assert policy.report().exits == {2: 3}


def layer(hidden_states: Any, attention_mask: Any = None, past_key_values: Any = None, **kwargs: Any) -> None: ...
def other_layer(hidden_states: Any, kv_store: Any = None, **kwargs: Any) -> None: ...
def renamed(input_ids: Any = None, kv_store: Any = None, **kwargs: Any) -> None: ...
def demanding(input_ids: Any, fancy: Any, past_key_values: Any = None, cache: Any = None) -> None: ...
def nameless(tokens: Any = None, past_key_values: Any = None, cache: Any = None) -> None: ...


@pytest.mark.parametrize(
    ("model_forward", "layer_forward"), [(renamed, layer), (demanding, layer), (nameless, layer), (None, other_layer)]
)
def test_signatures_that_are_not_understood_are_refused(model_forward: Any, layer_forward: Any) -> None:
    def method(function: Any) -> Any:
        def forward(self: Any) -> None: ...

        own = inspect.signature(function)
        first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        forward.__signature__ = own.replace(parameters=[first, *own.parameters.values()])  # type: ignore[attr-defined]
        return forward

    class Layer(nn.Module):
        forward = method(layer_forward)

    class Model(nn.Module):
        forward = LlamaForCausalLM.forward if model_forward is None else method(model_forward)

    with pytest.raises(UnsupportedModelError, match="forward"):
        convention_of(Model(), Layer())


@torch.no_grad()
@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"labels": torch.tensor([[4]])}, "labels"),
        ({"token_type_ids": torch.tensor([[1]])}, "token_type_ids"),
        ({"output_router_logits": True}, "output_router_logits"),
        ({"logits_to_keep": torch.tensor([3])}, "logits_to_keep"),
        ({"output_attentions": True}, "output_attentions"),
        ({"something_new": 1}, "something_new"),
        ({"attention_mask": torch.full((1, 1, 1, TOKENS + 1), -0.5)}, "adds other numbers"),
        ({"attention_mask": torch.zeros(1, 4, 1, TOKENS + 1)}, r"of shape \(1, 4, 1, 8\)"),
        ({"attention_mask": torch.ones(1, 1, TOKENS + 1)}, r"of shape \(1, 1, 8\)"),
        ({"attention_mask": torch.ones(1, 1, 1, TOKENS + 1, dtype=torch.int64)}, "type torch.int64"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_a_token_cannot_be_decided_with_is_refused(given: dict[str, Any], match: str) -> None:
    model, cache = tiny("llama"), DynamicCache(config=tiny("llama").config)
    with NeverExitPolicy().attach(model):
        model(**prompt(), past_key_values=cache)
        with pytest.raises(UnsupportedGenerationError, match=match):
            model(torch.tensor([[4]]), past_key_values=cache, **given)
        model(torch.tensor([[4]]), past_key_values=cache)


@torch.no_grad()
@pytest.mark.parametrize("name", ["output_hidden_states", "output_attentions"])
def test_a_configuration_that_asks_for_states_is_refused_where_it_counts(name: str) -> None:
    model = TINY["llama"](attn_implementation="eager")
    setattr(model.config, name, True)
    with NeverExitPolicy().attach(model):
        found = model(**prompt())
        assert len(found["hidden_states" if name == "output_hidden_states" else "attentions"]) >= 5
        with pytest.raises(UnsupportedGenerationError, match=f"config.{name}"):
            model(torch.tensor([[4]]), past_key_values=found.past_key_values)
        model(torch.tensor([[4]]), past_key_values=found.past_key_values, **{name: False})
        assert model.generate(**prompt(), max_new_tokens=3).shape == (1, TOKENS + 3)  # generate says False


@torch.no_grad()
def test_a_configuration_without_a_cache_is_refused() -> None:
    model = TINY["llama"]()
    model.config.use_cache = False
    with NeverExitPolicy().attach(model):
        with pytest.raises(UnsupportedGenerationError, match="use_cache: got False"):
            model(**prompt())
        found = model(**prompt(), use_cache=True)
        model(torch.tensor([[4]]), past_key_values=found.past_key_values)


@torch.no_grad()
@pytest.mark.parametrize(
    "given",
    [
        {"logits_to_keep": 1},
        {"logits_to_keep": 0},
        {"logits_to_keep": 5},
        {"logits_to_keep": torch.tensor([0])},
        {"logits_to_keep": torch.tensor([-1])},
        {"output_attentions": False, "labels": None, "use_cache": True, "return_dict": True},
    ],
    ids=str,
)
def test_what_means_the_same_for_one_token_is_taken(given: dict[str, Any]) -> None:
    model, found = tiny("llama"), []
    for policy in (None, NeverExitPolicy()):
        cache = DynamicCache(config=model.config)
        with torch.no_grad() if policy is None else policy.attach(model):
            model(**prompt(), past_key_values=cache)
            found.append(model(torch.tensor([[4]]), past_key_values=cache, **given).logits)
    assert torch.equal(*found)


@torch.no_grad()
def test_a_cache_under_a_name_that_is_ignored_is_refused() -> None:
    model, cache = tiny("llama"), DynamicCache(config=tiny("llama").config)
    with NeverExitPolicy().attach(model) as engine:
        with pytest.raises(ArgumentError, match=r"kv_store: .*under the name"):
            model(**prompt(), kv_store=cache)
        name = engine.family.convention.cache
        with pytest.raises(ArgumentError, match="given twice"):
            model(prompt()["input_ids"], input_ids=prompt()["input_ids"], **{name: cache})
        model(prompt()["input_ids"], None, None, cache)  # by position
        assert model(torch.tensor([[4]]), **{name: cache})[name] is cache
    assert engine.statistics.tokens == 1
