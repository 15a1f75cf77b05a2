"""Which number of the classifier tells a coming period doubling best: chosen on simulations, for real records.

Positive series: Ricker maps on their way to the flip, and random maps of the kind that the classifier learned from
(drawn anew). Negative series: the same with the parameter standing still at a random distance, and intervals between
events timed with error. Lengths 100 to 400. Nothing here has seen a real record. `RULE` below is what this table says,
and what :mod:`benchmarks.evidence.chick_heart` uses.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

import ews
from benchmarks.classifier import nulls, systems
from benchmarks.evidence import tables

LENGTHS = (100, 200, 400)
SERIES = 150
SEED = 20_261_123

Score = Callable[[ews.bifurcations.Classification], float]


def flip_against_rest(found: ews.bifurcations.Classification) -> float:
    """Log odds of a flip against everything else."""
    p = min(max(found.probability["flip"], 1e-12), 1 - 1e-12)
    return float(np.log(p / (1.0 - p)))


def flip_against_null(found: ews.bifurcations.Classification) -> float:
    """Log odds of a flip against no bifurcation."""
    return float(np.log(max(found.probability["flip"], 1e-12) / max(found.probability["null"], 1e-12)))


def any_against_null(found: ews.bifurcations.Classification) -> float:
    """Log odds of any bifurcation against none."""
    return found.evidence


SCORES: dict[str, Score] = {
    "flip against the rest": flip_against_rest,
    "flip against null": flip_against_null,
    "any against null": any_against_null,
}
RULE = "flip against null"


def series(n: int, generator: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Positive and negative series of one length."""
    positive, negative = [], []
    for _ in range(SERIES):
        noise = float(np.exp(generator.uniform(np.log(0.01), np.log(0.1))))
        start = float(generator.uniform(0.5, 1.6))
        made = ews.models.ricker(n=n, growth=(start, 2.0), noise=noise, seed=int(generator.integers(2**31)))
        positive.append(made.values)
        stays = float(start + generator.uniform(0.0, 0.9) * (2.0 - start))
        made = ews.models.ricker(n=n, growth=stays, noise=noise, seed=int(generator.integers(2**31)))
        negative.append(made.values)
    positive.extend(nulls.overlay(systems.simulate("flip", "towards", SERIES, n, generator), generator))
    negative.extend(nulls.overlay(systems.simulate("flip", "still", SERIES // 2, n, generator), generator))
    negative.extend(nulls.overlay(nulls.jitter(SERIES // 2, n, generator), generator))
    return positive, negative


def falling_memory(row: np.ndarray) -> float:
    """−τ of lag-1 autocorrelation: what the field would look at."""
    return -ews.detect(row, indicators=("ac1",), n_surrogates=0).tau["ac1"]  # type: ignore[union-attr]


def main() -> None:
    """Write docs/generated/flip_rule.csv."""
    lines = []
    for n in LENGTHS:
        positive, negative = series(n, np.random.default_rng([SEED, n]))
        found = [
            [ews.bifurcations.classifier(row, history=0, n_surrogates=0) for row in group]
            for group in (positive, negative)
        ]
        line: dict[str, object] = {"n": n, "positive": len(positive), "negative": len(negative)}
        for name, score in SCORES.items():
            line[name] = area(*[[score(one) for one in group] for group in found])
        line["falling τ of AC1"] = area(*[[falling_memory(row) for row in group] for group in (positive, negative)])
        lines.append(line)
    tables.write("flip_rule", pd.DataFrame(lines).round(3))


def area(positive: list[float], negative: list[float]) -> float:
    return float(mannwhitneyu(positive, negative).statistic) / len(positive) / len(negative)


if __name__ == "__main__":
    main()
