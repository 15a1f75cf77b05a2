"""What every exit rule of encoders must do; a new one is tested here by being registered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adapters.encoders import ExitHeads, encode, encoder_policy_named, heads_named
from adapters.encoders.backbones import backbone_of
from adapters.encoders.registry import ENCODER_POLICIES
from adapters.encoders.run import run_batches
from adapters.encoders.states import first_token_states
from ews.errors import EWSError
from tests.adapters.tiny_encoders import CLASSES, WIDTH, batch, encoder, shared

LAYERS, ROWS = 6, 5
NAMES = tuple(ENCODER_POLICIES)
LEAVING = tuple(name for name in NAMES if ENCODER_POLICIES[name].promise.leaves)
ARCHITECTURES = ("albert", "bert", "mpnet", "roberta")


@cache
def wide(architecture: str) -> Any:
    return encoder(architecture).double()


def made(name: str, **options: Any) -> Any:
    return encoder_policy_named(name, **{**ENCODER_POLICIES[name].promise.options, **options})


def heads_for(policy: Any, *, exits: int = LAYERS, dtype: torch.dtype = torch.float32) -> ExitHeads:
    heads = heads_named(policy.heads or "linear", width=WIDTH, classes=CLASSES, exits=exits, seed=3)
    return heads.to(dtype)


def alone(inputs: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """A row without its padding."""
    tokens = int(inputs["attention_mask"][row].sum())
    return {name: value[row : row + 1, :tokens] for name, value in inputs.items()}


def runs(model: Any, policy: Any, heads: Any, batches: list[tuple[list[int], dict[str, Tensor]]], rows: int) -> Any:
    def each() -> Iterator[Any]:
        yield from ((np.array(index), inputs) for index, inputs in batches)

    return run_batches(backbone_of(model), each(), rows, policy=policy, heads=heads)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", [name for name in NAMES if ENCODER_POLICIES[name].promise.never is not None])
def test_leaving_nobody_is_the_plain_model_bit_for_bit(name: str, attention: str) -> None:
    model, inputs = shared("bert", attention=attention), batch("bert", rows=ROWS)
    policy = encoder_policy_named(name, **ENCODER_POLICIES[name].promise.never)
    found = encode(model, policy=policy, heads=heads_for(policy, exits=LAYERS - 1), **inputs)
    with torch.no_grad():
        plain = model(**inputs, output_hidden_states=True)
    assert torch.equal(found.logits, plain.logits)
    assert torch.equal(found.last_hidden_state, plain.hidden_states[-1])
    assert found.report.depths.tolist() == [LAYERS] * ROWS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", NAMES)
def test_padded_batch_equals_singles(name: str, architecture: str) -> None:
    model, inputs = wide(architecture), batch(architecture, rows=ROWS)
    policy = made(name)
    heads = heads_for(policy, dtype=torch.float64)
    together = runs(model, policy, heads, [(list(range(ROWS)), inputs)], ROWS)
    # In another order, one after the other, each without its padding.
    order = [3, 0, 4, 1, 2]
    singly = runs(model, policy, heads, [([row], alone(inputs, row)) for row in order], ROWS)
    assert together.report.depths.tolist() == singly.report.depths.tolist()
    assert torch.allclose(together.logits, singly.logits, atol=1e-6)
    assert (together.report.mean_depth < LAYERS) == ENCODER_POLICIES[name].promise.leaves


@pytest.mark.parametrize("name", NAMES)
def test_states_that_are_not_finite_never_leave(name: str) -> None:
    model = shared("bert")
    embedded = model.get_input_embeddings()(batch("bert", rows=ROWS, padded=False)["input_ids"]).detach()
    policy = made(name)
    heads = heads_for(policy)
    clean = encode(model, policy=policy, heads=heads, inputs_embeds=embedded)
    for bad in (torch.nan, torch.inf, -torch.inf):
        spoiled = embedded.clone()
        spoiled[2] = bad
        found = encode(model, policy=policy, heads=heads, inputs_embeds=spoiled)
        others = [0, 1, 3, 4]
        if policy.asks(LAYERS):
            assert found.report.depths[2] == LAYERS
        assert found.report.depths[others].tolist() == clean.report.depths[others].tolist()
        assert torch.allclose(found.logits[others], clean.logits[others], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_again_and_nothing_is_written_to(name: str) -> None:
    model, inputs, policy = encoder("roberta").train(), batch("roberta", rows=ROWS), made(name)
    model.eval()
    model.roberta.encoder.layer[1].train()  # modes of modules stay, too
    model.roberta.encoder.layer[1].attention.self.dropout.p = model.roberta.encoder.layer[1].output.dropout.p = 0.0
    for module in model.roberta.encoder.layer[1].modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    heads = heads_for(policy)
    before = {key: value.clone() for key, value in {**model.state_dict(), **inputs, **heads.state_dict()}.items()}
    modes = [each.training for each in model.modules()]
    attributes = [sorted(vars(each)) for each in model.modules()]
    options, state = policy.options(), torch.random.get_rng_state()
    first, again = (encode(model, policy=policy, heads=heads, **inputs) for _ in range(2))
    assert torch.equal(first.logits, again.logits)
    assert first.report.depths.tolist() == again.report.depths.tolist()
    after = {**model.state_dict(), **inputs, **heads.state_dict()}
    assert all(torch.equal(value, before[key]) for key, value in after.items())
    assert [each.training for each in model.modules()] == modes
    assert [sorted(vars(each)) for each in model.modules()] == attributes
    assert policy.options() == options
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("architecture", ["albert", "bert", "mpnet"])
@pytest.mark.parametrize("name", NAMES)
def test_report_counts_what_ran(name: str, architecture: str) -> None:
    model, inputs, policy = encoder(architecture), batch(architecture, rows=ROWS), made(name)
    ran: list[int] = []
    holder = model.base_model.encoder
    layers = holder.albert_layer_groups if architecture == "albert" else holder.layer
    for layer in layers:
        layer.register_forward_hook(lambda *given: ran.append(len(given[1][0])))
    report = encode(model, policy=policy, heads=heads_for(policy), **inputs).report
    assert sum(ran) == int(report.depths.sum())
    assert len(ran) == int(report.depths.max())
    assert ran == sorted(ran, reverse=True)
    assert sum(report.exits.values()) == report.rows == ROWS
    assert 0 <= report.deciding <= report.seconds
    assert json.loads(json.dumps(report.to_dict()))["depths"] == report.depths.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_kept_states_give_what_the_encoder_gives(name: str) -> None:
    model, inputs, policy = shared("bert", classify=False), batch("bert", rows=ROWS), made(name)
    backbone, heads = backbone_of(model), heads_for(policy)
    kept = first_token_states(backbone, [inputs])
    ran = encode(model, policy=policy, heads=heads, **inputs)
    replayed = run_batches(kept, [(np.arange(ROWS), None)], ROWS, policy=policy, heads=heads)
    assert replayed.report.depths.tolist() == ran.report.depths.tolist()
    assert torch.allclose(replayed.logits, ran.logits, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(ENCODER_POLICIES[name], "seed")])
def test_draws_come_from_the_seed_and_the_row(name: str) -> None:
    options: dict[str, Any] = {"exit": "sample"} if name == "ponder" else {}
    model, inputs = shared("bert"), batch("bert", rows=8)
    depths = {}
    for seed in (0, 1):
        policy = made(name, seed=seed, **options)
        found = [encode(model, policy=policy, heads=heads_for(policy), **inputs).report.depths.tolist() for _ in "ab"]
        assert found[0] == found[1]
        depths[seed] = found[0]
    assert depths[0] != depths[1]
    moving = made(name, seed=np.random.default_rng(0), **options)
    first, second = (encode(model, policy=moving, heads=heads_for(moving), **inputs).report.depths for _ in "ab")
    assert first.tolist() == depths[0]
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("name", LEAVING)
def test_settings_go_from_never_to_often(name: str) -> None:
    model, inputs, policy = shared("bert", classify=False), batch("bert", rows=ROWS), made(name)
    heads = heads_for(policy)
    kept = first_token_states(backbone_of(model), [inputs])
    rules = [policy.with_setting(value) for value in policy.settings(LAYERS, CLASSES)]
    means = [
        run_batches(kept, [(np.arange(ROWS), None)], ROWS, policy=rule, heads=heads).report.mean_depth for rule in rules
    ]
    assert means[0] == LAYERS
    assert means == sorted(means, reverse=True)
    assert means[-1] < LAYERS - 1
    assert type(rules[0]) is type(policy)


@pytest.mark.parametrize("name", NAMES)
def test_made_again_from_its_options(name: str) -> None:
    policy = made(name)
    again = encoder_policy_named(name, **json.loads(json.dumps(policy.options())))
    again.load_fitted(policy.fitted())
    assert again.options() == policy.options()
    with pytest.raises((EWSError, TypeError)):
        encoder_policy_named(name, no_such_option=1)


@pytest.mark.parametrize("name", [name for name in LEAVING if ENCODER_POLICIES[name].knob is not None])
@pytest.mark.parametrize("value", ["0.5", None, float("nan"), -1])
def test_thresholds_that_are_none_are_refused(name: str, value: Any) -> None:
    policy = ENCODER_POLICIES[name]
    with pytest.raises(EWSError):
        policy(**{**policy.promise.options, policy.knob: value})


@pytest.mark.parametrize("name", LEAVING)
def test_heads_that_do_not_fit_are_refused(name: str) -> None:
    model, inputs, policy = shared("bert", classify=False), batch("bert"), made(name)
    wrong = [
        None,
        heads_named(policy.heads or "linear", width=WIDTH + 1, classes=CLASSES, exits=LAYERS),
        heads_named(policy.heads or "linear", width=WIDTH, classes=CLASSES, exits=LAYERS - 1),  # and no own classifier
        heads_named(policy.heads or "linear", width=WIDTH, classes=CLASSES, exits=LAYERS + 1),
    ]
    for heads in wrong:
        with pytest.raises(EWSError, match="heads"):
            encode(model, policy=policy, heads=heads, **inputs)
