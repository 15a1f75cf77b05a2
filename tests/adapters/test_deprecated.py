"""Names of the version before work on, and say what they are called now."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import adapters
from adapters import Plan, Policy, Report
from adapters.policies.fixed import FixedExitPolicy
from adapters.texts.replaying import replay as replayed
from tests.adapters.fitting import model_of, written


@pytest.mark.parametrize(
    ("old", "new"), [("Assessment", "Suitability"), ("dense_continuations", "full_model_continuations")]
)
def test_public_names(old: str, new: str) -> None:
    for _ in range(2):  # each time, not only the first
        with pytest.warns(DeprecationWarning, match=f"adapters.{old} is now adapters.{new}") as told:
            assert getattr(adapters, old) is getattr(adapters, new)
        assert told[0].filename == __file__
    assert old not in adapters.__all__


def test_attributes_of_a_replay() -> None:
    found: Any = replayed(model_of("llama"), FixedExitPolicy(depth=5), written("llama"))
    for old, new in (
        ("feeds", "ffn_blocks"),
        ("dense_log_likelihood", "full_model_log_likelihood"),
        ("dense_perplexity", "full_model_perplexity"),
    ):
        with pytest.warns(DeprecationWarning, match=f"Replay.{old} is now Replay.{new}") as told:
            assert np.all(getattr(found, old) == getattr(found, new))
        assert told[0].filename == __file__


# ---- the contract of a policy --------------------------------------------------------------------------------------


class Skips(Policy):
    """By the new names."""

    def __init__(self) -> None:
        super().__init__(unit="ffn", cache="exact")
        self.told: list[int] = []

    def plan(self, step: int) -> Plan:
        return Plan(ffn_checks=frozenset({3, 4, 5}))

    def run_ffn(self, index: int, post_attention: Tensor) -> bool:
        return index != 4

    def ffn_done(self, index: int, post_attention: Tensor, after: Tensor) -> None:
        self.told.append(index)


def old_classes() -> dict[str, Any]:
    """Policies as they were written before: at once, over a new one, through a class beside it, and twice over."""
    with pytest.warns(DeprecationWarning, match="is now run_ffn"):

        class Plain(Policy):
            def __init__(self) -> None:
                super().__init__(unit="ffn", cache="exact")
                self.told: list[int] = []

            def plan(self, step: int) -> Plan:
                with pytest.warns(DeprecationWarning, match=r"Plan\(ffn_checks=...\)"):
                    return Plan(feeds=frozenset({3, 4, 5}))

            def feeds(self, index: int, middle: Tensor) -> bool:
                return index != 4

            def fed(self, index: int, middle: Tensor, after: Tensor) -> None:
                self.told.append(index)

    with pytest.warns(DeprecationWarning, match="is now run_ffn"):

        class Over(Skips):
            def feeds(self, index: int, middle: Tensor) -> Any:
                with pytest.warns(DeprecationWarning, match="Policy.feeds is now Policy.run_ffn"):
                    return super().feeds(index, middle)

    class Beside:
        def feeds(self, index: int, middle: Tensor) -> bool:
            return index != 4

    with pytest.warns(DeprecationWarning, match="is now run_ffn"):

        class Mixed(Beside, Skips):
            pass

    with pytest.warns(DeprecationWarning, match="is now run_ffn"):

        class Twice(Plain):
            def feeds(self, index: int, middle: Tensor) -> bool:
                return super().feeds(index, middle)

    class Newer(Plain):
        def run_ffn(self, index: int, post_attention: Tensor) -> Any:
            return super().run_ffn(index, post_attention)

    return {each.__name__: each for each in (Plain, Over, Mixed, Twice, Newer)}


def test_policies_by_the_old_names_decide_as_before() -> None:
    model, prompt = model_of("llama"), torch.tensor([[5, 6, 7, 8]])
    options: dict[str, Any] = {"attention_mask": torch.ones_like(prompt), "max_new_tokens": 8, "pad_token_id": 0}
    new = Skips()
    expected = model.generate(prompt, custom_generate=new, **options)
    assert new.report().ffn_blocks_per_token == model.config.num_hidden_layers - 1
    assert set(new.told) == {3, 5}
    for name, kind in old_classes().items():
        policy = kind()
        assert torch.equal(model.generate(prompt, custom_generate=policy, **options), expected), name
        assert policy.told == new.told, name
        assert policy.report().ffn_blocks_per_token == new.report().ffn_blocks_per_token, name


def test_calls_and_attributes_by_the_old_names() -> None:
    state = torch.zeros(1, 4)
    policy = Skips()
    with pytest.warns(DeprecationWarning, match="Policy.feeds is now Policy.run_ffn"):
        assert [policy.feeds(index, state) for index in (3, 4)] == [True, False]
    with pytest.warns(DeprecationWarning, match="Policy.fed is now Policy.ffn_done"):
        policy.fed(3, state, state)
    assert policy.told == [3]
    with pytest.warns(DeprecationWarning, match="Plan.feeds is now Plan.ffn_checks"):
        assert policy.plan(0).feeds == {3, 4, 5}
    plan = Plan(2, (1,), frozenset({1}), frozenset({2}))
    assert replace(plan, exit=3) == Plan(3, (1,), frozenset({1}), ffn_checks=frozenset({2}))
    assert pickle.loads(pickle.dumps(plan)) == plan
    report: Any = replace(_report(), ffn_blocks_per_token=2.5, prediction_share=0.125)
    for old, value in (("feeds_per_token", 2.5), ("looking_share", 0.125)):
        with pytest.warns(DeprecationWarning, match=f"Report.{old} is now"):
            assert getattr(report, old) == value


def _report() -> Report:
    model, policy = model_of("llama"), FixedExitPolicy(depth=5)
    ids = torch.tensor([[5, 6]])
    model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, pad_token_id=0, custom_generate=policy)
    return policy.report()
