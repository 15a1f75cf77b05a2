"""The guard: deaf it changes nothing, alarmed it runs everything, and it says why."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adapters.errors import PolicyMismatchError
from adapters.families import Family
from adapters.guard.alarm import Detector
from adapters.guard.calibration import _looped, default_monitors
from adapters.guard.chart import ScoreChart
from adapters.guard.policy import Guarded
from adapters.guard.token_signals import Cycle, Repetition, TokenSignals, logit_signals
from adapters.policies import Exit, FixedExitPolicy, NeverExitPolicy, Plan, Policy, RandomExitPolicy, Trajectory
from ews import IndicatorMonitor
from ews.errors import ArgumentError, EWSError, InputTypeError, UnknownNameError, ValueRangeError
from tests.adapters.tiny import TINY, VOCABULARY

LAYERS, NEW, FIRST = 5, 40, 12
SAMPLED = {"do_sample": True, "top_k": 0}


class Babbling(Policy):
    """Leaves after two layers, and from some token on what it emits there is given, for some rows."""

    def __init__(self, emits: float | None, *, rows: Sequence[int] | None = None, cache: Any = "deferred") -> None:
        super().__init__(unit="layer", cache=cache)
        self.emits, self.rows = emits, rows

    def bind(self, family: Family) -> None:
        self.head = family

    def plan(self, step: int) -> Plan:
        self.step = step
        return Plan(checks=(2,))

    def check(self, trajectory: Trajectory) -> Exit | None:
        self.looking += 1.0
        self.heads += 1
        logits = self.head.logits(self.head.finish(trajectory.state()))
        if self.emits is not None and self.step >= FIRST:
            among = np.arange(len(logits)) if trajectory.rows is None else trajectory.rows
            babbles = np.isin(among, np.arange(99) if self.rows is None else self.rows)
            logits[torch.from_numpy(babbles)] = self.emits
            logits[torch.from_numpy(babbles), 7] += 0.01  # so that the likeliest token is not padding
        return Exit(None, logits)


class LeavingOut(Policy):
    """Leaves layers or feed-forward blocks out from some token on."""

    def __init__(self, *, layers: Sequence[int] = (), feeds: Sequence[int] = (), routes: Sequence[int] = ()) -> None:
        super().__init__(unit="both", cache="propagate")
        known = np.array(routes) if routes else None
        self.what = Plan(skip_layers=frozenset(layers), ffn_checks=frozenset(feeds), ffn_routes=known)
        self.asked: list[int] = []

    def plan(self, step: int) -> Plan:
        return self.what

    def run_ffn(self, index: int, post_attention: Tensor) -> bool:
        self.asked.append(index)
        return False

    def instead_of_ffn(self, index: int, post_attention: Tensor) -> Tensor:
        return torch.zeros_like(post_attention)


@pytest.fixture(scope="module")
def model() -> Any:
    return TINY["llama"](layers=LAYERS)


def prompts(n: int, seed: int, *, length: int = 6) -> list[list[int]]:
    found: list[list[int]] = np.random.default_rng(seed).integers(1, VOCABULARY, size=(n, length)).tolist()
    return found


@pytest.fixture(scope="module")
def saved(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guard that was calibrated on texts of the tiny model."""
    guarded = Guarded(NeverExitPolicy())
    guarded.calibrate(model, prompts(120, 1), max_new_tokens=NEW, rows=60, false_alarm_rate=0.05, **SAMPLED)
    path = tmp_path_factory.mktemp("guard") / "guard.json"
    guarded.save(path)
    return path


def indicator() -> IndicatorMonitor:
    return IndicatorMonitor(window=8, history=8, detrend=None, indicators=("mean", "ac1"))


@pytest.fixture(scope="module")
def of_indicators(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A guard that watches indicators in a window."""
    guarded = Guarded(NeverExitPolicy(), monitors={"entropy": indicator()})
    guarded.calibrate(model, prompts(120, 1), max_new_tokens=NEW, rows=60, false_alarm_rate=0.05, **SAMPLED)
    path = tmp_path_factory.mktemp("guard") / "guard.json"
    guarded.save(path)
    return path


def with_monitors(saved: Path, monitors: dict[str, Detector]) -> Path:
    """The same guard with other monitors."""
    found = json.loads(saved.read_text())
    found["monitors"] = {name: monitor.to_dict() for name, monitor in monitors.items()}
    return sealed(found, saved.with_name("other.json"))


def sealed(found: dict[str, Any], path: Path) -> Path:
    """Write a guard with its digest, as someone who writes such files would."""
    content = {name: part for name, part in found.items() if name not in ("guard", "sha256")}
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"))
    path.write_text(json.dumps({**found, "sha256": hashlib.sha256(plain.encode()).hexdigest()}))
    return path


@pytest.fixture(scope="module")
def deaf(saved: Path) -> Path:
    """A guard whose thresholds no text reaches."""
    monitor = IndicatorMonitor(window=8, history=8, detrend=None, indicators="mean")
    monitor.calibrate_on(1e6 * np.random.default_rng(0).standard_normal((100, NEW)))
    return with_monitors(saved, {"entropy": monitor})


def generate(model: Any, policy: Policy, *, rows: int = 1, seed: int = 5, new: int = NEW, **options: Any) -> Any:
    input_ids = torch.tensor(prompts(rows, seed))
    return model.generate(
        input_ids=input_ids,
        attention_mask=torch.ones_like(input_ids),
        max_new_tokens=new,
        custom_generate=policy,
        output_logits=True,
        return_dict_in_generate=True,
        **options,
    )


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    "policy",
    [
        lambda: RandomExitPolicy(rate=0.6, cache="deferred"),
        lambda: RandomExitPolicy(rate=0.6, cache="propagate"),
        lambda: FixedExitPolicy(depth=3, cache="propagate"),
        lambda: LeavingOut(layers=(2, 3), feeds=(1,)),
        lambda: Babbling(0.0),
    ],
)
def test_without_an_alarm_nothing_changes(model: Any, deaf: Path, policy: Any, rows: int) -> None:
    alone, guarded = policy(), Guarded.load(deaf, policy())
    plain, watched = (generate(model, each, rows=rows) for each in (alone, guarded))
    assert torch.equal(plain.sequences, watched.sequences)
    assert all(torch.equal(a, b) for a, b in zip(plain.logits, watched.logits, strict=True))
    assert guarded.report().events == ()
    for name in ("exits", "layers_per_token", "ffn_blocks_per_token", "heads_per_token", "unit", "cache"):
        assert getattr(guarded.report(), name) == getattr(alone.report(), name)
    assert guarded.looking == guarded.policy.looking


def test_verified_drafts_are_as_without_a_guard(model: Any, deaf: Path) -> None:
    guarded = Guarded.load(deaf, FixedExitPolicy(depth=3, cache="verify"))
    whole = generate(model, NeverExitPolicy()).sequences
    assert torch.equal(generate(model, guarded).sequences, whole)
    assert guarded.report().drafted > 0
    assert guarded.drafts == guarded.policy.drafts


@pytest.mark.parametrize("kind", ["saved", "of_indicators"])
def test_an_alarm_brings_every_layer_back_and_says_why(model: Any, kind: str, request: pytest.FixtureRequest) -> None:
    saved = request.getfixturevalue(kind)
    guarded = Guarded.load(saved, Babbling(0.0))
    calm = Guarded.load(saved, Babbling(None))
    generate(model, calm, new=FIRST + 1)
    assert calm.report().events == ()  # what follows is not an alarm about the exits before
    generate(model, guarded)
    report = guarded.report()
    (event,) = report.events
    (alarm,) = guarded.alarms
    token = alarm.token
    assert event == f"guard: row 0, token {token}: {alarm.reason}; full depth from here on"
    assert FIRST < token <= FIRST + 8  # within a window of the first token that babbles
    said = {"saved": "higher than in healthy texts", "of_indicators": "standard deviations of the reference"}
    assert said[kind] in event
    assert dict(report.exits) == {2: token, LAYERS: NEW - 1 - token}


def test_what_follows_an_alarm_is_what_the_whole_model_says(model: Any, saved: Path) -> None:
    guarded = Guarded.load(saved, Babbling(0.0))
    found = generate(model, guarded)
    token = guarded.report().exits[2]
    logits = model(found.sequences).logits[0]
    start = found.sequences.shape[1] - NEW
    for place in range(token + 1, NEW):  # the cache is deferred, so that the whole past is exact
        torch.testing.assert_close(found.logits[place][0], logits[start + place - 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_alarm_at_once(model: Any, deaf: Path, bad: float) -> None:
    guarded = Guarded.load(deaf, Babbling(bad))
    found = generate(model, guarded)
    (event,) = guarded.report().events
    assert event == f"guard: row 0, token {FIRST + 1}: logits are no numbers; full depth from here on"
    assert guarded.report().exits == {2: FIRST + 1, LAYERS: NEW - 2 - FIRST}
    assert torch.isfinite(torch.stack(found.logits[FIRST + 2 :])).all()


def test_rows_are_watched_and_restored_one_by_one(model: Any, deaf: Path) -> None:
    guarded = Guarded.load(deaf, Babbling(float("nan"), rows=[1]))
    found = generate(model, guarded, rows=3)
    alone = generate(model, Babbling(float("nan"), rows=[1]), rows=3)
    (event,) = guarded.report().events
    assert event.startswith(f"guard: row 1, token {FIRST + 1}: ")
    rest = NEW - 2 - FIRST
    assert guarded.report().exits == {2: 3 * (NEW - 1) - rest, LAYERS: rest}
    assert torch.equal(found.sequences[[0, 2]], alone.sequences[[0, 2]])
    for place, (one, other) in enumerate(zip(found.logits, alone.logits, strict=True)):
        torch.testing.assert_close(one[[0, 2]], other[[0, 2]], rtol=1e-4, atol=1e-4)
        assert bool(torch.isfinite(one[1]).all()) == (place != FIRST + 1)


def test_a_plan_that_knows_the_exit_is_overruled_for_the_row(model: Any, deaf: Path) -> None:
    guarded = Guarded.load(deaf, FixedExitPolicy(depth=2, cache="deferred"))
    guarded.emitted = _failing_at(guarded, FIRST, row=0)  # type: ignore[method-assign]
    generate(model, guarded, rows=2)
    assert guarded.report().exits == {2: 2 * FIRST + (NEW - 1 - FIRST), LAYERS: NEW - 1 - FIRST}


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ({"layers": (2, 3)}, 2),
        ({"feeds": (1, 2)}, 1),
        ({"feeds": (1, 2)}, 2),
        ({"routes": (1, 2, 0, *[1] * (LAYERS - 3))}, 2),
    ],
)
def test_layers_and_blocks_in_between_come_back(model: Any, deaf: Path, what: Any, rows: int) -> None:
    guarded = Guarded.load(deaf, LeavingOut(**what))
    guarded.emitted = _failing_at(guarded, FIRST, row=0)  # type: ignore[method-assign]
    generate(model, guarded, rows=rows)
    report, rest = guarded.report(), NEW - 1 - FIRST
    left_out = 2 * FIRST * rows
    if "layers" in what:  # out for all rows or for none
        assert report.layers_per_token * report.tokens == pytest.approx(LAYERS * report.tokens - left_out)
    else:
        left_out += 2 * rest * (rows - 1)
        assert report.ffn_blocks_per_token * report.tokens == pytest.approx(LAYERS * report.tokens - left_out)


def _failing_at(guarded: Guarded, token: int, *, row: int) -> Any:
    """As if one row's logits had been no numbers at one token."""
    heard = type(guarded).emitted

    def emitted(logits: Tensor) -> None:
        if guarded._watch.signals.count == token:
            logits = logits.clone()
            logits[row] = torch.nan
        heard(guarded, logits)

    return emitted


def test_each_generation_starts_anew(model: Any, saved: Path) -> None:
    guarded = Guarded.load(saved, Babbling(0.0))
    first = generate(model, guarded)
    events, exits = guarded.report().events, guarded.report().exits
    again = generate(model, guarded)
    assert len(events) == 1
    assert (guarded.report().events, guarded.report().exits) == (events, exits)
    assert torch.equal(first.sequences, again.sequences)
    with guarded.attach(model):
        assert len(guarded.alarms) == 1
        for _ in range(2):
            model.generate(input_ids=torch.tensor(prompts(1, 5)), max_new_tokens=NEW)
            assert guarded.report().events == events


def test_a_cool_down_gives_the_policy_its_say_again(model: Any, saved: Path) -> None:
    guarded = Guarded.load(saved, Babbling(0.0), cooldown=5)
    generate(model, guarded)
    events = guarded.report().events
    assert len(events) > 1
    assert all(event.endswith("full depth for 5 tokens") for event in events)
    tokens = [alarm.token for alarm in guarded.alarms]
    assert min(np.diff(tokens)) > 5  # full depth, then evidence that gathers anew
    whole = sum(min(5, NEW - 1 - token) for token in tokens)
    assert guarded.report().exits == {2: NEW - 1 - whole, LAYERS: whole}


def test_tokens_after_the_end_are_not_watched(model: Any, deaf: Path) -> None:
    guarded = Guarded.load(deaf, Babbling(float("nan"), rows=[0]))
    model.generation_config.eos_token_id = int(generate(model, Babbling(None), rows=2).sequences[0, 9])
    try:
        found = generate(model, guarded, rows=2)
    finally:
        model.generation_config.eos_token_id = None
    assert (found.sequences[0, 10:] == 0).all()  # padding
    assert guarded.report().events == ()


def test_saved_and_loaded_it_is_the_same(model: Any, saved: Path, tmp_path: Path) -> None:
    first = Guarded.load(saved, Babbling(0.0))
    first.save(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(saved.read_text())
    second = Guarded.load(tmp_path / "again.json", Babbling(0.0))
    calibration = second.calibration
    assert calibration is not None
    assert (calibration.prompts, calibration.horizon, calibration.false_alarm_rate) == (120, NEW - 1, 0.05)
    assert "120 recorded" in calibration.sentence
    for guarded in (first, second):
        generate(model, guarded)
    assert first.report().events == second.report().events != ()


def test_one_calibration_serves_several_policies(model: Any, saved: Path) -> None:
    first = Guarded.load(saved, Babbling(0.0))
    second = first.around(NeverExitPolicy(), cooldown=3)
    assert (second.cache, second.cooldown, second.calibration) == ("propagate", 3, first.calibration)
    third = second.around(Babbling(0.0))
    for guarded in (first, third):
        generate(model, guarded)
    assert first.alarms == third.alarms != ()


def test_few_healthy_texts_alarm(model: Any, saved: Path) -> None:
    guarded = Guarded.load(saved, NeverExitPolicy())
    torch.manual_seed(0)
    generate(model, guarded, rows=200, seed=77, **SAMPLED)
    share = len(guarded.report().events) / 200
    error = np.sqrt(0.05 * 0.95 * (1 / 200 + 1 / 60))  # of the texts here, and of those that set the threshold
    assert share <= 0.05 + 3 * error


def test_calibration_leaves_everything_as_it_was(model: Any) -> None:
    monitors = default_monitors()
    guarded = Guarded(NeverExitPolicy(), monitors=monitors)
    rate = {"max_new_tokens": 20, "false_alarm_rate": 0.05}
    state = torch.random.get_rng_state()
    texts = [*prompts(40, 2), *prompts(40, 3, length=4)]
    one = guarded.calibrate(model, texts, rows=80, **rate, **SAMPLED)
    assert torch.equal(state, torch.random.get_rng_state())
    assert monitors["entropy"].calibration is None
    assert "forward" not in model.__dict__
    assert one is guarded.calibration
    greedy = [guarded.calibrate(model, texts, rows=rows, **rate).signals["entropy"] for rows in (7, 80)]
    assert greedy[0].threshold == pytest.approx(greedy[1].threshold, rel=1e-3)  # rows that are padded are as alone


def test_each_signal_has_its_part_of_the_rate(model: Any) -> None:
    monitors: dict[str, Detector] = {name: indicator() for name in ("margin", "entropy")}
    guarded = Guarded(NeverExitPolicy(), monitors=monitors)
    found = guarded.calibrate(model, prompts(78, 2), max_new_tokens=20, rows=78, false_alarm_rate=0.1)
    assert {name: each.false_alarm_rate for name, each in found.signals.items()} == {"margin": 0.05, "entropy": 0.05}
    with pytest.raises(ArgumentError, match=r"got 77 prompts; allowed: at least 78 for a rate of 0\.1 of them over 2"):
        guarded.calibrate(model, prompts(77, 2), max_new_tokens=20, false_alarm_rate=0.1)
    charts = Guarded(NeverExitPolicy())
    with pytest.raises(ArgumentError, match=r"at least 1578 for a rate of 0\.0019 of them over 3"):
        charts.calibrate(model, prompts(77, 2), max_new_tokens=20)  # 1 in 10,000 tokens
    found = charts.calibrate(model, prompts(60, 2), max_new_tokens=20, rows=60, false_alarms=50.0)
    assert found.false_alarms == pytest.approx(50.0)
    assert found.false_alarm_rate == pytest.approx(0.095)
    assert {each.false_alarm_rate for each in found.signals.values()} == {found.false_alarm_rate / 3}
    assert "50 in 10,000 tokens" in found.sentence


def test_what_cannot_be_guarded_is_refused(model: Any, saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="left out for good"):
        Guarded(FixedExitPolicy(depth=2))
    with pytest.raises(ArgumentError, match="without a guard"):
        Guarded(Guarded(NeverExitPolicy()))
    with pytest.raises(InputTypeError, match="a policy"):
        Guarded("never")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="did you mean 'entropy'"):
        Guarded(NeverExitPolicy(), monitors={"entropi": ScoreChart()})
    with pytest.raises(InputTypeError, match="a ScoreChart or an"):
        Guarded(NeverExitPolicy(), monitors={"entropy": 8})  # type: ignore[dict-item]
    with pytest.raises(InputTypeError, match="one signal or more"):
        Guarded(NeverExitPolicy(), monitors={})
    with pytest.raises(ValueRangeError, match="cooldown"):
        Guarded(NeverExitPolicy(), cooldown=0)
    with pytest.raises(ArgumentError, match="call calibrate"):
        generate(model, Guarded(NeverExitPolicy()))
    with pytest.raises(ArgumentError, match="call calibrate"):
        Guarded(NeverExitPolicy()).save(tmp_path / "none.json")
    with pytest.raises(PolicyMismatchError, match="calibrated on"):
        generate(TINY["llama"](layers=LAYERS, seed=3), Guarded.load(saved, NeverExitPolicy()))
    with pytest.raises(ValueRangeError, match="false_alarm_rate"):
        Guarded(NeverExitPolicy()).calibrate(model, prompts(80, 1), max_new_tokens=20, false_alarm_rate=0.0)
    for rates in ({"false_alarms": 0.0}, {"false_alarms": True}, {"false_alarms": 1e9}, {"false_alarm_rate": 1.0}):
        with pytest.raises(ValueRangeError, match="false_alarm"):
            Guarded(NeverExitPolicy()).calibrate(model, prompts(80, 1), max_new_tokens=20, **rates)
    with pytest.raises(ArgumentError, match="only one of"):
        Guarded(NeverExitPolicy()).calibrate(
            model, prompts(80, 1), max_new_tokens=20, false_alarms=1.0, false_alarm_rate=0.1
        )
    with pytest.raises(EWSError, match="observation"):
        Guarded(NeverExitPolicy(), monitors={"entropy": indicator()}).calibrate(
            model, prompts(80, 1), max_new_tokens=5, rows=80, false_alarm_rate=0.05
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"guard": 1}',
        '{"guard": 3}',
        '{"guard": true}',
        '{"guard": 3, "guard": 3}',
        "[" * 100_000,
        '{"guard": 3, "monitors": {"entropy": 3}}',
        '{"guard": 3, "horizon": NaN}',
        "\x00",
        "9" * 10_000,
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "guard.json").write_text(text)
    with pytest.raises(ArgumentError):
        Guarded.load(tmp_path / "guard.json", NeverExitPolicy())


def put(*path: Any, value: Any) -> Any:
    def change(found: Any) -> None:
        for name in path[:-1]:
            found = found[name]
        found[path[-1]] = value

    return change


CALIBRATION = ("monitors", "entropy", "calibration")
CHANGES: dict[str, Any] = {
    "a rate below zero": put("false_alarm_rate", value=-5),
    "a rate of one": put("false_alarm_rate", value=1.0),
    "a rate of text": put("false_alarm_rate", value="0.05"),
    "a rate of one signal below zero": put(*CALIBRATION, "false_alarm_rate", value=-5.0),
    "another rate of one signal": put(*CALIBRATION, "false_alarm_rate", value=0.5),
    "no prompts": put("prompts", value=0),
    "prompts as a share": put("prompts", value=1.5),
    "true prompts": put("prompts", value=True),
    "a horizon of nothing": put("horizon", value=0),
    "an endless horizon": put("horizon", value=10**400),
    "a seed of text": put("seed", value="0"),
    "a fingerprint of nothing": put("model", value=""),
    "a fingerprint of a number": put("model", value=3),
    "no monitors": put("monitors", value={}),
    "monitors as a list": put("monitors", value=[]),
    "an unknown signal": lambda found: found["monitors"].update(other=found["monitors"]["entropy"]),
    "one name more": put("more", value=1),
    "one name less": lambda found: found.pop("seed"),
    "one name more in a monitor": put("monitors", "entropy", "more", value=1),
    "one name more in a calibration": put(*CALIBRATION, "more", value=1),
    "a window beyond the horizon": put("monitors", "entropy", "config", "window", value=5_000_000),
    "an endless window": put("monitors", "entropy", "config", "window", value=10**30),
    "an endless bandwidth": lambda found: found["monitors"]["entropy"]["config"].update(
        detrend="gaussian", bandwidth=1e18
    ),
    "an endless history": put("monitors", "entropy", "config", "history", value=10**18),
    "maxima that are not sorted": lambda found: found["monitors"]["entropy"]["calibration"]["maxima"]["mean"].reverse(),
    "maxima that are missing": lambda found: found["monitors"]["entropy"]["calibration"]["maxima"].pop("mean"),
    "p-values beyond one": lambda found: found["monitors"]["entropy"]["calibration"]["smallest"].__setitem__(-1, 5.0),
    "a spread below zero": put(*CALIBRATION, "spread", "mean", value=-1.0),
    "a threshold as text": put(*CALIBRATION, "thresholds", "mean", value="high"),
    "simulations that were none": put(*CALIBRATION, "source", value="noise"),
    "more runs than prompts": put("prompts", value=3),
    "a count beyond floats": put("monitors", "entropy", "engine", "seen", value=10**400),
    "a value beyond floats": lambda found: found["monitors"]["entropy"]["engine"]["raw"][0].__setitem__(0, 10**400),
}


@pytest.mark.parametrize("name", CHANGES)
def test_fields_out_of_their_range_are_refused(of_indicators: Path, name: str, tmp_path: Path) -> None:
    found = json.loads(of_indicators.read_text())
    CHANGES[name](found)
    with pytest.raises(PolicyMismatchError, match="allowed: "):
        Guarded.load(sealed(found, tmp_path / "guard.json"), NeverExitPolicy())


@pytest.mark.parametrize(
    "change",
    [
        put("looped", value=-1),
        put("monitors", "cycle", value=3),
        put("monitors", "cycle", "chart", value=2),
        put("monitors", "cycle", "allowance", value=0.0),
        put("monitors", "cycle", "evidence", value=-1.0),
        put("monitors", "cycle", "more", value=1),
        *(put("monitors", "cycle", "calibration", name, value=None) for name in ("centre", "spread", "threshold")),
        put("monitors", "cycle", "calibration", "spread", value=0.0),
        put("monitors", "cycle", "calibration", "threshold", value="inf"),
        put("monitors", "cycle", "calibration", "n_simulations", value=121),
        put("monitors", "cycle", "calibration", "n_simulations", value=True),
        put("monitors", "cycle", "calibration", "horizon", value=0),
        put("monitors", "cycle", "calibration", "false_alarm_rate", value=0.5),
        put("monitors", "cycle", "calibration", value=None),
    ],
)
def test_fields_of_charts_out_of_their_range_are_refused(saved: Path, change: Any, tmp_path: Path) -> None:
    found = json.loads(saved.read_text())
    change(found)
    with pytest.raises(PolicyMismatchError, match="allowed: "):
        Guarded.load(sealed(found, tmp_path / "guard.json"), NeverExitPolicy())


def test_a_guard_that_was_changed_or_cut_is_refused(saved: Path, tmp_path: Path) -> None:
    text, path = saved.read_text(), tmp_path / "guard.json"
    for changed in (text.replace('"seed": 0', '"seed": 1', 1), text[: len(text) // 2], text + "}", text[:-1]):
        assert changed != text
        path.write_text(changed)
        with pytest.raises(PolicyMismatchError):
            Guarded.load(path, NeverExitPolicy())
    path.write_text(json.dumps(json.loads(text), indent=1, sort_keys=True))  # another layout of the same
    assert Guarded.load(path, NeverExitPolicy()).calibration is not None


def test_only_a_plain_file_is_read_and_its_mode_follows_the_umask(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(saved)
    (tmp_path / "device").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "device", "pipe", "nothing", "."):
        with pytest.raises(PolicyMismatchError, match="path: got"):
            Guarded.load(tmp_path / name, NeverExitPolicy())
    with pytest.raises(PolicyMismatchError, match="no plain file"):
        Guarded.load("/dev/zero", NeverExitPolicy())
    guarded = Guarded.load(saved, NeverExitPolicy())
    for mask, mode in ((0o077, 0o600), (0o027, 0o640)):
        before = os.umask(mask)
        try:
            guarded.save(tmp_path / "mine.json")
        finally:
            os.umask(before)
        assert (tmp_path / "mine.json").stat().st_mode & 0o777 == mode
    assert sorted(each.name for each in tmp_path.iterdir()) == ["device", "link", "mine.json", "pipe"]


def test_monitors_that_were_not_calibrated_are_refused(saved: Path) -> None:
    path = with_monitors(saved, default_monitors())
    with pytest.raises(ArgumentError, match="all calibrated"):
        Guarded.load(path, NeverExitPolicy())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_signals_of_logits_are_their_definitions(dtype: torch.dtype) -> None:
    logits = (torch.randn(6, 500, generator=torch.Generator().manual_seed(0)) * 4).to(dtype)
    logits[0] = 1e3  # all alike
    logits[1, 1:] = -torch.inf  # certain
    logits[2, 250:] = -torch.inf
    logits[3] += 1e4
    found = logit_signals(logits)
    assert found.dtype == np.float64
    for row, (entropy, margin) in zip(logits.double().numpy(), found, strict=True):
        weights = np.exp(row - row.max())
        p = weights / weights.sum()
        assert entropy == pytest.approx(-np.sum(p[p > 0] * np.log(p[p > 0])), abs=2e-3)
        assert margin == pytest.approx(np.diff(np.sort(p)[-2:])[0], abs=2e-3)
    assert (found[:, 0] >= 0).all()
    assert np.isnan(logit_signals(torch.tensor([[0.0, torch.nan], [0.0, torch.inf], [-torch.inf] * 2]))).all()


def test_repetition_is_a_look_back() -> None:
    tokens = np.random.default_rng(0).integers(0, 4, size=200).tolist()
    again = Repetition(length=3)
    found = [again.take(token) for token in tokens]
    for place, value in enumerate(found):
        newest = tokens[place - 2 : place + 1]
        earlier = [tokens[end - 2 : end + 1] for end in range(2, place)]
        assert value == float(place >= 2 and newest in earlier)


def test_a_cycle_is_what_was_just_said() -> None:
    tokens = np.random.default_rng(1).integers(0, 2, size=120).tolist()
    tokens += 3 * [*range(5, 130), 2]  # 126 tokens, three times
    cycle = Cycle()
    for place, token in enumerate(tokens):
        text = tokens[: place + 1]
        expected = any(text[-k:] == text[-2 * k : -k] for k in range(1, min(128, len(text) // 2) + 1))
        assert cycle.take(token) == float(expected)


def test_sure_repetitions_are_weighed_by_certainty() -> None:
    time = TokenSignals(("sure_repetition", "repetition"), rows=2)
    logits = torch.zeros(2, 50)
    logits[1, 3] = 30.0  # certain
    for token in (1, 2, 3, 4, 1, 2, 3, 4):
        time.take(torch.tensor([[token], [token]]))
        found = time.measure(logits)
        assert found[0, 0] == 0.0  # nothing is certain
    assert found[:, 1].tolist() == [1.0, 1.0]
    assert found[1, 0] == pytest.approx(-np.log(0.01), rel=1e-6)


def test_a_chart_is_a_cusum_of_scores_and_holds_its_rate() -> None:
    rng = np.random.default_rng(0)
    healthy = rng.exponential(size=(999, 60))
    chart = ScoreChart(allowance=0.7)
    found = chart.calibrate_on(healthy, false_alarm_rate=0.01)
    alarms, evidence = 0, []
    for run in rng.exponential(size=(3000, 60)):
        chart.reset()
        alarms += any(chart.update(value).alarm for value in run)
    assert alarms / 3000 < 0.01 + 3 * np.sqrt(0.01 * (1 / 3000 + 1 / 999))
    chart.reset()
    values = [0.3, 5.0, np.nan, 2.0, 0.0, 40.0]
    expected, total = [], 0.0
    for value in values:
        total = total if np.isnan(value) else max(0.0, total + (value - found.centre) / found.spread - 0.7)
        expected.append(total)
        chart.update(value)
        evidence.append(chart.evidence)
    assert evidence == pytest.approx(expected)
    again = ScoreChart.from_dict(json.loads(json.dumps(chart.to_dict())))
    assert again.update(1.0) == chart.update(1.0)
    assert again.to_dict() == chart.to_dict()
    never = ScoreChart()
    never.calibrate_on(np.zeros((99, 40)), false_alarm_rate=0.05)  # what no run has alarms when it comes
    assert never.update(1.0).alarm
    assert not ScoreChart().update(1e9).alarm  # not calibrated
    for refused in (np.zeros(5), np.full((99, 5), np.nan)):
        with pytest.raises(InputTypeError, match="runs"):
            ScoreChart().calibrate_on(refused, false_alarm_rate=0.1)
    with pytest.raises(ArgumentError, match="at least 99"):
        ScoreChart().calibrate_on(np.zeros((98, 5)), false_alarm_rate=0.01)
    for allowance in (0.0, -1.0, True, "1", np.inf):
        with pytest.raises(ValueRangeError, match="allowance"):
            ScoreChart(allowance=allowance)  # type: ignore[arg-type]


def test_texts_that_loop_by_themselves_are_not_healthy() -> None:
    repeats = np.zeros((4, 199))
    repeats[0, 100:132] = 1.0  # half of 64
    repeats[1, 100:133] = 1.0
    repeats[2, ::2] = 1.0
    repeats[3, -33:] = 1.0
    repeats[3, :10] = np.nan
    assert _looped(repeats).tolist() == [False, True, False, True]
    assert not _looped(np.ones((1, 20))).any()  # too short to tell


def test_rows_have_their_own_repetitions() -> None:
    time = TokenSignals(("repetition", "margin"), rows=2, idle=(9,))
    rows = [[1, 2, 3, 4, 1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 9, 9]]
    for column in np.transpose(rows):
        time.take(torch.tensor(column[:, None]))
        found = time.measure(torch.zeros(2, 5))
    assert found.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert time.idle.tolist() == [False, True]
    assert time.count == 8
    with pytest.raises(UnknownNameError, match="signals"):
        TokenSignals(("loudness",), rows=1)


def test_it_runs_where_numba_is_not_installed() -> None:
    code = (
        "import sys; sys.modules['numba'] = None; import adapters.guard.policy; "
        "from adapters.guard.calibration import default_monitors; default_monitors()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
