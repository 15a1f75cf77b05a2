"""What is promised, on models that were trained: SmolLM2-135M and one that writes stories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from adapters import (
    ClassifierPolicy,
    EWSExitPolicy,
    FFNSkipPolicy,
    FixedExitPolicy,
    NeverExitPolicy,
    RandomExitPolicy,
    SkipDecodePolicy,
    full_model_continuations,
    replay,
)
from adapters.decoding.contract import Policy

QUESTIONS = ("Why is the sky blue?", "Write a short poem about a lake.", "What is 17 times 4?")


@pytest.fixture(scope="module")
def smol(smollm2: Path) -> tuple[Any, list[torch.Tensor]]:
    """The model in float32, and prompts in its chat template."""
    model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    prompts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]
        for question in QUESTIONS
    ]
    return model, prompts


def written(model: Any, ids: torch.Tensor, policy: Policy | None = None, *, tokens: int = 24) -> Any:
    """Greedily, with logits and cache."""
    options = {} if policy is None else {"custom_generate": policy}
    return model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=tokens,
        do_sample=False,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
        **options,
    )


def test_never_leaving_is_plain_generate_bit_for_bit(smol: tuple[Any, list[torch.Tensor]]) -> None:
    model, prompts = smol
    for ids in prompts:
        expected, found = written(model, ids), written(model, ids, NeverExitPolicy())
        assert torch.equal(expected.sequences, found.sequences)
        assert all(torch.equal(a, b) for a, b in zip(expected.logits, found.logits, strict=True))


@torch.no_grad()
def test_deferred_cache_is_that_of_the_whole_model(smol: tuple[Any, list[torch.Tensor]]) -> None:
    """Up to twice what the model differs from itself between a pass over the text and one over each token."""
    model, prompts = smol
    policy = RandomExitPolicy(rate=0.6, cache="deferred")
    found = written(model, prompts[0], policy)
    report = policy.report()
    early = sum(count for depth, count in report.exits.items() if depth < report.depth)
    assert early >= 0.3 * report.tokens
    text = found.sequences[:, :-1]
    at_once, one_by_one = DynamicCache(config=model.config), DynamicCache(config=model.config)
    model(text, past_key_values=at_once)
    for token in text.split(1, dim=1):
        model(token, past_key_values=one_by_one)

    def distance(one: DynamicCache, other: DynamicCache) -> float:
        pairs = zip(one.layers, other.layers, strict=True)
        return max(float((a.keys - b.keys).abs().max() + (a.values - b.values).abs().max()) for a, b in pairs)

    assert distance(found.past_key_values, at_once) <= 2 * distance(one_by_one, at_once)


def test_checked_drafts_lose_nothing(smol: tuple[Any, list[torch.Tensor]]) -> None:
    model, prompts = smol
    for ids in prompts:
        policy = FixedExitPolicy(depth=24, cache="verify")
        expected, found = written(model, ids), written(model, ids, policy)
        assert torch.equal(expected.sequences, found.sequences)
        assert policy.report().accepted > 0


def test_training_free_policy_leaves_layers_out(smol: tuple[Any, list[torch.Tensor]]) -> None:
    model, prompts = smol
    policy = EWSExitPolicy(warmup=4, threshold=0.5)
    written(model, prompts[0], policy, tokens=32)
    report = policy.report()
    assert report.tokens == 31
    assert any(depth < report.depth for depth in report.exits)


def test_a_calibrated_policy_saves_on_stories(stories15m: Path, tmp_path: Path) -> None:
    """From calibration to file to another process's model: it saves, and keeps to the model."""
    model = AutoModelForCausalLM.from_pretrained(stories15m, dtype=torch.float32).eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        texts = [[1, *row] for row in torch.randint(300, 2000, (150, 4)).tolist()]
    policy = EWSExitPolicy.calibrate(model, None, texts, risk=0.05, max_new_tokens=16, progress=False)
    assert policy.calibration is not None
    assert policy.calibration.expected < 0.9
    policy.save(tmp_path)
    again = EWSExitPolicy.load(tmp_path, model)
    ids = torch.tensor([texts[0]])
    one, other = written(model, ids, policy, tokens=40), written(model, ids, again, tokens=40)
    assert torch.equal(one.sequences, other.sequences)
    assert again.report().heads_per_token < 0.5  # most tokens come from the short-listed head


@pytest.mark.parametrize("cache", ["monotone", "propagate"])
def test_depths_that_fall_are_really_run(stories15m: Path, cache: Any) -> None:
    """SkipDecode's schedule on a trained model: layers by position for the whole batch, and words at first."""
    model = AutoModelForCausalLM.from_pretrained(stories15m, dtype=torch.float32).eval()
    ids = torch.tensor([[1, 9038, 2501, 263, 931], [1, 9038, 2501, 263, 931]])
    policy = SkipDecodePolicy(length=32, min_exit=3, cache=cache)
    found = model.generate(ids, max_new_tokens=40, do_sample=False, pad_token_id=0, custom_generate=policy)
    report = policy.report()
    assert report.layers_per_token == pytest.approx(sum(policy.budget_at(t) for t in range(1, 40)) / 39)
    expected = model.generate(ids, max_new_tokens=5, do_sample=False, pad_token_id=0)
    assert torch.equal(found[:, :10], expected)  # all six layers until token 5


@torch.no_grad()
def test_blocks_hardly_turn_the_residual_stream(smol: tuple[Any, list[torch.Tensor]]) -> None:
    """FFN-SkipLLM's measure: high on the residual stream of a trained model, near zero on what passes for it."""
    model, prompts = smol
    right: list[torch.Tensor] = []
    wrong: list[torch.Tensor] = []

    class Hearing(FFNSkipPolicy):
        def ffn_done(self, index: int, post_attention: torch.Tensor, after: torch.Tensor) -> None:
            normed = model.model.layers[index].post_attention_layernorm(post_attention)
            right.append(torch.cosine_similarity(post_attention, after))
            wrong.append(torch.cosine_similarity(normed, after - post_attention))
            super().ffn_done(index, post_attention, after)

    policy = Hearing(threshold=0.97, cold_start=5, cold_end=25, warmup=2)
    found = written(model, prompts[0], policy)
    report = policy.report()
    assert report.layers_per_token == report.depth
    assert 1 < report.ffn_left_out_per_token < 10
    assert torch.cat(right).median() > 0.95
    assert torch.cat(wrong).abs().median() < 0.3
    never = written(model, prompts[0], FFNSkipPolicy(k=0))
    assert all(torch.equal(a, b) for a, b in zip(never.logits, written(model, prompts[0]).logits, strict=True))
    assert torch.equal(found.sequences[:, : prompts[0].shape[1] + 2], never.sequences[:, : prompts[0].shape[1] + 2])


def test_learned_classifiers_tell_what_is_decided(stories15m: Path) -> None:
    """On texts that they have not seen, tokens that leave agree more often than leaving at that depth would."""
    model = AutoModelForCausalLM.from_pretrained(stories15m, dtype=torch.float32).eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        texts = [[1, *row] for row in torch.randint(300, 2000, (90, 4)).tolist()]
    policy = ClassifierPolicy.fit(
        model, None, texts[:60], max_new_tokens=20, progress=False, depths=(4,), threshold=0.8
    )
    seen = replay(model, policy, full_model_continuations(model, texts[60:], max_new_tokens=20))
    left = seen.depth == 4
    assert 0.1 < left.mean() < 0.9
    assert seen.agrees[left].mean() > policy.classifiers.right[4] + 0.1
