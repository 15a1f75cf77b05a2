"""Texts with classes: SST-2, MRPC, RTE, CoLA and TREC, from the files in which they are handed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.llm.prompts import text_folder

__all__ = ["TASKS", "Sizes", "Split", "task"]

TASKS = ("sst2", "mrpc", "rte", "cola", "trec")


@dataclass(frozen=True)
class Split:
    """Texts and the index of each one's class."""

    texts: list[Any]
    labels: np.ndarray[Any, np.dtype[np.int64]]

    def some(self, count: int, seed: int) -> Split:
        """That many, drawn; all in another order where there are no more."""
        index = np.random.default_rng(seed).permutation(len(self.texts))[:count]
        return Split([self.texts[each] for each in index], self.labels[index])

    def cut(self, at: int) -> tuple[Split, Split]:
        """The first ones, and the rest."""
        return Split(self.texts[:at], self.labels[:at]), Split(self.texts[at:], self.labels[at:])


@dataclass(frozen=True)
class Sizes:
    """How many texts to fit to, to choose settings on, and to score, at most."""

    train: int = 3000
    tuning: int = 1000
    test: int = 2000


def task(name: str, sizes: Sizes, seed: int) -> tuple[Split, Split, Split]:
    """Texts for fitting, for choosing settings, and for scoring."""
    if name == "sst2":
        train, tuning, test = (_sst2(each) for each in ("train", "dev", "test"))
    elif name == "cola":
        train, tuning, test = (_cola(each) for each in ("train", "val", "dev"))
    else:
        whole, test = {
            "mrpc": lambda: (_mrpc("train"), _mrpc("test")),
            "rte": lambda: (_rte("train"), _rte("dev")),  # the labels of its test file are not public
            "trec": lambda: (_trec("train"), _trec("test")),
        }[name]()
        shuffled = whole.some(len(whole.texts), seed)
        tuning, train = shuffled.cut(min(sizes.tuning, len(shuffled.texts) // 4))
    return train.some(sizes.train, seed), tuning.some(sizes.tuning, seed), test.some(sizes.test, seed)


def _lines(path: str, *, header: bool) -> Iterator[list[str]]:
    found = (text_folder() / path).read_text(encoding="utf-8-sig", errors="replace").split("\n")
    yield from (line.rstrip("\r").split("\t") for line in found[header:] if line.strip())


def _split(pairs: list[tuple[Any, str]], classes: list[str]) -> Split:
    return Split([text for text, _ in pairs], np.array([classes.index(label) for _, label in pairs]))


def _sst2(name: str) -> Split:
    return _split([(row[0], row[1].strip()) for row in _lines(f"sst2_glue/{name}.tsv", header=True)], ["0", "1"])


def _mrpc(name: str) -> Split:
    rows = _lines(f"mrpc/msr_paraphrase_{name}.txt", header=True)
    return _split([((row[3], row[4]), row[0]) for row in rows], ["0", "1"])


def _rte(name: str) -> Split:
    rows = _lines(f"rte/{name}.tsv", header=True)
    return _split([((row[1], row[2]), row[3]) for row in rows], ["entailment", "not_entailment"])


def _cola(name: str) -> Split:
    return _split([(row[3], row[1]) for row in _lines(f"cola/{name}.tsv", header=False)], ["0", "1"])


def _trec(name: str) -> Split:
    lines = (text_folder() / f"trec_qc/TREC.{name}.all").read_text(encoding="utf-8", errors="replace").split("\n")
    return _split([(line[2:].strip(), line[0]) for line in lines if line.strip()], list("012345"))
