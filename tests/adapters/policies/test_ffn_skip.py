"""FFN-SkipLLM against hooks on the plain model, its controls, and its calibration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adapters import FFNSkipPolicy, FixedFFNSkipPolicy, RandomFFNSkipPolicy, replay
from adapters.calibration import ffn_skip
from adapters.calibration.ffn_skip import calibrate_ffn_skip, greedy_skips
from adapters.heads.ffn_skip import residual_cosine
from ews.errors import ArgumentError, EWSError, InputTypeError, ValueRangeError
from tests.adapters.driving import fed_as, plain, prompt, tiny
from tests.adapters.fitting import model_of, prompts, written
from tests.adapters.tiny import TINY

LAYERS, TOKENS = 5, 16
SKIPPING: dict[str, Any] = {"threshold": 0.5, "k": 1, "cold_start": 1, "cold_end": 5, "warmup": 3}


class Greedy:
    """The rule of the paper, one row and one block after the other, in hooks that the plain model calls."""

    def __init__(self, *, threshold: float, k: int, cold_start: int, cold_end: int, warmup: int) -> None:
        self.threshold, self.k, self.region, self.warmup = threshold, k, range(cold_start, cold_end), warmup
        self.token: dict[int, int] = {}
        self.left: list[int] = []
        self.before: dict[int, Tensor] = {}
        self.skipped, self.right, self.wrong = 0, [], []

    def note(self, index: int, post_attention: Tensor) -> None:
        self.before[index] = post_attention

    def after(self, index: int, normed: Tensor, output: Tensor) -> Tensor:
        if output.shape[1] > 1:
            return output
        token = self.token[index] = self.token.get(index, 0) + 1
        if index == 0:
            self.left = [0] * len(output)
        if token < self.warmup or index not in self.region:
            return output
        output = output.clone()
        for row in range(len(output)):
            if self.left[row] > 0:
                self.left[row] -= 1
                self.skipped += 1
                output[row] = 0
                continue
            h, found = self.before[index][row, -1], output[row, -1]
            self.right.append(float(torch.cosine_similarity(h, h + found, dim=0)))
            self.wrong.append(float(torch.cosine_similarity(normed[row, -1], found, dim=0)))
            if self.right[-1] >= self.threshold:
                self.left[row] = self.k
        return output


@contextmanager
def skipping(model: Any, greedy: Greedy) -> Iterator[None]:
    """The plain Llama under the rule."""
    with ExitStack() as stack:
        for index, layer in enumerate(model.model.layers):

            def seen(_: Any, args: Any, index: int = index) -> None:
                greedy.note(index, args[0])

            def fed(_: Any, args: Any, output: Tensor, index: int = index) -> Tensor:
                return greedy.after(index, args[0], output)

            stack.callback(layer.post_attention_layernorm.register_forward_pre_hook(seen).remove)
            stack.callback(layer.mlp.register_forward_hook(fed).remove)
        yield


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    "options",
    [
        SKIPPING,
        {**SKIPPING, "k": 2, "threshold": 0.4, "warmup": 0},
        {**SKIPPING, "k": 3, "cold_start": 0, "threshold": -1.0, "warmup": 1},
        {**SKIPPING, "cold_start": 2, "cold_end": 4, "threshold": 0.3, "warmup": 9},
    ],
)
def test_blocks_are_left_out_as_in_the_paper(rows: int, options: dict[str, Any]) -> None:
    model, inputs = tiny("llama", torch.float64), prompt(rows, padded=True)
    greedy = Greedy(**options)
    with skipping(model, greedy):
        expected = plain(model, inputs, tokens=TOKENS)
    policy = FFNSkipPolicy(**options)
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    assert torch.equal(found.sequences, expected.sequences)
    for one, other in zip(found.logits, expected.logits, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    report = policy.report()
    assert report.ffn_left_out_per_token * report.tokens == pytest.approx(greedy.skipped)
    assert greedy.skipped > 0
    assert report.layers_per_token == LAYERS  # attention always runs
    for one, other in zip(found.past_key_values.layers, expected.past_key_values.layers, strict=True):
        torch.testing.assert_close(one.keys, other.keys)  # and the cache is exact


def test_the_cosine_is_of_the_residual_stream() -> None:
    """Of the normed input and the raw output it says nothing: two public versions compare these."""
    model, inputs = tiny("llama", torch.float64), prompt(3)
    greedy = Greedy(**{**SKIPPING, "threshold": 1.0, "warmup": 0})
    seen: list[Tensor] = []

    class Hearing(FFNSkipPolicy):
        def ffn_done(self, index: int, post_attention: Tensor, after: Tensor) -> None:
            seen.append(residual_cosine(post_attention, after))
            super().ffn_done(index, post_attention, after)

    plain(model, inputs, tokens=TOKENS, custom_generate=Hearing(**{**SKIPPING, "threshold": 1.0, "warmup": 0}))
    with skipping(model, greedy):
        plain(model, inputs, tokens=TOKENS)
    np.testing.assert_allclose(torch.cat(seen).numpy(), greedy.right, rtol=1e-6)
    assert np.abs(np.array(greedy.right) - np.array(greedy.wrong)).min() > 0.05
    assert max(greedy.wrong) < 0.5 < np.mean(greedy.right)  # so that the wrong one never leaves anything out


def test_half_precision_is_measured_in_single() -> None:
    state = torch.full((1, 4096), 300.0, dtype=torch.float16)
    assert residual_cosine(state, state).item() == pytest.approx(1.0)
    assert torch.isnan(residual_cosine(torch.zeros(1, 4), torch.ones(1, 4))).all()


@pytest.mark.parametrize(
    "options", [{"k": 0}, {"cold_start": 5}, {"cold_start": 3, "cold_end": 2}, {"cold_end": 0}, {"warmup": 100}]
)
@pytest.mark.parametrize("name", ["llama", "gpt_neox"])
def test_never_skipping_is_the_plain_model_bit_for_bit(name: str, options: dict[str, Any]) -> None:
    model, inputs = tiny(name), prompt(3, padded=True)
    found = plain(model, inputs, custom_generate=FFNSkipPolicy(**{"threshold": -1.0, **options}))
    expected = plain(model, inputs)
    assert all(torch.equal(*pair) for pair in zip(found.logits, expected.logits, strict=True))


@pytest.mark.parametrize(
    ("warmup", "length", "tokens"), [(0.1, 64, 7), (0.05, 100, 5), (0.0, 64, 0), (0, 64, 0), (4, 64, 4), (0.5, 3, 2)]
)
def test_the_first_tokens_run_in_full(warmup: float, length: int, tokens: int) -> None:
    policy = FFNSkipPolicy(warmup=warmup, length=length)
    policy.bind(SimpleNamespace(depth=12))  # type: ignore[arg-type]
    policy.start(2, None)
    assert policy.warmup_tokens == tokens
    asked = [bool(policy.plan(step).ffn_checks) for step in range(10)]
    assert asked == [step + 1 >= tokens for step in range(10)]  # token 0 comes from the prompt
    assert policy.plan(99).ffn_checks == frozenset(range(2, 10))  # a sixth at each end is cold
    assert policy.goes_by_step is (tokens > 1)


def test_nothing_is_carried_from_token_to_token() -> None:
    """Blocks that are left to leave out when the last layer is reached are forgotten."""
    policy = FFNSkipPolicy(threshold=-1.0, k=9, cold_start=0, cold_end=5, warmup=0)
    plain(tiny("llama"), prompt(), tokens=TOKENS, custom_generate=policy)
    assert policy.report().ffn_left_out_per_token == LAYERS - 1


def test_options_that_cannot_be_are_refused() -> None:
    for options, error, message in (
        ({"threshold": 1.5}, ValueRangeError, "threshold: got 1.5"),
        ({"threshold": float("nan")}, ValueRangeError, "threshold"),
        ({"k": -1}, ValueRangeError, "k: got -1"),
        ({"k": 1.0}, ValueRangeError, "k"),
        ({"warmup": 1.0}, ValueRangeError, "warmup: got 1.0.*whole number of tokens"),
        ({"warmup": -1}, ValueRangeError, "warmup"),
        ({"warmup": True}, InputTypeError, "warmup"),
        ({"length": 0}, ValueRangeError, "length"),
        ({"cold_start": 6}, ValueRangeError, "cold_start: got 6.*0 to 5"),
        ({"cold_end": -1}, ValueRangeError, "cold_end"),
        ({"cache": "propagate"}, ArgumentError, "cache: got 'propagate'.*'exact'"),
    ):
        with pytest.raises(error, match=message):
            plain(tiny("llama"), prompt(), custom_generate=FFNSkipPolicy(**options))


# ---- controls ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "gpt_neox", "gpt2"])
def test_fixed_blocks_are_left_out_of_every_token(name: str) -> None:
    model, inputs = tiny(name, torch.float64), prompt(3, padded=True)
    runs = np.ones((1, LAYERS, 3), dtype=bool)
    runs[:, [1, 3]] = False
    with fed_as(model, runs):
        expected = plain(model, inputs, tokens=TOKENS)
    policy = FixedFFNSkipPolicy(layers=(3, 1, 3))
    found = plain(model, inputs, tokens=TOKENS, custom_generate=policy)
    assert torch.equal(found.sequences, expected.sequences)
    assert policy.report().ffn_left_out_per_token == 2
    whole = plain(model, inputs, custom_generate=FixedFFNSkipPolicy(layers=()))
    assert all(torch.equal(*pair) for pair in zip(whole.logits, plain(model, inputs).logits, strict=True))


def test_random_blocks_are_drawn_anew_and_alike() -> None:
    model, inputs = tiny("llama"), prompt(3)
    policy = RandomFFNSkipPolicy(rate=0.4, layers=(0, 2, 3), seed=5)
    found = plain(model, inputs, tokens=64, custom_generate=policy)
    report = policy.report()
    assert report.ffn_left_out_per_token == pytest.approx(0.4 * 3, abs=4 * np.sqrt(3 * 0.24 / report.tokens))
    again = plain(model, inputs, tokens=64, custom_generate=policy)
    other = plain(model, inputs, tokens=64, custom_generate=RandomFFNSkipPolicy(rate=0.4, layers=(0, 2, 3), seed=6))
    assert torch.equal(found.sequences, again.sequences)
    assert not torch.equal(found.sequences, other.sequences)
    routes = policy.plan(0).ffn_routes
    assert routes is not None
    assert (routes[:, [1, 4]] == 1).all()
    for rate, left_out in ((0.0, 0), (1.0, LAYERS)):
        policy = RandomFFNSkipPolicy(rate=rate)
        plain(model, inputs, custom_generate=policy)
        assert policy.report().ffn_left_out_per_token == left_out


@pytest.mark.parametrize("layers", [(5,), (-1,), (1.5,), "12", None, (True,), object()])
def test_layers_that_are_not_there_are_refused(layers: Any) -> None:
    with pytest.raises(EWSError, match="layers"):
        plain(tiny("llama"), prompt(), custom_generate=FixedFFNSkipPolicy(layers=layers))
    if layers is not None:
        with pytest.raises(EWSError, match="layers"):
            plain(tiny("llama"), prompt(), custom_generate=RandomFFNSkipPolicy(layers=layers))


# ---- calibration ---------------------------------------------------------------------------------------------------


def test_the_rule_is_played_through_on_cosines() -> None:
    cosines = np.random.default_rng(0).random((50, 9))
    for threshold, k, start, end in ((0.5, 1, 0, 9), (0.2, 3, 2, 7), (0.9, 2, 1, 9), (-1.0, 1, 3, 3)):
        slow = []
        for row in cosines:
            left = skipped = 0
            for layer in range(start, end):
                if left:
                    left, skipped = left - 1, skipped + 1
                elif row[layer] >= threshold:
                    left = k
            slow.append(skipped)
        found = greedy_skips(cosines, threshold=threshold, k=k, cold_start=start, cold_end=end)
        assert found.tolist() == slow


@pytest.mark.parametrize(("wanted", "k"), [(0.25, None), (0.1, 1), (0.45, 2)])
def test_a_share_that_is_wanted_is_left_out(wanted: float, k: int | None) -> None:
    model = model_of("llama")
    policy = FFNSkipPolicy.calibrate(
        model, None, prompts(16), skip_ratio=wanted, k=k, max_new_tokens=12, progress=False, warmup=2
    )
    found = policy.calibration
    assert found is not None
    assert found.realised == pytest.approx(wanted, abs=0.06)
    assert k is None or found.k == k
    assert 0 <= found.cold_start < found.cold_end <= len(found.cosines) == model.config.num_hidden_layers
    assert (policy.threshold, policy.k, policy.warmup_tokens) == (found.threshold, found.k, 2)
    seen = replay(model, FFNSkipPolicy(**found.options, warmup=0), written("llama")[:8])
    assert 1 - seen.ffn_blocks.mean() / len(found.cosines) == pytest.approx(wanted, abs=0.1)
    assert 0 <= found.agreement <= 1
    assert found.to_dict()["cosines"] == list(found.cosines)
    again = calibrate_ffn_skip(model, None, prompts(16), skip_ratio=wanted, k=k, max_new_tokens=12, progress=False)
    assert again == found


def test_the_full_model_is_replayed_once_beside_all_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is found is what replays with the full model beside each find."""
    kept, beside, bare = ffn_skip.replay, [], []

    def replayed(model: Any, policy: Any, texts: Any, **options: Any) -> Any:
        (beside if options else bare).append(policy)
        found = kept(model, policy, texts, **options)
        alone = kept(model, policy, texts)
        assert (alone.agrees == found.agrees).all()
        assert (alone.full_model_log_likelihood == found.full_model_log_likelihood).all()
        return found

    monkeypatch.setattr(ffn_skip, "replay", replayed)
    calibrate_ffn_skip(model_of("gpt_neox"), None, prompts(16), max_new_tokens=8, progress=False)
    assert len(bare) == 2  # of the texts to choose on, and of those to measure on
    assert all(not policy.k for policy in bare)
    assert len(beside) > 6


def test_a_share_that_cannot_be_is_refused() -> None:
    texts = prompts(8)
    for options, message in (
        ({"skip_ratio": 0.0}, "skip_ratio: got 0.0"),
        ({"skip_ratio": 0.9}, r"skip_ratio: got 0.9.*at most 0.666667 with k=2"),
        ({"skip_ratio": 0.6, "k": 1}, "at most 0.444444 with k=1"),
        ({"skip_ratio": 0.2, "k": 0}, "k: got 0"),
        ({"skip_ratio": float("nan")}, "skip_ratio"),
    ):
        with pytest.raises(EWSError, match=message):
            calibrate_ffn_skip(model_of("llama"), None, texts, progress=False, **options)
    with pytest.raises(EWSError, match="8 or more"):
        calibrate_ffn_skip(model_of("llama"), None, texts[:7], progress=False)
    with pytest.raises(InputTypeError, match="texts"):
        calibrate_ffn_skip(model_of("llama"), None, "one text", progress=False)
    assert "llama" in TINY
