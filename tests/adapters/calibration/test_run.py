"""From texts to a policy: fitted, tested, repeatable, and refused where it cannot be."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import adapters.calibration.exits as calibration
from adapters.calibration import ffn
from adapters.calibration.costs import Costs
from adapters.calibration.exits import candidate_depths, split, window_for
from adapters.calibration.result import Calibration, calibration_dict
from adapters.calibration.risk import smallest_sample
from adapters.calibration.rules import DepthRule, Rule, choose_rules
from adapters.calibration.run import calibrate
from adapters.errors import FullDepthWarning, UnsupportedModelError
from adapters.families import family_of
from adapters.policies.ews import EWSExitPolicy
from adapters.texts.continuations import Continuation, full_model_continuations
from adapters.texts.replaying import replay
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError
from tests.adapters.driving import plain, prompt
from tests.adapters.fitting import fitted, prompts, seen, written
from tests.adapters.tiny import TINY

RISK, CONFIDENCE, TEXTS = 0.25, 0.9, 60
# Looks pay nearly everywhere, so that rules are found in a model that knows nothing.
CHEAP = Costs(head=8.0, prediction=0.2, classifier=0.02, completion=0.1)


@cache
def model() -> Any:
    """More tokens than the short list holds, so that the last layer's look is a real one."""
    return TINY["llama"](layers=9, vocab_size=400, dtype=torch.float64)


def run(**options: Any) -> Calibration:
    options = {"risk": RISK, "confidence": CONFIDENCE, "max_new_tokens": 8, "costs": CHEAP, **options}
    texts = options.pop("texts", prompts(TEXTS))
    return calibrate(options.pop("model", model()), None, texts, progress=False, **options)


@cache
def usual() -> Calibration:
    return run()


# ---- from end to end -----------------------------------------------------------------------------------------------


def test_what_is_found() -> None:
    found = usual()
    config = found.config
    assert (config.risk, config.confidence, config.target) == (RISK, CONFIDENCE, "agreement")
    assert (config.unit, config.cache, config.features, config.window) == ("layer", "deferred", "both", 7)
    assert (config.texts, config.tokens, config.max_new_tokens, config.seed) == (TEXTS, TEXTS * 7, 8, 0)
    assert (config.dtype, config.model_type) == ("float64", "llama")
    assert found.rule is not None
    assert found.rule.exits
    assert found.control["n_sequences"] == TEXTS // 2
    assert found.control["config"]["max_size"] == 7
    assert found.control["p_values"][found.control["index"]] <= 1 - CONFIDENCE
    assert 0 < found.expected < 1
    assert found.costs == CHEAP
    assert set(found.tensors) >= {"screen.weight", "candidates"}


def test_the_policy_keeps_its_promise_on_fresh_texts() -> None:
    fresh = full_model_continuations(model(), prompts(100, seed=9), max_new_tokens=8)
    found = replay(model(), EWSExitPolicy(calibration=usual()), fresh)
    assert found.agreement >= 1 - RISK


def test_it_decodes() -> None:
    policy = EWSExitPolicy(calibration=usual())
    plain(model(), prompt(2), tokens=12, custom_generate=policy)
    assert policy.report().heads_per_token < 1


def test_the_same_seed_gives_the_same_rule() -> None:
    again = run()
    assert calibration_dict(again) == calibration_dict(usual())
    for name, tensor in usual().tensors.items():
        assert torch.equal(again.tensors[name], tensor)
    other = run(seed=1)
    assert other.config.seed == 1
    assert any(not torch.equal(other.tensors[name], tensor) for name, tensor in usual().tensors.items())


@pytest.mark.parametrize("features", ["windowed", "raw"])
@pytest.mark.parametrize("target", ["agreement", "sequence"])
def test_choices(features: Any, target: Any) -> None:
    found = run(features=features, target=target, risk=0.4)
    assert found.config.features == features
    assert found.control["config"]["target"] == target
    assert found.control["config"]["test"] == {"agreement": "betting", "sequence": "binomial"}[target]
    policy = EWSExitPolicy(calibration=found)
    plain(model(), prompt(), custom_generate=policy)


@pytest.mark.parametrize("unit", ["ffn", "both"])
def test_feed_forward_blocks(unit: Any) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = run(unit=unit, model=TINY["llama"](layers=14, dtype=torch.float64), risk=0.3)
    assert (found.rule is None) == any(issubclass(each.category, FullDepthWarning) for each in told)
    assert found.config.unit == unit
    assert found.config.cache == {"ffn": "exact", "both": "propagate"}[unit]


def test_another_rule_is_bound_anew() -> None:
    """Candidates are tried by putting one rule in the place of another."""
    family = family_of(TINY["llama"](layers=9, dtype=torch.float64))
    one = fitted("llama")
    assert one.rule is not None
    other = replace(one, rule=Rule(0.1, one.rule.exits[:1]))
    none = replace(one, rule=None)
    for _ in range(2):  # the second time from what is kept
        assert set(one.bind(family)[0]) == {6, 8, 9}
        assert set(other.bind(family)[0]) == {6}
        assert none.bind(family) == ({}, {})


def _watched(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, read: Any) -> list[Any]:
    """Let a function run as ever, and keep what `read` makes of its arguments."""
    true, told = getattr(module, name), []

    def watched(*args: Any, **options: Any) -> Any:
        told.append(read(*args, **options))
        return true(*args, **options)

    monkeypatch.setattr(module, name, watched)
    return told


@pytest.mark.parametrize("unit", ["layer", "ffn", "both"])
def test_texts_that_test_the_rules_take_no_part_in_choosing_them(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the stated risk is that of texts which the rules were fitted to."""
    fitted_on, rules_on, tested_on = split(TEXTS, 0)
    module = calibration if unit == "layer" else ffn
    chosen = _watched(monkeypatch, module, "choose_rules", lambda table, *_rest: set(table.text.tolist()))
    heads = _watched(monkeypatch, calibration, "trajectories_of", lambda *_rest, indices: set(indices.tolist()))
    blocks = _watched(monkeypatch, ffn, "harmless_groups", lambda *_rest, indices, **_more: set(indices.tolist()))
    replayed = _watched(monkeypatch, ffn, "replay", lambda _model, _policy, texts: [id(each) for each in texts])
    tested = _watched(monkeypatch, calibration, "test_rules", lambda _rules, table, texts, *_rest: (table, texts))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FullDepthWarning)
        run(unit=unit, model=TINY["llama"](layers=14, dtype=torch.float64), risk=0.3)
    free = set(rules_on.tolist()) | (set(fitted_on.tolist()) if unit == "ffn" else set())
    assert all(each <= free for each in (*chosen, *blocks))
    assert len(chosen) == (unit != "ffn")
    assert all(each <= set(fitted_on.tolist()) for each in heads)
    for table, texts in tested:
        assert set(table.text.tolist()) == set(texts.tolist()) == set(tested_on.tolist())
    assert len(tested) == (unit == "layer")
    assert all(len(each) == len(tested_on) for each in replayed)
    assert bool(replayed) == (unit != "layer")


@pytest.mark.parametrize("unit", ["layer", "ffn"])
def test_the_length_that_texts_can_have_is_known_beforehand(unit: Any) -> None:
    """A text that is yet to come can be longer than all that were tested, and wrong throughout."""
    if unit == "layer":
        control, _ = calibration.test_rules([], seen(tokens=10), np.arange(40), 0.1, 0.9, "agreement", 65, 0)
        assert control.config.max_size == 64
        return
    texts = [Continuation(each.tokens[: each.prompt + 4], each.prompt) for each in written("llama")]
    plain_one = replace(fitted("llama", "ffn"), rule=None)
    rule = fitted("llama", "ffn").rule
    family = family_of(TINY["llama"](layers=9, dtype=torch.float64))
    _, control, _ = ffn._test(plain_one, [rule], texts, family, lambda _done: None, 65)
    assert control["config"]["max_size"] == 64


def test_the_smallest_number_of_texts_is_enough() -> None:
    least = smallest_sample(risk=RISK, confidence=CONFIDENCE)
    count = next(n for n in range(1, 99) if len(split(n, 0)[2]) == least)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FullDepthWarning)
        assert run(texts=prompts(count)).control["n_sequences"] == least
    fewer = next(n for n in reversed(range(count)) if len(split(n, 0)[2]) == least - 1)
    with pytest.raises(ArgumentError, match=f"got {fewer} texts, of which {least - 1} test the rules"):
        run(texts=prompts(fewer))


# ---- full depth ----------------------------------------------------------------------------------------------------


def test_full_depth_where_nothing_pays() -> None:
    with pytest.warns(FullDepthWarning, match="risk of 0.25 with confidence 0.9 on 30 texts"):
        found = run(costs=Costs(head=0.01, prediction=50.0))
    whole_model(found)


def test_full_depth_where_the_risk_cannot_be_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only rule that there is takes every token that a look gives."""
    bold = Rule(0.5, (DepthRule(8, None, -np.inf, 0.0),))
    monkeypatch.setattr(calibration, "choose_rules", lambda *_given: [bold])
    with pytest.warns(FullDepthWarning, match="runs at full depth"):
        found = run(risk=0.12)
    assert found.control["index"] is None
    assert found.control["risks"][0] > 0.12
    whole_model(found)


def whole_model(found: Calibration) -> None:
    assert found.rule is None
    assert found.expected == 1
    one = plain(model(), prompt(2), tokens=10, custom_generate=EWSExitPolicy(calibration=found))
    other = plain(model(), prompt(2), tokens=10)
    assert one.sequences.tolist() == other.sequences.tolist()


# ---- what cannot be used -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["layer", "ffn", "both"])
@pytest.mark.parametrize(("risk", "confidence"), [(0.05, 0.95), (0.1, 0.9), (0.02, 0.99)])
def test_too_few_texts(risk: float, confidence: float, unit: Any) -> None:
    """The message says how many it takes, which is as many as that and no more."""
    with pytest.raises(ArgumentError, match="texts: got 9 texts, of which 5 test the rules") as caught:
        run(texts=[[1, 2]] * 9, risk=risk, confidence=confidence, unit=unit)
    needed = int(caught.value.allowed.split()[0])
    least = smallest_sample(risk=risk, confidence=confidence)
    assert least <= len(split(needed, 0)[2]) <= least + 1


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"unit": "head"}, UnknownNameError, "unit: got 'head'; allowed: one of 'layer', 'ffn', 'both'"),
        ({"features": "window"}, UnknownNameError, "did you mean 'windowed'"),
        ({"target": "token"}, UnknownNameError, "target: got 'token'"),
        ({"risk": 0.0}, ValueRangeError, "risk: got 0.0"),
        ({"confidence": 1.0}, ValueRangeError, "confidence: got 1.0"),
        ({"max_new_tokens": 1}, ValueRangeError, "max_new_tokens: got 1"),
        ({"texts": [[1], [500]] * 50}, ValueRangeError, r"texts\[1\]: got 500"),
        ({"texts": ["a"] * 60}, ArgumentError, "tokenizer: got None"),
    ],
)
def test_arguments_that_cannot_be_used(
    options: dict[str, Any], error: type[Exception], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is fitted."""
    monkeypatch.setattr(calibration, "fit_head", None)
    with pytest.raises(error, match=match):
        run(**options)


def test_a_string_is_no_list_of_texts() -> None:
    with pytest.raises(ArgumentError, match="a list of texts"):
        run(texts="one text " * 40)


def test_an_unknown_model() -> None:
    with pytest.raises(InputTypeError, match="a causal language model of transformers"):
        run(model=torch.nn.Linear(2, 2))


def test_a_model_that_holds_no_window() -> None:
    with pytest.raises(UnsupportedModelError, match="one of 4 layers; allowed: 5 layers or more"):
        run(model=TINY["llama"](layers=4))
    found = run(model=TINY["llama"](layers=5, vocab_size=400, dtype=torch.float64))
    assert found.config.window == 3


# ---- its parts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", range(5, 81))
def test_depths_leave_room_for_a_window(layers: int) -> None:
    window = window_for(layers)
    depths = candidate_depths(layers, window)
    assert 3 <= window <= 8
    assert list(depths) == sorted(set(depths))
    assert depths[-1] == layers
    assert len(depths) <= 6
    assert all(depth >= max(window + 1, layers // 2) for depth in depths)


@pytest.mark.parametrize("texts", [10, 59, 200, 201])
def test_parts_of_the_texts(texts: int) -> None:
    parts = split(texts, 3)
    assert sorted(np.concatenate(parts).tolist()) == list(range(texts))
    assert [len(each) for each in parts] == pytest.approx([0.3 * texts, 0.2 * texts, 0.5 * texts], abs=1)
    assert all((one == other).all() for one, other in zip(parts, split(texts, 3), strict=True))
    assert any((one != other).any() for one, other in zip(parts, split(texts, 4), strict=True))


def test_the_promise_on_simulated_evidence() -> None:
    """Of calibrations on drawn texts, the share whose rule exceeds the risk is at most 1 − confidence."""
    exceeded, found, repetitions, risk = 0, 0, 40, 0.15
    rules = choose_rules(seen(texts=60, tokens=8, seed=1000), CHEAP, 9)[::4]
    population = seen(texts=4000, tokens=8, seed=1001)
    truth = [float((~rule.outcome(population)[1]).mean()) for rule in rules]
    assert min(truth) < risk < max(truth)
    for seed in range(repetitions):
        texts = np.arange(100)
        control, rule = calibration.test_rules(
            rules, seen(texts=100, tokens=8, seed=seed), texts, risk, 0.9, "agreement", 9, seed
        )
        assert (rule is None) == (control.index is None)
        if control.index is not None:
            found += 1
            exceeded += truth[control.index] > risk
    assert found == repetitions
    assert exceeded <= 9  # more than that has probability 0.005 at the limit


def test_where_no_rule_saves_the_whole_model_is_tested() -> None:
    control, rule = calibration.test_rules([], seen(), np.arange(40), 0.1, 0.9, "agreement", 11, 0)
    assert control.risks == (0.0,)
    assert rule is None


# ---- a model that writes -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_small_model_that_writes_stories(tmp_path: Path, stories15m: Path) -> None:
    folder = stories15m
    from transformers import AutoModelForCausalLM

    stories = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        begun = stories.generate(
            torch.full((1, 1), stories.config.bos_token_id), do_sample=True, max_new_tokens=7, num_return_sequences=200
        )
    texts = [row for row in begun.tolist() if 2 not in row[1:]]
    found = calibrate(stories, None, texts[:130], risk=0.05, max_new_tokens=16, progress=False)
    assert found.rule is not None
    policy = EWSExitPolicy(calibration=found)
    policy.save(tmp_path)
    fresh = full_model_continuations(stories, texts[130:], max_new_tokens=16)
    assert replay(stories, EWSExitPolicy.load(tmp_path, stories), fresh).agreement >= 0.95
