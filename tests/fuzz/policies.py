"""Folders of policies, guards and models that someone tampered with: refused in one line, or loaded and run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from typer.testing import CliRunner

from adapters import ClassifierPolicy, EWSExitPolicy, Guarded
from adapters.cli import app
from adapters.cli.loading import load_policy
from adapters.policies import NeverExitPolicy
from adapters.texts.continuations import Continuation
from adapters.training.duo import train_duo
from adapters.training.registry import FitSettings
from ews.errors import EWSError
from tests.adapters.fitting import fitted, model_of
from tests.adapters.tiny import VOCABULARY
from tests.fuzz.damage import change

__all__ = ["Tampering", "attempt", "call"]

torch.set_num_threads(1)
_TENSORS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "NaN": lambda t: torch.full_like(t.double(), torch.nan),
    "zeros": torch.zeros_like,
    "minus": lambda t: -t,
    "huge": lambda t: torch.full_like(t.double(), 1e308),
    "empty": lambda t: t.reshape(-1)[:0],
    "flat": lambda t: t.reshape(-1),
    "one axis more": lambda t: t[None],
    "half": lambda t: t[: max(1, len(t) // 2)] if t.ndim else t,
    "twice": lambda t: torch.cat([t, t]) if t.ndim else t * 2,
    "float8": lambda t: t.float().to(torch.float8_e4m3fn),
    "int64": lambda t: t.long(),
    "bool": lambda t: t.bool(),
    "complex": lambda t: t.to(torch.complex64),
    "float16": lambda t: t.half(),
    "bfloat16": lambda t: t.bfloat16(),
    "billions": lambda t: t.long() + 10**12,
}
_PLACES = ("/dev/zero", "/dev/null", "nothing", "{other}")


@dataclass(frozen=True)
class Tampering:
    """What was saved, and what is done to it."""

    text: str
    kind: str
    change: Callable[[Path], None]


def call(rng: np.random.Generator) -> Tampering:
    """What to tamper with, and how."""
    kind = str(rng.choice(["layer", "ffn", "both", "guard", "model", "classifier", "duo"]))
    files = {
        "guard": ["guard.json"],
        "model": ["config.json", "generation_config.json", "model.safetensors"],
        "classifier": ["classifier.json"],
        "duo": ["system.json", "parts.safetensors"],
    }
    name = str(rng.choice(files.get(kind, ["policy.json", "policy.safetensors"])))
    way = str(rng.choice(["field"] * 9 + ["tensor"] * 3 + ["bytes", "cut", "file"]))
    seed = int(rng.integers(2**32))
    steps = int(rng.choice([0, 1, 2], p=[0.1, 0.7, 0.2]))
    seal = bool(rng.random() < 0.92)
    sealed = "sealed" if seal else "not sealed"
    text = f"tests.fuzz.policies: {kind}, {name}, {way}, seed {seed}, {steps} step(s), {sealed}"
    return Tampering(
        text, kind, lambda folder: _tamper(folder, kind, name, way, np.random.default_rng(seed), steps, seal)
    )


def attempt(tampering: Tampering) -> None:
    """Load it, and where it loads let it decode two tokens.

    Raises
    ------
    ews.errors.EWSError
        Where it is refused.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(_original(tampering.kind), Path(name) / "it"))
        tampering.change(folder)
        if tampering.kind == "model":
            options = ["generate", str(folder), "w1 w2", "--policy", "never", "--max-new-tokens", "2"]
            found = CliRunner().invoke(app, options)
            if found.exception is not None and not isinstance(found.exception, SystemExit):
                raise found.exception
            assert found.exit_code in (0, 2), found.output
            if found.exit_code == 2:
                assert len(found.stderr.strip().splitlines()) == 1, found.stderr
                raise EWSError(found.stderr.strip())
            return
        model = model_of("llama")
        if tampering.kind == "guard":
            policy: Any = Guarded.load(folder / "guard.json", NeverExitPolicy())
        elif tampering.kind in ("classifier", "duo"):
            policy = load_policy(str(folder), model)
        else:
            policy = EWSExitPolicy.load(folder, model)
        ids = torch.tensor([[3, 5, 7, 9]])
        model.generate(
            ids, attention_mask=torch.ones_like(ids), custom_generate=policy, max_new_tokens=3, do_sample=False
        )


@cache
def _original(kind: str) -> Path:
    """What was saved, made once; it goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    if kind == "guard":
        guarded = Guarded(NeverExitPolicy())
        prompts = np.random.default_rng(1).integers(1, VOCABULARY, (80, 5)).tolist()
        guarded.calibrate(model_of("llama"), prompts, max_new_tokens=12, rows=80, do_sample=True)
        guarded.save(folder / "guard.json")
    elif kind == "classifier":
        prompts = np.random.default_rng(1).integers(1, VOCABULARY, (8, 5)).tolist()
        fitted_ = ClassifierPolicy.fit(
            model_of("llama"), None, prompts, max_new_tokens=8, progress=False, depths=(3, 6), threshold=0.5
        )
        fitted_.classifiers.save(folder / "classifier.json")
    elif kind == "duo":
        texts = [Continuation(np.arange(1, 11) * step % 97 + 1, 3) for step in range(1, 5)]
        train_duo(model_of("llama"), texts, folder=folder, fit=FitSettings(epochs=1), ratio=4, skip=True)
    elif kind == "model":
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from tokenizers.pre_tokenizers import WhitespaceSplit
        from transformers import PreTrainedTokenizerFast

        from tests.adapters.tiny import TINY

        TINY["llama"](layers=3).save_pretrained(folder)
        words = Tokenizer(WordLevel({"[UNK]": 0, **{f"w{k}": k for k in range(1, 100)}}, unk_token="[UNK]"))
        words.pre_tokenizer = WhitespaceSplit()
        PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(folder)
    else:
        EWSExitPolicy(calibration=fitted("llama", kind)).save(folder)  # type: ignore[arg-type]
    return folder


def _tamper(folder: Path, kind: str, name: str, way: str, rng: np.random.Generator, steps: int, seal: bool) -> None:
    path = folder / name
    if way == "file":
        place = _PLACES[rng.integers(len(_PLACES))].format(other=_original(kind) / name)
        path.unlink()
        if rng.random() < 0.25:
            os.mkfifo(path)
        else:
            path.symlink_to(place)
        return
    for _ in range(steps):
        data = bytearray(path.read_bytes())
        if way == "cut":
            path.write_bytes(data[: int(rng.integers(len(data)))])
        elif way == "bytes":
            for at in rng.integers(0, len(data), 4):
                data[at] = int(rng.integers(256))
            path.write_bytes(data)
        elif name.endswith(".json"):
            _change_field(path, rng)
        else:
            _change_tensor(path, rng)
    if seal and kind != "model":
        _seal(folder, kind)


def _change_field(path: Path, rng: np.random.Generator) -> None:
    try:
        content = json.loads(path.read_text())
    except ValueError:
        return
    path.write_text(json.dumps(change(content, rng, gently=0.75)))


def _change_tensor(path: Path, rng: np.random.Generator) -> None:
    try:
        tensors = load_file(path)
    except Exception:  # noqa: BLE001  # it was broken by an earlier step
        return
    if not tensors:
        return
    name = sorted(tensors)[rng.integers(len(tensors))]
    ways = sorted(_TENSORS)
    what = rng.random()
    if what < 0.75:
        tensors[name] = _TENSORS[ways[rng.integers(len(ways))]](tensors[name]).contiguous()
    elif what < 0.85:
        del tensors[name]
    else:
        tensors[f"{name}.more"] = tensors[name].clone()
    path.write_bytes(save(tensors))


def _seal(folder: Path, kind: str) -> None:
    """Make the digests right again, as someone who writes such files would."""
    words_of = {"guard": "guard.json", "classifier": "classifier.json", "duo": "system.json"}
    path = folder / words_of.get(kind, "policy.json")

    def digest(content: Any) -> str:
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    try:
        words = json.loads(path.read_text())
        if kind == "guard":
            words["sha256"] = digest({key: part for key, part in words.items() if key not in ("guard", "sha256")})
        elif kind == "classifier":
            bare = {key: part for key, part in words.items() if key not in ("format", "version", "sha256")}
            words["sha256"] = digest(bare)
        elif kind == "duo":
            words["sha256"] = hashlib.sha256((folder / "parts.safetensors").read_bytes()).hexdigest()
        else:
            tensors = (folder / "policy.safetensors").read_bytes()
            words["sha256"] = {
                "calibration": digest(words["calibration"]),
                "policy.safetensors": hashlib.sha256(tensors).hexdigest(),
            }
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    path.write_text(json.dumps(words))
