"""Intervals, calibration error, and scores of texts."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["calibration_error", "exact_match", "interval", "paired_interval", "repetition", "rouge", "standing"]

_DRAWS = 2000
_BINS = 15
_GRAM = 4


def interval(values: Sequence[float], weights: Sequence[float] | None = None, *, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval, over texts, of a weighted mean; where all are 0, or all 1, that of Clopper and Pearson.

    Parameters
    ----------
    values : sequence of float
        Mean of each text.
    weights : sequence of float, optional
        Tokens of each text (default: all texts count alike).
    seed : int, default 0
        Of the draws.

    Returns
    -------
    (float, float)
        Lower and upper end.
    """
    given = np.asarray(values, dtype=float)
    if given.min() == given.max() and given[0] in (0.0, 1.0):  # draws of one value say nothing of how sure it is
        chance = 0.025 ** (1 / (len(given) if weights is None else sum(weights)))
        return (chance, 1.0) if given[0] else (0.0, 1.0 - chance)
    drawn = _drawn(given, weights, seed)
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def paired_interval(
    first: Sequence[float], second: Sequence[float], weights: Sequence[float] | None = None, *, seed: int = 0
) -> tuple[float, float, float]:
    """Difference of two means on the same texts, and its 95 % bootstrap interval over texts."""
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    mean = float(np.average(difference, weights=weights))
    drawn = _drawn(difference, weights, seed)
    return mean, float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def _drawn(values: np.ndarray, weights: Sequence[float] | None, seed: int) -> np.ndarray:
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    chosen = np.random.default_rng(seed).integers(0, len(values), size=(_DRAWS, len(values)))
    return (values * weight)[chosen].sum(1) / weight[chosen].sum(1)


def standing(difference: tuple[float, float, float]) -> str:
    """In words, where one stands against another: by whether the interval of the difference holds zero."""
    _, low, high = difference
    return "better" if low > 0 else "losing" if high < 0 else "equal within the interval"


def calibration_error(probability: Sequence[float], right: Sequence[bool]) -> float:
    """Expected calibration error over 15 bins of equally many tokens."""
    order = np.argsort(np.asarray(probability, dtype=float), kind="stable")
    sure, hits = np.asarray(probability, dtype=float)[order], np.asarray(right, dtype=float)[order]
    parts = zip(np.array_split(sure, _BINS), np.array_split(hits, _BINS), strict=True)
    return float(sum(abs(each.mean() - hit.mean()) * len(each) for each, hit in parts if len(each)) / len(sure))


def repetition(tokens: Sequence[int]) -> float:
    """Share of 4-grams that the text had before; 0 for a text that has none."""
    grams = [tuple(tokens[at : at + _GRAM]) for at in range(len(tokens) - _GRAM + 1)]
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def exact_match(said: str, answers: Sequence[str]) -> float:
    """1 where the first line is one of the answers, without case, punctuation, articles and spaces; else 0."""
    lines = said.strip().splitlines()
    return float(bool(lines) and _bare(lines[0]) in {_bare(each) for each in answers})


def _bare(text: str) -> str:
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def rouge(said: str, references: Sequence[str], scorer: Any = None) -> float:
    """ROUGE-L (F1, stemmed) against the nearest of the references."""
    if scorer is None:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(["rougeL"], use_stemmer=True)
    return max(float(scorer.score(each, said)["rougeL"].fmeasure) for each in references)
