"""The oracle: its losses are those of decoding, nothing is lower, and difficulty is not the loss."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.nn import functional as F

from adapters import FixedExitPolicy, NeverExitPolicy, Plan, Policy, replay
from adapters.families import family_of
from adapters.heads.small_ffn import SmallFFNs
from adapters.oracle.difficulty import difficulty_correlations
from adapters.oracle.passes import TokenPass
from adapters.oracle.result import Oracle
from adapters.oracle.routes import all_routes, count_routes
from adapters.oracle.search import oracle_routes
from adapters.policies.registry import POLICIES, policy_named, policy_names
from adapters.texts.continuations import Continuation
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError
from tests.adapters.tiny import SINGLE, THOROUGH, TINY

torch.set_num_threads(1)
FULL, SMALL, SKIP = 1, 2, 0


def texts(*sizes: tuple[int, int]) -> list[Continuation]:
    random = np.random.default_rng(0)
    return [Continuation(random.integers(1, 100, size=length), prompt) for length, prompt in sizes or ((14, 5), (9, 3))]


def small_of(model: Any) -> SmallFFNs:
    """Small blocks that do something."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        small = SmallFFNs.for_family(family_of(model), ratio=4).to(model.dtype)
        for each in small.parameters():
            each.data += 0.3 * torch.randn_like(each)
    return small


class AtOneStep(Policy):
    """A route for one token of a generation; all others run in full."""

    def __init__(self, step: int, route: np.ndarray[Any, Any], *, layers: bool, small: SmallFFNs | None) -> None:
        super().__init__(unit="layer" if layers else "ffn", cache="monotone" if layers else "exact")
        self.step, self.route, self.layers, self.small = step, route, layers, small

    def plan(self, step: int) -> Plan:
        if step != self.step:
            return Plan()
        if self.layers:
            return Plan(skip_layers=frozenset(np.flatnonzero(self.route == SKIP).tolist()))
        return Plan(ffn_routes=self.route)

    def instead_of_ffn(self, index: int, post_attention: torch.Tensor) -> torch.Tensor:
        assert self.small is not None
        return self.small(index, post_attention)


def decoded_loss(model: Any, text: Continuation, step: int, policy: Policy) -> float:
    ids = torch.tensor(text.tokens)[None]
    with torch.no_grad(), policy.attach(model):
        output = model(ids[:, : text.prompt], use_cache=True)
        for at in range(text.prompt, text.prompt + step + 1):
            output = model(ids[:, at : at + 1], past_key_values=output.past_key_values, use_cache=True)
    return float(F.cross_entropy(output.logits[:, -1], ids[:, text.prompt + step + 1]))


@pytest.mark.parametrize("unit", ["ffn", "layer"])
@pytest.mark.parametrize("name", THOROUGH)
def test_a_route_has_the_loss_that_decoding_has_on_it(name: str, unit: Any) -> None:
    model = TINY[name](dtype=torch.float32 if name in SINGLE else torch.float64, layers=4)
    exact = 1e-4 if name in SINGLE else 1e-9
    [text, _], family, random = texts(), family_of(model), np.random.default_rng(1)
    small = small_of(model) if unit == "ffn" else None
    routes = random.choice([FULL, SMALL, SKIP] if small else [FULL, SKIP], size=(5, 4))
    routes[0] = FULL
    if unit == "layer":
        routes[:, 0] = FULL
    found = TokenPass(family, text, unit=unit, small=small).losses(routes)
    with torch.no_grad():
        plain = F.cross_entropy(
            model(torch.tensor(text.tokens)[None]).logits[0, text.prompt : -1],
            torch.tensor(text.tokens[text.prompt + 1 :]),
            reduction="none",
        )
    np.testing.assert_allclose(found[0], plain.numpy(), rtol=0, atol=exact)
    for number, step in ((1, 0), (2, 3), (3, 7), (4, 5)):
        policy = AtOneStep(step, routes[number], layers=unit == "layer", small=small)
        assert found[number, step] == pytest.approx(decoded_loss(model, text, step, policy), abs=exact)


@pytest.mark.parametrize(
    ("choices", "unit", "many"),
    [
        (("big", "small"), "ffn", 2**6),
        (("big", "small", "skip"), "ffn", 3**6),
        (("big", "skip"), "layer", 2**5),
        (("big", "skip"), "exit", 6),
    ],
)
def test_all_routes_are_all_and_each_once(choices: tuple[str, ...], unit: Any, many: int) -> None:
    budgets = range(0 if unit == "ffn" else 1, 7)
    routes = all_routes(6, choices, unit, budgets)
    assert len(np.unique(routes, axis=0)) == len(routes) == count_routes(6, choices, unit, budgets) == many
    assert len(all_routes(6, ("big", "small"), "ffn", [2])) == 15
    for budget in budgets:
        chosen = all_routes(6, choices, unit, [budget])
        assert ((chosen == FULL).sum(1) == budget).all()
        assert len(chosen) == count_routes(6, choices, unit, [budget])


@pytest.fixture(scope="module")
def small_model() -> Any:
    return TINY["llama"](dtype=torch.float64, layers=4)


def test_nothing_is_lower_than_the_oracle(small_model: Any) -> None:
    small, given = small_of(small_model), texts()
    found = oracle_routes(small_model, given, small=small)
    assert (found.search, found.routes, found.loss.shape) == ("exact", 81, (13, 5))
    family = family_of(small_model)
    for index, text in enumerate(given):
        here = found.text == index
        passed = TokenPass(family, text, unit="ffn", small=small)
        for route in itertools.product((FULL, SMALL, SKIP), repeat=4):
            losses = passed.losses(np.array([route]))[0]
            assert (found.loss[here, route.count(FULL)] <= losses + 1e-12).all()
        each = passed.losses(found.route[here][None, :, 2].astype(np.int64))[0]  # a route of its own for each token
        np.testing.assert_allclose(found.loss[here, 2], each, rtol=0, atol=1e-12)
    assert ((found.route == FULL).sum(-1) == np.arange(5)).all()
    np.testing.assert_array_equal(found.loss[:, 4], found.full_loss)
    np.testing.assert_array_equal(found.best(), found.loss.min(1))
    np.testing.assert_array_equal(found.best(1), found.loss[:, :2].min(1))
    np.testing.assert_array_equal(found.position[found.text == 1], np.arange(3, 8))


@pytest.mark.parametrize("unit", ["ffn", "layer"])
def test_a_beam_and_samples_come_near_and_never_below(small_model: Any, unit: Any) -> None:
    small = small_of(small_model) if unit == "ffn" else None
    exact = oracle_routes(small_model, texts(), unit=unit, small=small)
    wide = oracle_routes(small_model, texts(), unit=unit, small=small, search="beam", beam=81)
    np.testing.assert_allclose(wide.loss, exact.loss, rtol=0, atol=1e-12)
    for search in ("beam", "sample"):
        narrow = oracle_routes(small_model, texts(), unit=unit, small=small, search=search, beam=1, samples=3)  # type: ignore[arg-type]
        assert narrow.search == search
        assert narrow.routes is None
        known = ~np.isnan(exact.loss)
        assert (narrow.loss[known] >= exact.loss[known] - 1e-12).all()
        assert ((narrow.route == FULL).sum(-1)[known] == np.broadcast_to(np.arange(5), known.shape)[known]).all()
    again = oracle_routes(small_model, texts(), unit=unit, small=small, search="sample", samples=3)
    np.testing.assert_array_equal(again.loss, narrow.loss)


def test_a_budget_is_kept(small_model: Any) -> None:
    found = oracle_routes(small_model, texts(), unit="layer", budgets=[2, 3])
    assert found.routes == 6
    assert np.isnan(found.loss[:, [0, 1, 4]]).all()
    assert np.isnan(found.best(1)).all()
    assert not np.isnan(found.best(2)).any()
    left = oracle_routes(small_model, texts(), unit="exit")
    assert left.routes == 4
    whole = oracle_routes(small_model, texts(), unit="layer")
    assert (whole.loss[:, 1:] <= left.loss[:, 1:] + 1e-12).all()


def test_difficulty_is_what_computing_is_worth_and_not_the_loss(small_model: Any) -> None:
    found = oracle_routes(small_model, texts(), small=small_of(small_model))
    np.testing.assert_array_equal(found.difficulty, found.least_loss - found.loss.min(1))
    family = family_of(small_model)
    passed = TokenPass(family, texts()[0], unit="ffn", small=small_of(small_model))
    np.testing.assert_allclose(found.least_loss[found.text == 0], passed.losses(np.full((1, 4), SMALL))[0])
    assert (found.difficulty >= 0).all()
    assert not np.allclose(found.difficulty, found.least_loss)
    # Two tokens: one that nothing helps, and one that computing helps, though its loss is lower throughout.
    loss = np.array([[9.0, 9.0, 9.0], [3.0, 1.0, 2.0]])
    made = Oracle(
        "ffn", ("big", "small"), "exact", 4, 0, (0, 1, 2), np.zeros(2, int), np.arange(2), loss,
        np.zeros((2, 3, 2), np.int8), loss[:, 2], loss[:, 0],
    )  # fmt: skip
    assert made.difficulty.tolist() == [0.0, 2.0]


def test_regret_is_beside_the_oracle_at_the_same_budget(small_model: Any) -> None:
    given = texts()
    exact = oracle_routes(small_model, given, unit="layer")
    never = exact.regret(replay(small_model, NeverExitPolicy(), given))
    assert (never.blocks, never.policy) == (4.0, "NeverExitPolicy")
    np.testing.assert_allclose(never.values, exact.full_loss - exact.best(), atol=1e-4)
    assert never.low <= never.mean <= never.high
    left = exact.regret(replay(small_model, FixedExitPolicy(depth=2, cache="deferred"), given))
    shallow = oracle_routes(small_model, given, unit="exit").loss[:, 2]
    assert left.blocks == 2
    np.testing.assert_allclose(left.values, shallow - exact.best(2), atol=1e-4)
    assert (left.values >= -1e-4).all()
    with pytest.raises(ArgumentError, match="other texts"):
        exact.regret(replay(small_model, NeverExitPolicy(), given[:1]))
    with pytest.raises(ArgumentError, match="another model"):
        exact.regret(replay(TINY["llama"](dtype=torch.float64, layers=4, seed=3), NeverExitPolicy(), given))
    with pytest.raises(ArgumentError, match="budgets that were looked at"):
        oracle_routes(small_model, given, unit="layer", budgets=[3]).regret(
            replay(small_model, FixedExitPolicy(depth=2, cache="deferred"), given)
        )


@pytest.mark.parametrize("name", policy_names())
def test_every_policy_has_a_regret(name: str) -> None:
    model, given = TINY["llama"](layers=6), texts()
    policy = policy_named(name, **POLICIES[name].promise.options)
    by_unit = "ffn" if policy.unit == "ffn" else "layer"
    small = getattr(policy, "small", None)
    found = oracle_routes(model, given, unit=by_unit, small=small).regret(replay(model, policy, given))  # type: ignore[arg-type]
    assert found.policy == type(policy).__name__
    assert np.isfinite(found.values).all()
    assert len(found.values) == 13
    assert found.low <= found.mean <= found.high
    if policy.cache == "deferred":  # the past is then the full model's, and nothing can do better than the oracle
        assert (found.values > -1e-3).all()


def test_difficulty_is_correlated_with_windows_and_with_the_control() -> None:
    model = TINY["llama"](layers=6)
    given = texts(*[(14 + number % 3, 4) for number in range(12)])
    found = oracle_routes(model, given)
    rows = difficulty_correlations(model, given, found, window=4, resamples=200)
    by_name = {row.name: row for row in rows}
    assert len(by_name) == len(rows) == 4 * 4 + 4 * 2 + 3
    assert [by_name[name].windowed for name in ("windowed", "raw", "both", "cosine, last")] == [
        True,
        False,
        True,
        False,
    ]
    for row in rows:
        assert -1 <= row.low <= row.correlation <= row.high <= 1, row
        assert (row.tokens, row.texts) == (len(found.text), 12)
    family = family_of(model)
    from adapters.signals import signals

    cosine = np.concatenate(
        [signals(TokenPass(family, text, unit="ffn", small=None).states)[:, -1, 0].numpy() for text in given]
    )
    expected = spearmanr(cosine, found.difficulty).statistic
    assert by_name["cosine, last"].correlation == pytest.approx(expected, abs=1e-6)
    assert difficulty_correlations(model, given, found, window=4, resamples=200) == rows
    early = difficulty_correlations(model, given, found, depth=5, window=4, resamples=50)
    assert early[0].correlation != rows[0].correlation


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"unit": "head"}, UnknownNameError, "unit"),
        ({"search": "all"}, UnknownNameError, "search"),
        ({"unit": "exit", "search": "beam"}, ArgumentError, "search"),
        ({"choices": ("big", "tiny")}, UnknownNameError, "choices"),
        ({"choices": ("big",)}, ArgumentError, "choices"),
        ({"choices": ("small", "skip")}, ArgumentError, "choices"),
        ({"choices": ("big", "small")}, ArgumentError, "small"),
        ({"unit": "layer", "budgets": [0]}, ValueRangeError, "budgets"),
        ({"budgets": [9]}, ValueRangeError, "budgets"),
        ({"budgets": [1.5]}, ValueRangeError, "budgets"),
        ({"budgets": []}, ArgumentError, "budgets"),
        ({"beam": 0}, ValueRangeError, "beam"),
        ({"small": 3}, InputTypeError, "small"),
        ({"texts": [Continuation(np.array([1, 2]), 1)]}, ArgumentError, "texts"),
    ],
)
def test_what_has_no_oracle_is_refused(
    small_model: Any, options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        oracle_routes(small_model, options.pop("texts", texts()), **options)
