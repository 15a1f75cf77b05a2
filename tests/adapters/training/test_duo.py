"""Duo-LLM's three runs: their forward is decoding on the same routes, each learns, and none changes the model."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from adapters import NeverExitPolicy, Plan, Policy
from adapters.errors import CheckpointMismatchError, PolicyMismatchError
from adapters.families import family_of
from adapters.heads.small_ffn import Router, SmallFFNs
from adapters.oracle.passes import TokenPass
from adapters.texts.continuations import Continuation
from adapters.training.duo import fit_duo, fit_router, fit_small_ffns, load_duo, routed_states, train_duo, whole_share
from adapters.training.registry import FitSettings
from adapters.training.skip_decode import tune_under_schedule
from adapters.training.texts import CausalBatch
from adapters.training.tuning import load_tuned
from ews.errors import ArgumentError, ValueRangeError
from tests.adapters.tiny import SINGLE, THOROUGH, TINY

torch.set_num_threads(1)


def texts(count: int = 24, length: int = 14) -> list[Continuation]:
    steps = [(number % 3 + 1, 5 * number) for number in range(count)]
    return [Continuation((np.arange(length) * step + start) % 97 + 1, 3) for step, start in steps]


@pytest.fixture(scope="module")
def taught() -> Any:
    """A tiny model that has learned sums, so that its blocks do something worth having."""
    model = TINY["llama"](layers=4)
    tune_under_schedule(model, texts(), NeverExitPolicy(), fit=FitSettings(epochs=25, learning_rate=3e-3))
    return model


class Routes(Policy):
    """Fixed routes, token by token."""

    def __init__(self, routes: np.ndarray[Any, Any], small: SmallFFNs) -> None:
        super().__init__(unit="ffn", cache="exact")
        self.routes, self.small = routes, small

    def plan(self, step: int) -> Plan:
        return Plan(ffn_routes=self.routes[step])

    def instead_of_ffn(self, index: int, post_attention: torch.Tensor) -> torch.Tensor:
        return self.small(index, post_attention)


@pytest.mark.parametrize("name", THOROUGH)
def test_the_training_forward_is_decoding_on_the_same_routes(name: str) -> None:
    dtype, exact = (torch.float32, 1e-4) if name in SINGLE else (torch.float64, 1e-9)
    model, random = TINY[name](dtype=dtype, layers=3), np.random.default_rng(0)
    family, text = family_of(model), Continuation(random.integers(1, 100, size=12), 4)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        small = SmallFFNs.for_family(family, ratio=4).to(dtype)
        for each in small.parameters():
            each.data += 0.3 * torch.randn_like(each)
    routes = random.choice([1, 2, 0], size=(text.decided, 3))  # big, small, left out

    def routing(index: int, before: torch.Tensor) -> torch.Tensor:
        wanted = torch.from_numpy(routes[:, index])
        return torch.stack([wanted == each for each in (1, 2, 0)], 1).to(before)

    ids = torch.tensor(text.tokens)[None]
    with torch.no_grad():
        batch = CausalBatch.of([text], "cpu")
        found = family.logits(family.finish(batch.of_targets(routed_states(family, batch, small, routing))))
        with Routes(routes, small).attach(model):
            output = model(ids[:, : text.prompt], use_cache=True)
            expected = [output.logits[:, -1]]
            for at in range(text.prompt, len(text.tokens) - 1):
                output = model(ids[:, at : at + 1], past_key_values=output.past_key_values, use_cache=True)
                expected.append(output.logits[:, -1])
    torch.testing.assert_close(found, torch.cat(expected), rtol=0, atol=exact)
    losses, taken = TokenPass(family, text, unit="ffn", small=small).follow(
        lambda index, _before: torch.from_numpy(routes[:, index])
    )
    np.testing.assert_array_equal(taken, routes)
    assert losses[0] == pytest.approx(float(F.cross_entropy(expected[1], ids[:, text.prompt + 1])), abs=exact)


def test_each_run_learns_and_the_model_stays(taught: Any) -> None:
    before = {name: each.clone() for name, each in taught.named_parameters()}
    fit = FitSettings(epochs=12, learning_rate=5e-3)
    found = fit_duo(taught, texts(), fit=fit, ratio=2, budget=0.5)
    for name in ("distil", "random"):
        losses = found.histories[name].losses
        assert losses[-6:].mean() < losses[:6].mean() * 0.97, name
    assert found.histories["router"].losses[-6:].mean() < found.histories["router"].losses[:6].mean()
    assert all(torch.equal(before[name], each) for name, each in taught.named_parameters())
    assert all(each.requires_grad for each in taught.parameters())
    assert all(each.grad is None for each in taught.parameters())
    again = fit_duo(taught, texts(), fit=fit, ratio=2, budget=0.5)
    assert again.share == found.share
    assert all(
        torch.equal(one, other) for one, other in zip(found.small.parameters(), again.small.parameters(), strict=True)
    )


def test_a_router_keeps_to_its_budget_and_skips_only_where_it_may(taught: Any) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = SmallFFNs.for_family(family_of(taught), ratio=4)
    shares = []
    for budget in (0.2, 0.8):
        router = Router.for_family(family_of(taught))
        fit_router(taught, texts(), small, router, fit=FitSettings(epochs=10), budget=budget, alpha=100.0)
        shares.append(whole_share(taught, texts(), small, router))
    assert shares[0] < 0.45
    assert shares[1] > 0.55
    router = Router.for_family(family_of(taught))
    router.bias.data[:, 2] = 9.0  # would skip everything
    assert whole_share(taught, texts(), small, router) == 1.0
    assert whole_share(taught, texts(), small, router, skip=True) == 0.0


class _Killed(Exception):
    pass


def test_an_interrupted_run_goes_on_whichever_it_was(taught: Any, tmp_path: Path) -> None:
    def fit(**options: Any) -> Any:
        return fit_duo(taught, texts(), ratio=4, fit=FitSettings(epochs=2, **options))

    whole = fit()
    for stop in (2, 8, 14):  # in each of the three runs of six steps
        told = iter(range(1, 99))

        def kill(done: int, total: int, *, told: Any = told, stop: int = stop) -> None:
            if next(told) == stop:
                raise _Killed

        kept = tmp_path / str(stop)
        with pytest.raises(_Killed):
            fit(directory=kept, checkpoint_every=1, progress=kill)
        again = fit(directory=kept, checkpoint_every=1, resume=True)
        for one, other in ((whole.small, again.small), (whole.router, again.router)):
            assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)), stop
    with pytest.raises(CheckpointMismatchError):
        fit_duo(TINY["llama"](layers=4), texts(), ratio=4, fit=FitSettings(epochs=2, directory=kept, resume=True))


def test_what_is_written_is_for_one_model(taught: Any, tmp_path: Path) -> None:
    words = train_duo(taught, texts(8), folder=tmp_path, ratio=4, skip=True)
    assert (words["system"], words["skip"]) == ("duo", True)
    assert list(words["training"]["runs"]) == ["distil", "random", "router"]
    small, router, skip = load_duo(tmp_path, taught)
    assert skip
    assert whole_share(taught, texts(8), small, router, skip=True) == words["whole_share"]
    with pytest.raises(PolicyMismatchError, match="model"):
        load_duo(tmp_path, TINY["llama"](layers=4))
    with pytest.raises(PolicyMismatchError, match="beside a model"):
        load_tuned(tmp_path, taught)
    parts = tmp_path / "parts.safetensors"
    kept = parts.read_bytes()
    parts.write_bytes(pickle.dumps([1]))
    with pytest.raises(PolicyMismatchError, match="changed"):
        load_duo(tmp_path, taught)
    parts.write_bytes(kept)
    (tmp_path / "small.pt").write_bytes(pickle.dumps([1]))
    with pytest.raises(PolicyMismatchError, match="never read"):
        load_duo(tmp_path, taught)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"budget": 1.5}, ArgumentError, "budget"),
        ({"alpha": -1.0}, ArgumentError, "alpha"),
        ({"ratio": 0}, ValueRangeError, "ratio"),
        ({"router_epochs": 0}, ValueRangeError, "router_epochs"),
        ({"data": [Continuation(np.array([1, 2]), 1)]}, ArgumentError, "data"),
    ],
)
def test_what_cannot_be_trained_is_refused(options: dict[str, Any], kind: type[Exception], said: str) -> None:
    model = TINY["llama"](layers=2)
    data = options.pop("data", texts(4))
    with pytest.raises(kind, match=said):
        fit_duo(model, data, **options)
    for temperature in ((0.1, 1.0), (1.0, 0.0)):
        small, router = SmallFFNs.for_family(family_of(model)), Router.for_family(family_of(model))
        with pytest.raises(ValueRangeError, match="temperature"):
            fit_router(model, texts(4), small, router, temperature=temperature)
    with pytest.raises(ArgumentError, match="whole"):
        fit_small_ffns(model, texts(4), SmallFFNs.for_family(family_of(model)), whole=2.0)
