"""Tuning of causal models: the training forward is the decoding one, and what is written is that model and no other."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from adapters import FixedExitPolicy, Plan, Policy, SaturationPolicy, SkipDecodePolicy
from adapters.errors import CheckpointMismatchError, PolicyMismatchError
from adapters.families import family_of
from adapters.texts.continuations import Continuation
from adapters.training.layer_skip import drop_rates, exit_weights, train_layer_skip
from adapters.training.registry import FitSettings
from adapters.training.scheduled import Schedule, scheduled_states
from adapters.training.skip_decode import tune_under_schedule
from adapters.training.texts import CausalBatch
from adapters.training.tuning import load_tuned
from ews.errors import ArgumentError, InputTypeError, UnknownNameError, ValueRangeError
from tests.adapters.tiny import SINGLE, THOROUGH, TINY

torch.set_num_threads(1)


class Falling(Policy):
    """One layer less with each token, from the bottom or from the top, until two are left."""

    def __init__(self, *, top: bool = False) -> None:
        super().__init__(unit="layer", cache="monotone")
        self.top = top

    def bind(self, family: Any) -> None:
        self.depth = family.depth

    def plan(self, step: int) -> Plan:
        fewer = min(step, self.depth - 2)
        return Plan(exit=self.depth - fewer) if self.top else Plan(skip_layers=frozenset(range(1, 1 + fewer)))


def texts(count: int = 24, length: int = 14, prompt: int = 3) -> list[Continuation]:
    """Sums: what follows can be learned."""
    steps = [(number % 3 + 1, 5 * number) for number in range(count)]
    return [Continuation((np.arange(length) * step + start) % 97 + 1, prompt) for step, start in steps]


def decoded(model: Any, policy: Policy, text: Continuation) -> torch.Tensor:
    ids = torch.tensor(text.tokens)[None]
    with torch.no_grad(), policy.attach(model):
        output = model(ids[:, : text.prompt], use_cache=True)
        found, cache = [output.logits[:, -1]], output.past_key_values
        found += [
            model(ids[:, at : at + 1], past_key_values=cache, use_cache=True).logits[:, -1]
            for at in range(text.prompt, len(text.tokens) - 1)
        ]
    return torch.cat(found)


SCHEDULES: dict[str, Callable[[], Policy]] = {
    "from the bottom": Falling,
    "from the top": lambda: Falling(top=True),
    "SkipDecode": lambda: SkipDecodePolicy(length=9, min_exit=2),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", THOROUGH)
def test_the_training_forward_is_decoding_under_the_policy(name: str, schedule: str) -> None:
    dtype, exact = (torch.float32, 1e-4) if name in SINGLE else (torch.float64, 1e-9)
    model = TINY[name](dtype=dtype)
    family, policy, random = family_of(model), SCHEDULES[schedule](), np.random.default_rng(0)
    ragged = [
        Continuation(random.integers(1, 100, size=length), prompt)
        for length, prompt in ((14, 5), (17, 3), (9, 4), (3, 1), (5, 3))
    ]
    with torch.no_grad():
        batch = CausalBatch.of(ragged, "cpu")
        states = scheduled_states(family, batch, Schedule(policy, family, 13))
        found = family.logits(family.finish(batch.of_targets(states)))
    expected = torch.cat([decoded(model, policy, each) for each in ragged])
    torch.testing.assert_close(found, expected, rtol=0, atol=exact)
    with torch.no_grad():
        plain = family.logits(
            family.finish(batch.of_targets(scheduled_states(family, batch, Schedule(policy, family, 1))))
        )
    assert (plain - expected).abs().max() > 1e-3  # the schedule does something


def test_a_policy_that_decides_or_rises_is_no_schedule() -> None:
    model = TINY["llama"]()
    family = family_of(model)

    class Rising(Falling):
        def plan(self, step: int) -> Plan:
            return super().plan(9 - step)

    with pytest.raises(ArgumentError, match="decides while a token runs"):
        Schedule(SaturationPolicy(), family, 4)
    with pytest.raises(ArgumentError, match="never rises"):
        Schedule(Rising(), family, 9)
    assert Schedule(FixedExitPolicy(depth=3), family, 9).layers == 3


def loss_under(model: Any, policy: Policy) -> float:
    family = family_of(model)
    with torch.no_grad():
        batch = CausalBatch.of(texts(), "cpu")
        return float(batch.loss(family, scheduled_states(family, batch, Schedule(policy, family, 10))))


FIT = FitSettings(epochs=6, batch_size=8, learning_rate=3e-3)


@pytest.mark.parametrize("lora", [None, 4])
def test_tuning_under_the_schedule_learns_under_it(lora: int | None) -> None:
    model = TINY["llama"]()
    before, kept = loss_under(model, Falling()), {name: each.clone() for name, each in model.named_parameters()}
    history, _ = tune_under_schedule(model, texts(), Falling(), fit=FIT, lora=lora)
    assert history.steps == 18
    assert loss_under(model, Falling()) < before - (2.0 if lora is None else 0.3)
    assert not model.training
    if lora is not None:
        base = {name.replace(".base_layer", ""): each for name, each in model.named_parameters() if "lora" not in name}
        assert all(torch.equal(base[name], each) for name, each in kept.items())


class _Killed(Exception):
    pass


@pytest.mark.parametrize("lora", [None, 4])
@pytest.mark.parametrize("system", ["skip_decode", "layer_skip"])
def test_an_interrupted_tuning_goes_on_to_the_same_weights(tmp_path: Path, system: str, lora: int | None) -> None:
    def run(model: Any, **options: Any) -> Any:
        fit = FitSettings(epochs=2, batch_size=8, learning_rate=1e-3, **options)
        if system == "skip_decode":
            tune_under_schedule(model, texts(), Falling(), fit=fit, lora=lora)
        else:
            train_layer_skip(model, texts(), folder=tmp_path / "out", fit=fit, lora=lora, dropout=0.5)
        return model

    def kill(done: int, total: int) -> None:
        if done == 4:
            raise _Killed

    build, kept = TINY["llama"], tmp_path / "kept"
    whole = run(build())
    with pytest.raises(_Killed):
        run(build(), directory=kept, checkpoint_every=3, progress=kill)
    again = run(build(), directory=kept, checkpoint_every=3, resume=True)
    for (name, one), (_, other) in zip(whole.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    with pytest.raises(CheckpointMismatchError):
        run(build(seed=1), directory=kept, checkpoint_every=3, resume=True)


@pytest.mark.parametrize("lora", [None, 4])
def test_a_tuned_folder_is_a_plain_model_and_knows_its_own(tmp_path: Path, lora: int | None) -> None:
    model = TINY["llama"]()
    words = train_layer_skip(model, texts(8), folder=tmp_path, fit=FitSettings(batch_size=4), lora=lora)
    assert words == json.loads((tmp_path / "system.json").read_text())
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]
    read = TINY["llama"]() if lora else AutoModelForCausalLM.from_pretrained(tmp_path)
    assert load_tuned(tmp_path, read) is None
    ids = torch.tensor(texts(1)[0].tokens)[None]
    with torch.no_grad():
        assert torch.equal(read(ids).logits, model(ids).logits)
    with pytest.raises(PolicyMismatchError, match="model"):
        load_tuned(tmp_path, TINY["llama"](seed=1))
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps([1]))
    with pytest.raises(PolicyMismatchError, match="never read"):
        load_tuned(tmp_path, TINY["llama"]())


def test_exit_loss_makes_early_exits_worth_more(tmp_path: Path) -> None:
    def early(**options: Any) -> tuple[float, float]:
        model = TINY["llama"]()
        train_layer_skip(model, texts(), folder=tmp_path, fit=FIT, dropout=0.0, **options)
        return loss_under(model, FixedExitPolicy(depth=3)), loss_under(model, FixedExitPolicy(depth=5))

    plain = early(exit_scale=0.0)
    for curriculum in ("rotational", "gradual", "constant"):
        exits = early(curriculum=curriculum, period=2)
        assert exits[0] < plain[0] - 0.2, curriculum
        assert exits[1] < 4.0, curriculum


def test_rates_and_weights_are_those_of_the_paper() -> None:
    rates = drop_rates(12, 0.2)
    assert rates[0] == 0
    assert rates[-1] == pytest.approx(0.2)
    np.testing.assert_allclose((rates[1:] + 0.2) / (rates[:-1] + 0.2), 2 ** (1 / 11))
    for curriculum in ("rotational", "gradual", "constant"):
        for step in range(20):
            weights = exit_weights(6, step, 20, scale=0.5, curriculum=curriculum, period=3)  # type: ignore[arg-type]
            assert weights.sum() == pytest.approx(1)
            assert weights[-1] == weights.max()
    on = np.array([exit_weights(9, step, 99, scale=1, curriculum="rotational", period=3) > 0 for step in range(3)])
    assert on[:, 1:8].sum(0).tolist() == [1] * 7  # each exit once in a period
    gradual = [
        int((exit_weights(6, step, 24, scale=1, curriculum="gradual", period=1) > 0).sum()) for step in range(24)
    ]
    assert gradual == sorted(gradual)
    assert (gradual[0], gradual[-1]) == (1, 5)  # layer 0 weighs nothing
    np.testing.assert_allclose(
        exit_weights(4, 0, 1, scale=2, curriculum="constant", period=1), np.array([0, 2, 6, 9]) / 17
    )


@pytest.mark.parametrize(
    ("data", "options", "kind", "said"),
    [
        ([], {}, ArgumentError, "data"),
        ("text", {}, InputTypeError, "data"),
        ([[1, 2, 3]], {}, InputTypeError, r"data\[0\]"),
        ([Continuation(np.array([1, 2]), 2)], {}, ValueRangeError, r"data\[0\]"),
        ([Continuation(np.array([1, 2]), 0)], {}, ValueRangeError, r"data\[0\]"),
        ([Continuation(np.array([1, 2000]), 1)], {}, ValueRangeError, "tokens from 0"),
        ([Continuation(np.full(300, 1), 1)], {}, ValueRangeError, "256 positions"),
        (None, {"lora": 0}, ValueRangeError, "lora"),
        (None, {"dropout": 1.0}, ValueRangeError, "dropout"),
        (None, {"curriculum": "rotating"}, UnknownNameError, "rotational"),
        (None, {"period": 0}, ValueRangeError, "period"),
    ],
)
def test_what_cannot_be_tuned_is_refused(
    tmp_path: Path, data: Any, options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    model = TINY["llama"]()
    before = {name: each.clone() for name, each in model.named_parameters()}
    with pytest.raises(kind, match=said):
        train_layer_skip(model, texts(4) if data is None else data, folder=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
    assert all(torch.equal(before[name], each) for name, each in model.named_parameters())
