"""What each exit rule of encoders decides, on logits and halting probabilities that are written down."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adapters.encoders import (
    ConfidenceExit,
    EncoderPolicy,
    EntropyExit,
    EWSEncoderExit,
    ExitHeads,
    ExitView,
    JEIPolicy,
    Leave,
    PabeePolicy,
    PonderPolicy,
    encoder_policy_named,
    heads_named,
    register_encoder_policy,
)
from adapters.encoders.distributions import (
    exit_cdf,
    exit_distribution,
    gated_distribution,
    hazards,
    largest_probability,
    softmax_entropy,
    softmax_statistics,
)
from adapters.encoders.heads import Reading
from adapters.encoders.policies.ews import trajectory_features
from adapters.encoders.run import run_batches
from adapters.encoders.states import FirstTokenStates
from adapters.signals import signals
from adapters.windows import last
from ews.errors import ArgumentError, InputTypeError, UnknownNameError


class Said(ExitHeads):
    """Heads that say what is written down: the states hold logits and halting probabilities."""

    def __init__(self, classes: int, layers: int, kind: str) -> None:
        super().__init__(classes + 1, classes, layers)
        self.kind = kind  # type: ignore[misc]
        self.unit = torch.nn.Parameter(torch.ones(1))

    def forward(self, depth: int, first: Tensor, carry: Tensor | None = None) -> Reading:
        return Reading(first[:, :-1], first[:, -1])

    def reading(self) -> list[tuple[torch.nn.Linear, slice]]:
        return []


def under(policy: EncoderPolicy, logits: Any, halting: Any = None, *, kind: str = "linear") -> Any:
    """Depths and logits, for logits of shape (rows, layers, classes)."""
    said = torch.as_tensor(logits, dtype=torch.float32)
    rows, layers, classes = said.shape
    halt = torch.zeros(rows, layers) if halting is None else torch.as_tensor(halting, dtype=torch.float32)
    states = torch.cat((said, halt[..., None]), dim=-1)
    kept = FirstTokenStates(torch.cat((states[:, :1], states), dim=1))
    return run_batches(kept, [(np.arange(rows), None)], rows, policy=policy, heads=Said(classes, layers, kind))


def answers(*each: str) -> Tensor:
    """Logits of two classes, sure of one each."""
    return torch.tensor([[[4.0, 0.0] if letter == "a" else [0.0, 4.0] for letter in row] for row in each])


def test_patience_starts_anew_with_every_change() -> None:
    said = answers("aaaaaaaa", "aabaaaaa", "abababab", "aabbbbbb", "bbaabbbb")
    assert under(PabeePolicy(patience=2), said).report.depths.tolist() == [3, 6, 8, 5, 7]
    assert under(PabeePolicy(patience=1), said).report.depths.tolist() == [2, 2, 8, 2, 2]
    assert PabeePolicy().patience == 6
    assert under(PabeePolicy(), said).report.depths.tolist() == [7, 8, 8, 8, 8]
    # What is emitted is the newest answer.
    assert under(PabeePolicy(patience=2), said).logits.argmax(-1).tolist() == [0, 0, 1, 1, 1]


def test_quantile_exit_is_the_first_layer_beyond_q_and_draws_nothing() -> None:
    halting = [[0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.1, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0], [0.6, 0, 0, 0, 0]]
    said = answers(*["aaaaa"] * 4)
    policy = PonderPolicy()
    assert (policy.exit, policy.q) == ("quantile", 0.5)
    # 1 − .9·.8·.7 = .496 is not beyond a half; 1 − .5 is not either, but 1 − .5·.9 is.
    state = torch.random.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for _ in range(3):
        assert under(policy, said, halting, kind="ponder").report.depths.tolist() == [4, 2, 5, 1]
    assert torch.equal(torch.random.get_rng_state(), state[0])
    assert np.random.get_state()[1].tolist() == state[1]  # noqa: NPY002
    lower = PonderPolicy(q=0.25)
    assert under(lower, said, halting, kind="ponder").report.depths.tolist() == [2, 1, 5, 1]


def test_sampled_exits_follow_the_distribution() -> None:
    halting = torch.tensor([[0.1, 0.3, 0.5, 0.7]]).expand(20_000, 4)
    found = under(PonderPolicy(exit="sample", seed=1), answers("aaaa").expand(20_000, 4, 2), halting, kind="ponder")
    shares = np.bincount(found.report.depths, minlength=5)[1:] / 20_000
    assert np.allclose(shares, exit_distribution(halting[0]).numpy(), atol=0.015)


def test_expectation_emits_the_mean_of_the_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    said, halting = torch.randn(6, 4, 3, generator=generator), torch.rand(6, 4, generator=generator)
    found = under(PonderPolicy(exit="expectation"), said, halting, kind="ponder")
    wanted = torch.einsum("rl,rlc->rc", exit_distribution(halting), said.softmax(-1))
    assert torch.allclose(found.logits.softmax(-1), wanted, atol=1e-6)
    assert found.report.depths.tolist() == [4] * 6


def test_hard_exit_at_the_first_hazard_of_a_half() -> None:
    # Hazards: .3, .3/.7 = .43, .3/.4 = .75; .6; .2, .2/.8 = .25, .2/.6 = .33, then 1 at the final exit.
    gates = [[0.3, 0.3, 0.3, 1.0], [0.6, 0.0, 0.0, 1.0], [0.2, 0.2, 0.2, 1.0], [0.3, 0.36, 0.0, 1.0]]
    said = answers(*["aaaa"] * 4)
    assert JEIPolicy().threshold == 0.5
    assert under(JEIPolicy(), said, gates, kind="gated").report.depths.tolist() == [3, 1, 4, 2]


def test_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    halting = torch.rand(50, 7, generator=generator, dtype=torch.float64)
    found = exit_distribution(halting)
    assert torch.allclose(found.sum(-1), torch.ones(50, dtype=torch.float64), atol=1e-15)
    slow = []
    for row in halting.tolist():
        left, each = 1.0, []
        for one in row[:-1]:
            each.append(left * one)
            left *= 1.0 - one
        slow.append([*each, left])  # the last takes what is left, whatever it says itself
    assert torch.allclose(found, torch.tensor(slow, dtype=torch.float64), atol=1e-15)
    assert torch.allclose(exit_cdf(halting)[:, :-1], found.cumsum(-1)[:, :-1])
    changed = halting.clone()
    changed[:, -1] = 0.0
    assert torch.equal(exit_distribution(changed), found)

    gated = gated_distribution(halting)
    slow, slow_hazards = [], []
    for row in halting.tolist():
        spent, each, danger = 0.0, [], []
        for one in row:
            now = max(0.0, min(one, 1.0 - spent))
            danger.append(now / (1.0 - spent) if spent < 1.0 else 1.0)
            each.append(now)
            spent += now
        slow.append([*each, 1.0 - spent])
        slow_hazards.append(danger)
    assert torch.allclose(gated, torch.tensor(slow, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(gated.sum(-1), torch.ones(50, dtype=torch.float64))
    assert np.allclose(hazards(halting.numpy()), slow_hazards, atol=1e-9)
    assert np.allclose(exit_cdf(halting.numpy()), exit_cdf(halting).numpy(), atol=1e-15)


def test_statistics_of_a_softmax_are_detached() -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = softmax_statistics(logits)
    assert not found.requires_grad
    for row, mine in zip(logits.detach().double().softmax(-1).numpy(), found.double().numpy(), strict=True):
        ordered, square = np.sort(row)[::-1], row**2 / (row**2).sum()
        wanted = [ordered[0], -(row * np.log(row)).sum(), ordered[0] - ordered[1], -(square * np.log(square)).sum()]
        assert np.allclose(mine, wanted, atol=1e-6)


def test_one_row_is_worked_out_as_many_are() -> None:
    logits = 6.0 * torch.randn(200, 5, generator=torch.Generator().manual_seed(1))
    logits[:3, 0] += 1e4
    logits[3] = 0.0
    singly = torch.cat([softmax_statistics(row[None]) for row in logits])
    torch.testing.assert_close(singly, softmax_statistics(logits), rtol=1e-12, atol=1e-14)
    log = logits.double().log_softmax(-1)
    assert np.allclose(largest_probability(logits.double().numpy()), log.exp().amax(-1).numpy(), rtol=1e-12)
    entropy = -(log.exp() * log).sum(-1)
    assert np.allclose(softmax_entropy(logits.double().numpy()), entropy.numpy(), rtol=1e-9, atol=1e-12)
    for odd in (torch.nan, torch.inf, -torch.inf):  # nothing is sure of them, alone or not
        spoiled = logits[:2].clone()
        spoiled[0, 1] = odd
        for found in (softmax_statistics(spoiled)[0], softmax_statistics(spoiled[:1])[0]):
            assert found.isnan().any()


def test_rules_that_read_no_gates_cost_none() -> None:
    heads = heads_named("gated", width=6, classes=3, exits=5, seed=1)
    asked: list[int] = []
    gate = heads.gate
    heads.gate = lambda depth, logits: asked.append(depth) or gate(depth, logits)  # type: ignore[method-assign]
    states = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(0))
    kept = FirstTokenStates(states)
    for policy, wanted in ((ConfidenceExit(threshold=2.0), []), (JEIPolicy(threshold=2.0), [1, 2, 3, 4, 5])):
        asked.clear()
        run_batches(kept, [(np.arange(4), None)], 4, policy=policy, heads=heads)
        assert asked == wanted


def test_answers_of_another_shape_or_type_are_refused() -> None:
    class Wrong(ConfidenceExit):
        def leave(self, view: ExitView) -> Leave | None:
            return Leave(self.said)  # type: ignore[attr-defined]

    for said in (np.ones(2, dtype=np.bool_), torch.ones(4), np.ones(4), [True] * 4, np.ones((4, 1), dtype=np.bool_)):
        rule = Wrong()
        rule.said = said  # type: ignore[attr-defined]
        with pytest.raises(InputTypeError, match=r"Leave\.rows"):
            under(rule, answers("aaa", "aab", "aba", "bbb"))
    for fine in (np.ones(4, dtype=np.bool_), torch.ones(4, dtype=torch.bool)):
        rule.said = fine  # type: ignore[attr-defined]
        assert under(rule, answers("aaa", "aab", "aba", "bbb")).report.depths.tolist() == [1] * 4


def test_entropy_and_confidence() -> None:
    sure = [math.log(0.9 / 0.1), 0.0]
    said = [[[0.0, 0.0], sure, sure], [[0.2, 0.0], [0.0, 0.1], sure]]
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert under(EntropyExit(threshold=entropy + 1e-4), said).report.depths.tolist() == [2, 3]
    assert under(EntropyExit(threshold=entropy - 1e-4), said).report.depths.tolist() == [3, 3]
    assert under(ConfidenceExit(threshold=0.899), said).report.depths.tolist() == [2, 3]
    assert under(ConfidenceExit(threshold=0.901), said).report.depths.tolist() == [3, 3]


@pytest.mark.parametrize("features", ["windowed", "raw", "both"])
def test_early_warning_learns_where_the_answer_stands(features: Any) -> None:
    # Rows of one kind settle after the third layer; those of the other swing to the end.
    rng = np.random.default_rng(0)
    rows, layers = 600, 8
    settles = rng.random(rows) < 0.5
    steady = rng.choice([-2.0, 2.0], rows)[:, None] * np.minimum(1.0, np.arange(1, layers + 1) / 3)
    swinging = rng.normal(0.0, 2.0, (rows, layers))
    margin = np.where(settles[:, None], steady + rng.normal(0, 0.1, (rows, layers)), swinging)
    logits = torch.tensor(np.stack((margin, -margin), axis=-1), dtype=torch.float32)
    turning = np.where(settles[:, None], 0.05, 1.0) * rng.normal(size=(rows, layers + 1))
    states = torch.tensor(np.stack((np.ones_like(turning), turning.cumsum(1)), axis=-1), dtype=torch.float32)
    policy = EWSEncoderExit(threshold=0.9, features=features)
    kept = FirstTokenStates(torch.cat((states, torch.cat((logits[:, :1], logits), dim=1)), dim=-1))
    policy.fit(kept, logits, None)
    again = EWSEncoderExit(threshold=0.9, features=features)
    again.load_fitted(policy.fitted())

    class Beside(Said):
        def forward(self, depth: int, first: Tensor, carry: Tensor | None = None) -> Reading:
            return Reading(first[:, 2:])

    heads = Beside(2, layers, "linear")
    heads.width = 4
    found, same = (
        run_batches(kept, [(np.arange(rows), None)], rows, policy=each, heads=heads).report.depths
        for each in (policy, again)
    )
    assert found.tolist() == same.tolist()
    assert found[settles].mean() + 1.0 < found[~settles].mean()


@pytest.mark.parametrize("depth", [2, 3, 4, 7])
@pytest.mark.parametrize("features", ["windowed", "raw", "both"])
def test_features_over_layers_are_those_of_signals_and_windows(features: Any, depth: int) -> None:
    torch.manual_seed(depth)
    states, logits = torch.randn(5, depth + 1, 16), 5.0 * torch.randn(5, depth, 3)
    states[1] *= 1e6
    logits[2] += 1e4  # a shift of all classes says nothing
    states[3], logits[3] = states[3, :1], logits[3, :1]  # nothing changes
    states[4, -1] = 0.0
    logits[4, -1, 0] = torch.nan
    found = trajectory_features(states, logits, window=4, features=features)
    log = logits.double().log_softmax(-1)
    best = log.amax(-1)
    odds, entropy = best - (1.0 - best.exp().clamp(max=1.0 - 1e-12)).log(), -(log.exp() * log).sum(-1)
    series = torch.cat((torch.stack((odds, entropy), 1), signals(states.double())[:, 1:, :3].mT), 1)[..., -4:]
    names = ("variance", "trend") if depth < 4 else ("variance", "ac1", "skewness", "trend")
    windowed = torch.stack([last(each, statistics=names).flatten() for each in series])
    newest = series[..., -1]
    windowed = torch.where(newest.isfinite().all(-1, keepdim=True), windowed.nan_to_num(0.0), windowed)
    wanted = {"windowed": windowed, "raw": newest, "both": torch.cat((windowed, newest), 1)}[features]
    # Of a row in which nothing changes the memory and skewness of what rounding leaves mean nothing.
    means = [0, 1, 2, 4]
    torch.testing.assert_close(found[means], wanted[means], rtol=1e-6, atol=1e-9, equal_nan=True)
    for row in means:  # one row alone is worked out in plain numbers
        alone = trajectory_features(states[row, None], logits[row, None], window=4, features=features)
        torch.testing.assert_close(alone[0], wanted[row], rtol=1e-6, atol=1e-9, equal_nan=True)
    if features == "raw":
        torch.testing.assert_close(found[3], wanted[3], rtol=1e-6, atol=1e-9)


def test_heads_and_rules_must_go_together() -> None:
    for policy in (PonderPolicy(), JEIPolicy()):
        with pytest.raises(ArgumentError, match="heads"):
            under(policy, answers("aaa"))
    with pytest.raises(UnknownNameError, match="quantile"):
        PonderPolicy(exit="quantil")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="pabee"):
        encoder_policy_named("pabe")
    with pytest.raises(ArgumentError, match="another"):
        register_encoder_policy("pabee", JEIPolicy)
    with pytest.raises(ArgumentError, match="policy"):
        register_encoder_policy("nothing", int)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="linear"):
        heads_named("linea", width=1, classes=2, exits=1)


def test_ponder_heads_read_the_layer_before() -> None:
    heads = heads_named("ponder", width=6, classes=2, exits=3, seed=1)
    firsts = torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(0))
    logits, halting = heads.over(firsts)
    assert halting is not None
    state = heads.state_dict()
    pooled = torch.tanh(firsts @ state["pooler.weight"].T + state["pooler.bias"])
    before = torch.cat((torch.zeros(4, 1, 6), pooled[:, :-1]), dim=1)
    found = torch.cat((pooled, before), dim=-1)
    for layer in (0, 2, 4, 6):
        found = found @ state[f"halting.{layer}.weight"].T + state[f"halting.{layer}.bias"]
        found = found.tanh() if layer < 6 else found.sigmoid()
    assert torch.allclose(halting, found.squeeze(-1), atol=1e-6)
    assert torch.allclose(logits, pooled @ state["classifier.weight"].T + state["classifier.bias"], atol=1e-6)
