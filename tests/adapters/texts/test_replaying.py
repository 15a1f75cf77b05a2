"""A policy replayed on recorded text against the same policy decoding that text, token by token, through the engine.

The risk that a calibration promises is tested on replays (or on evidence that stands for them), so the two must be the
same: what is said, after how many layers, with which feed-forward blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from adapters.calibration.table import gather
from adapters.decoding.contract import CacheMode, Exit, Plan, Policy, Trajectory
from adapters.families import Family, family_of
from adapters.heads.full import FullHead
from adapters.heads.shortlist import ShortListHead
from adapters.policies.confidence import ConfidencePolicy
from adapters.policies.ews import EWSExitPolicy
from adapters.policies.fixed import FixedExitPolicy
from adapters.policies.fixed_point import FixedPointPolicy
from adapters.policies.never import NeverExitPolicy
from adapters.policies.saturation import SaturationPolicy
from adapters.policies.skip_decode import SkipDecodePolicy
from adapters.texts.continuations import Continuation
from adapters.texts.replaying import Replay, replay
from ews.errors import ArgumentError
from tests.adapters.driving import Growing
from tests.adapters.fitting import DEPTHS, LAYERS, WINDOW, between, fitted, model_of, written

FAMILIES = ["llama", "gemma3", "gpt2"]


class Decoded:
    """What the engine did with one token after another of texts that are given."""

    def __init__(self) -> None:
        self.text: list[int] = []
        self.said: list[int] = []
        self.depth: list[int] = []
        self.ffn_blocks: list[int] = []
        self.likelihood: list[float] = []


@torch.no_grad()
def decode(model: Any, policy: Policy, texts: Sequence[Continuation]) -> Decoded:
    """Feed the tokens of each text one at a time, whatever the policy says."""
    found = Decoded()
    for index, each in enumerate(texts):
        ids = torch.from_numpy(each.tokens)[None]
        with policy.attach(model) as engine:
            cache = DynamicCache(config=model.config)
            model(input_ids=ids[:, : each.prompt], past_key_values=cache, use_cache=True)
            for place in range(each.prompt, len(each.tokens) - 1):
                statistics = engine.statistics
                before, ran = (
                    dict(statistics.exits),
                    statistics.ffn_blocks - statistics.completed,
                )
                logits = model(input_ids=ids[:, place : place + 1], past_key_values=cache, use_cache=True).logits[0, -1]
                (depth,) = [at for at, count in statistics.exits.items() if count != before.get(at, 0)]
                found.text.append(index)
                found.said.append(int(logits.argmax()))
                found.depth.append(depth)
                found.ffn_blocks.append(statistics.ffn_blocks - statistics.completed - ran)
                found.likelihood.append(float(logits.double().log_softmax(-1)[ids[0, place + 1]]))
    return found


@torch.no_grad()
def whole(model: Any, texts: Sequence[Continuation]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """What the plain model says of each decided token, and the log-likelihood of the next."""
    said, likelihood = [], []
    for each in texts:
        ids = torch.from_numpy(each.tokens)[None]
        logits = model(input_ids=ids, use_cache=False).logits[0].double()
        part = slice(each.prompt, len(each.tokens) - 1)
        said += logits.argmax(-1)[part].tolist()
        follow = ids[0, each.prompt + 1 :]
        likelihood += logits.log_softmax(-1)[part].gather(-1, follow[:, None])[:, 0].tolist()
    return np.array(said), np.array(likelihood)


def same(model: Any, policy: Callable[[], Policy], texts: Sequence[Continuation]) -> Replay:
    """Both, compared in full."""
    replayed = replay(model, policy(), texts, batch_size=3)
    decoded = decode(model, policy(), texts)
    dense, likelihood = whole(model, texts)
    assert replayed.text.tolist() == decoded.text
    assert replayed.depth.tolist() == decoded.depth
    assert replayed.ffn_blocks.tolist() == decoded.ffn_blocks
    assert replayed.agrees.tolist() == (np.array(decoded.said) == dense).tolist()
    np.testing.assert_allclose(replayed.log_likelihood, decoded.likelihood, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(replayed.full_model_log_likelihood, likelihood, rtol=1e-4, atol=1e-4)
    return replayed


def quantile(name: str, share: float) -> float:
    """A threshold on the cosine of neighbouring states that some tokens of a tiny model pass."""
    policy = Watching()
    replay(model_of(name), policy, written(name))
    return between(np.concatenate(policy.seen), share)


class Watching(Policy):
    """Never leaves, and notes cosines."""

    def __init__(self) -> None:
        super().__init__(unit="layer", cache="deferred")
        self.seen: list[Any] = []

    def plan(self, step: int) -> Plan:
        """Ask in the middle."""
        return Plan(checks=tuple(range(3, LAYERS)))

    def check(self, trajectory: Trajectory) -> Exit | None:
        """Note."""
        newest, before = trajectory.state(), trajectory.state(-2)
        self.seen.append(torch.nn.functional.cosine_similarity(newest, before, dim=-1).numpy())


class HalfFed(Policy):
    """Leaves out the feed-forward block where a coordinate of the state is negative."""

    def __init__(self, cache: CacheMode = "exact") -> None:
        super().__init__(unit="ffn", cache=cache)

    def plan(self, step: int) -> Plan:
        """Ask in most layers."""
        return Plan(ffn_checks=frozenset(range(1, LAYERS)))

    def run_ffn(self, index: int, post_attention: Tensor) -> Any:
        """By sign."""
        return (post_attention[:, index] > 0).numpy()


# ---- exits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", ["deferred", "propagate"])
@pytest.mark.parametrize("name", FAMILIES)
def test_saturation(name: str, cache: CacheMode) -> None:
    limit = quantile(name, 0.8)
    found = same(model_of(name), lambda: SaturationPolicy(threshold=limit, cache=cache), written(name))
    assert len(np.unique(found.depth)) > 2


@pytest.mark.parametrize("cache", ["deferred", "propagate"])
@pytest.mark.parametrize("name", FAMILIES)
def test_early_warning_over_layers(name: str, cache: CacheMode) -> None:
    """Gates, looks through lens and short list, and a look at the last layer in place of the head."""
    calibration = fitted(name)
    found = same(model_of(name), lambda: EWSExitPolicy(calibration=calibration, cache=cache), written(name))
    assert {6, 9} <= set(found.depth.tolist())
    assert not found.agrees.all()


@pytest.mark.parametrize("features", ["windowed", "raw"])
def test_early_warning_with_fewer_features(features: Any) -> None:
    found = same(
        model_of("llama"), lambda: EWSExitPolicy(calibration=fitted("llama", "layer", features)), written("llama")
    )
    assert len(np.unique(found.depth)) > 1


@pytest.mark.parametrize("cache", ["deferred", "propagate"])
def test_confidence(cache: CacheMode) -> None:
    found = same(model_of("llama"), lambda: ConfidencePolicy(threshold=0.25, cache=cache), written("llama"))
    assert len(np.unique(found.depth)) > 2


def test_fixed_point() -> None:
    found = same(model_of("llama"), lambda: FixedPointPolicy(update=0.6, alignment=-1.0), written("llama"))
    assert len(np.unique(found.depth)) > 2


@pytest.mark.parametrize("cache", ["deferred", "propagate"])
def test_an_exit_that_is_known_beforehand(cache: CacheMode) -> None:
    found = same(model_of("gpt2"), lambda: FixedExitPolicy(depth=6, cache=cache), written("gpt2"))
    assert set(found.depth.tolist()) == {6}


def test_never() -> None:
    found = same(model_of("gemma3"), NeverExitPolicy, written("gemma3"))
    assert found.agreement == 1
    assert set(found.depth.tolist()) == {LAYERS}
    np.testing.assert_array_equal(found.log_likelihood, found.full_model_log_likelihood)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_layers_in_between(name: str) -> None:
    """Prompts run in full: only tokens that a policy decides on pass a layer by."""
    found = same(model_of(name), lambda: Growing([[3, 4, 7]], cache="propagate"), written(name))
    assert not found.agrees.all()


@pytest.mark.parametrize("cache", ["monotone", "propagate"])
@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_a_depth_that_falls(name: str, cache: CacheMode) -> None:
    """Each token has the plan of its own step."""
    found = same(model_of(name), lambda: SkipDecodePolicy(length=6, min_exit=3, cache=cache), written(name))
    assert len(np.unique(found.ffn_blocks)) == 6
    first = np.flatnonzero(np.diff(found.text, prepend=-1))
    assert set(found.ffn_blocks[first].tolist()) == {LAYERS - 1}


@torch.no_grad()
def test_drafts_have_the_plan_of_their_own_step() -> None:
    """A schedule, a threshold that falls, and what is learned from the tokens before."""
    model, texts = model_of("llama"), written("llama")
    seen = replay(model, SkipDecodePolicy(length=6, min_exit=3, cache="verify"), texts)
    schedule = replay(model, SkipDecodePolicy(length=6, min_exit=3, cache="propagate"), texts)
    assert seen.layers.tolist() == schedule.layers.tolist()
    assert len(np.unique(seen.layers)) == 6

    falling = {"threshold": 0.2, "horizon": 4, "temperature": 20.0}
    drafted = replay(model, ConfidencePolicy(**falling, cache="verify"), texts)
    completed = replay(model, ConfidencePolicy(**falling, cache="deferred"), texts, batch_size=1)
    assert drafted.depth.tolist() == completed.depth.tolist()
    assert drafted.said.tolist() == completed.said.tolist()
    assert len(np.unique(drafted.depth)) > 2

    options = {"window": 3, "depths": (4, 6), "warmup": 2, "threshold": 0.0}
    usual = [replay(model, EWSExitPolicy(**options, cache=cache), texts) for cache in ("verify", "deferred")]
    assert usual[0].depth.tolist() == usual[1].depth.tolist()
    assert len(np.unique(usual[0].depth)) > 1


@torch.no_grad()
@pytest.mark.parametrize("asked", [None, 4])
def test_a_look_after_the_last_layer_is_taken(asked: int | None) -> None:
    """A policy may put its own head in place of the model's; a draft ends before."""

    class Last(Policy):
        def plan(self, step: int) -> Plan:
            return Plan(exit=asked, checks=(LAYERS,))

        def check(self, trajectory: Trajectory) -> Exit:
            logits = torch.zeros(len(trajectory.state()), model.config.vocab_size)
            logits[:, 5] = 9.0
            return Exit(logits=logits)

    model, texts = model_of("llama"), written("llama")
    for cache in ("deferred", "propagate"):
        found = replay(model, Last(unit="layer", cache=cache), texts)
        assert set(found.depth.tolist()) == {asked or LAYERS}
        assert (set(found.said.tolist()) == {5}) is (asked is None)
    assert set(replay(model, Last(unit="layer", cache="verify"), texts).said.tolist()) != {5}


# ---- feed-forward blocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cache", ["exact", "propagate"])
@pytest.mark.parametrize("name", FAMILIES)
def test_feed_forward_blocks(name: str, cache: CacheMode) -> None:
    found = same(model_of(name), lambda: HalfFed(cache), written(name))
    assert len(np.unique(found.ffn_blocks)) > 2


class Substituted(HalfFed):
    """Puts something in the place of blocks by the sign of a coordinate, or leaves them out as was planned."""

    def __init__(self, planned: bool) -> None:
        super().__init__()
        self.planned = planned

    def plan(self, step: int) -> Plan:
        """Routes that are the same for all tokens, or a question."""
        return Plan(ffn_routes=np.arange(LAYERS) % 3) if self.planned else super().plan(step)

    def run_ffn(self, index: int, post_attention: Tensor) -> Any:
        """By sign."""
        return 2 - super().run_ffn(index, post_attention)

    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
        """Some of the state."""
        return 0.1 * index * post_attention


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("name", ["llama", "gpt_neox"])
def test_substitutes(name: str, planned: bool) -> None:
    found = same(model_of(name), lambda: Substituted(planned), written(name))
    assert len(np.unique(found.ffn_blocks)) == 1 if planned else len(np.unique(found.ffn_blocks)) > 2


@pytest.mark.parametrize("unit", ["ffn", "both"])
@pytest.mark.parametrize("name", [*FAMILIES, "gpt_neox"])
def test_early_warning_over_blocks(name: str, unit: Any) -> None:
    calibration = fitted(name, unit)
    found = same(model_of(name), lambda: EWSExitPolicy(calibration=calibration), written(name))
    assert len(np.unique(found.depth - found.ffn_blocks)) > 1
    assert (len(np.unique(found.depth)) > 1) == (unit == "both")


# ---- evidence is a replay of every rule at once --------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_outcome_of_a_rule_on_evidence_is_its_replay(name: str) -> None:
    model, texts, calibration = model_of(name), written(name), fitted(name)
    family: Family = family_of(model)
    head = ShortListHead.from_tensors(FullHead.of(family), calibration.tensors)
    table = gather(family, texts, head, indices=np.arange(len(texts)), depths=DEPTHS, window=WINDOW, features="both")
    assert calibration.rule is not None
    column, agrees, _, _ = calibration.rule.outcome(table)
    found = replay(model, EWSExitPolicy(calibration=calibration), texts)
    np.testing.assert_array_equal(np.array((*DEPTHS, LAYERS))[column], found.depth)
    np.testing.assert_array_equal(agrees, found.agrees)
    np.testing.assert_array_equal(table.text, found.text)


# ---- what is counted -----------------------------------------------------------------------------------------------


def test_texts_without_a_decision_are_left_out() -> None:
    texts = list(written("llama"))
    short = Continuation(texts[0].tokens[: texts[0].prompt + 1], texts[0].prompt)
    nothing = Continuation(texts[1].tokens[: texts[1].prompt], texts[1].prompt)
    found = replay(model_of("llama"), FixedExitPolicy(depth=4), [short, texts[2], nothing, texts[3]])
    assert set(found.text.tolist()) == {1, 3}
    differ, sizes = found.counts()
    assert sizes.tolist() == [0, texts[2].decided, 0, texts[3].decided]
    assert differ.sum() == (~found.agrees).sum()
    assert differ[1] == (~found.agrees[found.text == 1]).sum()


def test_figures_of_a_replay() -> None:
    found = replay(model_of("llama"), FixedExitPolicy(depth=4), written("llama"))
    assert found.policy == "FixedExitPolicy"
    assert found.agreement == pytest.approx(np.mean(found.agrees))
    assert found.perplexity == pytest.approx(np.exp(-np.mean(found.log_likelihood)))
    assert found.full_model_perplexity == pytest.approx(np.exp(-np.mean(found.full_model_log_likelihood)))
    assert found.full_model_perplexity < found.perplexity  # the text is the likeliest under the whole model


def test_parts_of_a_batch_do_not_matter() -> None:
    texts = written("gpt2")
    one = replay(model_of("gpt2"), EWSExitPolicy(calibration=fitted("gpt2", "both")), texts, batch_size=1)
    many = replay(model_of("gpt2"), EWSExitPolicy(calibration=fitted("gpt2", "both")), texts, batch_size=5)
    for name in ("text", "agrees", "depth", "ffn_blocks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))


# ---- beside a full model that is known -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        FixedExitPolicy(depth=3, cache="propagate"),
        ConfidencePolicy(threshold=0.3, cache="propagate"),
        ConfidencePolicy(threshold=0.3),
        FixedExitPolicy(depth=2),
        NeverExitPolicy(),
    ],
    ids=["knows", "asks", "completes", "monotone", "never"],
)
def test_full_model_that_is_known_need_not_run(policy: Policy) -> None:
    model, texts = model_of("llama"), written("llama")
    full = replay(model, NeverExitPolicy(), texts)
    own, beside = replay(model, policy, texts), replay(model, policy, texts, full_model=full)
    for name in ("text", "agrees", "depth", "layers", "ffn_blocks", "said"):
        assert np.array_equal(getattr(own, name), getattr(beside, name)), name
    for name in ("log_likelihood", "full_model_log_likelihood", "probability"):
        assert getattr(own, name) == pytest.approx(getattr(beside, name), abs=1e-6), name


def test_what_is_not_the_full_model_does_not_stand_for_it() -> None:
    model, texts = model_of("llama"), written("llama")
    with pytest.raises(ArgumentError, match="leaves something out"):
        replay(model, NeverExitPolicy(), texts, full_model=replay(model, FixedExitPolicy(depth=3), texts))
    with pytest.raises(ArgumentError, match="other texts"):
        replay(model, NeverExitPolicy(), texts, full_model=replay(model, NeverExitPolicy(), texts[:-1]))
