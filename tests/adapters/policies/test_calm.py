"""CALM's rules and DeeBERT's: entropy, learned classifiers, thresholds that fall, and thresholds by Learn then Test."""

from __future__ import annotations

import json
import math
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapters import (
    ClassifierPolicy,
    ConfidencePolicy,
    EntropyPolicy,
    Plan,
    SaturationPolicy,
    Trajectory,
    full_model_continuations,
    replay,
)
from adapters.calibration.classifiers import StateClassifiers, fit_classifiers
from adapters.calibration.risk import smallest_sample
from adapters.calibration.table import trajectories_of
from adapters.calibration.thresholds import calibrate_threshold
from adapters.cli.loading import load_policy
from adapters.errors import FullDepthWarning, PolicyMismatchError
from adapters.families import family_of
from adapters.heads.logistic import Logistic
from adapters.policies.threshold import decayed
from ews.errors import ArgumentError, EWSError, InputTypeError, UnknownNameError, ValueRangeError
from tests.adapters.driving import continued, plain, prompt, states_after, tiny
from tests.adapters.fitting import prompts
from tests.adapters.tiny import TINY

LAYERS, TOKENS = 5, 12


# ---- thresholds that fall ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.9, 1.0])
def test_a_threshold_falls_as_in_the_paper(threshold: float) -> None:
    expected = [min(1.0, 0.9 * threshold + 0.1 * math.exp(-4 * t / 40)) for t in range(80)]
    for policy in (
        SaturationPolicy(threshold=threshold, horizon=40),
        ConfidencePolicy(threshold=threshold, horizon=40),
        ClassifierPolicy(classifiers={1: Logistic(np.zeros(48), 0.0)}, threshold=threshold, horizon=40),
    ):
        np.testing.assert_allclose([policy.threshold_at(t) for t in range(80)], expected)
        assert policy.goes_by_step
        assert not SaturationPolicy(threshold=threshold).goes_by_step
    # The second term is not multiplied by the threshold, as it is in one public implementation.
    assert decayed(threshold, 0, horizon=40) == pytest.approx(0.9 * threshold + 0.1)
    assert all(0 <= later <= earlier <= 1 for earlier, later in pairwise(expected))


def test_later_tokens_leave_at_a_lower_cosine() -> None:
    """Saturation with a horizon is saturation at each token's own threshold."""
    model, inputs = tiny("llama", torch.float64), prompt()
    found = plain(model, inputs, tokens=TOKENS, custom_generate=SaturationPolicy(threshold=0.75, horizon=6))
    states = states_after(model, continued(inputs, found.sequences[:, :-1]))
    family = family_of(model)
    for step in range(TOKENS - 1):
        limit = 0.9 * 0.75 + 0.1 * math.exp(-4 * (step + 1) / 6)
        at = 7 + step
        depth = next(
            (
                d
                for d in range(2, LAYERS)
                if torch.cosine_similarity(*(states[k][0, at] for k in (d - 1, d - 2)), dim=0) >= limit
            ),
            LAYERS,
        )
        first = family.embed(found.sequences[:, at : at + 1], torch.tensor([[at]]))[0, 0]
        depth = 1 if torch.cosine_similarity(states[0][0, at], first, dim=0) >= limit else depth
        expected = family.logits(family.finish(states[depth - 1][:, at]))[0]
        torch.testing.assert_close(found.logits[step + 1][0], expected.float(), rtol=1e-4, atol=1e-4)


# ---- entropy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "threshold"), [("llama", 2.5), ("gemma3", 3.5), ("opt", 2.5)])
def test_entropy_leaves_where_the_prediction_is_not_spread_out(name: str, threshold: float) -> None:
    model, inputs = tiny(name, torch.float64), prompt()
    policy = EntropyPolicy(threshold=threshold)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    family, exits = family_of(model), dict.fromkeys(range(1, LAYERS + 1), 0)
    states = states_after(model, continued(inputs, found.sequences[:, :-1]))
    for step in range(TOKENS - 1):
        for depth in range(1, LAYERS + 1):
            spoken = family.logits(family.finish(states[depth - 1][:, 7 + step]))[0]
            shares = [math.exp(value) for value in spoken.double().log_softmax(-1).tolist()]
            if depth == LAYERS or -math.fsum(share * math.log(share) for share in shares) < threshold:
                break
        exits[depth] += 1
        torch.testing.assert_close(found.logits[step + 1][0], spoken.float(), rtol=1e-4, atol=1e-4)
    assert policy.report().exits == {depth: count for depth, count in exits.items() if count}
    assert len(policy.report().exits) > 1


def test_entropy_that_everything_or_nothing_passes() -> None:
    model, inputs = tiny("llama"), prompt(3, padded=True)
    never, always = EntropyPolicy(threshold=0.0), EntropyPolicy(threshold=math.log(101) + 0.01)
    found, expected = plain(model, inputs, custom_generate=never), plain(model, inputs)
    assert all(torch.equal(*pair) for pair in zip(found.logits, expected.logits, strict=True))
    plain(model, inputs, custom_generate=always)
    assert set(always.report().exits) == {1}
    for threshold, error in ((-0.1, ValueRangeError), (float("nan"), ValueRangeError), ("1", InputTypeError)):
        with pytest.raises(error, match="threshold"):
            EntropyPolicy(threshold=threshold)  # type: ignore[arg-type]


# ---- learned classifiers -------------------------------------------------------------------------------------------


@cache
def decided() -> Any:
    """A model whose last layers hardly matter for some tokens."""
    model = TINY["llama"](layers=6, dtype=torch.float64)
    for index, layer in enumerate(model.model.layers[2:]):
        layer.self_attn.o_proj.weight.data *= 0.3 / (index + 1)
        layer.mlp.down_proj.weight.data *= 0.3 / (index + 1)
    return model


@cache
def learned() -> ClassifierPolicy:
    return ClassifierPolicy.fit(
        decided(), None, prompts(60, seed=5), max_new_tokens=12, progress=False, depths=(2, 3, 4)
    )


def test_classifiers_are_regressions_of_what_was_recorded() -> None:
    model, found = decided(), learned().classifiers
    family = family_of(model)
    texts = full_model_continuations(model, prompts(60, seed=5), max_new_tokens=12)
    recorded: list[Any] = []
    for _, states in trajectories_of(family, texts, indices=range(len(texts))):
        full = family.logits(family.finish(states[-1])).argmax(-1)
        recorded.append((states[3].numpy(), (family.logits(family.finish(states[3])).argmax(-1) == full).numpy()))
    seen, right = (np.concatenate(each) for each in zip(*recorded, strict=True))
    expected = Logistic.fit(seen, right)
    assert sorted(found.classifiers) == sorted(found.right) == [2, 3, 4]
    assert found.tokens == len(right)
    assert found.right[3] == right.mean()
    np.testing.assert_allclose(found.classifiers[3].weight, expected.weight, rtol=1e-3, atol=1e-4)
    score = found.classifiers[3].score(seen)
    assert (score[right][:, None] > score[~right][None]).mean() > 0.6


def test_a_classifier_speaks_for_its_own_depth() -> None:
    model, inputs = tiny("llama", torch.float64), prompt()
    random = np.random.default_rng(3)
    classifiers = {depth: Logistic(random.standard_normal(48), 0.2 * depth - 0.5) for depth in (1, 2, 4)}
    policy = ClassifierPolicy(classifiers=classifiers, threshold=0.7)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    states = states_after(model, continued(inputs, found.sequences[:, :-1]))
    family, exits = family_of(model), dict.fromkeys(range(1, LAYERS + 1), 0)
    for step in range(TOKENS - 1):
        for depth in (1, 2, 4, 5):
            state = states[depth - 1][0, 7 + step].numpy()
            if depth == 5 or 1 / (1 + math.exp(-float(classifiers[depth].score(state)))) >= 0.7:
                break
        exits[depth] += 1
        expected = family.logits(family.finish(torch.from_numpy(state)[None, None]))[0, 0]
        torch.testing.assert_close(found.logits[step + 1][0], expected.float(), rtol=1e-4, atol=1e-4)
    assert policy.report().exits == {depth: count for depth, count in exits.items() if count}
    assert len(policy.report().exits) > 2
    only = ClassifierPolicy(classifiers=classifiers, threshold=0.7, depths=(2,))
    plain(model, inputs, custom_generate=only)
    assert set(only.report().exits) <= {2, 5}


def test_classifiers_are_kept_and_belong_to_one_model(tmp_path: Path) -> None:
    policy, model, path = learned(), decided(), tmp_path / "classifier.json"
    policy.classifiers.save(path)
    again = ClassifierPolicy.load(path, model, threshold=0.9)
    inputs = prompt(3)
    one, other = (plain(model, inputs, tokens=TOKENS, custom_generate=each) for each in (policy, again))
    assert torch.equal(one.sequences, other.sequences)
    by_name = load_policy(str(tmp_path), model)
    assert isinstance(by_name, ClassifierPolicy)
    other_model = TINY["llama"](layers=6, dtype=torch.float64, seed=4)
    with pytest.raises(PolicyMismatchError, match="model"):
        ClassifierPolicy.load(path, other_model)
    with pytest.raises(PolicyMismatchError, match="model"):
        plain(other_model, inputs, custom_generate=policy)
    saved = json.loads(path.read_text())
    for change in (
        {"version": 2},
        {"tokens": saved["tokens"] + 1},
        {"classifiers": {}},
        {"more": 1},
        {"right": {**saved["right"], "2": 10**400}},
        {"classifiers": {**saved["classifiers"], "2": {"weight": [0.0], "bias": 0.0}}},
    ):
        path.write_text(json.dumps({**saved, **change}))
        with pytest.raises(PolicyMismatchError):
            StateClassifiers.load(path, model)
    path.write_text(path.read_text()[:100])
    with pytest.raises(PolicyMismatchError):
        StateClassifiers.load(path, model)


def test_classifiers_that_cannot_be_are_refused() -> None:
    short = {2: Logistic(np.zeros(3), 0.0)}
    for options, message in (
        ({"classifiers": None}, "classifiers"),
        ({"classifiers": {}}, "classifiers"),
        ({"classifiers": short}, "one of 3 weights"),
        ({"classifiers": {2: Logistic(np.zeros(48), 0.0)}, "depths": (3,)}, r"depths: got 3.*a classifier: 2"),
        ({"classifiers": {7: Logistic(np.zeros(48), 0.0)}}, "7"),
        ({"classifiers": short, "threshold": 1.5}, "threshold"),
        ({"classifiers": short, "horizon": 0}, "horizon"),
    ):
        with pytest.raises(EWSError, match=message):
            plain(tiny("llama"), prompt(), custom_generate=ClassifierPolicy(**options))
    with pytest.raises(EWSError, match="depths"):
        fit_classifiers(tiny("llama"), None, prompts(3), depths=(5,), progress=False)


# ---- Learn then Test -----------------------------------------------------------------------------------------------

RISK = 0.1
RULES: dict[str, tuple[Any, dict[str, Any]]] = {
    "saturation": (SaturationPolicy, {}),
    "confidence": (ConfidencePolicy, {"measure": "margin", "depths": (2, 4)}),
    "confidence that falls": (ConfidencePolicy, {"horizon": 8}),
    "entropy": (EntropyPolicy, {}),
    "classifier": (ClassifierPolicy, {}),
}


@pytest.mark.parametrize("name", RULES)
def test_a_calibrated_threshold_does_what_was_tested(name: str) -> None:
    """Replayed on the texts of the test, the policy errs and leaves exactly as often as the calibration says."""
    kind, options = RULES[name]
    if name == "classifier":
        options = {"classifiers": learned().classifiers}
    model, texts = decided(), prompts(60, seed=8)
    policy = kind.calibrate(model, None, texts, risk=RISK, max_new_tokens=12, progress=False, seed=3, **options)
    found = policy.calibration
    assert found is not None
    assert found.threshold == policy.threshold
    index = found.control["index"]
    assert found.thresholds[index] == found.threshold
    order = np.random.default_rng(3).permutation(60)[18:]
    tested = full_model_continuations(model, [texts[each] for each in order], max_new_tokens=12)
    seen = replay(model, policy, tested)
    assert len(seen.agrees) == found.tokens
    assert 1 - seen.agreement == pytest.approx(found.control["risks"][index])
    assert seen.depth.mean() == pytest.approx(found.mean_depth)
    assert found.mean_depth < found.depth == 6
    assert 1 - seen.agreement <= RISK
    assert json.loads(json.dumps(found.to_dict()))["policy"] == kind.__name__
    risks = found.control["risks"]
    assert len(risks) == len(found.thresholds)
    assert risks[0] <= risks[-1]


class EndsBySaturation(SaturationPolicy):
    """Looks after the last layer too, and says another token there wherever it is sure."""

    def bind(self, family: Any) -> None:
        super().bind(family)
        self._plan = Plan(checks=(3, family.depth))

    def look(self, trajectory: Trajectory) -> tuple[torch.Tensor, torch.Tensor | None]:
        number, _ = super().look(trajectory)
        logits = self._family.logits(self._family.finish(trajectory.state()[:, None]))[:, 0]
        if trajectory.depth == self._family.depth:
            logits = logits.roll(1, -1)
        return number, logits


def test_thresholds_are_judged_with_what_a_rule_says_after_the_last_layer() -> None:
    model, texts = tiny("llama"), prompts(80)
    found = calibrate_threshold(
        model, None, texts, policy=EndsBySaturation(), risk=0.9, confidence=0.6, max_new_tokens=8, progress=False
    )
    order = np.random.default_rng(0).permutation(len(texts))[24:]  # those that thresholds are tested on
    written = full_model_continuations(model, texts, max_new_tokens=8)
    chosen = replay(model, EndsBySaturation(threshold=found.threshold), [written[index] for index in order])
    assert found.control["risks"][found.control["index"]] == pytest.approx(1 - chosen.agreement)
    assert found.mean_depth == pytest.approx(chosen.depth.mean())
    assert not chosen.agrees[chosen.depth == LAYERS].all()


def test_where_no_threshold_holds_the_policy_never_leaves() -> None:
    """On as few texts as can pass only without any error, of a model whose early predictions are never right."""
    model = tiny("llama", torch.float64)
    count = math.ceil(smallest_sample(risk=RISK) / 0.7) + 1
    with pytest.warns(FullDepthWarning, match="no threshold"):
        policy = SaturationPolicy.calibrate(
            model, None, prompts(count), risk=RISK, max_new_tokens=6, progress=False, depths=(1, 2)
        )
    assert policy.calibration is not None
    assert policy.calibration.threshold is None
    assert policy.calibration.mean_depth == LAYERS
    plain(model, prompt(), custom_generate=policy)
    assert set(policy.report().exits) == {LAYERS}


def test_calibrations_that_cannot_be_are_refused() -> None:
    model = tiny("llama", torch.float64)
    for texts, options, error, message in (
        (prompts(30), {}, ArgumentError, "texts, of which 21 test.*43 or more"),
        ("one text", {}, InputTypeError, "texts"),
        (prompts(50), {"threshold": 0.5}, ArgumentError, "threshold: got 0.5"),
        (prompts(50), {"depths": ()}, ArgumentError, "depths"),
        (prompts(50), {"target": "tokens"}, UnknownNameError, "target"),
        (prompts(50), {"risk": 0.0}, EWSError, "risk"),
    ):
        with pytest.raises(error, match=message):
            SaturationPolicy.calibrate(
                model, None, texts, progress=False, **{"risk": RISK, "max_new_tokens": 4, **options}
            )
