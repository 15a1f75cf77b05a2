"""Models that one device, or one process, does not hold: the same tokens, or a refusal."""

from __future__ import annotations

import functools
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from adapters.decoding.projection import Projection
from adapters.errors import UnsupportedModelError
from adapters.families import base, family_of
from adapters.families.processes import processes_of
from adapters.heads.full import FullHead
from adapters.heads.shortlist import ShortListHead
from tests.adapters import tensor_parallel_worker as worker
from tests.adapters.tiny import TINY
from tests.adapters.two_devices import HERE, THERE, DeviceMismatch, TwoDevices, dispatched

ROOT = Path(__file__).parents[3]
LAYERS = 6
SECONDS = 150  # after which processes that wait for each other are ended, and the test fails

# How each family's decoder and layers are called, for a device_map.
DECODERS = {**dict.fromkeys(("llama", "gemma3", "mixtral"), ("model", "layers")), "gpt2": ("transformer", "h")}
every_run = pytest.mark.parametrize("title", worker.ALIKE)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Accelerate says of each model that is dispatched what is on disk."""
    logging.getLogger("accelerate.big_modeling").setLevel(logging.ERROR)
    yield
    logging.getLogger("accelerate.big_modeling").setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models as ``save_pretrained`` leaves them, in double precision; those of several processes with tied weights."""
    found = tmp_path_factory.mktemp("models")
    for name in dict.fromkeys((*worker.MODELS, *DECODERS)):
        tied = {"tie_word_embeddings": True} if name == "qwen3" else {}
        TINY[name](layers=LAYERS, dtype=torch.float64, **tied).save_pretrained(found / name)
    return found


def loaded(path: Path, **options: Any) -> PreTrainedModel:
    """The model in a folder."""
    return AutoModelForCausalLM.from_pretrained(path, **worker.loading(path.name), **options)


def device_map(name: str, *, disk: tuple[int, ...], head: str = "cpu") -> dict[str, str]:
    """Everything on the CPU but some layers."""
    decoder, layers = DECODERS[name]
    model = TINY[name](layers=LAYERS)
    parts = [part for part, _ in model.get_submodule(decoder).named_children() if part != layers]
    found = {f"{decoder}.{part}": "cpu" for part in parts} | {"lm_head": head}
    return found | {f"{decoder}.{layers}.{index}": "disk" if index in disk else "cpu" for index in range(LAYERS)}


def outcome(model: Any, title: str) -> dict[str, Any]:
    """What a run gives."""
    policy, several = worker.ALIKE[title]
    return worker.run(model, policy(), several=several)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same tokens and layers, and keys up to what the alignment of weights in memory may round."""
    assert found["tokens"] == expected["tokens"]
    assert found["exits"] == expected["exits"]
    assert found["feeds"] == expected["feeds"]
    np.testing.assert_allclose(found["keys"], expected["keys"], rtol=0, atol=1e-9)


# ---- accelerate's device_map ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", ["auto", "names"])
def test_a_device_map_of_one_device_changes_nothing(folder: Path, options: str) -> None:
    given = device_map("llama", disk=()) if options == "names" else "auto"
    model = loaded(folder / "llama", device_map=given)
    for title in ("never, rows", "random, deferred", "random, propagate, rows", "feeds"):
        same(outcome(model, title), outcome(loaded(folder / "llama"), title))


@pytest.fixture(scope="module", params=DECODERS)
def on_disk(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model with some layers on disk, and the same in memory."""
    name = request.param
    away = tmp_path_factory.mktemp("offload")
    model = loaded(folder / name, device_map=device_map(name, disk=(1, 2, 4)), offload_folder=away)
    return model, loaded(folder / name)


@pytest.mark.parametrize(
    "title",
    [
        "never, rows",
        "random, deferred, rows",
        "random, propagate",
        "random, verify",
        "feeds",
        "both, rows",
        "short, rows",
    ],
)
def test_layers_on_disk_give_the_same(on_disk: Any, title: str) -> None:
    model, plain = on_disk
    layers = family_of(model).layers
    assert [any(weight.is_meta for weight in layer.parameters()) for layer in layers] == [
        False,
        True,
        True,
        False,
        True,
        False,
    ]
    same(outcome(model, title), outcome(plain, title))
    assert all(weight.is_meta for weight in layers[1].parameters())  # what was loaded is let go of


@pytest.mark.parametrize("title", ["feeds", "feeds, rows", "both, rows", "random, propagate", "skips"])
def test_layers_that_are_loaded_as_a_whole_give_the_same(folder: Path, tmp_path: Path, title: str) -> None:
    model = loaded(folder / "gemma3")
    block = type(family_of(model).layers[0]).__name__
    given = device_map("gemma3", disk=(1, 2, 4))
    model = accelerate.dispatch_model(model, given, offload_dir=tmp_path, preload_module_classes=[block])
    assert not hasattr(family_of(model).layers[1].mlp.up_proj, "_hf_hook")  # its own call would load nothing
    same(outcome(model, title), outcome(loaded(folder / "gemma3"), title))


@pytest.mark.parametrize("title", ["never, rows", "feeds", "random, propagate, rows", "sure, verify"])
def test_weights_that_accelerate_keeps_elsewhere_give_the_same(folder: Path, title: str) -> None:
    model = accelerate.cpu_offload(loaded(folder / "llama"), execution_device=torch.device("cpu"))
    assert all(weight.is_meta for weight in model.parameters())
    same(outcome(model, title), outcome(loaded(folder / "llama"), title))


def test_a_short_head_needs_the_head_in_memory(folder: Path, tmp_path: Path) -> None:
    model = loaded(folder / "llama", device_map=device_map("llama", disk=(), head="disk"), offload_folder=tmp_path)
    same(outcome(model, "sure, deferred"), outcome(loaded(folder / "llama"), "sure, deferred"))  # a full look does not
    with pytest.raises(UnsupportedModelError, match=r"out of memory.*lm_head"):
        outcome(model, "short, rows")


def test_a_model_without_weights_is_refused() -> None:
    with torch.device("meta"):
        model = TINY["llama"](layers=1)
    with pytest.raises(UnsupportedModelError, match=r"without weights.*from_pretrained"):
        family_of(model)


# ---- two devices ---------------------------------------------------------------------------------------------------


def test_the_pretended_device_keeps_apart() -> None:
    with TwoDevices() as devices:
        here = torch.ones(3)
        there = here.to(THERE)
        assert there.device == (2 * there).sum(0, keepdim=True).device == torch.zeros(2, device=THERE).device == THERE
        assert (here.device, there.cpu().device, there.to(torch.float64).device) == (HERE, HERE, THERE)
        assert devices.moves == 2
        for meet in (lambda: here + there, lambda: torch.cat((here, there)), lambda: there[torch.tensor([0])]):
            with pytest.raises(DeviceMismatch):
                meet()
        with pytest.raises(DeviceMismatch):
            there.numpy()


SPLIT = ("llama", "gemma3", "gpt2", "gpt_neox")


@functools.cache
def split(name: str) -> tuple[Any, Any]:
    """A model of which the later layers, norm and head are elsewhere, and the same in one place."""
    model, plain = (TINY[name](layers=LAYERS) for _ in range(2))
    family = family_of(model)
    with TwoDevices():
        dispatched(model, (*family.layers[3:], family.norm, family.head))
    return model, plain


@every_run
@pytest.mark.parametrize("name", SPLIT)
def test_layers_on_two_devices_give_the_same(name: str, title: str) -> None:
    model, plain = split(name)
    with TwoDevices() as devices:
        found = outcome(model, title)
    assert devices.moves > 0
    assert found == outcome(plain, title)  # bit for bit


@pytest.mark.parametrize(("name", "path"), [("gpt2", "transformer.wpe"), ("opt", "model.decoder.embed_positions")])
def test_positions_may_be_embedded_elsewhere(name: str, path: str) -> None:
    model = TINY[name](layers=LAYERS)
    with TwoDevices():
        found = outcome(dispatched(model, (model.get_submodule(path),)), "random, deferred, rows")
    assert found == outcome(TINY[name](layers=LAYERS), "random, deferred, rows")


@pytest.mark.parametrize("title", ["random, deferred, rows", "random, propagate", "sure, verify", "skips"])
@pytest.mark.parametrize("name", ["llama", "gpt2", "phi3"])
def test_a_cache_of_fixed_size_may_be_on_two_devices(name: str, title: str) -> None:
    policy, several = worker.ALIKE[title]
    ids = worker.THREE if several else worker.ONE
    given = {"attention_mask": (ids != 0).long(), "max_new_tokens": 6, "cache_implementation": "static"}
    model, plain = split(name)
    with TwoDevices():
        found = model.generate(ids, custom_generate=policy(), **given).tolist()
    assert found == plain.generate(ids, custom_generate=policy(), **given).tolist()


@pytest.mark.parametrize("name", SPLIT)
def test_projections_and_devices_of_a_split_model(name: str) -> None:
    with TwoDevices():
        family = family_of(split(name)[0])
        assert (family.home, *family.devices) == (*(4 * [HERE]), *(3 * [THERE]))
        hidden = torch.zeros(1, 1, family.width)
        rotary = family.rotary(hidden, torch.zeros(1, 1, dtype=torch.int64))
        pairs = Projection(family)(2, hidden, rotary)
        assert [keys.device for keys, _ in pairs] == [HERE, THERE, THERE, THERE]


@pytest.mark.parametrize("name", SPLIT)
def test_a_short_head_looks_from_afar(name: str) -> None:
    looks = []
    for model in split(name):
        with TwoDevices():
            family = family_of(model)
            head = FullHead.of(family)
            short = ShortListHead.fit(head, torch.eye(head.width, device=head.weight.device), rank=16, candidates=10)
            states = torch.linspace(-1, 1, 3 * family.width).view(3, -1)
            looks.append(short.predict(states, 2).token.tolist() + head(states).argmax(-1).tolist())
    assert looks[0] == looks[1]


# ---- processes -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Any]:
    """What one process gives."""
    return worker.runs(lambda name: loaded(folder / name), astray=False)


@pytest.fixture(scope="module")
def together(folder: Path, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What each of two processes gives, which share the models by tensor parallelism."""
    shared = os.environ | {"WORLD_SIZE": "2", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, worker.__file__, str(folder)]
    started = [
        subprocess.Popen(
            command,
            env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        request.getfixturevalue("alone")  # meanwhile
        said = [each.communicate(timeout=SECONDS)[0] for each in started]
    finally:
        for each in started:
            each.kill()
            each.wait()
    assert [each.returncode for each in started] == [0, 0], "\n".join(text[-3000:] for text in said)
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(2)]


def compare(found: dict[str, Any], expected: dict[str, Any], rank: int) -> None:
    """The same tokens and layers, and the keys of this process's heads."""
    whole = np.array(expected["keys"])
    heads = np.array(found["keys"]).shape[1]
    part = whole if heads == whole.shape[1] else whole[:, rank * heads : (rank + 1) * heads]
    same(found, expected | {"keys": part})


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("name", "title"),
    [(name, title) for name in worker.MODELS for title in (worker.ALIKE if name == "llama" else worker.FUSED)],
)
def test_processes_that_share_a_model_agree(together: Any, alone: Any, name: str, title: str, rank: int) -> None:
    compare(together[rank][name][title], alone[name][title], rank)


@pytest.mark.parametrize(
    ("name", "divided"),
    [("llama", True), ("gpt_neox", True), ("phi3", False), ("qwen3", True), ("mixtral", True), ("olmo2", False)],
)
def test_heads_are_divided_where_the_plan_divides_them(together: Any, alone: Any, name: str, divided: bool) -> None:
    whole = np.shape(alone[name]["never, rows"]["keys"])[1]
    for found in together:
        assert np.shape(found[name]["never, rows"]["keys"])[1] == (whole // 2 if divided else whole)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("title", worker.ASTRAY)
def test_the_first_process_decides_for_all(together: Any, alone: Any, title: str, rank: int) -> None:
    compare(together[rank]["llama"][title], alone["llama"][worker.ASTRAY[title][1]], rank)


@pytest.mark.parametrize("title", [title for title in worker.ASTRAY if title != "sure, other words"])
def test_alone_the_other_process_would_decide_otherwise(
    folder: Path, alone: Any, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    monkeypatch.setattr(worker, "rank", lambda: 1)
    policy, like = worker.ASTRAY[title]
    found = worker.run(loaded(folder / "llama"), policy(), several=worker.ALIKE[like][1])
    assert (found["tokens"], found["feeds"]) != (alone["llama"][like]["tokens"], alone["llama"][like]["feeds"])


def test_heads_that_cannot_be_divided_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "processes_of", lambda _: SimpleNamespace(count=2))
    assert family_of(TINY["llama"](layers=1)).parts == 2
    assert family_of(TINY["phi3"](layers=1, num_key_value_heads=1)).parts == 1  # each process has all heads
    with pytest.raises(UnsupportedModelError, match=r"1 heads of keys and values.*2 processes.*device_map"):
        family_of(TINY["llama"](layers=1, num_key_value_heads=1))


def test_one_process_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("sent")

    monkeypatch.setattr(torch.distributed, "broadcast", refuse)
    model = TINY["llama"](layers=LAYERS)
    assert processes_of(model) is None
    assert family_of(model).parts == 1
    chosen = np.array([True, False])
    assert family_of(model).agreed(chosen) is chosen
    for title in ("sure, deferred, rows", "feeds", "sometimes, rows"):
        outcome(model, title)


def _sharded(model: Any) -> None:
    model.__class__ = type("FSDPLlama", (type(model), type("FSDPModule", (), {})), {})


def _zero_3(model: Any) -> None:
    next(model.parameters()).ds_id = 0


def _pipeline(model: Any) -> None:
    sizes = (2, 1, 2)
    model._device_mesh = SimpleNamespace(ndim=3, mesh_dim_names=("pp", "fsdp", "tp"), size=lambda dim: sizes[dim])


@pytest.mark.parametrize("spread", [_sharded, _zero_3, _pipeline])
def test_other_ways_to_spread_a_model_are_refused(spread: Callable[[nn.Module], None]) -> None:
    model = TINY["llama"](layers=1)
    spread(model)
    with pytest.raises(UnsupportedModelError, match=r"FSDP, ZeRO-3, pipeline.*tensor parallelism"):
        family_of(model)
