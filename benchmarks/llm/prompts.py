"""Prompts of the kinds that the founding papers decode: questions, problems, summaries, descriptions, code."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["prompts", "text_folder", "tokenised"]

_WORDS = 70  # of an article that is to be summarised


def text_folder() -> Path:
    """Where the texts are: EARLYWARNING_TEXTS, else the folder beside the checkout."""
    chosen = os.environ.get("EARLYWARNING_TEXTS")
    return Path(chosen) if chosen else Path(__file__).resolve().parents[3] / "shared" / "data" / "text"


def prompts(count: int, *, seed: int = 0) -> list[str]:
    """Prompts in an order that means nothing, from each kind in turn.

    Parameters
    ----------
    count : int
        How many; up to about 3000 there are no repetitions.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    list of str
        The prompts.
    """
    random = np.random.default_rng(seed)
    pools = []
    for read in _KINDS:
        found = list(dict.fromkeys(read(text_folder())))
        pools.append([found[index] for index in random.permutation(len(found))])
    taken: list[str] = []
    place = 0
    while len(taken) < count:
        row = [pool[place] for pool in pools if place < len(pool)]
        if not row:
            raise ValueError(f"there are {len(taken)} prompts only")
        taken += row
        place += 1
    return [taken[index] for index in random.permutation(len(taken))[:count]]


def tokenised(texts: list[str], tokenizer: Any, *, longest: int = 220) -> list[list[int]]:
    """Prompts as the model's chat template writes them, or as they are; those that are too long are left out.

    Parameters
    ----------
    texts : list of str
        The prompts.
    tokenizer : transformers tokenizer
        Of the model.
    longest : int, default 220
        Most tokens of a prompt.

    Returns
    -------
    list of list of int
        Token ids.
    """
    found = []
    for text in texts:
        if getattr(tokenizer, "chat_template", None):
            message = [{"role": "user", "content": text}]
            ids = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=True)["input_ids"]
        else:
            ids = tokenizer(text)["input_ids"]
        if len(ids) <= longest:
            found.append([int(token) for token in ids])
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _short(text: str) -> str:
    return " ".join(text.split()[:_WORDS])


def _mt_bench(folder: Path) -> Iterator[str]:
    return (each["turns"][0] for each in _lines(folder / "mt_bench" / "question.jsonl"))


def _gsm8k(folder: Path) -> Iterator[str]:
    return (each["question"] for each in _lines(folder / "gsm8k" / "train.jsonl"))


def _xsum(folder: Path) -> Iterator[str]:
    return (
        f"Summarise in two sentences: {_short(each['document'])}" for each in _lines(folder / "xsum" / "test.jsonl")
    )


def _cnndm(folder: Path) -> Iterator[str]:
    for each in _lines(folder / "cnndm" / "Llama2_chat_input.jsonl"):
        yield f"Summarise this article: {_short(each['instructions'].split('Article:')[-1])}"


def _questions(folder: Path) -> Iterator[str]:
    for each in _lines(folder / "nq_open" / "NQ-open.dev.jsonl"):
        yield f"Answer in a few sentences: {each['question']}?"


def _restaurants(folder: Path) -> Iterator[str]:
    with (folder / "e2e_nlg" / "devset.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield f"Write a short description of a restaurant from these facts: {row['mr']}"


def _code(folder: Path) -> Iterator[str]:
    for each in _lines(folder / "humaneval" / "HumanEval.jsonl.gz"):
        yield f"Complete this function:\n{each['prompt']}"


_KINDS: tuple[Callable[[Path], Iterator[str]], ...] = (
    _mt_bench,
    _gsm8k,
    _xsum,
    _cnndm,
    _questions,
    _restaurants,
    _code,
)
