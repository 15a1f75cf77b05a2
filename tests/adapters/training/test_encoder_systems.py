"""Training of PABEE, PALBERT and JEI-DNN: each loss as it is defined, and the traps of published code."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapters.encoders import heads_named
from adapters.encoders.backbones import backbone_of
from adapters.encoders.distributions import exit_distribution, gated_distribution
from adapters.encoders.states import FirstTokenStates, readings, states_with_gradient
from adapters.encoders.systems import SYSTEMS
from adapters.training import encoder_heads
from adapters.training.encoder_heads import HeadsTask
from adapters.training.jei_dnn import (
    exit_weights,
    fit_inference_modules,
    fit_jei_dnn,
    gate_loss,
    gate_targets,
    inference_loss,
    warm_up_loss,
)
from adapters.training.pabee import cross_entropies, fit_pabee, pabee_loss
from adapters.training.palbert import fit_palbert, palbert_loss, ponder_prior, tail_filled
from adapters.training.registry import FitSettings, system_named
from ews.errors import ArgumentError, UnknownNameError, ValueRangeError
from tests.adapters.tiny_encoders import encoder as tiny_encoder

LAYERS, CLASSES, WIDTH = 5, 3, 8
Options = dict[str, Any]


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def labels_of(rows: int) -> Tensor:
    return torch.arange(rows) % CLASSES


def task(kind: str, *, rows: int = 120, own: bool = False, seed: int = 0) -> HeadsTask:
    """States in which the class is the plainer the deeper the layer."""
    labels = labels_of(rows)
    states = 0.7 * draw(rows, LAYERS + 1, WIDTH, seed=seed, dtype=torch.float32)
    states[torch.arange(rows), :, labels] += torch.linspace(0.0, 3.0, LAYERS + 1)
    kept = FirstTokenStates(states, states[:, -1, :CLASSES].clone() if own else None)
    ends: Options = {"final": not own} if kind == "gated" else {}
    heads = heads_named(kind, width=WIDTH, classes=CLASSES, exits=LAYERS - own, seed=1, **ends)
    return HeadsTask(heads, labels, kept=kept)


# ---- PABEE -----------------------------------------------------------------------------------------------------------


def test_pabee_weighs_layers_by_their_number() -> None:
    logits, labels = draw(7, LAYERS, CLASSES), labels_of(7)
    each = [nn.functional.cross_entropy(logits[:, layer], labels) for layer in range(LAYERS)]
    wanted = sum((layer + 1) * loss for layer, loss in enumerate(each)) / (LAYERS * (LAYERS + 1) / 2)
    assert torch.allclose(pabee_loss(logits, labels), torch.as_tensor(wanted))


# ---- PALBERT ---------------------------------------------------------------------------------------------------------


def test_probabilities_sum_to_one_without_epsilon_and_the_last_takes_the_rest() -> None:
    halting = draw(200, LAYERS).sigmoid()
    found = tail_filled(exit_distribution(halting), epsilon=0.0)
    assert torch.allclose(found.sum(-1), torch.ones(200, dtype=torch.float64), atol=1e-15)
    assert torch.allclose(found[:, -1], (1.0 - halting[:, :-1]).prod(-1), atol=1e-15)
    certain = torch.ones(1, LAYERS)
    assert tail_filled(exit_distribution(certain), epsilon=0.0).tolist() == [[1.0, 0.0, 0.0, 0.0, 0.0]]


def test_tail_is_filled_once_nearly_all_is_spent() -> None:
    given = torch.tensor([[0.6, 0.36, 0.03, 0.01, 0.0], [0.2, 0.2, 0.2, 0.2, 0.2], [0.9, 0.04, 0.03, 0.02, 0.01]])
    found = tail_filled(given, epsilon=0.05)
    fill = 0.05 / LAYERS
    assert torch.allclose(found[0], torch.tensor([0.6, 0.36, fill, fill, fill]))
    assert torch.equal(found[1], given[1])
    assert torch.allclose(found[2], torch.tensor([0.9, 0.04, 0.03, fill, fill]))


@pytest.mark.parametrize("direction", ["prior to exits", "exits to prior"])
def test_palbert_loss_is_expected_loss_and_divergence(direction: Any) -> None:
    logits, halting, labels = draw(9, LAYERS, CLASSES), draw(9, LAYERS, seed=1).sigmoid(), labels_of(9)
    prior = ponder_prior(LAYERS)
    leaves, known = exit_distribution(halting), prior.double()
    expected = (leaves * cross_entropies(logits, labels)).sum(-1).mean()
    forward, backward = (known * (known / leaves).log()).sum(-1), (leaves * (leaves / known).log()).sum(-1)
    apart = (forward if direction == "prior to exits" else backward).mean()
    found = palbert_loss(logits, halting, labels, prior=prior, beta=0.7, direction=direction, epsilon=0.0)
    assert torch.allclose(found, expected + 0.7 * apart, atol=1e-6)
    defaults = {name: each.default for name, each in inspect.signature(palbert_loss).parameters.items()}
    assert (defaults["beta"], defaults["direction"], defaults["epsilon"]) == (0.5, "prior to exits", 0.05)
    # Nothing is lost where the heads leave as the prior says, and the heads know everything.
    hazard = prior / (1.0 - prior.cumsum(0) + prior)
    sure = 50.0 * nn.functional.one_hot(labels, CLASSES)[:, None].expand(-1, LAYERS, -1).float()
    none = palbert_loss(sure, hazard.expand(9, -1), labels, prior=prior, direction=direction, epsilon=0.0)
    assert abs(float(none)) < 1e-5


def test_priors() -> None:
    found = ponder_prior(6)
    wanted = np.array([0.1 * 0.9**layer for layer in range(6)])
    assert np.allclose(found.numpy(), wanted / wanted.sum(), atol=1e-6)
    normal = ponder_prior(6, rate=0.25, kind="normal")
    assert int(normal.argmax()) == 3  # layer 4 = 1 / 0.25
    assert math.isclose(float(normal.sum()), 1.0, rel_tol=1e-6)
    with pytest.raises(UnknownNameError, match="normal"):
        ponder_prior(6, kind="norm")  # type: ignore[arg-type]
    for rate in (0.0, 1.0, 2.0):
        with pytest.raises(ArgumentError, match="rate"):
            ponder_prior(6, rate=rate)


# ---- JEI-DNN ---------------------------------------------------------------------------------------------------------


def test_gradient_of_inference_modules_depends_on_the_gates() -> None:
    heads = heads_named("gated", width=WIDTH, classes=CLASSES, exits=LAYERS, seed=1)
    kept, labels = FirstTokenStates(draw(30, LAYERS + 1, WIDTH, dtype=torch.float32)), labels_of(30)
    found: dict[float, list[Tensor]] = {}
    for bias in (-6.0, 0.0, 6.0):
        with torch.no_grad():
            for gate in heads.gates:  # type: ignore[union-attr]
                gate.bias.fill_(bias)
        heads.zero_grad()
        logits, halting = readings(heads, kept)
        assert halting is not None
        inference_loss(logits, halting[:, :-1], labels).backward()
        # The weights are constants: no gate gets a gradient.
        assert all(each.grad is None for name, each in heads.named_parameters() if name.startswith("gates"))
        found[bias] = [each.weight.grad.clone() for each in heads.classifiers]  # type: ignore[union-attr]
    first, last = [each[0].norm() for each in found.values()], [each[-1].norm() for each in found.values()]
    assert first[0] < first[1] < first[2]  # gates open: rows leave at the first exit, which is trained for them
    assert last[0] > 10 * last[2]  # gates shut: they leave at the final one, which is trained too
    assert last[0] > 0


def test_weights_are_exit_probabilities_times_gates() -> None:
    gates = draw(20, LAYERS - 1).sigmoid().requires_grad_()
    found = exit_weights(gates)
    assert not found.requires_grad
    assert torch.allclose(found, gated_distribution(gates.detach()) * (LAYERS - 1))
    logits, labels = draw(20, LAYERS, CLASSES), labels_of(20)
    wanted = sum(found[:, layer] * cross_entropies(logits, labels)[:, layer] for layer in range(LAYERS))
    assert torch.allclose(inference_loss(logits, gates, labels), torch.as_tensor(wanted).mean())


def test_gate_targets_and_their_weights() -> None:
    losses, cost = draw(50, LAYERS).abs(), 0.8
    found = gate_targets(losses, trade_off=cost)
    for row, mine in zip(losses.tolist(), found.tolist(), strict=True):
        totals = [loss + cost * (layer + 1) / LAYERS for layer, loss in enumerate(row)]
        best = totals.index(min(totals))
        assert mine == [1.0 if layer >= best else 0.0 for layer in range(LAYERS - 1)]
    logits, labels, gates = draw(50, LAYERS, CLASSES), labels_of(50), draw(50, LAYERS - 1, seed=2).sigmoid()
    targets = gate_targets(cross_entropies(logits, labels), trade_off=cost)
    positive = min(float((targets == 0).sum() / targets.sum()), 5.0)
    wanted = nn.functional.binary_cross_entropy_with_logits(
        torch.logit(gates), targets, pos_weight=torch.tensor(positive, dtype=torch.float64)
    )
    assert torch.allclose(gate_loss(logits, gates, labels, trade_off=cost), wanted, atol=1e-6)
    logits.requires_grad_()
    shut = gates.requires_grad_()
    gate_loss(logits, shut, labels, trade_off=cost).backward()
    assert logits.grad is None
    assert shut.grad is not None
    # Where all exits are too late but the last, nothing is weighted at all.
    none = gate_loss(logits, shut, labels, trade_off=0.0 * cost)
    assert bool(torch.isfinite(none))


def test_warm_up_weighs_earlier_exits_more_and_the_final_one_too() -> None:
    logits, labels = draw(7, LAYERS, CLASSES), labels_of(7)
    each = cross_entropies(logits, labels).mean(0)
    weights = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0], dtype=torch.float64)
    assert torch.allclose(warm_up_loss(logits, labels), (weights * each).sum() / weights.sum())


def test_phases_train_one_thing_each() -> None:
    made = task("gated")
    assert made.kept is not None
    states = made.kept.states
    unit = (states - states.mean(0)) / states.std(0, correction=0)  # or what they are learned from is made so
    made = replace(made, kept=FirstTokenStates(unit))
    before = {name: each.clone() for name, each in made.heads.state_dict().items()}

    def moved(epochs: int, warm_up: int, period: int | None) -> set[str]:
        made.heads.load_state_dict(before)
        fit = FitSettings(epochs=epochs, batch_size=120)
        if warm_up < epochs:
            fit_jei_dnn(made, fit, warm_up=warm_up, period=period)
        else:
            with pytest.raises(ArgumentError, match="no gate is trained"):
                fit_jei_dnn(made, fit, warm_up=warm_up, period=period)
            fit_inference_modules(made, fit)
        after = made.heads.state_dict()
        return {name.split(".")[0] for name, each in before.items() if not torch.allclose(each, after[name], atol=1e-6)}

    assert moved(1, 1, 1) == {"classifiers"}
    assert moved(1, 0, 1) == {"gates"}
    assert moved(2, 0, 1) == {"gates", "classifiers"}
    assert moved(3, 0, 5) == {"gates"}
    assert moved(3, 0, None) == {"gates", "classifiers"}  # a short training has its phases, too
    with pytest.raises(ArgumentError, match="gated"):
        fit_jei_dnn(task("linear"), FitSettings())
    with pytest.raises(ArgumentError, match="frozen"):
        fit_jei_dnn(replace(made, kept=None), FitSettings())


# ---- all -------------------------------------------------------------------------------------------------------------

FITS = {"gated": fit_jei_dnn, "linear": fit_pabee, "ponder": fit_palbert}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", FITS)
def test_training_finds_what_is_there(kind: str, own: bool) -> None:
    if kind == "ponder" and own:
        return  # its classifier is one for all layers, the last too
    made = task(kind, own=own)
    fit = FitSettings(epochs=60, batch_size=40, learning_rate=0.05 if kind == "gated" else 0.02, seed=3)
    one_phase = {"period": 200} if kind == "gated" else {}  # phases have losses of different things
    history = FITS[kind](made, fit, **one_phase)
    assert history.losses[-3:].mean() < history.losses[:3].mean()
    assert made.kept is not None
    with torch.no_grad():
        logits, _ = readings(made.heads, made.kept)
    right = (logits.argmax(-1) == made.labels[:, None]).float().mean(0)
    assert right.max() > 0.8
    assert right[0] < right.max()
    if kind != "gated":  # whose gates let no row go so far
        assert right[-1] > 0.95


@pytest.mark.parametrize("kind", FITS)
def test_killed_and_resumed_gives_the_same_weights(kind: str, tmp_path: Any) -> None:
    fit = FitSettings(epochs=6, batch_size=32, seed=5)
    whole = task(kind)
    FITS[kind](whole, fit)

    class Killed(Exception):
        pass

    def kill(done: int, _total: int) -> None:
        if done == 8:
            raise Killed

    broken = task(kind)
    with pytest.raises(Killed):
        FITS[kind](broken, replace(fit, directory=tmp_path, checkpoint_every=3, progress=kill))
    again = task(kind)
    history = FITS[kind](again, replace(fit, directory=tmp_path, checkpoint_every=3, resume=True))
    assert history.resumed == 6
    pairs = zip(whole.heads.state_dict().values(), again.heads.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert {each.suffix for each in tmp_path.iterdir()} == {".json", ".safetensors"}


def tuning_task(kind: str) -> HeadsTask:
    """Words in no order, which an encoder that is trained can tell apart."""
    model = tiny_encoder("bert", classify=False)
    labels = labels_of(48)
    words = [torch.tensor([2, 20 + int(each), 5 + row % 7]) for row, each in enumerate(labels)]
    backbone = backbone_of(model)
    heads = heads_named(kind, width=backbone.width, classes=CLASSES, exits=backbone.depth, seed=1)
    inputs = [{"input_ids": each} for each in words]
    return HeadsTask(
        heads,
        labels,
        backbone=backbone,
        inputs=inputs,
        collate=lambda items: {"input_ids": torch.stack([each["input_ids"] for each in items])},
    )


@pytest.mark.parametrize("kind", ["linear", "ponder"])
def test_heads_learn_at_a_rate_of_their_own_beside_an_encoder(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of unit spread as they are, or the rate is hidden by what scaling does to the weights afterwards.
    monkeypatch.setattr(
        encoder_heads, "_usual", lambda kept, _heads: (0 * kept.states[0, 1:], 0 * kept.states[0, 1:] + 1)
    )

    def moved(rate: float | None, heads_rate: float | None) -> tuple[float, float]:
        made = tuning_task(kind)
        before = {name: each.clone() for name, each in made.modules().state_dict().items()}
        FITS[kind](made, FitSettings(epochs=1, batch_size=48, learning_rate=rate, seed=1), head_rate=heads_rate)
        far = {"heads": 0.0, "model": 0.0}
        for name, each in made.modules().state_dict().items():
            part = name.split(".")[0]
            far[part] = max(far[part], float((each - before[name]).abs().max()))
        return far["heads"], far["model"]

    heads, encoder = moved(None, None)  # one step of Adam moves a weight by its rate
    assert heads == pytest.approx(1e-3, rel=0.05)
    assert encoder == pytest.approx(2e-5 if kind == "linear" else 1e-5, rel=0.05)
    assert moved(3e-5, 0.01) == pytest.approx((0.01, 3e-5), rel=0.05)
    assert moved(1e-4, None) == pytest.approx((1e-3, 1e-4), rel=0.05)
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueRangeError, match="head_rate"):
            moved(None, wrong)
        with pytest.raises(ValueRangeError, match="learning_rate"):
            moved(wrong, None)
    with pytest.raises(ArgumentError, match="learning_rate is the heads"):  # heads alone have one rate
        FITS[kind](task(kind), FitSettings(), head_rate=0.01)


def test_heads_of_a_short_tuning_learn_more_at_a_rate_of_their_own() -> None:
    def shallow(rate: float | None) -> float:
        made = tuning_task("linear")
        fit_pabee(made, FitSettings(epochs=20, batch_size=16, learning_rate=5e-5), head_rate=rate)
        held: Any = made
        with torch.no_grad():
            states = states_with_gradient(held.backbone, held.collate(list(held.inputs)))
            return float(cross_entropies(readings(held.heads, states)[0], made.labels)[:, 0].mean())

    assert shallow(5e-5) > 0.95 * math.log(CLASSES)
    assert shallow(0.02) < 0.6 * math.log(CLASSES)


def test_the_size_of_states_does_not_hold_heads_back() -> None:
    """An encoder whose layers leave small states, as released ones do."""
    made: Any = tuning_task("linear")
    with torch.no_grad():
        for layer in made.backbone.base.encoder.layer:
            layer.output.LayerNorm.weight.mul_(0.1)
    fit_pabee(made, FitSettings(epochs=20, batch_size=16, learning_rate=1e-9), head_rate=5e-3)
    with torch.no_grad():
        states = states_with_gradient(made.backbone, made.collate(list(made.inputs)))
        lost = cross_entropies(readings(made.heads, states)[0], made.labels).mean(0)
    assert lost.max() < 0.4 * math.log(CLASSES)


@pytest.mark.parametrize("kind", ["linear", "ponder"])
def test_killed_and_resumed_gives_the_same_encoder_too(kind: str, tmp_path: Any) -> None:
    fit = FitSettings(epochs=2, batch_size=12, seed=5)

    def trained(settings: FitSettings) -> dict[str, Tensor]:
        made: Any = tuning_task(kind)
        made.backbone.model.train()  # with its dropout, whose draws go on where they stopped
        FITS[kind](made, settings)
        return {name: each.clone() for name, each in made.modules().state_dict().items()}

    class Killed(Exception):
        pass

    def kill(done: int, _total: int) -> None:
        if done == 5:
            raise Killed

    whole, kept = trained(fit), replace(fit, directory=tmp_path, checkpoint_every=2)
    with pytest.raises(Killed):
        trained(replace(kept, progress=kill))
    again = trained(replace(kept, resume=True))
    assert whole.keys() == again.keys()
    assert all(torch.equal(each, again[name]) for name, each in whole.items())


@pytest.mark.parametrize("name", SYSTEMS)
def test_known_to_the_registry(name: str) -> None:
    system = system_named(name)
    assert (system.model, system.takes) == ("encoder", "labelled texts")
    assert (system.epochs, system.batch_size) == (SYSTEMS[name].epochs, SYSTEMS[name].batch_size)
    assert callable(system.function())
    system.require_options({"max_length": 32})


@pytest.mark.parametrize("kind", FITS)
def test_scale_of_states_does_not_matter(kind: str) -> None:
    """Encoders differ in it by orders of magnitude, and in how much of it is an offset."""
    plain, moved = task(kind), task(kind)
    assert plain.kept is not None
    factor, offset = 10.0 ** draw(WIDTH, seed=7, dtype=torch.float32).clamp(-2, 2), 5.0
    moved = replace(moved, kept=FirstTokenStates(plain.kept.states * factor + offset))
    for each in (plain, moved):
        FITS[kind](each, FitSettings(epochs=30, batch_size=40, learning_rate=0.05 if kind == "gated" else 0.02))
    right = []
    for each in (plain, moved):
        assert each.kept is not None
        with torch.no_grad():
            right.append(float((readings(each.heads, each.kept)[0].argmax(-1) == each.labels[:, None]).float().mean()))
    assert abs(right[0] - right[1]) < 0.1
    assert right[1] > 0.55
