"""Record what a model writes, and what gates and looks say of it: ``python -m benchmarks.llm.record``.

Models run in the type of their weights, bfloat16, unless --dtype says otherwise.

The recording is kept outside the repository, in EARLYWARNING_RECORDINGS or ~/.cache/earlywarning/recordings.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from adapters.calibration.exits import candidate_depths, fit_head, split, window_for
from adapters.calibration.table import ExitTable, gather, trajectories_of
from adapters.families import Family, family_of
from adapters.heads.full import FullHead
from adapters.heads.shortlist import ShortListHead
from adapters.signals import signals
from adapters.texts.continuations import Continuation, full_model_continuations
from benchmarks.llm.models import load
from benchmarks.llm.prompts import prompts, tokenised

__all__ = ["Recording", "recorded", "recording_folder"]

_ROWS = 512


@dataclass(frozen=True)
class Recording:
    """What was recorded of one model.

    Attributes
    ----------
    written : list of Continuation
        Prompts and what the whole model wrote.
    lens_part, rule_part, test_part : ndarray
        Indices of the texts that the head was fitted to, and of the others.
    evidence : ExitTable
        Gate and look at the candidate depths, of the texts that the head was not fitted to.
    raw_text : ndarray of int64 of shape (raw tokens,)
        Text of each token of the arrays below, which hold fewer texts.
    signals : ndarray of float32 of shape (raw tokens, layers, signals)
        Of these tokens.
    raw_depths : tuple of int
        Where the raw lens was read.
    raw_correct, raw_confidence : ndarray of shape (raw tokens, depths)
        Whether its first token is the whole model's, and its probability.
    head : dict of str to Tensor
        Translators and screen.
    """

    written: list[Continuation]
    lens_part: np.ndarray
    rule_part: np.ndarray
    test_part: np.ndarray
    evidence: ExitTable
    raw_text: np.ndarray
    signals: np.ndarray
    raw_depths: tuple[int, ...]
    raw_correct: np.ndarray
    raw_confidence: np.ndarray
    head: dict[str, Any]


def recording_folder(name: str) -> Path:
    """Where the recording of a model is kept."""
    base = Path(os.environ.get("EARLYWARNING_RECORDINGS") or Path.home() / ".cache" / "earlywarning" / "recordings")
    return base / name


@torch.no_grad()
def record(name: str, *, count: int, new_tokens: int, dtype: str, raw_texts: int) -> None:
    """Record a model and write it down."""
    folder = recording_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    model, tokenizer = load(name, dtype=dtype)
    family = family_of(model)
    started = time.perf_counter()
    texts = story_beginnings(count) if tokenizer is None else tokenised(prompts(count), tokenizer)
    written = full_model_continuations(model, texts, max_new_tokens=new_tokens, progress=_said(started, len(texts)))
    lens_part, rule_part, test_part = split(len(written), 0)
    depths = candidate_depths(family.depth, window_for(family.depth))
    head = fit_head(family, written, lens_part, depths, lambda _done: None)
    others = np.concatenate((rule_part, test_part))
    evidence = gather(
        family,
        written,
        head,
        indices=others,
        depths=depths,
        window=window_for(family.depth),
        progress=_said(started, len(others)),
    )
    raw_depths = tuple(round(family.depth * share) for share in (2 / 3, 0.8, 0.9))
    extra = _signals_and_raw_lens(family, written, others[:raw_texts], raw_depths)
    raw_text = np.sort(extra["text"])
    order = np.argsort(extra.pop("text"), kind="stable")
    arrays = {key: value[order] for key, value in extra.items()}
    np.savez(
        folder / "recording.npz",
        lens_part=lens_part,
        rule_part=rule_part,
        test_part=test_part,
        tokens=np.concatenate([each.tokens for each in written]),
        lengths=[len(each.tokens) for each in written],
        prompts=[each.prompt for each in written],
        text=evidence.text,
        depths=evidence.depths,
        features=evidence.features.astype(np.float32),
        confidence=evidence.confidence,
        correct=evidence.correct,
        raw_depths=raw_depths,
        raw_text=raw_text,
        **arrays,
    )
    save_file(head.tensors(), folder / "head.safetensors")
    print(f"{name}: {len(evidence.text)} tokens in {time.perf_counter() - started:.0f} s")


def _signals_and_raw_lens(
    family: Family, written: list[Continuation], indices: np.ndarray, depths: tuple[int, ...]
) -> dict[str, np.ndarray]:
    head = FullHead.of(family)
    parts: list[dict[str, np.ndarray]] = []
    for text, states in trajectories_of(family, written, indices=indices):
        dense = torch.cat([head(part).argmax(-1) for part in states[-1].split(_ROWS)])
        right, sure = [], []
        for depth in depths:
            logits = [head(part).float() for part in states[depth].split(_ROWS)]
            right.append((torch.cat([each.argmax(-1) for each in logits]) == dense).numpy())
            sure.append(torch.cat([each.softmax(-1).amax(-1) for each in logits]).numpy())
        found = signals(torch.stack(states, dim=1))[:, 1:]
        parts.append(
            {
                "text": text,
                "signals": found.float().numpy(),
                "raw_correct": np.stack(right, 1),
                "raw_confidence": np.stack(sure, 1),
            }
        )
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def recorded(name: str) -> Recording:
    """Read a recording.

    Raises
    ------
    FileNotFoundError
        If there is none; the message says how to make it.
    """
    path = recording_folder(name) / "recording.npz"
    if not path.exists():
        raise FileNotFoundError(f"no recording of {name}: run python -m benchmarks.llm.record {name}")
    with np.load(path, allow_pickle=False) as found:
        arrays = {key: found[key] for key in found.files}
    ends = np.cumsum(arrays["lengths"])
    written = [
        Continuation(arrays["tokens"][end - length : end], int(prompt))
        for end, length, prompt in zip(ends, arrays["lengths"], arrays["prompts"], strict=True)
    ]
    evidence = ExitTable(
        arrays["text"],
        tuple(int(depth) for depth in arrays["depths"]),
        arrays["features"].astype(np.float64),
        arrays["confidence"],
        arrays["correct"],
    )
    return Recording(
        written,
        arrays["lens_part"],
        arrays["rule_part"],
        arrays["test_part"],
        evidence,
        arrays["raw_text"],
        arrays["signals"],
        tuple(int(depth) for depth in arrays["raw_depths"]),
        arrays["raw_correct"],
        arrays["raw_confidence"],
        load_file(path.with_name("head.safetensors")),
    )


def short_head(family: Family, recording: Recording) -> ShortListHead:
    """The head of a recording, on its model."""
    return ShortListHead.from_tensors(FullHead.of(family), recording.head)


def story_beginnings(count: int) -> list[list[int]]:
    """For a model without a tokenizer: its first token, and a few common ones."""
    random = np.random.default_rng(0)
    return [[1, *random.integers(260, 2000, size=random.integers(1, 8)).tolist()] for _ in range(count)]


def _said(started: float, total: int) -> Any:
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        print(f"  {done}/{total} after {time.perf_counter() - started:.0f} s", flush=True)

    return progress


def main() -> None:
    """Record the models named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=["smollm2-135m"])
    parser.add_argument("--texts", type=int, default=800)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--raw-texts", type=int, default=160)
    parser.add_argument("--threads", type=int, default=0)
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    for name in chosen.names:
        record(name, count=chosen.texts, new_tokens=chosen.new_tokens, dtype=chosen.dtype, raw_texts=chosen.raw_texts)


if __name__ == "__main__":
    main()
