"""The exit table: what classifiers and heads say of recorded text, against states of a plain pass, text by text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import ews
from adapters.calibration.table import ExitTable, gather, trajectories_of
from adapters.families import family_of
from adapters.heads.exit_classifier import STATISTICS, classifier_features, feature_names, states_needed
from adapters.heads.full import FullHead
from adapters.heads.shortlist import ShortListHead
from adapters.signals import SIGNALS, signals
from adapters.texts.continuations import Continuation
from tests.adapters.driving import states_after
from tests.adapters.fitting import DEPTHS, LAYERS, WINDOW, fitted, model_of, written

FAMILIES = ["llama", "gemma3", "gpt2"]


def recorded(name: str, features: Any = "both", indices: Any = (0, 1, 2, 3, 4)) -> tuple[ShortListHead, ExitTable]:
    family = family_of(model_of(name))
    head = ShortListHead.from_tensors(FullHead.of(family), fitted(name).tensors)
    found = gather(
        family, written(name), head, indices=np.array(indices), depths=DEPTHS, window=WINDOW, features=features
    )
    return head, found


@torch.no_grad()
def states_of(model: Any, each: Continuation) -> list[torch.Tensor]:
    """Embedding and what every layer leaves, of the decided positions of one text, without padding."""
    ids = torch.from_numpy(each.tokens)[None]
    entered: list[torch.Tensor] = []
    layer = family_of(model).layers[0]
    handle = layer.register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    states = states_after(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    handle.remove()
    return [state[0, each.prompt : -1] for state in (entered[0], *states)]


@torch.no_grad()
@pytest.mark.parametrize("name", FAMILIES)
def test_exit_table_by_hand(name: str) -> None:
    model, texts = model_of(name), written(name)
    head, found = recorded(name)
    assert found.depths == DEPTHS
    assert found.text.tolist() == [index for index, each in enumerate(texts) for _ in range(each.decided)]
    assert found.features.shape == (len(found.text), len(DEPTHS), len(feature_names("both")))
    for index, each in enumerate(texts):
        states, rows = states_of(model, each), found.text == index
        ids = torch.from_numpy(each.tokens)[None]
        dense = model(ids, use_cache=False).logits[0, each.prompt : -1].argmax(-1).numpy()
        # The text is the model's own, so that what it says is the next token.
        np.testing.assert_array_equal(dense, each.tokens[each.prompt + 1 :])
        for at, depth in enumerate(DEPTHS):
            look = head.predict(states[depth], depth)
            np.testing.assert_array_equal(found.correct[rows, at], look.token.numpy() == dense)
            np.testing.assert_allclose(found.confidence[rows, at], look.confidence.numpy(), rtol=1e-4, atol=1e-5)
            held = torch.stack(states[depth + 1 - states_needed(WINDOW) : depth + 1], 1)
            np.testing.assert_allclose(
                found.features[rows, at], classifier_features(held).numpy(), rtol=1e-3, atol=1e-5
            )


@pytest.mark.parametrize("features", ["windowed", "raw", "both"])
def test_features_are_statistics_of_ews(features: Any) -> None:
    """Variance, AC1, skewness and trend as ``ews`` defines them, of signals over layers that ended before the depth."""
    texts = written("llama")
    _, found = recorded("llama", features)
    each, names = texts[1], feature_names(features)
    values = signals(torch.stack(states_of(model_of("llama"), each), 1)).double().numpy()
    rows = np.flatnonzero(found.text == 1)
    functions = {
        "variance": lambda x: ews.variance(x, window=WINDOW)[-1],
        "ac1": lambda x: ews.autocorrelation(x, window=WINDOW)[-1],
        "skewness": lambda x: ews.skewness(x, window=WINDOW)[-1],
        "trend": lambda x: np.polyfit(np.arange(WINDOW), x, 1)[0],
    }
    assert set(functions) == set(STATISTICS)
    for token, row in enumerate(rows):
        for at, depth in enumerate(DEPTHS):
            for column, name in enumerate(names):
                signal, _, statistic = name.partition(" ")
                series = values[token, depth + 1 - WINDOW : depth + 1, SIGNALS.index(signal)]
                expected = functions[statistic](series) if statistic else series[-1]
                assert found.features[row, at, column] == pytest.approx(expected, rel=1e-6, abs=1e-10)


def test_some_texts_in_any_order() -> None:
    _, every = recorded("gpt2")
    _, some = recorded("gpt2", indices=(3, 1))
    part = every.of_texts([1, 3])
    np.testing.assert_array_equal(some.text, part.text)
    assert set(part.text.tolist()) == {1, 3}
    for name in ("features", "confidence", "correct"):
        np.testing.assert_allclose(
            getattr(some, name).astype(float), getattr(part, name).astype(float), rtol=1e-3, atol=1e-5
        )


def test_states_of_texts_with_nothing_to_decide_are_left_out() -> None:
    family, texts = family_of(model_of("llama")), list(written("llama"))
    texts[2] = Continuation(texts[2].tokens[: texts[2].prompt + 1], texts[2].prompt)
    told, sizes = [], []
    for text, states in trajectories_of(family, texts, indices=[0, 2, 4], batch_size=1):
        assert len(states) == LAYERS + 1
        assert all(len(state) == len(text) for state in states)
        told += sorted(set(text.tolist()))
        sizes.append(len(text))
    assert sorted(told) == [0, 4]
    assert sum(sizes) == texts[0].decided + texts[4].decided


def test_hooks_are_gone_when_a_look_fails() -> None:
    family = family_of(model_of("llama"))
    head = ShortListHead.from_tensors(FullHead.of(family), fitted("llama").tensors)
    with pytest.raises(ValueError, match="unknown"):
        gather(
            family,
            written("llama"),
            head,
            indices=[0],
            depths=(6,),
            window=WINDOW,
            progress=lambda _done: (_ for _ in ()).throw(ValueError("unknown")),
        )
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in family.layers)


def test_progress_counts_texts() -> None:
    family = family_of(model_of("llama"))
    head = ShortListHead.from_tensors(FullHead.of(family), fitted("llama").tensors)
    told: list[int] = []
    gather(family, written("llama"), head, indices=[0, 1, 4], depths=(6,), window=WINDOW, progress=told.append)
    assert sum(told) == 3
