"""The training loop: the same weights after a kill, nothing by pickle, no other run taken up."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import nn

from adapters.errors import CheckpointMismatchError, DivergedError
from adapters.training.content import data_digest
from adapters.training.loop import count_steps, fit_modules
from ews.errors import ArgumentError, InputTypeError, ValueRangeError
from tests.adapters.training import fit_worker, several_worker

torch.set_num_threads(1)


def same(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def whole() -> Any:
    return fit_worker.run(None)


@pytest.mark.parametrize(("every", "killed"), [(1, 7), (4, 11), (5, 18)])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, whole: Any, every: int, killed: int) -> None:
    root = Path(__file__).resolve().parents[3]
    line = [sys.executable, "-m", "tests.adapters.training.fit_worker", str(tmp_path), str(every), str(killed)]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    ) as run:
        assert run.stdout is not None
        for said in run.stdout:
            if int(said) == killed:
                run.send_signal(signal.SIGKILL)
    modules, history = fit_worker.run(tmp_path, every=every, resume=True)
    kept = killed if killed == 18 else killed - killed % every
    assert history.resumed == kept
    assert same(modules, whole[0])
    np.testing.assert_array_equal(history.losses, whole[1].losses)


@pytest.mark.parametrize("stop", range(1, 18, 2))
def test_an_exception_at_any_step_loses_nothing(tmp_path: Path, whole: Any, stop: int) -> None:
    def told(done: int, total: int) -> None:
        if done == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_worker.run(tmp_path, every=1, progress=told)
    (tmp_path / "checkpoint-99.safetensors").write_bytes(b"cut short by a kill between the two files")
    modules, _ = fit_worker.run(tmp_path, every=1, resume=True)
    assert same(modules, whole[0])
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]


def test_a_finished_run_is_read_again_and_an_empty_folder_begins_anew(tmp_path: Path, whole: Any) -> None:
    modules, history = fit_worker.run(tmp_path / "new", resume=True)
    assert history.resumed is None
    again, history = fit_worker.run(tmp_path / "new", resume=True)
    assert history.resumed == history.steps == 18
    assert same(modules, whole[0])
    assert same(again, whole[0])


def test_chance_begins_at_the_seed_and_is_left_as_it_was(whole: Any) -> None:
    line, drawn = nn.Linear(1, 1), []

    def loss(batch: torch.Tensor, _step: int) -> torch.Tensor:
        drawn.append((float(torch.rand(1)), float(np.random.random()), random.random()))  # noqa: NPY002
        return line(batch).mean()

    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    for seed in (0, 1, 0):
        fit(line, loss, seed=seed)
    now = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert torch.equal(states[0], now[0])
    assert states[1:] == now[1:]
    assert drawn[:6] == drawn[12:] != drawn[6:12]
    assert not same(fit_worker.run(None, seed=4)[0], whole[0])
    assert same(fit_worker.run(None)[0], whole[0])


def test_accelerate_is_left_to_whoever_comes_next() -> None:
    AcceleratorState._reset_state()
    line = nn.Linear(1, 1)
    fit_modules(
        line,
        lambda batch, _: line(batch).square().mean(),
        [1.0, 2.0],
        lambda items: torch.tensor(items)[:, None],
        optimizer=torch.optim.SGD(line.parameters(), lr=0.1),
        batch_size=1,
        epochs=1,
        seed=0,
    )
    try:
        assert Accelerator(cpu=True, mixed_precision="bf16").mixed_precision == "bf16"
    finally:
        AcceleratorState._reset_state()


def test_a_batch_in_parts_is_the_same_batch() -> None:
    def fit(**options: Any) -> nn.Module:
        torch.manual_seed(0)
        line = nn.Linear(3, 1).double()
        data = [np.random.default_rng(index).standard_normal(3) for index in range(10)]
        fit_modules(
            line,
            lambda batch, _step: (line(batch)[:, 0] - batch.sum(1)).square().mean(),
            data,
            lambda items: torch.from_numpy(np.stack(items)),
            optimizer=torch.optim.SGD(line.parameters(), lr=0.1),
            batch_size=5,
            epochs=2,
            seed=0,
            **options,
        )
        return line

    torch.testing.assert_close(fit().weight, fit(accumulate=3).weight, rtol=1e-12, atol=1e-14)


def test_frozen_parameters_are_neither_changed_nor_saved(tmp_path: Path, whole: Any) -> None:
    modules, _ = fit_worker.run(tmp_path)
    torch.manual_seed(0)
    words = json.loads((tmp_path / "checkpoint.json").read_text())
    saved = json.dumps(words["state"]["map"])
    assert '"3.weight"' in saved
    assert '"4.weight"' not in saved
    assert modules[4].weight.grad is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": [(np.zeros(4, dtype=np.float32), 0)] * 23}, "another data"),
        ({"batch_size": 5}, "another settings"),
        ({"config": {"system": "other"}}, "another settings"),
        ({"clip": None}, "another settings"),
        ({"seed": 9}, "another settings"),
        ({"epochs": 4}, "another settings"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    fit_worker.run(tmp_path)
    with pytest.raises(CheckpointMismatchError, match=said):
        fit_worker.run(tmp_path, resume=True, **options)


def test_other_frozen_weights_or_learning_rate_are_refused(tmp_path: Path) -> None:
    def fit(*, value: float = 1.0, rate: float = 0.1, width: int = 2, resume: bool = True) -> None:
        modules = nn.ModuleList([nn.Linear(width, 1), nn.Linear(1, 1)])
        modules[1].requires_grad_(False)
        nn.init.constant_(modules[1].weight, value)
        nn.init.constant_(modules[1].bias, 0.0)
        fit_modules(
            modules,
            lambda batch, _step: modules[1](modules[0](batch)).square().mean(),
            [1.0, 2.0],
            lambda items: torch.tensor(items)[:, None].expand(-1, width),
            optimizer=torch.optim.SGD(modules[0].parameters(), lr=rate),
            batch_size=1,
            epochs=1,
            seed=0,
            directory=tmp_path,
            resume=resume,
        )

    fit(resume=False)
    fit()
    with pytest.raises(CheckpointMismatchError, match="another weights"):
        fit(value=1.5)
    with pytest.raises(CheckpointMismatchError, match="another weights"):
        fit(width=3)
    with pytest.raises(CheckpointMismatchError, match="another settings"):
        fit(rate=0.2)


@pytest.mark.parametrize("name", ["optimizer.pt", "pytorch_model.bin", "random_states_0.pkl"])
def test_a_pickle_in_the_folder_is_refused_and_not_run(tmp_path: Path, name: str) -> None:
    fit_worker.run(tmp_path)
    ran = tmp_path / "ran"
    (tmp_path / name).write_bytes(pickle.dumps(_Runs(ran)))
    with pytest.raises(CheckpointMismatchError, match="which is never read"):
        fit_worker.run(tmp_path, resume=True)
    assert not ran.exists()


@pytest.mark.parametrize("damage", ["pickle", "cut", "json", "links", "step", "run"])
def test_a_changed_checkpoint_is_refused(tmp_path: Path, damage: str) -> None:
    fit_worker.run(tmp_path)
    words, tensors = tmp_path / "checkpoint.json", tmp_path / "checkpoint-18.safetensors"
    if damage == "pickle":
        tensors.write_bytes(pickle.dumps(_Runs(tmp_path / "ran")))
    elif damage == "cut":
        tensors.write_bytes(tensors.read_bytes()[:-10])
    elif damage == "json":
        words.write_bytes(words.read_bytes()[:200])
    elif damage == "links":
        words.rename(tmp_path / "beside")
        words.symlink_to(tmp_path / "beside")
    elif damage == "step":
        words.write_text(words.read_text().replace('"step": 18', '"step": 17'))
    else:
        words.write_text(json.dumps({**json.loads(words.read_text()), "run": []}))
    with pytest.raises(CheckpointMismatchError if damage not in ("json", "links", "cut") else ArgumentError):
        fit_worker.run(tmp_path, resume=True)
    assert not (tmp_path / "ran").exists()


class _Runs:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_loss_that_is_not_finite_names_its_step() -> None:
    line = nn.Linear(1, 1)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(DivergedError, match="at step 3"):
            fit(line, lambda batch, step, bad=bad: line(batch).mean() * (bad if step == 3 else 1.0))


def fit(line: nn.Module, loss: Any = None, **options: Any) -> Any:
    given = {"optimizer": torch.optim.SGD(line.parameters(), lr=0.1), "batch_size": 1, "epochs": 2, "seed": 0}
    loss = loss or (lambda batch, _step: line(batch).mean())
    data = options.pop("data", [1.0, 2.0, 3.0])
    return fit_modules(line, loss, data, lambda items: torch.tensor(items)[:, None], **{**given, **options})


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"batch_size": 0}, ValueRangeError, "batch_size"),
        ({"epochs": 1.5}, ValueRangeError, "epochs"),
        ({"accumulate": -1}, ValueRangeError, "accumulate"),
        ({"clip": 0.0}, ValueRangeError, "clip"),
        ({"resume": True}, ArgumentError, "directory"),
        ({"checkpoint_every": 2}, ArgumentError, "directory"),
        ({"data": []}, ArgumentError, "data"),
        ({"progress": 3}, InputTypeError, "progress"),
        ({"optimizer": torch.optim.SGD([nn.Parameter(torch.ones(1))])}, ArgumentError, "optimizer"),
        ({"loss": lambda batch, _step: batch}, InputTypeError, "loss"),
        ({"data": [1.0, object()], "directory": "never"}, InputTypeError, r"data\[1\]"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if options.get("loss"):
        options = {**options, "batch_size": 2}
    with pytest.raises(kind, match=said):
        fit(nn.Linear(1, 1), **options)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_is_not_written_over(tmp_path: Path) -> None:
    torch.manual_seed(0)
    fit(nn.Linear(1, 1), directory=tmp_path)
    with pytest.raises(ArgumentError, match="holds a checkpoint"):
        fit(nn.Linear(1, 1), directory=tmp_path)


def test_digests_tell_data_apart() -> None:
    kinds: list[list[Any]] = [
        [1, 2],
        ["1", "2"],
        [[1], [2]],
        [[1, 2]],
        [1.0, 2.0],
        [np.array([1, 2])],
        [np.array([1, 2], dtype=np.int32)],
        [torch.tensor([1, 2])],
        [{"a": 1}, {"b": 2}],
        [True, 2],
        [None],
        [torch.tensor([1.0, 2.0], dtype=torch.bfloat16)],
    ]
    assert len({data_digest(each) for each in kinds}) == len(kinds)
    assert count_steps(9, batch_size=4, epochs=3) == 9


def test_two_processes_train_as_one_does_and_go_on(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    line = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    line += ["-m", "tests.adapters.training.several_worker", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(root), "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    found = subprocess.run(line, capture_output=True, text=True, cwd=root, env=environment, check=False, timeout=300)
    assert found.returncode == 0, found.stderr
    assert not list((tmp_path / "kept").glob("checkpoint-3.*"))
    expected = several_worker.run(None).state_dict()
    for rank in (0, 1):
        weights = load_file(tmp_path / f"{rank}.safetensors")
        for name, each in expected.items():
            torch.testing.assert_close(weights[name], each, rtol=1e-9, atol=1e-12)
