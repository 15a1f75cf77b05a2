"""The early-warning policy while it decodes: before and after a calibration."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapters.calibration.result import Calibration
from adapters.calibration.rules import DepthRule, Rule, SkipRule
from adapters.decoding.contract import Trajectory
from adapters.errors import PolicyMismatchError
from adapters.families import family_of
from adapters.heads.logistic import Logistic
from adapters.policies.ews import EWSExitPolicy
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError
from tests.adapters.driving import alone, full_cache, plain, prompt, spread, worst
from tests.adapters.fitting import LAYERS, WINDOW, fitted, model_of

TOKENS = 14


def untrained(**options: Any) -> EWSExitPolicy:
    """So that some tokens of a tiny model leave."""
    return EWSExitPolicy(**{"window": WINDOW, "warmup": 3, "threshold": 0.05, **options})


POLICIES = {
    "untrained": untrained,
    "untrained-both": lambda: untrained(unit="both"),
    "untrained-ffn": lambda: untrained(unit="ffn"),
    **{each: lambda each=each: EWSExitPolicy(calibration=fitted("llama", each)) for each in ("layer", "ffn", "both")},
}


def with_rule(rule: Rule, unit: Any = "layer") -> Calibration:
    """A calibration that has another rule."""
    return dataclasses.replace(fitted("llama", unit), rule=rule)


# ---- the cache -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("policy", [untrained, lambda: EWSExitPolicy(calibration=fitted("llama"))])
def test_the_cache_is_that_of_the_whole_model(policy: Any, rows: int) -> None:
    model, inputs = model_of("llama"), prompt(rows, padded=True)
    deciding = policy()
    assert deciding.cache == "deferred"
    found = plain(model, inputs, tokens=TOKENS, custom_generate=deciding)
    assert set(deciding.report().exits) - {LAYERS}
    expected = full_cache(model, inputs, found.sequences)
    length = found.sequences.shape[1] - 1
    allowed = max(2 * spread(model, inputs, found.sequences), 1e-9)
    assert worst(found.past_key_values, expected, inputs, length) <= allowed


@pytest.mark.parametrize("name", POLICIES)
def test_every_layer_holds_every_token(name: str) -> None:
    inputs = prompt(2, padded=True)
    found = plain(model_of("llama"), inputs, tokens=TOKENS, custom_generate=POLICIES[name]())
    lengths = {int(layer.get_seq_length()) for layer in found.past_key_values.layers}
    assert lengths == {found.sequences.shape[1] - 1}


@pytest.mark.parametrize(("unit", "cache"), [("layer", "deferred"), ("ffn", "exact"), ("both", "propagate")])
def test_caches_that_units_keep(unit: Any, cache: str) -> None:
    assert EWSExitPolicy(unit=unit).cache == cache
    assert EWSExitPolicy(calibration=fitted("llama", unit)).cache == cache
    assert EWSExitPolicy(calibration=fitted("llama", unit)).unit == unit
    assert EWSExitPolicy(calibration=fitted("llama"), cache="propagate").cache == "propagate"


@pytest.mark.parametrize("policy", [untrained, lambda **rest: EWSExitPolicy(calibration=fitted("llama"), **rest)])
def test_verified_tokens_are_those_of_the_whole_model(policy: Any) -> None:
    model, inputs = model_of("llama"), prompt()
    deciding = policy(cache="verify")
    found = plain(model, inputs, tokens=TOKENS, custom_generate=deciding)
    assert found.sequences.tolist() == plain(model, inputs, tokens=TOKENS).sequences.tolist()
    assert deciding.report().drafted > 0


# ---- rows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2"])
@pytest.mark.parametrize("unit", ["layer", "ffn", "both"])
def test_rows_of_a_batch_are_as_alone(name: str, unit: Any) -> None:
    model, inputs = model_of(name), prompt(3, padded=True)
    calibration = fitted(name, unit)
    together = plain(model, inputs, tokens=TOKENS, custom_generate=EWSExitPolicy(calibration=calibration))
    exits: dict[int, int] = {}
    for row in range(3):
        policy = EWSExitPolicy(calibration=calibration)
        single = plain(model, alone(inputs, row), tokens=TOKENS, custom_generate=policy)
        assert together.sequences[row, -TOKENS:].tolist() == single.sequences[0, -TOKENS:].tolist()
        for depth, count in policy.report().exits.items():
            exits[depth] = exits.get(depth, 0) + count
    policy = EWSExitPolicy(calibration=calibration)
    plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    assert policy.report().exits == dict(sorted(exits.items()))


# ---- what is not a number ------------------------------------------------------------------------------------------


def states(rows: int, *, spoiled: tuple[int, ...] = (), value: float = torch.nan, depth: int = 8) -> list[Any]:
    drawn = torch.randn(depth + 1, rows, 48, generator=torch.Generator().manual_seed(0), dtype=torch.float64).cumsum(0)
    for row in spoiled:
        drawn[depth - 1, row, 3] = value
    return list(drawn)


@torch.no_grad()
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_states_that_are_not_finite_never_leave(value: float) -> None:
    classifier = Logistic(np.zeros(20), 0.0)  # always open, were it not for NaN
    calibration = with_rule(Rule(0.1, (DepthRule(8, classifier, -1e300, 0.0),)))
    policy = EWSExitPolicy(calibration=calibration)
    policy.bind(family_of(model_of("llama")))
    policy.start(4, None)
    policy.plan(0)
    found = policy.check(Trajectory(states(4, spoiled=(1, 2), value=value), None))
    assert found is not None
    assert np.asarray(found.rows).tolist() == [True, False, False, True]
    assert found.logits is not None
    assert found.logits.shape == (2, 101)
    assert policy.check(Trajectory(states(2, spoiled=(0, 1), value=value), None)) is None


@torch.no_grad()
def test_a_look_that_is_not_a_number_does_not_confirm() -> None:
    policy = EWSExitPolicy(calibration=with_rule(Rule(0.1, (DepthRule(8, None, -np.inf, 0.0),))))
    policy.bind(family_of(model_of("llama")))
    policy.plan(0)
    drawn = states(3)
    drawn[-1][1] = torch.nan
    found = policy.check(Trajectory(drawn, None))
    assert found is not None
    assert np.asarray(found.rows).tolist() == [True, False, True]


@torch.no_grad()
def test_blocks_run_where_a_statistic_is_not_a_number() -> None:
    classifier = Logistic(np.zeros(20), 0.0)
    policy = EWSExitPolicy(calibration=with_rule(Rule(0.1, (), (SkipRule((6, 7), classifier, -1e300),)), "ffn"))
    policy.bind(family_of(model_of("llama")))
    assert policy.plan(0).ffn_checks == {6, 7}
    assert policy.check(Trajectory(states(3, spoiled=(1,), depth=6), None)) is None
    for index in (6, 7):
        assert np.asarray(policy.run_ffn(index, torch.zeros(3, 48))).tolist() == [False, True, False]
    assert policy.run_ffn(5, torch.zeros(3, 48)) is True
    policy.plan(1)  # what was decided for one token is not kept for the next
    assert policy.run_ffn(6, torch.zeros(3, 48)) is True


@torch.no_grad()
def test_untrained_gates_stay_shut_for_states_that_are_not_finite() -> None:
    policy = untrained(warmup=1, threshold=0.0, depths=[8])
    policy.bind(family_of(model_of("llama")))
    policy.start(4, None)
    policy.plan(0)
    assert policy.check(Trajectory(states(4), None)) is None  # heard, not let go
    policy.plan(1)
    again = policy.check(Trajectory(states(4), None))
    assert again is not None
    leaving = np.asarray(again.rows)
    assert 0 < leaving.sum() < 4
    spoiled = policy.check(Trajectory(states(4, spoiled=tuple(np.flatnonzero(leaving))), None))
    assert spoiled is None


@torch.no_grad()
def test_rows_that_stay_keep_their_own_decision_on_blocks() -> None:
    """At one depth rows leave and blocks are decided on: what follows is asked for those that stay."""
    column = 16  # the newest cosine
    weight = np.zeros(20)
    weight[column] = 1.0
    exits = (DepthRule(7, Logistic(weight, 0.0), 0.0, 0.0),)
    feeds = (SkipRule((7,), Logistic(-weight, 0.0), -1e300),)
    drawn = states(5, spoiled=(4,), depth=7)
    drawn[-1][:2] = -drawn[-2][:2]  # cosine −1: gate shut
    policy = EWSExitPolicy(calibration=with_rule(Rule(0.1, exits, feeds), "both"))
    policy.bind(family_of(model_of("llama")))
    policy.plan(0)
    found = policy.check(Trajectory(drawn, None))
    assert found is not None
    assert np.asarray(found.rows).tolist() == [False, False, True, True, False]
    assert np.asarray(policy.run_ffn(7, torch.zeros(3, 48))).tolist() == [False, False, True]


# ---- without a calibration -----------------------------------------------------------------------------------------


def test_untrained_policies_hear_before_they_speak() -> None:
    policy = untrained(warmup=6, threshold=0.0)
    plain(model_of("llama"), prompt(), tokens=7, custom_generate=policy)
    assert policy.report().exits == {LAYERS: 6}
    plain(model_of("llama"), prompt(), tokens=TOKENS, custom_generate=policy)
    assert policy.report().exits[LAYERS] >= 6
    assert set(policy.report().exits) <= {3 * LAYERS // 4, 7 * LAYERS // 8, LAYERS}
    assert len(policy.report().exits) > 1


def test_generations_do_not_know_of_each_other() -> None:
    model, policy = model_of("llama"), untrained()
    one = plain(model, prompt(seed=1), tokens=TOKENS, custom_generate=policy)
    exits = policy.report().exits
    plain(model, prompt(seed=2), tokens=TOKENS, custom_generate=policy)
    again = plain(model, prompt(seed=1), tokens=TOKENS, custom_generate=policy)
    assert policy.report().exits == exits
    assert again.sequences.tolist() == one.sequences.tolist()


def test_depths_that_are_named() -> None:
    policy = untrained(depths=[7], threshold=0.0)
    plain(model_of("gpt2"), prompt(), tokens=TOKENS, custom_generate=policy)
    assert set(policy.report().exits) == {7, LAYERS}


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"unit": "head"}, UnknownNameError, "unit: got 'head'"),
        ({"cache": "none"}, UnknownNameError, "cache: got 'none'"),
        ({"threshold": 1.5}, ValueRangeError, "threshold: got 1.5; allowed: 0 to 1"),
        ({"threshold": "0.9"}, InputTypeError, "threshold"),
        ({"window": 2}, ValueRangeError, "window: got 2; allowed: 3 or more"),
        ({"window": 4.0}, InputTypeError, "window: got 4.0"),
        ({"warmup": -1}, ValueRangeError, "warmup"),
        ({"warmup": True}, InputTypeError, "warmup"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        EWSExitPolicy(**options)


@pytest.mark.parametrize("depths", [[2], [LAYERS + 1], [0]])
def test_depths_that_the_model_does_not_have(depths: list[int]) -> None:
    with pytest.raises(ArgumentError, match="depths: got"), untrained(depths=depths).attach(model_of("llama")):
        pass


# ---- with one ------------------------------------------------------------------------------------------------------


def test_another_model_is_refused() -> None:
    with pytest.raises(PolicyMismatchError, match="a gpt2 model"):
        plain(model_of("gpt2"), prompt(), custom_generate=EWSExitPolicy(calibration=fitted("llama")))


def test_without_a_rule_it_is_the_whole_model() -> None:
    policy = EWSExitPolicy(calibration=dataclasses.replace(fitted("llama"), rule=None))
    found = plain(model_of("llama"), prompt(2), tokens=TOKENS, custom_generate=policy)
    expected = plain(model_of("llama"), prompt(2), tokens=TOKENS)
    assert found.sequences.tolist() == expected.sequences.tolist()
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert policy.report().exits == {LAYERS: 2 * (TOKENS - 1)}


def test_what_the_report_says() -> None:
    policy = EWSExitPolicy(calibration=fitted("llama"))
    plain(model_of("llama"), prompt(2), tokens=TOKENS, custom_generate=policy)
    report = policy.report()
    assert report.policy == "EWSExitPolicy"
    assert (report.unit, report.cache, report.depth) == ("layer", "deferred", LAYERS)
    assert report.tokens == sum(report.exits.values()) == 2 * (TOKENS - 1)
    assert report.prompt_tokens == 14
    assert 0 < report.heads_per_token < 1  # looks at the last layer stand for the head
    assert 0 < report.prediction_share < 1
    assert 0 < report.deciding_share < 1
    assert report.layers_per_token <= LAYERS
    assert report.events == ()
    untrained_one = untrained()
    plain(model_of("llama"), prompt(), tokens=TOKENS, custom_generate=untrained_one)
    assert untrained_one.report().heads_per_token >= 1  # each look is a head


def test_blocks_that_the_report_counts() -> None:
    policy = EWSExitPolicy(calibration=fitted("llama", "ffn"))
    plain(model_of("llama"), prompt(2), tokens=TOKENS, custom_generate=policy)
    report = policy.report()
    assert report.exits == {LAYERS: 2 * (TOKENS - 1)}
    assert report.layers_per_token == LAYERS
    assert LAYERS - 3 < report.ffn_blocks_per_token < LAYERS


# ---- where kernels cannot be compiled ------------------------------------------------------------------------------


def test_decoding_needs_no_compiler(tmp_path: Path) -> None:
    """numba hidden, as where it is not installed: training-free, saved and loaded."""
    EWSExitPolicy(calibration=fitted("llama")).save(tmp_path)
    script = textwrap.dedent(f"""
        import sys

        class Hidden:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("numba", "llvmlite"):
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, Hidden())
        import torch
        from adapters import EWSExitPolicy
        from tests.adapters.tiny import TINY

        torch.set_num_threads(1)
        model = TINY["llama"](layers={LAYERS}, dtype=torch.float64)
        for policy in (
            EWSExitPolicy(window=4, warmup=2, threshold=0.05),
            EWSExitPolicy.load({str(tmp_path)!r}, model),
        ):
            model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=9, do_sample=False, custom_generate=policy)
            print(policy.report().tokens)
        print(sorted(each for each in ("numba", "pandas", "adapters.trajectories") if each in sys.modules))
    """)
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["8", "8", "[]"]
