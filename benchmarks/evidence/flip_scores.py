"""Which score of the score tests tells a coming period doubling best: chosen on simulations, for real records.

Series as in :mod:`benchmarks.evidence.flip_rule`, drawn anew: maps on their way to the flip against maps that stand
still and against intervals timed with error. Two protocols, as they are used on the records: one prediction a series at
its end, and ten times of each series pooled, from 64 % of it to its end, each seeing the series up to there. `RULE`
below is what this table says, and what :mod:`benchmarks.evidence.chick_heart` uses. Nothing here has seen a real
record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from benchmarks.evidence import flip_rule, tables
from benchmarks.evidence.joint_score import NAMES, Standardised, smallest, standardised

FLIP, VARIANCE = NAMES.index("memory towards −1"), NAMES.index("variance")
# Those that name a bifurcation.
WARNS = [NAMES.index(name) for name in ("memory towards +1", "memory towards −1", "damping")]
# Shares of a record at whose end it is judged, as published (Bury et al. 2023).
TIMES = np.arange(0.64, 1.01, 0.04)
POOLED_LENGTH, POOLED_SERIES = 250, 40
SEED = 20_261_128


def product(of: Standardised) -> float:
    """−log10 of the product of two p: memory towards −1, and variance (Fisher)."""
    return float(-(norm.logsf(of.z[FLIP]) + norm.logsf(of.z[VARIANCE])) / np.log(10))


SCORES: dict[str, Callable[[Standardised], float]] = {
    "smallest p of the four": smallest,
    "product of p, memory towards −1 and variance": product,
    "sum of both": lambda of: float(of.z[FLIP] + of.z[VARIANCE]),
    "memory towards −1": lambda of: float(of.z[FLIP]),
    "variance": lambda of: float(of.z[VARIANCE]),
}
RULE = "sum of both"


def line(positive: list[np.ndarray], negative: list[np.ndarray]) -> dict[str, Any]:
    """AUC of every score, and how often a positive series is named a flip."""
    areas = {
        key: flip_rule.area([rule(one) for one in positive], [rule(one) for one in negative])
        for key, rule in SCORES.items()
    }
    named = float(np.mean([names_flip(one) for one in positive]))
    return {"positive": len(positive), "negative": len(negative), **areas, "named flip": named}


def names_flip(of: Standardised) -> bool:
    """Whether, of the tests that name a bifurcation, memory towards −1 stands out most."""
    return bool(max(WARNS, key=lambda i: float(of.z[i])) == FLIP)


def cut(row: np.ndarray) -> list[np.ndarray]:
    """The series up to each of the times; a time that falls between samples ends with the one before it."""
    return [row[: int(np.floor((row.size - 1) * share + 1e-9)) + 1] for share in TIMES]


def main() -> None:
    """Write docs/generated/flip_scores.csv."""
    lines = []
    for n in flip_rule.LENGTHS:
        groups = flip_rule.series(n, np.random.default_rng([SEED, n]))
        found = [[standardised(row) for row in group] for group in groups]
        lines.append({"protocol": "at the end", "n": n, **line(found[0], found[1])})
        print(lines[-1], flush=True)
    generator = np.random.default_rng([SEED, POOLED_LENGTH, 10])
    groups = flip_rule.series(POOLED_LENGTH, generator)
    chosen = [[group[int(i)] for i in generator.permutation(len(group))[:POOLED_SERIES]] for group in groups]
    found = [[standardised(part) for row in group for part in cut(row)] for group in chosen]
    lines.append({"protocol": "ten times pooled", "n": POOLED_LENGTH, **line(found[0], found[1])})
    tables.write("flip_scores", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
