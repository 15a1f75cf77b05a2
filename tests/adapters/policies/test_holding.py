"""Policies hold a model weakly, notice that it was changed, and cannot misreport how often its head ran."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import LlamaForCausalLM

import adapters
from adapters import Exit, Plan, Policy, Trajectory
from adapters.calibration.fingerprint import Known, _sums, fingerprint
from adapters.errors import PolicyDtypeWarning, PolicyMismatchError
from adapters.families import Family
from adapters.policies.registry import POLICIES, policy_named
from tests.adapters.driving import plain, prompt
from tests.adapters.fitting import LAYERS, fitted
from tests.adapters.tiny import TINY

# What peft asks transformers by, which will go.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


class Eager(Policy):
    """Looks through the head again and again, by every way there is, and says nothing of it."""

    def bind(self, family: Family) -> None:
        """Keep the family."""
        self.family = family

    def plan(self, step: int) -> Plan:
        """Ask after three layers."""
        return Plan(checks=(3,))

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Sixty-six looks."""
        finished = self.family.finish(trajectory.state())
        for _ in range(22):
            self.family.logits(finished)
            self.family.head(finished)
            self.family.model.get_output_embeddings()(finished)
        return Exit()


def test_the_engine_counts_the_heads_that_ran() -> None:
    model, policy = TINY["llama"](), Eager(unit="layer", cache="propagate")
    plain(model, prompt(), tokens=6, custom_generate=policy)
    report = policy.report()
    assert report.heads_per_token == 67  # and the one that speaks
    assert 0 < report.prediction_share < 1
    assert not model.lm_head._forward_hooks
    assert not model.lm_head._forward_pre_hooks
    plain(model, prompt(3), tokens=6, custom_generate=policy)
    assert policy.report().heads_per_token == 67


def policies() -> dict[str, Policy]:
    """One of each, and one of someone's own that keeps what it is given."""
    found = {name: policy_named(name, **kind.promise.options) for name, kind in POLICIES.items()}
    return {**found, "own": Eager(unit="layer", cache="deferred")}


def fresh() -> tuple[Any, adapters.EWSExitPolicy]:
    """A model, and a policy that was calibrated with its twin."""
    calibration = copy.deepcopy(fitted("llama"))
    return TINY["llama"](layers=LAYERS, dtype=torch.float64), adapters.EWSExitPolicy(calibration=calibration)


def models() -> int:
    """How many models there are."""
    gc.collect()
    return sum(type(each) is LlamaForCausalLM for each in gc.get_objects())


@pytest.mark.parametrize("name", [*POLICIES, "own", "calibrated"])
def test_a_policy_does_not_keep_its_model(name: str) -> None:
    model, policy = fresh()
    policy = policy if name == "calibrated" else policies()[name]
    model.generate(**prompt(), max_new_tokens=4, custom_generate=policy)
    with policy.attach(model):
        model.generate(**prompt(), max_new_tokens=4)
    before = models()
    for twin in (copy.deepcopy(policy), *((pickle.loads(pickle.dumps(policy)),) if name != "own" else ())):
        assert models() == before
        model.generate(**prompt(), max_new_tokens=4, custom_generate=twin)
        assert twin.report().tokens == 3
    parts = model, model.lm_head, model.lm_head.weight, model.model.layers[0], model.model.norm
    went = [weakref.ref(part) for part in parts]
    del model, twin, parts
    gc.collect()
    assert [each() for each in went] == [None] * 5
    assert policy.report().tokens == 3


# ---- weights that were changed -------------------------------------------------------------------------------------


def _one_value(model: Any) -> None:
    with torch.no_grad():
        model.model.layers[4].mlp.up_proj.weight[3, 5] += 0.5


def _add_adapter(model: Any) -> None:
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["v_proj"], init_lora_weights=False), model)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "in place": lambda model: model.model.layers[2].self_attn.q_proj.weight.requires_grad_(False).mul_(1.1),
    "past the counter": lambda model: model.lm_head.weight.data.add_(0.1),
    "replaced": lambda model: setattr(model.model.norm, "weight", nn.Parameter(2 * model.model.norm.weight)),
    "loaded": lambda model: model.load_state_dict(
        TINY["llama"](layers=LAYERS, dtype=torch.float64, seed=1).state_dict()
    ),
    "one value": _one_value,
    "an adapter": _add_adapter,
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_changed_after_calibration_are_noticed(change: str) -> None:
    model, policy = fresh()
    inputs = prompt()
    expected = plain(model, inputs, tokens=6, custom_generate=policy)
    again = plain(model, inputs, tokens=6, custom_generate=policy)
    assert torch.equal(again.sequences, expected.sequences)
    CHANGES[change](model)
    with pytest.raises(PolicyMismatchError, match="changed since"):
        plain(model, inputs, tokens=6, custom_generate=policy)
    with pytest.raises(PolicyMismatchError, match="changed since"), policy.attach(model):
        pass


def test_an_adapter_that_is_switched_off_is_noticed() -> None:
    model, _ = fresh()
    _add_adapter(model)
    expected, known = fingerprint(model), Known()
    assert known.is_same(model, expected)
    for module in model.modules():
        if isinstance(module, BaseTunerLayer):
            module.enable_adapters(False)
    assert not known.is_same(model, expected)


def test_a_fingerprint_is_of_weights_and_not_of_how_a_model_describes_itself() -> None:
    model, _ = fresh()
    before = fingerprint(model)
    model.model.norm.extra_repr = lambda: "as another version says it"
    assert fingerprint(model) == before


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 3, 4, 7, (1 << 20) + 2])
def test_a_value_that_no_sample_holds_is_noticed_wherever_it_is(count: int, dtype: torch.dtype) -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight = nn.Parameter(torch.ones(count + 1, dtype=dtype)[1:], requires_grad=False)
    before = _sums(model)
    for place in (0, count // 2, count - 1):
        model.weight[place] = 2
        assert _sums(model) != before
        model.weight[place] = 1
        assert _sums(model) == before
    model.weight.data = model.weight.data.to(torch.float64)
    assert _sums(model) == before


def test_another_type_is_said_once_and_another_place_never() -> None:
    model, policy = fresh()
    inputs = prompt()
    plain(model, inputs, tokens=4, custom_generate=policy)
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    plain(model, inputs, tokens=4, custom_generate=policy)
    model.to(torch.float32)
    with pytest.warns(PolicyDtypeWarning, match="calibrated with weights in float64 and the model has float32"):
        plain(model, inputs, tokens=4, custom_generate=policy)
    plain(model, inputs, tokens=4, custom_generate=policy)
