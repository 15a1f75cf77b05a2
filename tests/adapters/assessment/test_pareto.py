"""Policies side by side: what is measured, and that token by token says what a replay says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from adapters import (
    ConfidencePolicy,
    EWSExitPolicy,
    Exit,
    FixedExitPolicy,
    NeverExitPolicy,
    Plan,
    Policy,
    full_model_continuations,
)
from adapters import replay as replayed
from adapters.assessment.pareto import DENSE, ParetoRow, forced_replay, front, pareto, pareto_table
from adapters.assessment.pareto_figure import draw_pareto
from ews.errors import ArgumentError, UnknownNameError, ValueRangeError
from tests.adapters.tiny import TINY

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model() -> Any:
    return TINY["llama"](layers=6)


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    random = np.random.default_rng(0)
    return [random.integers(1, 101, size).tolist() for size in (5, 8, 6)]


@pytest.fixture(scope="module")
def texts(model: Any, prompts: list[list[int]]) -> Any:
    return full_model_continuations(model, prompts, max_new_tokens=10)


@pytest.fixture(scope="module")
def rows(model: Any, prompts: list[list[int]], texts: Any) -> dict[str, ParetoRow]:
    policies = {
        "never": NeverExitPolicy(),
        "half": FixedExitPolicy(depth=3, cache="deferred"),
        "sure": ConfidencePolicy(threshold=0.4),
        "untrained": EWSExitPolicy(window=3, warmup=2),
    }
    found = pareto(model, policies, prompts=prompts, replay_texts=texts, new_tokens=9, repeats=2, stepwise=["half"])
    return {row.setting: row for row in found}


def test_whole_model_comes_first_and_is_the_measure(rows: dict[str, ParetoRow]) -> None:
    dense = rows[DENSE]
    assert next(iter(rows)) == DENSE
    assert (dense.agreement, dense.free_agreement, dense.time_share, dense.layers_per_token) == (1.0, 1.0, 1.0, 6.0)
    assert dense.tokens == 3 * 8  # of nine tokens the first comes from the prompt


def test_policy_that_never_exits_agrees_in_everything_but_time(rows: dict[str, ParetoRow]) -> None:
    never, dense = rows["never"], rows[DENSE]
    assert (never.agreement, never.free_agreement, never.layers_per_token) == (1.0, 1.0, 6.0)
    assert never.perplexity == pytest.approx(dense.perplexity, rel=1e-5)


def test_fixed_exit_runs_half_of_the_layers_and_disagrees(rows: dict[str, ParetoRow]) -> None:
    half = rows["half"]
    assert half.layers_per_token == 3.0
    assert half.agreement is not None
    assert half.agreement < 1.0
    assert half.perplexity is not None
    assert rows[DENSE].perplexity is not None
    assert half.perplexity > rows[DENSE].perplexity
    assert half.time_low <= half.time_share <= half.time_high


def test_looks_are_counted(rows: dict[str, ParetoRow]) -> None:
    assert rows["sure"].heads_per_token > 1.0
    assert 0.0 < rows["sure"].prediction_share < 1.0


def test_without_texts_agreement_is_not_made_up(model: Any, prompts: list[list[int]]) -> None:
    found = pareto(model, {"never": NeverExitPolicy()}, prompts=prompts[:1], new_tokens=3, repeats=1)
    assert [row.agreement for row in found] == [None, None]
    assert front(found) == []
    assert "–" in pareto_table(found)
    with pytest.raises(ArgumentError, match="without agreement"):
        draw_pareto(found)


def test_progress_ends_at_its_total(model: Any, prompts: list[list[int]]) -> None:
    told: list[tuple[int, int]] = []
    pareto(
        model,
        {"never": NeverExitPolicy()},
        prompts=prompts[:2],
        new_tokens=3,
        repeats=2,
        progress=lambda *at: told.append(at),
    )
    assert told[-1][0] == told[-1][1] == len(told)


@pytest.mark.parametrize(
    "policy", [ConfidencePolicy(threshold=0.4), FixedExitPolicy(depth=4, cache="propagate")], ids=["asks", "knows"]
)
def test_token_by_token_says_what_a_replay_says(model: Any, texts: Any, policy: Any) -> None:
    slow, fast = forced_replay(model, policy, texts), replayed(model, policy, texts)
    for name in ("text", "agrees", "depth", "ffn_blocks", "layers", "said"):
        assert np.array_equal(getattr(slow, name), getattr(fast, name)), name
    assert slow.probability == pytest.approx(fast.probability, abs=1e-4)
    assert slow.log_likelihood == pytest.approx(fast.log_likelihood, abs=1e-4)
    assert slow.full_model_log_likelihood == pytest.approx(fast.full_model_log_likelihood, abs=1e-4)


class ShrinkingPolicy(Policy):
    """Runs one layer less after every third token."""

    def __init__(self) -> None:
        super().__init__(unit="layer", cache="monotone")

    @property
    def goes_by_step(self) -> bool:
        return True

    def plan(self, step: int) -> Plan:
        return Plan(skip_layers=frozenset(range(1, 1 + step // 3)))


@pytest.mark.parametrize(
    "policy",
    [ShrinkingPolicy(), ConfidencePolicy(threshold=0.4, horizon=4), EWSExitPolicy(window=3, warmup=2)],
    ids=["schedule", "falling threshold", "learns from tokens"],
)
def test_what_goes_by_the_step_is_replayed_step_by_step(model: Any, texts: Any, policy: Any) -> None:
    slow, found = forced_replay(model, policy, texts), replayed(model, policy, texts)
    assert np.array_equal(slow.said, found.said)
    assert np.array_equal(slow.agrees, found.agrees)
    assert found.layers.mean() == pytest.approx(slow.layers.mean())
    if isinstance(policy, ShrinkingPolicy):
        steps = np.concatenate([np.arange(each.decided) for each in texts])
        assert np.array_equal(slow.layers, 6 - steps // 3)
        assert not slow.agrees.all()


def test_token_by_token_refuses_drafts(model: Any, texts: Any) -> None:
    with pytest.raises(ArgumentError, match="verify"):
        forced_replay(model, FixedExitPolicy(depth=4, cache="verify"), texts)


def test_model_is_as_before(model: Any, rows: dict[str, ParetoRow]) -> None:
    assert "forward" not in model.__dict__
    assert "generate" not in model.__dict__


def row(setting: str, agreement: float | None, share: float) -> ParetoRow:
    return ParetoRow(
        setting, "P", "layer", "deferred", agreement, 2.0, 0.5, 10.0, share, share, share, 5.0, 5.0, 1.0, 0.0, 0.0, 9
    )


def test_front_holds_what_nothing_beats() -> None:
    best, cheap = row("best", 1.0, 1.0), row("cheap", 0.9, 0.6)
    worse, unknown, dear = row("worse", 0.85, 0.7), row("unknown", None, 0.1), row("dear", 1.0, 1.2)
    assert front([best, worse, unknown, dear, cheap]) == [cheap, best]
    assert front([replace(best, free_agreement=0.4), cheap], quality="free_agreement") == [cheap]


def test_table_marks_the_front() -> None:
    lines = pareto_table([row("best", 1.0, 1.0), row("worse", 0.5, 1.5)]).splitlines()
    assert [line[0] for line in lines] == [" ", "*", " "]


def test_figure_shows_every_kind() -> None:
    axes = draw_pareto([row("a", 1.0, 1.0), replace(row("b", 0.9, 0.8), policy="Q")])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["P", "Q"]


def test_front_knows_its_words() -> None:
    with pytest.raises(UnknownNameError, match="quality"):
        front([], quality="beauty")


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"prompts": []}, ArgumentError, "prompts"),
        ({"prompts": [[]]}, ArgumentError, "prompts"),
        ({"new_tokens": 1}, ValueRangeError, "new_tokens"),
        ({"repeats": 0}, ValueRangeError, "repeats"),
        ({"stepwise": ["who"]}, UnknownNameError, "stepwise"),
        ({"policies": {DENSE: NeverExitPolicy()}}, ArgumentError, "policies"),
    ],
)
def test_what_cannot_be_timed_is_refused(
    model: Any, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    given = {"policies": {"never": NeverExitPolicy()}, "prompts": [[1, 2]], **options}
    with pytest.raises(error, match=says):
        pareto(model, given.pop("policies"), **given)


class ReadsTheEndOtherwise(Policy):
    """Runs all layers, and says the second-likeliest token for half of the states after the last."""

    def __init__(self) -> None:
        super().__init__(unit="layer", cache="deferred")

    def bind(self, family: Any) -> None:
        self.family = family

    def plan(self, step: int) -> Plan:
        return Plan(checks=(self.family.depth,))

    def check(self, trajectory: Any) -> Exit:
        state = trajectory.state()
        logits = self.family.logits(self.family.finish(state[:, None]))[:, 0]
        turned = (state[:, 0] > 0)[:, None]
        return Exit(logits=torch.where(turned, logits.scatter(1, logits.argmax(-1, keepdim=True), -99.0), logits))


def test_agreement_is_of_what_is_said_after_the_last_layer(model: Any, prompts: list[list[int]], texts: Any) -> None:
    rows = pareto(model, {"other": ReadsTheEndOtherwise()}, prompts=prompts, replay_texts=texts, new_tokens=9)
    decoded = forced_replay(model, ReadsTheEndOtherwise(), texts)
    assert 0.1 < rows[1].agreement < 0.9
    assert rows[1].agreement == decoded.agreement
    assert rows[1].perplexity == pytest.approx(decoded.perplexity, rel=1e-4)
    assert rows[0].perplexity == pytest.approx(decoded.full_model_perplexity, rel=1e-4)
    assert rows[1].free_agreement < 0.9
    assert front(rows, cost="layers_per_token")[0].setting == DENSE


def test_time_is_told_by_the_clock_that_is_given(model: Any, prompts: list[list[int]]) -> None:
    ticks = iter(range(1_000))
    found = pareto(
        model, {"never": NeverExitPolicy()}, prompts=prompts, new_tokens=4, repeats=2, clock=lambda: float(next(ticks))
    )
    assert [row.tokens_per_second for row in found] == [3.0, 3.0]  # one tick from the first token to the last
    assert found[1].time_share == found[1].time_low == found[1].time_high == 1.0
