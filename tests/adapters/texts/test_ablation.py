"""Feed-forward blocks left out as a policy would leave them out: the prompt in full, what follows without them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from adapters.assessment.ffn import FixedFFNSkip, check_ffn
from adapters.calibration.ffn import harmless_groups
from adapters.families import family_of
from adapters.heads.exit_classifier import classifier_features, states_needed
from adapters.texts.ablation import ablate_ffn
from adapters.texts.continuations import Continuation, full_model_continuations
from adapters.texts.replaying import replay
from ews.errors import ArgumentError
from tests.adapters.fitting import GROUPS, LAYERS, WINDOW, model_of, prompts

GROUP_SETS = ((0,), (3, 4, 5), (1, 7), *GROUPS)


def texts_of(name: str) -> list[Continuation]:
    """Long prompts and short texts after them: what is left out of a prompt shows."""
    return full_model_continuations(model_of(name), prompts(6, seed=3, longest=20), max_new_tokens=9)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt_neox", "opt", "gemma3"])
def test_ablation_is_what_decoding_without_the_blocks_gives(name: str) -> None:
    model, texts = model_of(name), texts_of(name)
    found = list(ablate_ffn(family_of(model), texts, indices=range(6), groups=GROUP_SETS, batch_size=4))
    text = np.concatenate([each.text for each in found])
    changed = np.concatenate([each.changed for each in found])[np.argsort(text, kind="stable")]
    for column, group in enumerate(GROUP_SETS):
        expected = ~replay(model, FixedFFNSkip(group), texts).agrees
        np.testing.assert_array_equal(changed[:, column], expected, err_msg=f"{group}")
    assert 0 < changed.mean() < 1


@pytest.mark.parametrize("group", [(5,), (6, 7)])
def test_calibration_and_assessment_agree_with_decoding(group: tuple[int, ...]) -> None:
    """Token by token: one generation with the blocks left out, the text being forced."""
    model, texts = model_of("llama"), texts_of("llama")
    family = family_of(model)
    harmless, seen = harmless_groups(
        family, texts, indices=np.arange(6), groups=[group], window=WINDOW, features="both"
    )
    policy, same = FixedFFNSkip(group), []
    order = sorted(range(6), key=lambda index: len(texts[index].tokens))
    for text in (texts[index] for index in order):
        ids = torch.as_tensor(text.tokens)[None]
        full = model(ids).logits[0].argmax(-1)
        with policy.attach(model), torch.no_grad():
            cache = model(ids[:, : text.prompt], use_cache=True).past_key_values
            for at in range(text.prompt, ids.shape[1] - 1):
                logits = model(ids[:, at : at + 1], past_key_values=cache, use_cache=True).logits
                same.append(bool(logits[0, -1].argmax() == full[at]))
    assert harmless[:, 0].tolist() == same
    if len(group) == 1:
        checks = check_ffn(family, texts, indices=range(6), layers=group)
        assert checks[group[0]].changed == pytest.approx(1 - np.mean(same))
    # What the classifier saw lies before the first block of the group.
    first = next(ablate_ffn(family, texts, indices=[order[0]], groups=[]))
    window = torch.stack(first.states[group[0] + 1 - states_needed(WINDOW) : group[0] + 1], dim=1)
    np.testing.assert_allclose(seen[: len(window), 0], classifier_features(window).numpy(), rtol=1e-6, atol=1e-9)
    assert len(first.states) == LAYERS + 1


def test_texts_on_which_nothing_is_decided_are_refused() -> None:
    model = model_of("llama")
    silent = [Continuation(each.tokens[: each.prompt + 1], each.prompt) for each in texts_of("llama")]
    for call in (
        lambda: replay(model, FixedFFNSkip([3]), silent),
        lambda: check_ffn(family_of(model), silent, indices=range(6), layers=(3,)),
    ):
        with pytest.raises(ArgumentError, match="no text with two tokens or more"):
            call()
