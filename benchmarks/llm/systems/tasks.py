"""Tasks in the spirit of the papers: answers of the full model and of each setting, scored against references."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapters.decoding.contract import Policy
from adapters.texts.reading import end_tokens, pad_token, padded
from benchmarks.llm.prompts import text_folder
from benchmarks.llm.systems.statistics import exact_match, repetition, rouge
from benchmarks.llm.systems.workbench import Workbench

__all__ = ["TASKS", "Task", "answers", "scored"]

_PROMPTS = 16
_WORDS = 90  # of an article


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes
    ----------
    name, score : str
        What it is called, and what is measured.
    tokens : int
        Of an answer, at most.
    read : callable
        Folder of the texts → prompts with references.
    of : callable
        Answer, its tokens, the full model's tokens and references → score.
    """

    name: str
    score: str
    tokens: int
    read: Callable[[Path], list[tuple[str, list[str]]]]
    of: Callable[[str, Sequence[int], Sequence[int], Sequence[str]], float]


def _restaurants(folder: Path) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    with (folder / "e2e_nlg" / "testset_w_refs.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["mr"], []).append(row["ref"])
    return [(f"Describe this restaurant in one sentence: {facts}", said) for facts, said in found.items()]


def _articles(folder: Path) -> list[tuple[str, list[str]]]:
    lines = (folder / "xsum" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for each in map(json.loads, lines):
        article = " ".join(each["document"].split()[:_WORDS])
        found.append((f"Summarise this article in one sentence: {article}", [each["summary"]]))
    return found


def _questions(folder: Path) -> list[tuple[str, list[str]]]:
    lines = (folder / "nq_open" / "NQ-open.dev.jsonl").read_text(encoding="utf-8").splitlines()
    found = map(json.loads, lines)
    return [(f"Answer with one to four words, nothing else: {each['question']}?", each["answer"]) for each in found]


def _conversations(folder: Path) -> list[tuple[str, list[str]]]:
    lines = (folder / "mt_bench" / "question.jsonl").read_text(encoding="utf-8").splitlines()
    return [(each["turns"][0], []) for each in map(json.loads, lines)]


def _same(_: str, own: Sequence[int], full: Sequence[int], __: Sequence[str]) -> float:
    """Share of the full model's tokens that stand at the same place."""
    return float(np.mean([a == b for a, b in zip(own, full, strict=False)] + [False] * max(0, len(full) - len(own))))


TASKS = (
    Task("E2E NLG", "ROUGE-L", 40, _restaurants, lambda said, _, __, known: rouge(said, known)),
    Task("XSum", "ROUGE-L", 32, _articles, lambda said, _, __, known: rouge(said, known)),
    Task("NQ-open", "exact match", 12, _questions, lambda said, _, __, known: exact_match(said, known)),
    Task("MT-Bench", "agreement", 48, _conversations, _same),
    Task("MT-Bench", "repetition", 48, _conversations, lambda _, own, __, ___: repetition(own)),
)


def answers(bench: Workbench, task: Task, policy: Policy | None) -> list[list[int]]:
    """What is written after each prompt, by greedy decoding, all prompts side by side."""
    ids, mask = padded([np.asarray(each) for each in _prompts(bench, task)])
    options: dict[str, Any] = {} if policy is None else {"custom_generate": policy}
    with torch.no_grad():
        written = bench.model.generate(
            ids,
            attention_mask=mask,
            do_sample=False,
            num_beams=1,
            max_new_tokens=task.tokens,
            pad_token_id=pad_token(bench.model),
            **options,
        )[:, ids.shape[1] :].tolist()
    ends = set(end_tokens(bench.model))
    return [row[: next((place for place, token in enumerate(row) if token in ends), len(row))] for row in written]


def scored(
    bench: Workbench, task: Task, written: Sequence[Sequence[int]], full: Sequence[Sequence[int]]
) -> list[float]:
    """Score of each answer."""
    known = [references for _, references in _chosen(task)]
    return [
        task.of(bench.reader.decode(own, skip_special_tokens=True), own, whole, references)
        for own, whole, references in zip(written, full, known, strict=True)
    ]


def _chosen(task: Task) -> list[tuple[str, list[str]]]:
    found = task.read(text_folder())
    return [found[index] for index in np.random.default_rng(7).permutation(len(found))[:_PROMPTS]]


def _prompts(bench: Workbench, task: Task) -> list[list[int]]:
    found = []
    for text, _ in _chosen(task):
        if getattr(bench.reader, "chat_template", None):
            message = [{"role": "user", "content": text}]
            ids = bench.reader.apply_chat_template(message, add_generation_prompt=True, return_dict=True)["input_ids"]
        else:
            ids = bench.reader(text)["input_ids"]
        found.append([int(token) for token in ids])
    return found
