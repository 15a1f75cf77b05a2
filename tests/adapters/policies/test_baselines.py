"""The baselines against what their papers say, worked out slowly, and what their options refuse."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adapters.families import family_of
from adapters.policies import Exit, FixedExitPolicy, NeverExitPolicy, Policy, RandomExitPolicy, Trajectory
from adapters.policies.confidence import MEASURES, ConfidencePolicy
from adapters.policies.fixed_point import FixedPointPolicy
from adapters.policies.registry import POLICIES, policy_named
from adapters.policies.saturation import SaturationPolicy
from adapters.signals import SIGNALS, signals
from ews.errors import InputTypeError, UnknownNameError, ValueRangeError
from tests.adapters.driving import continued, plain, prompt, states_after, tiny

LAYERS, TOKENS, WIDTH = 5, 12, 48


def bound(policy: Policy, rows: int = 1, name: str = "llama") -> Policy:
    """Met with a model, and at its first token."""
    policy.bind(family_of(tiny(name)))
    policy.start(rows, None)
    policy.plan(0)
    return policy


def drawn(rows: int, states: int, seed: int = 0) -> list[Tensor]:
    """States that wander, as those of a model do."""
    random = torch.Generator().manual_seed(seed)
    steps = torch.randn(states, rows, WIDTH, generator=random) * torch.rand(states, rows, 1, generator=random)
    return list(steps.cumsum(0))


def left(found: Exit | None, rows: int) -> list[bool]:
    if found is None:
        return [False] * rows
    return [True] * rows if found.rows is None else found.rows.tolist()


# ---- confidence ----------------------------------------------------------------------------------------------------

BOUNDS = {"probability": 0.25, "margin": 0.06}  # that some tokens of a random model pass


def slow_measure(logits: Tensor, measure: str) -> float:
    exponentials = [math.exp(value) for value in logits.double().tolist()]
    shares = sorted((each / math.fsum(exponentials) for each in exponentials), reverse=True)
    return shares[0] if measure == "probability" else shares[0] - shares[1]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", ["llama", "gemma3", "opt", "gpt_neox"])
def test_confidence_leaves_where_the_head_is_sure(measure: str, name: str) -> None:
    model, inputs = tiny(name, torch.float64), prompt()
    policy = ConfidencePolicy(threshold=BOUNDS[measure], measure=measure)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    family, exits = family_of(model), dict.fromkeys(range(1, LAYERS + 1), 0)
    states = states_after(model, continued(inputs, found.sequences[:, :-1]))
    looks = 0
    for step in range(TOKENS - 1):
        for depth in range(1, LAYERS + 1):
            spoken = family.logits(family.finish(states[depth - 1][:, 7 + step]))[0]
            looks += 1
            if depth == LAYERS or slow_measure(spoken, measure) >= BOUNDS[measure]:
                break
        exits[depth] += 1
        torch.testing.assert_close(found.logits[step + 1][0], spoken.float(), rtol=1e-4, atol=1e-4)
    report = policy.report()
    assert report.exits == {depth: count for depth, count in exits.items() if count}
    assert len(report.exits) > 1
    assert report.heads_per_token == pytest.approx(looks / (TOKENS - 1))  # the look that leaves is the head's only run
    assert 0 < report.prediction_share < 1


@pytest.mark.parametrize("measure", MEASURES)
def test_confidence_of_one_row_and_another(measure: str) -> None:
    states, family = drawn(6, 3), family_of(tiny("llama"))
    logits = family.logits(family.finish(states[-1]))
    values = [slow_measure(row, measure) for row in logits]
    limit = sorted(values)[3] - 1e-6
    policy, expected = (
        bound(ConfidencePolicy(threshold=limit, measure=measure), rows=6),
        [each >= limit for each in values],
    )
    found = policy.check(Trajectory(states, None))
    assert left(found, 6) == expected
    assert sum(expected) == 3
    assert found is not None
    assert found.logits is not None
    torch.testing.assert_close(found.logits, logits[torch.tensor(expected)], rtol=1e-4, atol=1e-4)
    running = np.array([1, 4, 5])
    some = policy.check(Trajectory(states, running))
    assert left(some, 3) == [expected[row] for row in running]


def test_confidence_that_everything_or_nothing_passes() -> None:
    states = drawn(3, 3)
    everything = bound(ConfidencePolicy(threshold=0.0), rows=3).check(Trajectory(states, None))
    assert everything is not None
    assert everything.rows is None
    assert everything.logits is not None
    assert everything.logits.shape == (3, 101)
    assert bound(ConfidencePolicy(threshold=1.0), rows=3).check(Trajectory(states, None)) is None


@pytest.mark.parametrize("measure", MEASURES)
def test_confidence_at_the_threshold_leaves(measure: str) -> None:
    """A head that is as sure as can be reaches a threshold of 1."""
    model = copy.deepcopy(tiny("llama"))
    with torch.no_grad():
        model.lm_head.weight *= 1e6
    policy = ConfidencePolicy(threshold=1.0, measure=measure)
    policy.bind(family_of(model))
    policy.start(3, None)
    policy.plan(0)
    assert left(policy.check(Trajectory(drawn(3, 3), None)), 3) == [True] * 3


def test_large_logits_are_measured() -> None:
    """Half-precision logits beyond 11 would overflow where exponentials are summed as they are."""
    logits = torch.tensor([[90.0, 88.0, -50.0], [30_000.0, 0.0, 0.0]])
    for measure, expected in {"probability": [0.8808, 1.0], "margin": [0.7616, 1.0]}.items():
        assert MEASURES[measure](logits).tolist() == pytest.approx(expected, abs=1e-4)


def test_the_threshold_falls_over_the_generation() -> None:
    policy = ConfidencePolicy(threshold=0.8, horizon=50)
    thresholds = [policy.threshold_at(token) for token in range(200)]
    assert thresholds[0] == pytest.approx(0.82)
    assert thresholds[50] == pytest.approx(0.72 + 0.1 * math.exp(-4))
    assert thresholds[-1] == pytest.approx(0.72, abs=1e-6)
    assert all(later < earlier for earlier, later in pairwise(thresholds))
    assert ConfidencePolicy(threshold=1.0, horizon=50).threshold_at(0) == 1
    assert ConfidencePolicy(threshold=0.8).threshold_at(30) == 0.8
    assert ConfidencePolicy(threshold=0.8, horizon=50, temperature=0.0).threshold_at(30) == pytest.approx(0.82)


def test_a_falling_threshold_lets_later_tokens_leave() -> None:
    states = drawn(1, 3, seed=3)
    family = family_of(tiny("llama"))
    sure = slow_measure(family.logits(family.finish(states[-1]))[0], "probability")
    # Token t = step + 1: the first comes from the prompt.
    base = (sure - 0.1 * math.exp(-4 * 10 / 20)) / 0.9
    policy = bound(ConfidencePolicy(threshold=base + 1e-5, horizon=20))
    answers = []
    for step in range(15):
        policy.plan(step)
        answers.append(policy.check(Trajectory(states, None)) is not None)
    assert answers == [False] * 10 + [True] * 5


# ---- saturation ----------------------------------------------------------------------------------------------------


def test_saturation_is_the_cosine_of_neighbours() -> None:
    states = drawn(8, 4)
    cosines = signals(torch.stack(states, dim=1))[:, -1, SIGNALS.index("cosine")]
    for threshold in (0.5, 0.8, 0.9, float(cosines[3])):
        found = bound(SaturationPolicy(threshold=threshold - 1e-6), rows=8).check(Trajectory(states, None))
        assert left(found, 8) == (cosines >= threshold - 1e-6).tolist()
        assert found is None or found.logits is None
    running = np.array([2, 3])
    some = bound(SaturationPolicy(threshold=float(cosines[3]) - 1e-6), rows=8).check(Trajectory(states, running))
    assert left(some, 2) == [bool(cosines[2] >= cosines[3] - 1e-6), True]


def test_saturation_needs_no_head_but_to_speak() -> None:
    policy = SaturationPolicy(threshold=0.7)
    plain(tiny("llama"), prompt(), tokens=TOKENS, custom_generate=policy)
    assert policy.report().heads_per_token == 1
    assert policy.report().prediction_share == 0


# ---- fixed point ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("update", [0.03, 0.3, 0.6])
@pytest.mark.parametrize("alignment", [-1.0, 0.0, 0.1])
def test_fixed_point_asks_for_small_and_aligned_updates(update: float, alignment: float) -> None:
    states = drawn(64, 4, seed=2)
    values = signals(torch.stack(states, dim=1))[:, -1]
    size, aligned = values[:, SIGNALS.index("update_norm")], values[:, SIGNALS.index("alignment")]
    expected = (size < update) & (aligned >= alignment)
    found = bound(FixedPointPolicy(update=update, alignment=alignment), rows=64).check(Trajectory(states, None))
    assert left(found, 64) == expected.tolist()
    assert update == 0.03 or 0 < expected.sum() < 64


def test_a_state_that_stands_still_is_a_fixed_point() -> None:
    state = torch.ones(1, WIDTH)
    policy = bound(FixedPointPolicy())
    assert left(policy.check(Trajectory([state / 2, state, state], None)), 1) == [True]
    assert left(policy.check(Trajectory([state, state, state], None)), 1) == [True]


def test_a_state_that_swings_is_not() -> None:
    state, swing = torch.ones(1, WIDTH), torch.full((1, WIDTH), 1.01)
    assert bound(FixedPointPolicy()).check(Trajectory([state, swing, state], None)) is None
    assert left(bound(FixedPointPolicy(alignment=-1.0)).check(Trajectory([state, swing, state], None)), 1) == [True]


def test_no_length_is_no_fixed_point() -> None:
    zero = torch.zeros(1, WIDTH)
    assert bound(FixedPointPolicy()).check(Trajectory([zero, zero, zero], None)) is None
    assert bound(SaturationPolicy(threshold=-1.0)).check(Trajectory([zero, zero], None)) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(dtype: torch.dtype) -> None:
    """A state of norm 3,000 has a square that float16 cannot hold."""
    states = [(state * 400).to(dtype) for state in drawn(16, 4)]
    wide = signals(torch.stack(states, dim=1).float())[:, -1]
    found = bound(SaturationPolicy(threshold=0.7), rows=16).check(Trajectory(states, None))
    assert left(found, 16) == (wide[:, 0] >= 0.7).tolist()
    found = bound(FixedPointPolicy(update=0.8), rows=16).check(Trajectory(states, None))
    assert left(found, 16) == ((wide[:, 1] < 0.8) & (wide[:, 3] >= 0)).tolist()


# ---- depths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "first"),
    [(ConfidencePolicy, 1), (SaturationPolicy, 1), (FixedPointPolicy, 2)],
    ids=lambda value: str(value),
)
def test_where_is_asked(policy: Any, first: int) -> None:
    def asked(**options: Any) -> tuple[int, ...]:
        return bound(policy(**options)).plan(0).checks

    assert asked() == tuple(range(first, LAYERS))
    assert asked(depths=(4, 2, 2)) == (2, 4)
    assert asked(depths=(3, LAYERS)) == (3,)  # all leave there anyway
    assert asked(depths=()) == ()
    for depths, error in (((0,), ValueRangeError), ((6,), ValueRangeError), ((2.5,), InputTypeError)):
        with pytest.raises(error, match="depths"):
            asked(depths=depths)
    if first == 2:
        with pytest.raises(ValueRangeError, match=r"depths: got 1; allowed: 2 to 5"):
            asked(depths=(1, 3))


# ---- the others ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", ["monotone", "propagate", "deferred"])
@pytest.mark.parametrize("rows", [1, 3])
def test_fixed_leaves_where_it_says(cache: Any, rows: int) -> None:
    policy, model = FixedExitPolicy(depth=2, cache=cache), tiny("llama")
    model.generate(**prompt(rows, padded=True), max_new_tokens=6, do_sample=False, custom_generate=policy)
    report = policy.report()
    assert report.exits == {2: 5 * rows}
    assert report.layers_per_token == 2
    assert report.heads_per_token == 1


def test_fixed_at_the_last_layer_is_the_whole_model() -> None:
    model, inputs = tiny("llama"), prompt()
    found = plain(model, inputs, custom_generate=FixedExitPolicy(depth=LAYERS, cache="deferred"))
    assert all(torch.equal(*pair) for pair in zip(found.logits, plain(model, inputs).logits, strict=True))


def test_random_draws_evenly_and_from_its_seed() -> None:
    def depths(**options: Any) -> np.ndarray[Any, Any]:
        policy = bound(RandomExitPolicy(**options), rows=50)
        return np.array([policy.plan(step).exit for step in range(80)])

    found = depths(rate=0.4)
    counts = np.bincount(found.ravel(), minlength=LAYERS + 1)[1:] / found.size
    assert counts[-1] == pytest.approx(0.6, abs=0.03)
    assert counts[:-1] == pytest.approx([0.1] * 4, abs=0.02)
    assert np.array_equal(found, depths(rate=0.4))
    assert not np.array_equal(found, depths(rate=0.4, seed=1))
    assert set(np.unique(depths(depths=(2, 4)))) == {2, 4, LAYERS}
    assert set(np.unique(depths(rate=0.0))) == {LAYERS}
    assert LAYERS not in depths(rate=1.0)


def test_never_asks_nothing() -> None:
    plan = bound(NeverExitPolicy()).plan(0)
    assert plan.exit is None
    assert not plan.checks
    assert not plan.skip_layers
    assert not plan.ffn_checks


# ---- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "error", "match"),
    [
        ("confidence", {"threshold": 1.1}, ValueRangeError, r"threshold: got 1.1; allowed: 0 to 1"),
        ("confidence", {"threshold": math.nan}, ValueRangeError, "threshold"),
        ("confidence", {"threshold": "high"}, InputTypeError, "threshold"),
        ("confidence", {"measure": "margins"}, UnknownNameError, r"measure: .*did you mean 'margin'"),
        ("confidence", {"horizon": 0}, ValueRangeError, "horizon: got 0; allowed: 1 or more"),
        ("confidence", {"horizon": 2.5}, InputTypeError, "horizon"),
        ("confidence", {"horizon": True}, InputTypeError, "horizon"),
        ("confidence", {"temperature": -1.0}, ValueRangeError, "temperature"),
        ("saturation", {"threshold": -1.5}, ValueRangeError, r"threshold: got -1.5; allowed: -1 to 1"),
        ("fixed_point", {"update": -0.1}, ValueRangeError, "update"),
        ("fixed_point", {"alignment": 2}, ValueRangeError, "alignment"),
        ("random", {"rate": 2}, ValueRangeError, "rate"),
        ("never", {"cache": "lazy"}, UnknownNameError, "cache"),
    ],
)
def test_options_that_cannot_be_used(name: str, options: dict[str, Any], error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        policy_named(name, **options)


def test_policies_by_name() -> None:
    assert list(POLICIES) == sorted(POLICIES)
    assert isinstance(policy_named("fixed", depth=2), FixedExitPolicy)
    assert policy_named("confidence", threshold=0.5, cache="verify").cache == "verify"
    with pytest.raises(UnknownNameError, match=r"policy: got 'fixd'.*did you mean 'fixed'"):
        policy_named("fixd")
    with pytest.raises(TypeError, match="depht"):
        policy_named("fixed", depht=2)
