"""Rates of p ≤ 0.05 of what has a p-value beside the indicators, where nothing changes: one matched cell each.

Series are AR(1) 0.7 of 100 samples (sampled, an Ornstein–Uhlenbeck process of rate 0.357) unless a line says otherwise,
every detector with its defaults but for the number of surrogates: 79; 199 for jumps, which tests four trends together;
399 for the four score tests behind ``ews.detect``, whose weighted p-values need a finer grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables
from benchmarks.evidence.false_alarms import ALPHA, LEVEL, Draw, autoregression, in_processes
from ews import bifurcations

SEED = 20_261_124
SURROGATES = 79
FOUR_TRENDS_SURROGATES = 199
FOUR_SCORES_SURROGATES = 399
BLOCK = 50
N = 100
red = autoregression(0.7)
white = autoregression(0.0)


@dataclass(frozen=True)
class Cell:
    """`measure` gives, for one series and a seed, the p-values by what they are of; NaN for what was not asked."""

    name: str
    null: str
    matched: bool
    series: int
    draw: Draw
    measure: Callable[[np.ndarray, int], Mapping[str, float]]


def trend(detector: Callable[..., Any], x: np.ndarray, seed: int) -> dict[str, float]:
    """The p-value of a detector that has one."""
    return {"": detector(x, n_surrogates=SURROGATES, seed=seed).pvalue}


def restoring(x: np.ndarray, seed: int) -> dict[str, float]:
    found = bifurcations.restoring(x, n_surrogates=SURROGATES, n_bootstrap=0, seed=seed)
    return {f", null {name}": p for name, p in found.pvalues.items()} | {", larger of the two": found.pvalue}


def jacobian(x: np.ndarray, seed: int) -> dict[str, float]:
    found = bifurcations.jacobian(x, n_surrogates=SURROGATES, seed=seed)
    return {", approach": found.pvalue, ", modulus": found.modulus_pvalue}


def jumps(x: np.ndarray, seed: int) -> dict[str, float]:
    found = bifurcations.jumps(x, n_surrogates=FOUR_TRENDS_SURROGATES, seed=seed)
    single = {f", {name.replace('_', ' ')}": p for name, p in found.pvalue.items()}
    return single | {", any, adjusted": min(found.pvalue_adjusted.values())}


def spectral(true: str, x: np.ndarray, seed: int) -> dict[str, float]:
    """The p-value of the model that the series come from, where another one won."""
    p = bifurcations.spectral(x, n_surrogates=SURROGATES, seed=seed).pvalue[true]
    return {f", {true} refused": 1.0 if math.isnan(p) else p}


def potential(x: np.ndarray, seed: int) -> dict[str, float]:
    return {"": bifurcations.potential(x, n_surrogates=SURROGATES, n_bootstrap=0, seed=seed).pvalue}


def likelihood(x: np.ndarray, seed: int) -> dict[str, float]:
    return {"": bifurcations.likelihood(x, n_bootstrap=SURROGATES, seed=seed).pvalue}


def bds(residuals: str | None, order: tuple[int, int] | None, x: np.ndarray, seed: int) -> dict[str, float]:
    found = ews.bds(x, residuals=residuals, order=order, n_surrogates=SURROGATES, seed=seed)
    return {
        f", residuals {residuals}, m = {m}, e = {e:g} SD": found.pvalue[i, j]
        for i, m in enumerate((2, 3))
        for j, e in enumerate((0.5, 0.75, 1.0))
    }


def classifier(x: np.ndarray, seed: int) -> dict[str, float]:
    return {"": bifurcations.classifier(x, n_surrogates=SURROGATES, history=0, seed=seed).pvalue}


def scores(x: np.ndarray, seed: int) -> dict[str, float]:
    """The score tests behind ``ews.detect``, each alone and all together."""
    tests = ews.score_tests(x, n_surrogates=FOUR_SCORES_SURROGATES, seed=seed).tests
    return {f", {one.name}": one.pvalue for one in tests} | {
        ", any, adjusted": min(one.adjusted for one in tests),
        ", warning": min(one.adjusted for one in tests if one.warns),
    }


def ornstein_uhlenbeck(generator: np.random.Generator, rows: int, n: int) -> np.ndarray:
    """Of rate 0.357 about 20, so that its values are AR(1) 0.7."""
    rate = -math.log(0.7)
    drawn = ews.models.ornstein_uhlenbeck(n=n, mean=0.0, rate=rate, interval=1.0, replicates=rows, seed=generator)
    return np.asarray(drawn.values)


AR1, WHITE, OU = "AR(1) 0.7", "white", "Ornstein–Uhlenbeck"
CELLS = (
    Cell("langevin", AR1, True, 2000, red, partial(trend, bifurcations.langevin)),
    Cell("jumps", AR1, True, 500, red, jumps),
    Cell("potential", AR1, True, 2000, red, potential),
    Cell("bds", WHITE, True, 2000, white, partial(bds, None, None)),
    Cell("bds", AR1, True, 200, red, partial(bds, "arma", (1, 0))),
    Cell("bds", AR1, False, 1000, red, partial(bds, "difference", None)),
    Cell("spectral", AR1, True, 500, red, partial(spectral, "fold")),
    Cell("spectral", WHITE, True, 500, white, partial(spectral, "null")),
    Cell("restoring", AR1, True, 1000, red, restoring),
    Cell("classifier", AR1, True, 1000, red, classifier),
    Cell("detect", AR1, True, 2000, red, scores),
    Cell("likelihood", OU, True, 200, ornstein_uhlenbeck, likelihood),
    Cell("jacobian", AR1, True, 200, red, jacobian),
)


def count(place: int, block: int) -> dict[str, int]:
    """Series of one block with p ≤ 0.05, by what the p-value is of."""
    generator = np.random.default_rng([SEED, place, block])
    raw = LEVEL + CELLS[place].draw(generator, BLOCK, N)
    seeds = generator.integers(2**62, size=BLOCK)
    found = [CELLS[place].measure(x, int(seed)) for x, seed in zip(raw, seeds, strict=True)]
    return {name: sum(bool(one[name] <= ALPHA) for one in found) for name in found[0]}


def main() -> None:
    """Write docs/generated/false_alarms_detectors.csv."""
    lines = []
    for place, cell in enumerate(CELLS):
        counts = in_processes(count, [(place, block) for block in range(cell.series // BLOCK)])
        lines += [
            {
                "statistic": f"{cell.name}{name}",
                "null": cell.null,
                "kind": "matched" if cell.matched else "mismatched",
                "n": N,
                "series": cell.series,
                "p ≤ 0.05": sum(one[name] for one in counts) / cell.series,
            }
            for name in counts[0]
        ]
        tables.write("false_alarms_detectors", pd.DataFrame(lines).round(4))


if __name__ == "__main__":
    main()
