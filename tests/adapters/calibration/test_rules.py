"""Rules against slow loops: what they do with a token, what that costs, and how they are ordered."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from adapters.calibration.costs import Costs
from adapters.calibration.risk import learn_then_test
from adapters.calibration.rules import DepthRule, Rule, SkipRule, choose_rules, losses_of
from adapters.calibration.table import ExitTable
from adapters.families import family_of
from adapters.heads.logistic import Logistic
from tests.adapters.driving import tiny
from tests.adapters.fitting import seen

LAYERS = 9
COSTS = Costs(head=6.0, prediction=0.6, classifier=0.05, completion=0.2)


def slow(rule: Rule, table: ExitTable, costs: Costs, layers: int) -> list[tuple[int, bool, int, int, float]]:
    """Token by token and depth by depth."""
    found = []
    for token in range(len(table.text)):
        column, agrees, classifiers, looks, left = -1, True, 0, 0, layers
        for each in rule.exits:
            at = table.depths.index(each.depth)
            if each.classifier is not None:
                classifiers += 1
                score = float(table.features[token, at] @ each.classifier.weight + each.classifier.bias)
                if not score >= each.classifier_threshold:
                    continue
            looks += 1
            if table.confidence[token, at] >= each.threshold:
                column, agrees, left = at, bool(table.correct[token, at]), each.depth
                break
        spent = left + costs.completion * (layers - left) + costs.classifier * classifiers + costs.prediction * looks
        found.append((column, agrees, classifiers, looks, spent + (costs.head if column < 0 else 0.0)))
    return found


def drawn_rule(seed: int, depths: tuple[int, ...]) -> Rule:
    rng = np.random.default_rng(seed)
    exits = []
    for depth in depths:
        if rng.random() < 0.2:
            continue
        classifier = Logistic(rng.normal(size=3), float(rng.normal())) if rng.random() < 0.6 else None
        exits.append(
            DepthRule(depth, classifier, float(rng.normal()) if classifier else -np.inf, float(rng.uniform(0.3, 1.0)))
        )
    return Rule(0.1, tuple(exits))


@pytest.mark.parametrize("seed", range(12))
def test_outcome_and_cost(seed: int) -> None:
    table = seen((4, 6, 9), texts=15, tokens=8, seed=seed)
    table.features[::17, :, 1] = np.nan
    table.confidence[::23] = np.nan
    rule = drawn_rule(seed, table.depths)
    expected = slow(rule, table, COSTS, LAYERS)
    columns = (*rule.outcome(table), rule.cost(table, COSTS, LAYERS))
    for found, wanted in zip(columns, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(found, np.array(wanted, dtype=float), rtol=1e-12)


def test_a_rule_of_nothing_is_the_whole_model() -> None:
    table = seen()
    column, agrees, classifiers, looks = Rule(0.1, ()).outcome(table)
    assert (column == -1).all()
    assert agrees.all()
    assert not classifiers.any()
    assert not looks.any()
    np.testing.assert_array_equal(Rule(0.1, ()).cost(table, COSTS, LAYERS), COSTS.full_model(LAYERS))


def test_a_prediction_at_the_threshold_leaves() -> None:
    confidence = np.array([[0.5], [np.nextafter(0.5, 0)]])
    table = ExitTable(np.array([0, 1]), (4,), np.array([[[0.25]], [[0.25]]]), confidence, np.ones((2, 1), dtype=bool))
    classifier = Logistic(np.array([1.0]), 0.0)
    for limit, opened in ((0.25, 2.0), (np.nextafter(0.25, 1), 0.0)):
        column, _, _, looks = Rule(0.1, (DepthRule(4, classifier, limit, 0.5),)).outcome(table)
        assert looks.sum() == opened
        assert column.tolist() == ([0, -1] if opened else [-1, -1])


def test_what_is_not_a_number_stays() -> None:
    """Neither a gate nor a look that gives NaN lets a token go."""
    table = seen((4,), texts=4, tokens=3)
    classifier = Logistic(np.ones(3), 0.0)
    always = Rule(0.1, (DepthRule(4, classifier, -1e9, 0.0),))
    assert (always.outcome(table)[0] == 0).all()
    table.features[3] = np.nan
    table.confidence[5] = np.nan
    column, _, _, looks = always.outcome(table)
    assert np.flatnonzero(column < 0).tolist() == [3, 5]
    assert np.flatnonzero(looks == 0).tolist() == [3]


# ---- choosing ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table() -> ExitTable:
    return seen((4, 6, 8, 9), texts=120, tokens=12)


@pytest.fixture(scope="module")
def rules(table: ExitTable) -> list[Rule]:
    return choose_rules(table, COSTS, LAYERS)


def test_rules_go_from_careful_to_bold(rules: list[Rule], table: ExitTable) -> None:
    assert len(rules) > 8
    assert all(one.tolerance < other.tolerance for one, other in pairwise(rules))
    wrong = [float((~rule.outcome(table)[1]).mean()) for rule in rules]
    assert wrong[0] < 0.01
    assert wrong[-1] > 0.1
    assert np.corrcoef(np.arange(len(wrong)), np.argsort(np.argsort(wrong)))[0, 1] > 0.9


def test_each_rule_saves_and_looks_by_rising_depth(rules: list[Rule], table: ExitTable) -> None:
    for rule in rules:
        depths = [each.depth for each in rule.exits]
        assert depths == sorted(set(depths))
        assert set(depths) <= set(table.depths)
        assert rule.cost(table, COSTS, LAYERS).mean() < COSTS.full_model(LAYERS)
        assert all(0 <= each.threshold <= 1 for each in rule.exits)
        assert not rule.skips


def test_bolder_rules_cost_less(rules: list[Rule], table: ExitTable) -> None:
    costs = [float(rule.cost(table, COSTS, LAYERS).mean()) for rule in rules]
    assert costs[-1] < 0.8 * costs[0]


def test_no_rule_does_what_another_did(rules: list[Rule], table: ExitTable) -> None:
    told = [rule.outcome(table)[0].tobytes() for rule in rules]
    assert len(set(told)) == len(told)


def test_looks_are_wrong_about_as_often_as_is_tolerated() -> None:
    """A threshold stands where a look is wrong with the tolerated probability; beyond it, it is wrong less often."""
    many = seen((6,), texts=600, tokens=10)
    for rule in choose_rules(many, Costs(head=6.0, prediction=0.01), LAYERS):
        (each,) = rule.exits
        near = np.abs(many.confidence[:, 0] - each.threshold) < 0.02
        leaves = rule.outcome(many)[0] == 0
        assert (~many.correct[leaves, 0]).mean() <= rule.tolerance * 1.25 + 0.01
        if near.sum() > 300:
            assert (~many.correct[near, 0]).mean() == pytest.approx(rule.tolerance, abs=0.08)


def test_a_gate_is_taken_where_looks_are_dear() -> None:
    table = seen((4, 6, 8), texts=120, tokens=10)
    dear = choose_rules(table, Costs(head=6.0, prediction=2.0, classifier=0.01), LAYERS)
    cheap = choose_rules(table, Costs(head=6.0, prediction=0.001, classifier=0.5), LAYERS)
    assert any(each.classifier is not None for rule in dear for each in rule.exits)
    assert all(each.classifier is None for rule in cheap for each in rule.exits)


def test_no_rule_where_nothing_pays() -> None:
    table = seen((4, 6, 8))
    assert choose_rules(table, Costs(head=0.1, prediction=20.0), LAYERS) == []
    table.correct[:] = False
    assert choose_rules(table, COSTS, LAYERS) == []


def test_only_the_head_is_saved_at_the_last_layer() -> None:
    (rule, *_) = choose_rules(seen((LAYERS,), signal=20.0), COSTS, LAYERS)
    table = seen((LAYERS,), signal=20.0)
    column, _, classifiers, looks = rule.outcome(table)
    expected = (
        LAYERS + COSTS.classifier * classifiers + COSTS.prediction * looks + np.where(column < 0, COSTS.head, 0.0)
    )
    np.testing.assert_allclose(rule.cost(table, COSTS, LAYERS), expected)


def test_choosing_is_deterministic_and_changes_nothing(rules: list[Rule], table: ExitTable) -> None:
    before = table.features.copy(), table.confidence.copy(), table.correct.copy()
    again = choose_rules(table, COSTS, LAYERS)
    assert [each.to_dict() for each in again] == [each.to_dict() for each in rules]
    for one, other in zip(before, (table.features, table.confidence, table.correct), strict=True):
        np.testing.assert_array_equal(one, other)


# ---- losses --------------------------------------------------------------------------------------------------------


def test_losses_of_texts_in_any_order(rules: list[Rule], table: ExitTable) -> None:
    texts = np.random.default_rng(1).permutation(60)[:40]
    part = table.of_texts(texts)
    losses, sizes = losses_of(rules, part, texts)
    for row, rule in enumerate(rules):
        agrees = rule.outcome(part)[1]
        for place, text in enumerate(texts):
            tokens = [token for token in range(len(part.text)) if part.text[token] == text]
            assert sizes[place] == len(tokens)
            assert losses[row, place] == sum(not agrees[token] for token in tokens)


def test_texts_without_tokens_are_left_out(rules: list[Rule], table: ExitTable) -> None:
    losses, sizes = losses_of(rules, table.of_texts([3, 7]), np.array([7, 500, 3]))
    assert sizes.tolist() == [12, 12]
    assert losses.shape == (len(rules), 2)
    none, _ = losses_of([], table.of_texts([3, 7]), np.array([7, 3]))
    assert none.shape == (0, 2)


def test_the_promise_holds_on_simulated_evidence() -> None:
    """Rules are chosen on some texts and tested on others; of many repetitions, few may exceed the risk."""
    risk, exceeded, found, repetitions = 0.1, 0, 0, 12
    for seed in range(repetitions):
        table = seen((4, 6, 8), texts=700, tokens=8, seed=seed)
        rules = choose_rules(table.of_texts(np.arange(60)), COSTS, LAYERS)[::4]
        tested = np.arange(60, 200)
        control = learn_then_test(
            *losses_of(rules, table.of_texts(tested), tested), risk=risk, confidence=0.9, max_size=8, seed=seed
        )
        if control.index is None:
            continue
        found += 1
        fresh = table.of_texts(np.arange(200, 700))
        exceeded += float((~rules[control.index].outcome(fresh)[1]).mean()) > risk
    assert found > 9
    # With probability 0.004 more than 4 of 12 where each exceeds with 0.1.
    assert exceeded <= 4


# ---- plain numbers -------------------------------------------------------------------------------------------------


def test_there_and_back(rules: list[Rule], table: ExitTable) -> None:
    for rule in rules:
        again = Rule.from_dict(rule.to_dict())
        assert again.to_dict() == rule.to_dict()
        for one, other in zip(rule.outcome(table), again.outcome(table), strict=True):
            np.testing.assert_array_equal(one, other)


def test_groups_of_blocks_there_and_back() -> None:
    rule = Rule(0.2, (), (SkipRule((4, 5), Logistic(np.array([0.5, -1.0]), 0.25), -0.75),))
    (group,) = Rule.from_dict(rule.to_dict()).skips
    assert group.layers == (4, 5)
    assert group.classifier_threshold == -0.75
    np.testing.assert_array_equal(group.classifier.weight, [0.5, -1.0])
    assert Rule.from_dict({"tolerance": 0.1, "exits": []}).skips == ()


# ---- costs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt_neox", "opt", "phi3", "mixtral", "falcon", "bloom"])
def test_costs_follow_from_sizes(name: str) -> None:
    family = family_of(tiny(name))
    layer: Any = family.layers[2]
    # A token meets two of Mixtral's four experts.
    experts = sum(each.numel() for part, each in layer.named_parameters() if ".experts." in part)
    count = sum(each.numel() for each in layer.parameters()) - experts / 2
    costs = Costs.of(family, rank=32, candidates=10)
    assert costs.head == pytest.approx(101 * family.width / count)
    width = family.width
    assert costs.prediction == pytest.approx((101 * 32 / 4 + width * 32 + 10 * width + width**2) / count)
    assert 0.3 < costs.ffn < 0.8
    assert not costs.measured
    assert costs.full_model(5) == pytest.approx(5 + costs.head)
