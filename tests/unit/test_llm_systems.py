"""What the comparison of systems computes: budgets, intervals, scores, oracles, and where a policy stands."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from adapters import full_model_continuations
from adapters.calibration.costs import Costs
from adapters.calibration.rules import DepthRule
from adapters.calibration.table import ExitTable
from adapters.families import family_of
from benchmarks.llm.systems import tables
from benchmarks.llm.systems.account import BUDGETS, Account, Use, within
from benchmarks.llm.systems.contenders import CONTROL, EWS, SYSTEMS, Choice, _decided_by_classifiers
from benchmarks.llm.systems.judging import Judge
from benchmarks.llm.systems.pages import left_out, said_of
from benchmarks.llm.systems.statistics import (
    calibration_error,
    exact_match,
    interval,
    paired_interval,
    repetition,
    standing,
)
from benchmarks.llm.systems.workbench import TOKENS

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
ACCOUNT = Account(Costs(head=5.0, prediction=1.0, classifier=0.5, ffn=0.7, completion=0.25), layers=10, projection=0.1)

# ---- budgets ------------------------------------------------------------------------------------------------------


def test_full_model_costs_itself() -> None:
    for cache in ("exact", "monotone", "propagate", "deferred"):
        assert ACCOUNT.share(Use(10, 10, 1), cache) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("use", "cache", "layers"),
    [
        (Use(6, 6, 1), "monotone", 6 + 5),
        (Use(6, 6, 1), "propagate", 6 + 4 * 0.1 + 5),
        (Use(6, 6, 1), "deferred", 6 + 4 * 0.25 + 5),
        (Use(10, 6, 1), "exact", 10 - 4 * 0.7 + 5),
        (Use(6, 6, 3), "monotone", 6 + 15),
        (Use(10, 6, 1, substitutes=0.5), "exact", 10 - 3.5 * 0.7 + 5),
        (Use(6, 6, 0, predictions=2, classifiers=1), "monotone", 6 + 2 + 0.5),
    ],
)
def test_what_is_left_out_is_not_paid(use: Use, cache: str, layers: float) -> None:
    assert ACCOUNT.share(use, cache) == pytest.approx(layers / 15)


def test_what_no_policy_spares_is_paid_by_all() -> None:
    found = {"costs": asdict(replace(ACCOUNT.costs, measured=True)), "layer_seconds": 0.002, "projection": 0.1}
    timed = Account.measured(found, layers=10, token_seconds=0.04)  # twenty layers, of which fifteen are model
    assert timed.other == pytest.approx(5.0)
    assert timed.share(Use(10, 10, 1), "exact") == pytest.approx(1.0)
    assert timed.share(Use(6, 6, 0, predictions=1), "monotone") == pytest.approx((6 + 1 + 5) / 20)
    assert Account.measured(found, layers=10, token_seconds=0.01).other == 0.0
    one = {"choice": {"policy": "ews"}, "cache": "monotone", "layers": 6.0, "ffn_blocks": 6.0, "heads": 0.0}
    one |= {"predictions": 1.0, "classifiers": 0.0}
    assert tables.theory_of_times(one, timed) == pytest.approx(0.6)
    assert tables.theory_of_times(one, None) is None
    assert tables.theory_of_times({**one, "choice": {"policy": "folder"}}, timed) is None


@pytest.mark.parametrize("target", [0.3, 0.55, 0.99])
@pytest.mark.parametrize("rises", [True, False])
def test_bisection_comes_as_near_to_a_budget_as_can_be(target: float, rises: bool) -> None:
    def cost(value: float) -> float:
        return 0.2 + 0.8 * (value if rises else 1 - value)

    value = within(cost, target, (0.0, 1.0))
    assert value is not None
    assert target - 1e-3 < cost(value) <= target


def test_bisection_keeps_below_a_budget_between_steps() -> None:
    value = within(lambda each: np.ceil(each) / 10, 0.75, (0.0, 10.0))
    assert value is not None
    assert np.ceil(value) == 7


def test_bisection_says_what_cannot_be_met() -> None:
    assert within(lambda each: 0.5 + each, 0.4, (0.0, 1.0)) is None
    assert within(lambda each: 0.1 * each, 0.4, (0.0, 1.0)) == 1.0  # even the dearest fits


# ---- intervals and scores -----------------------------------------------------------------------------------------


def test_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, high = interval(random.normal(0.7, 0.1, 40).tolist())
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_interval_of_texts_that_all_agree_is_not_a_point() -> None:
    low, high = interval([1.0] * 32, [47] * 32)
    assert high == 1.0
    assert 0.997 < low < 0.998
    assert interval([0.0] * 10) == pytest.approx((0.0, 1 - 0.025**0.1))


def test_longer_texts_count_for_more() -> None:
    low, high = interval([1.0, 0.0], [99, 1])
    assert low <= 0.99 <= high
    assert paired_interval([1.0, 0.0], [0.0, 0.0], [99, 1])[0] == pytest.approx(0.99)


def test_a_difference_on_the_same_texts_is_seen_where_texts_differ_more_than_systems() -> None:
    texts = np.random.default_rng(1).uniform(0.2, 0.9, 30)
    difference = paired_interval(texts + 0.02, texts)
    assert standing(difference) == "better"
    assert standing(paired_interval(texts, texts + 0.02)) == "losing"
    assert standing(paired_interval(texts, texts)) == "equal within the interval"
    shuffled = np.random.default_rng(2).permutation(texts)
    assert standing(paired_interval(texts, shuffled)) == "equal within the interval"


def test_calibration_error() -> None:
    random = np.random.default_rng(0)
    probability = random.uniform(size=20_000)
    assert calibration_error(probability, random.uniform(size=20_000) < probability) < 0.02
    assert calibration_error(np.full(300, 0.9), np.arange(300) % 2 == 0) == pytest.approx(0.4, abs=0.03)


@pytest.mark.parametrize(
    ("tokens", "share"), [([1, 2, 3, 4, 5, 6], 0.0), ([1, 2, 3], 0.0), ([7] * 7, 0.75), ([1, 2, 3, 4] * 2, 0.2)]
)
def test_repetition(tokens: list[int], share: float) -> None:
    assert repetition(tokens) == pytest.approx(share)


@pytest.mark.parametrize(
    ("said", "answers", "score"),
    [
        ("The Eiffel  Tower.", ["eiffel tower"], 1.0),
        ("Paris\nand more", ["Paris"], 1.0),
        ("in Paris", ["Paris"], 0.0),
        ("", ["Paris"], 0.0),
        ("1,000", ["1000", "a thousand"], 1.0),
    ],
)
def test_exact_match(said: str, answers: list[str], score: float) -> None:
    assert exact_match(said, answers) == score


# ---- verdicts -----------------------------------------------------------------------------------------------------


def one(differ: list[int]) -> dict[str, Any]:
    return {
        "choice": {"setting": "as it is", "policy": "fixed"},
        "agreement_in_fitting": 1 - sum(differ) / (40 * len(differ)),
        "differ": differ,
        "sizes": [40] * len(differ),
        "layers": 5.0,
        "ffn_blocks": 5.0,
        "theory": 0.7,
        "memory": 0.5,
        "ece": 0.1,
        "own_perplexity": 3.0,
        "full_own_perplexity": 2.0,
        "perplexity": 20.0,
        "full_perplexity": 15.0,
    }


def judged(**systems: list[int] | None) -> dict[tuple[str, float], dict[str, Any]]:
    names = {"ews": EWS, "control": CONTROL, "fixed": "fixed exit", "random": "random exit"}
    return {
        (names[name], budget): {"reason": "none fits: at its boldest it costs 0.80"} if differ is None else one(differ)
        for name, differ in systems.items()
        for budget in BUDGETS
    }


@pytest.mark.parametrize(
    ("ews", "fixed", "says"),
    [
        ([1, 2] * 8, [9, 9] * 8, "better"),
        ([9, 9] * 8, [1, 2] * 8, "losing"),
        ([3, 5] * 8, [5, 3] * 8, "equal within the interval"),
        (None, [1, 2] * 8, "losing"),
        ([1, 2] * 8, None, "better"),
    ],
)
def test_verdict_is_computed(ews: list[int] | None, fixed: list[int] | None, says: str) -> None:
    found = tables.verdicts(judged(ews=ews, control=ews, fixed=fixed, random=[20] * 16), {})
    best = [row for row in found if row["EWS against the"] == "best other system"]
    if fixed is None:
        assert {row["System"] for row in best} == {"random exit"}
    else:
        assert {row["System"] for row in best} == {"fixed exit"}
    assert [row["EWS is"] for row in best] == [says] * len(BUDGETS)
    controls = [row for row in found if row["EWS against the"] == "control" and row["System"] == CONTROL]
    assert len(controls) == len(BUDGETS)


def test_what_was_not_measured_is_not_called_worse() -> None:
    found = tables.verdicts(judged(ews=[1, 2] * 8), {})
    assert {row["System"] for row in found if row["EWS against the"] != "control"} == {"not measured"}
    assert {row["EWS is"] for row in found} == {"–"}
    assert not any("better" in sentence for sentence in said_of(found))
    fitting = tables.verdicts(judged(ews=[1, 2] * 8, control=None, fixed=None), {})
    assert {row["EWS is"] for row in fitting if row["System"] in ("none fits", CONTROL)} == {"better"}


KEPT = sorted(FOLDER.glob("llm_systems_*.json"))


def read(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_committed_tables_are_what_their_numbers_say(path: Path) -> None:
    kept, model = json.loads(path.read_text(encoding="utf-8")), path.stem.removeprefix("llm_systems_")
    found = {
        what: {(each["system"], each["budget"]): each for each in kept[what]} for what in ("judged", "timed", "tasks")
    }
    scores = {place: each["scores"] for place, each in found["tasks"].items()}
    means = {place: {task: sum(each) / len(each) for task, each in one.items()} for place, one in scores.items()}
    assert read(f"llm_systems_verdicts_{model}.csv") == tables.verdicts(found["judged"], found["timed"])
    rows = tables.rows(kept["never"], found["judged"], found["timed"], means, kept["layers"])
    assert read(f"llm_systems_{model}.csv") == rows
    if scores:
        assert read(f"llm_systems_tasks_{model}.csv") == tables.task_rows(scores)
    for budget in BUDGETS:  # what claims something for windows has the control without them beside it
        systems = {row["System"] for row in rows if row["Budget"] == f"{budget:g}"}
        assert {EWS, CONTROL} <= systems
    page = (FOLDER / "llm_systems.inc").read_text(encoding="utf-8")
    assert f"llm_systems_verdicts_{model}.csv" in page
    assert all(sentence in page for sentence in said_of(read(f"llm_systems_verdicts_{model}.csv")))


def test_a_classifier_alone_lets_those_leave_that_it_thinks_right_and_the_last_look_takes_the_rest() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(400, 3, 2))
    right = features[:, :, 0] + 0.3 * random.normal(size=(400, 3)) > 0
    right[:, 2] = True
    table = ExitTable(np.repeat(np.arange(20), 20), (4, 6, 8), features, np.full((400, 3), 0.01), right)
    last = DepthRule(8, None, -np.inf, 0.0)
    rules = _decided_by_classifiers(table, 8, last)
    assert {tuple(each.depth for each in rule.exits) for rule in rules} == {(4, 8), (6, 8), (4, 6, 8)}
    of_one = [rule for rule in rules if len(rule.exits) == 2 and rule.exits[0].depth == 4]
    outcomes = [rule.outcome(table) for rule in of_one]
    left = [float((columns == 0).mean()) for columns, *_ in outcomes]
    assert left == sorted(left, reverse=True)
    assert left[0] > left[-1] > 0
    assert all((columns >= 0).all() for columns, *_ in outcomes)  # nobody reads the full head
    agrees = [float(told.mean()) for _, told, *_ in outcomes]
    assert agrees[-1] > 0.97 > agrees[0]
    assert all((predictions == 1).all() for *_, predictions in outcomes)  # one each, wherever it leaves


def test_there_are_tables() -> None:
    assert KEPT, "run: python -m benchmarks.llm.systems"


def test_every_system_has_a_row_and_what_was_not_measured_says_so() -> None:
    never = one([0] * 16)
    known = judged(ews=[1, 2] * 8, control=[1, 2] * 8, fixed=None, random=[20] * 16)
    found = tables.rows(never, known, {}, {}, layers=10)
    assert len(found) == 2 + len(SYSTEMS) * len(BUDGETS)
    assert {row["Setting"] for row in found if row["System"] == "Duo-LLM"} == {"not measured"}
    assert all(row["Time"] == "not measured" for row in found if row["Setting"] == "as it is")
    assert all(row["Agreement"] == "–" for row in found if row["Setting"].startswith("none fits"))
    control = next(row for row in found if row["System"] == CONTROL)
    assert control["EWS against it"].startswith("equal within the interval")


def test_page_says_what_a_table_lacks() -> None:
    def row(budget: str, system: str, setting: str = "not measured") -> dict[str, str]:
        return {"Budget": budget, "System": system, "Setting": setting}

    rows = [row("–", "full model", ""), row("0.9", "A"), row("0.9", "B", "none fits"), row("0.6", "A", "after 3")]
    assert left_out(rows) == "Not measured, for want of time: A at 0.9."
    assert left_out([*rows, row("0.6", "C"), row("0.9", "C")]).endswith("A at 0.9, C.")
    assert left_out(rows[:1]) == ""


# ---- oracles --------------------------------------------------------------------------------------------------------


def test_each_kind_of_policy_has_an_oracle_of_its_kind() -> None:
    """A model of more layers than all routes of which can be looked at."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=13, num_attention_heads=2,
        eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    texts = full_model_continuations(model, [[1, 2, 3], [4, 5], [6, 7, 8], [9, 10], [11, 12]], max_new_tokens=8)
    bench: Any = SimpleNamespace(model=model, family=family_of(model), judged=texts)
    judge = Judge(bench)
    found = {
        name: judge.regret(Choice("", name, options))
        for name, options in {
            "never": {},
            "fixed": {"depth": 5},
            "skip_decode": {"length": TOKENS - 1, "max_exit": 9, "min_exit": 4},
            "random_ffn": {"rate": 0.5},
        }.items()
    }
    assert {name: each["oracle"].split(";")[0] for name, each in found.items()} == {
        "never": "all exits",
        "fixed": "all exits",
        "skip_decode": "8 routes a number of layers, drawn",
        "random_ffn": "8 routes a number of blocks, drawn",
    }
    for name in ("never", "fixed"):  # what they do is among what the oracle looks at
        mean, low, high = found[name]["regret"]
        assert 0 <= low <= mean <= high
    config.num_hidden_layers = 4
    shallow = LlamaForCausalLM(config).eval()
    bench = SimpleNamespace(model=shallow, family=family_of(shallow), judged=texts)
    judge = Judge(bench)
    assert judge.regret(Choice("", "never"))["oracle"] == "all routes of layers; 5 texts"
    assert judge.regret(Choice("", "random_ffn", {"rate": 0.5}))["oracle"] == "all routes of blocks; 5 texts"
