"""What the whole model goes on to write: the same in a batch as alone, and cut where it ends."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from adapters.texts.batch import TextBatch, text_batches
from adapters.texts.continuations import Continuation, batches, full_model_continuations
from ews.errors import ArgumentError, InputTypeError, ValueRangeError
from tests.adapters.driving import tiny
from tests.adapters.fitting import prompts


@torch.no_grad()
def slow(model: Any, tokens: Any, count: int, ends: tuple[int, ...] = ()) -> list[int]:
    """One token after another, each from a pass over everything."""
    ids = list(map(int, tokens))
    for _ in range(count):
        ids.append(int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        if ids[-1] in ends:
            break
    return ids


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt"])
def test_each_text_as_if_it_were_alone(name: str) -> None:
    model, texts = tiny(name, torch.float64), prompts(7)
    found = full_model_continuations(model, texts, max_new_tokens=6, batch_size=3)
    assert len(found) == 7
    for each, tokens in zip(found, texts, strict=True):
        assert each.prompt == len(tokens)
        assert each.tokens.dtype == np.int64
        assert each.tokens.tolist() == slow(model, tokens, 6)
        assert each.decided == 5


@pytest.mark.parametrize("several", [False, True])
def test_texts_end_where_the_model_ends_them(several: bool) -> None:
    model, texts = copy.deepcopy(tiny("llama", torch.float64)), prompts(6)
    plain = full_model_continuations(model, texts, max_new_tokens=8)
    end = int(plain[2].tokens[plain[2].prompt + 3])
    ends = (end, int(plain[4].tokens[plain[4].prompt])) if several else (end,)
    model.generation_config.eos_token_id = list(ends) if several else end
    model.generation_config.pad_token_id = None
    found = full_model_continuations(model, texts, max_new_tokens=8)
    lengths = set()
    for each, tokens in zip(found, texts, strict=True):
        assert each.tokens.tolist() == slow(model, tokens, 8, ends)  # the token that ends it is part of it
        lengths.add(len(each.tokens) - each.prompt)
    assert len(lengths) > 1
    if several:
        assert found[4].decided == 0  # its first token ends it, and a policy decides on none


def test_padding_that_is_written_is_a_token() -> None:
    """Without a token that ends a text, the one used for padding may be written, and stays."""
    model = copy.deepcopy(tiny("llama", torch.float64))
    plain = full_model_continuations(model, prompts(3), max_new_tokens=6)
    model.generation_config.pad_token_id = int(plain[0].tokens[-2])
    again = full_model_continuations(model, prompts(3), max_new_tokens=6)
    assert [each.tokens.tolist() for each in again] == [each.tokens.tolist() for each in plain]


def test_strings_and_progress() -> None:
    told: list[int] = []
    found = full_model_continuations(
        tiny("llama"),
        ["abc", "a"],
        tokenizer=lambda text: {"input_ids": [ord(each) - 90 for each in text]},
        max_new_tokens=2,
        batch_size=1,
        progress=told.append,
    )
    assert [each.tokens[: each.prompt].tolist() for each in found] == [[7, 8, 9], [7]]
    assert told == [1, 1]


def test_settings_of_the_model_do_not_count() -> None:
    """Greedy, whatever the generation configuration says of sampling and beams; and nothing of it is changed."""
    model = copy.deepcopy(tiny("llama", torch.float64))
    model.generation_config.update(do_sample=True, temperature=5.0, num_beams=3)
    before = model.generation_config.to_dict()
    found = full_model_continuations(model, prompts(3), max_new_tokens=5)
    assert found[1].tokens.tolist() == slow(model, prompts(3)[1], 5)
    assert model.generation_config.to_dict() == before


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"max_new_tokens": 1}, ValueRangeError, "max_new_tokens: got 1; allowed: 2 or more"),
        ({"batch_size": 0}, ValueRangeError, "batch_size: got 0"),
        ({"texts": "one"}, InputTypeError, "a list of texts"),
        ({"texts": ["one"]}, ArgumentError, "tokenizer: got None"),
        ({"texts": [[1, 2], [500]]}, ValueRangeError, r"texts\[1\]: got 500"),
        ({"texts": [[1] * 250]}, ValueRangeError, "256 positions"),
        ({"texts": []}, ArgumentError, "no text"),
    ],
)
def test_what_cannot_be_used(options: dict[str, Any], error: type[Exception], match: str) -> None:
    texts = options.pop("texts", [[1, 2]])
    with pytest.raises(error, match=match):
        full_model_continuations(tiny("llama"), texts, **{"max_new_tokens": 16, **options})


def test_decided_tokens_of_a_batch() -> None:
    texts = [Continuation(np.arange(1, n + 1), prompt) for n, prompt in ((9, 4), (5, 4), (3, 3), (7, 1))]
    batch = TextBatch.of(texts, [0, 1, 2, 3], "cpu")
    # Text 0: tokens 5 to 8 come in and 6 to 9 are decided on; 5 came from the prompt.
    assert batch.of_decided(batch.ids).tolist() == [5, 6, 7, 8, 2, 3, 4, 5, 6]
    assert batch.of_decided(batch.positions).tolist() == [4, 5, 6, 7, 1, 2, 3, 4, 5]
    assert batch.text.tolist() == [0] * 4 + [3] * 5
    other = batch.put(batch.ids[..., None], -batch.ids[..., None], torch.tensor([0, 8]))[..., 0]
    assert other[other < 0].tolist() == [-5, -6]
    assert batch.ids.min() == 0  # what was put went into a copy


def test_texts_of_like_length_go_together() -> None:
    texts = [Continuation(np.arange(n), 1) for n in (9, 2, 5, 8, 4)]
    found = list(text_batches(texts, indices=[4, 3, 1, 0, 2], batch_size=2, device="cpu"))
    assert [sorted(set(each.text.tolist())) for each in found] == [[2, 4], [0, 3]]
    with pytest.raises(ArgumentError, match="texts: got no text with two tokens or more after its prompt"):
        next(text_batches(texts, indices=[1], batch_size=2, device="cpu"))


def test_batches() -> None:
    assert list(batches(np.array([4, 2, 0, 1, 3]), 2)) == [[4, 2], [0, 1], [3]]
    assert list(batches([], 2)) == []
