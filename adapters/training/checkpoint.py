"""Checkpoints of a training run: safetensors for numbers, JSON for the rest, never a pickle.

A checkpoint is two files. The JSON is put in place last and names the tensors with their digest, so that whoever is
killed between the two leaves the checkpoint before.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensor_bytes
from torch import Tensor

from adapters._common.files import read_json, read_plain, write_whole
from adapters.errors import CheckpointMismatchError
from ews.errors import ArgumentError, described

__all__ = [
    "Checkpoint",
    "chance_of",
    "plain_settings",
    "read_checkpoint",
    "require_no_pickles",
    "restore_chance",
    "state_of_chance",
    "write_checkpoint",
]

FORMAT, VERSION = "earlywarning training", 1
_WORDS, _PREFIX = "checkpoint.json", "checkpoint-"
_WORDS_BYTES = 64 << 20
_SAVED = "a folder that a training run of this library wrote"
# What other libraries keep their checkpoints in: reading one can run any code.
_PICKLES = (".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of a training run after some steps.

    Attributes
    ----------
    run : mapping of str to object
        What the run was given, by which it is recognised: plain JSON.
    step : int
        How many steps were made.
    state : mapping of str to object
        Everything that changes: tensors, numbers, strings, and dicts, lists and tuples of these.
    """

    run: Mapping[str, Any]
    step: int
    state: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in the place of the one before, each file whole or not at all.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.
    checkpoint : Checkpoint
        What is written.

    Raises
    ------
    ews.errors.ArgumentError
        If the folder is a file.
    """
    tensors: dict[str, Tensor] = {}
    state = _plain(checkpoint.state, tensors)
    data = tensor_bytes(tensors)
    name = f"{_PREFIX}{checkpoint.step}.safetensors"
    words = {
        "format": FORMAT,
        "version": VERSION,
        "run": dict(checkpoint.run),
        "step": checkpoint.step,
        "tensors": {"file": name, "sha256": hashlib.sha256(data).hexdigest()},
        "state": state,
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ArgumentError("directory", str(folder), "a folder, or a path where there is nothing") from None
    write_whole(folder / name, data)
    write_whole(folder / _WORDS, (json.dumps(words, allow_nan=False) + "\n").encode())
    for old in folder.glob(f"{_PREFIX}*.safetensors"):
        if old.name != name:
            old.unlink()


def read_checkpoint(folder: Path, run: Mapping[str, Any]) -> Checkpoint | None:
    """Read the checkpoint of a run, if there is one.

    Parameters
    ----------
    folder : Path
        Where it may be.
    run : mapping of str to object
        What the run is given now.

    Returns
    -------
    Checkpoint or None
        None where nothing was written yet.

    Raises
    ------
    adapters.errors.CheckpointMismatchError
        If it is of a run with other data, settings or weights, was changed or cut short, or if a pickle lies beside it.
    """
    require_no_pickles(folder)
    if not (folder / _WORDS).exists():
        return None
    words = read_json(_read(folder / _WORDS, _WORDS_BYTES), _WORDS, allowed=_SAVED)
    if not isinstance(words, dict) or words.get("format") != FORMAT or words.get("version") != VERSION:
        _refuse(described(f"{_WORDS} of another format or version"), f"{FORMAT!r}, version {VERSION}")
    try:
        file, expected = words["tensors"]["file"], words["tensors"]["sha256"]
        found, step, state = words["run"], words["step"], words["state"]
        plain = isinstance(found, dict) and isinstance(step, int) and file == f"{_PREFIX}{step}.safetensors"
    except (KeyError, TypeError):
        plain = False
    if not plain:
        _refuse(described(f"{_WORDS} with parts that are missing or of another kind"), _SAVED)
    _require_same(found, json.loads(json.dumps(dict(run))))
    at = folder / file
    data = _read(at, at.lstat().st_size if at.exists() else 0)
    if hashlib.sha256(data).hexdigest() != expected:
        _refuse(described(f"{file}, cut short or changed"), f"the file that was saved beside {_WORDS}")
    try:
        return Checkpoint(found, step, _whole(state, read_tensors(data)))
    except Exception:  # noqa: BLE001  # whatever is wrong in a file of any origin
        _refuse(described(f"{file} or {_WORDS} that cannot be read"), _SAVED)


def require_no_pickles(folder: Path) -> None:
    """See that a folder holds no pickle, which another library might read.

    Raises
    ------
    adapters.errors.CheckpointMismatchError
        If it does.
    """
    if folder.is_dir():
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _PICKLES)
        if pickles:
            _refuse(described(f"the pickle {pickles[0]!r}, which is never read, in {str(folder)!r}"), _SAVED)


def _read(path: Path, most: int) -> bytes:
    return read_plain(path, "directory", most=most, allowed=_SAVED)


def _require_same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in sorted({*found, *wanted}):
        if found.get(name) != wanted.get(name):
            given, now = (_shown(each.get(name)) for each in (found, wanted))
            _refuse(
                described(f"a checkpoint of a run with another {name} ({given})"),
                f"the one of this run ({now}), or an empty folder",
            )


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _refuse(given: object, allowed: str) -> NoReturn:
    raise CheckpointMismatchError("directory", given, allowed)


def plain_settings(value: Any) -> Any:
    """Settings as they are found again in a checkpoint: JSON, in which a tensor is a list."""
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain_settings(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_settings(each) for each in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return repr(value)


# ---- any state as JSON and tensors, and back -------------------------------------------------------------------------


def _plain(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON of a value; its tensors go beside it under numbers."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"map": [[_plain(key, tensors), _plain(each, tensors)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [_plain(each, tensors) for each in value]}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    allowed = "tensors, numbers, strings, and dicts, lists and tuples of these"
    raise ArgumentError("optimizer or schedule", described(f"a state that holds a {type(value).__name__}"), allowed)


def _whole(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of :func:`_plain`."""
    if not isinstance(value, dict):
        return value
    [(kind, inner)] = value.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "float":
        return float(inner)
    if kind == "map":
        return {_whole(key, tensors): _whole(each, tensors) for key, each in inner}
    found = [_whole(each, tensors) for each in inner]
    return tuple(found) if kind == "tuple" else found


# ---- chance ----------------------------------------------------------------------------------------------------------


def state_of_chance() -> dict[str, Any]:
    """States of the generators that a loss may draw from: torch's, numpy's and Python's."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002  # others draw from it
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {
        "torch": torch.get_rng_state(),
        "cuda": cuda,
        "numpy": (kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest),
        "python": random.getstate(),
    }


def restore_chance(state: Mapping[str, Any]) -> None:
    """The inverse of :func:`state_of_chance`."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():  # else it was on another machine
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["python"])


@contextmanager
def chance_of(seed: int) -> Iterator[None]:
    """All generators begin at a seed within the block, and go on as before it afterwards."""
    before = state_of_chance()
    try:
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        yield
    finally:
        restore_chance(before)
