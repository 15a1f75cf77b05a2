"""Error rates of ``detect_spatial``: fields in which nothing changes, and fields on the way to a transition.

The null knows nothing of maps: their cells may be skewed, and their memory is that of a linear field with exchange
between neighbours. The verdict's rule is the one of :func:`ews.detect_spatial`, at level 0.05.

Methods: verdicts of both methods on the same fields, among them fields in which only the noise grows, and in which a
pattern emerges that is none of the dynamics.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from benchmarks.evidence import tables
from ews._analysis.spatial import kendall, null
from ews._analysis.spatial.modes import modes_of
from ews._analysis.spatial.run import DEFAULT_SPATIAL_INDICATORS
from ews._analysis.spatial.scoring import TESTED, SpatialScoring
from ews._common.alarms import closed_test
from ews._significance.pipeline import in_chunks
from ews._significance.verdict import TrendOutcome
from ews.detrend import plan
from ews.spatial import linear_field, registry, surrogates

SEED = 20_261_123
FIELDS = 500
SURROGATES = 499
SIDE = 16
ALPHA = 0.05
Maker = Callable[[int, np.random.Generator], np.ndarray]


def independent(n: int, generator: np.random.Generator) -> np.ndarray:
    """Maps that do not remember each other, correlated over about two cells."""
    return gaussian_filter(generator.standard_normal((n, SIDE, SIDE)), (0.0, 1.0, 1.0), mode="wrap")


def remembering(memory: float, diffusion: float) -> Maker:
    """A linear field at rest."""
    return lambda n, generator: linear_field.simulate(np.full(n, -np.log(memory)), diffusion, (SIDE, SIDE), generator)


def skewed(n: int, generator: np.random.Generator) -> np.ndarray:
    """Exponential of a linear field: cells with a long tail."""
    return np.exp(remembering(0.7, 0.1)(n, generator))


def approaching(memory: float) -> Maker:
    """A linear field whose recovery rate falls to zero as the square root of the time left."""

    def make(n: int, generator: np.random.Generator) -> np.ndarray:
        left = 1.0 - (np.arange(n) + 1.0) / (n + 1.0)
        rate = np.maximum(-np.log(memory) * np.sqrt(left), 1e-3)
        return linear_field.simulate(rate, 0.1, (SIDE, SIDE), generator)

    return make


# Name, maker, and the number that seeds it.
FIELDS_OF: tuple[tuple[str, Maker, int], ...] = (
    ("independent maps", independent, 0),
    ("memory 0.7", remembering(0.7, 0.1), 1),
    ("memory 0.7, skewed cells", skewed, 2),
    ("memory 0.9", remembering(0.9, 0.1), 3),
    ("memory 0.97", remembering(0.97, 0.02), 6),
    ("approaching a transition from memory 0.3", approaching(0.3), 4),
    ("approaching a transition from memory 0.7", approaching(0.7), 5),
)


def rates(make: Maker, n: int, place: int) -> dict[str, object]:
    """One line of the table."""
    chosen = [registry.get(name) for name in DEFAULT_SPATIAL_INDICATORS]
    single = np.zeros(len(chosen))
    warned = dict.fromkeys(surrogates.NULLS, 0)
    for field in range(FIELDS):
        generator = np.random.default_rng(np.random.SeedSequence([SEED, place, n, field]))
        maps = make(n, generator)
        table = np.stack([one.compute(maps) for one in chosen])
        tau = kendall.trend_of(table, "kendall", 1.0)
        for null_name in warned:
            drawn = kendall.surrogate_trends(table, "kendall", null_name, SURROGATES, field, 1.0)
            p, adjusted = kendall.pvalues(tau, drawn)
            outcomes = [
                TrendOutcome(one.label, one.alarm, *each) for one, *each in zip(chosen, tau, adjusted, strict=True)
            ]
            warned[null_name] += any(one.warns(ALPHA) for one in outcomes)
            if null_name == "ar1":
                single += p <= ALPHA
    line: dict[str, object] = {"maps": n}
    line |= {f"{one.label}: p ≤ 0.05": rate for one, rate in zip(chosen, single / FIELDS, strict=True)}
    return line | {f"warns ({null})": count / FIELDS for null, count in warned.items()}


# ---- both methods on the same fields ----

VERDICTS = 200  # fields a cell: a share is known to 0.015 at 0.05, and to 0.035 at 0.5
FEWER = 199  # surrogates


def louder(n: int, generator: np.random.Generator) -> np.ndarray:
    """A linear field at rest whose standard deviation grows to 2.5 times the first."""
    return remembering(0.7, 0.1)(n, generator) * np.linspace(1.0, 2.5, n)[:, None, None]


def patterned(n: int, generator: np.random.Generator) -> np.ndarray:
    """A linear field at rest on a pattern that grows from nothing to twice its spread."""
    pattern = gaussian_filter(generator.standard_normal((SIDE, SIDE)), 2.0, mode="wrap")
    field = remembering(0.7, 0.1)(n, generator)
    share = np.linspace(0.0, 2.0 * field.std() / pattern.std(), n)
    return field + share[:, None, None] * pattern


METHODS_OF: tuple[tuple[str, Maker, int], ...] = (
    *FIELDS_OF,
    ("memory 0.7, SD × 2.5", louder, 7),
    ("memory 0.7, a pattern emerges", patterned, 8),
)


def verdicts(maps: np.ndarray, seed: int) -> dict[str, bool]:
    """Whether each method warns; by score, also whether anything moves."""
    chosen = [registry.get(name) for name in DEFAULT_SPATIAL_INDICATORS]
    table = np.stack([one.compute(maps) for one in chosen])
    tau = kendall.trend_of(table, "kendall", 1.0)
    adjusted = kendall.pvalues(tau, kendall.surrogate_trends(table, "kendall", "ar1", FEWER, seed, 1.0))[1]
    outcomes = [TrendOutcome(one.label, one.alarm, *each) for one, *each in zip(chosen, tau, adjusted, strict=True)]
    modes = modes_of(maps)
    scoring = SpatialScoring(plan("local_linear", n=len(maps), bandwidth=None, causal=False, season=None))
    draw, _ = null.fit(modes, scoring, "ar1", seed=seed)
    parts = in_chunks(lambda first, count: scoring.statistics(draw(first, count)), FEWER, n=modes.amplitude.size)
    p = closed_test(scoring.statistics(modes.amplitude[None])[:, 0], np.concatenate(parts, axis=1), TESTED)[1]
    return {
        "score": bool((p[:3] <= ALPHA).any()),
        "score, any": bool((p <= ALPHA).any()),
        "kendall": any(one.warns(ALPHA) for one in outcomes),
    }


def methods(n: int) -> pd.DataFrame:
    """Share of fields with a warning by each method."""
    lines = []
    for name, make, place in METHODS_OF:
        found = [
            verdicts(make(n, np.random.default_rng(np.random.SeedSequence([SEED, place, n, 1, field]))), field)
            for field in range(VERDICTS)
        ]
        lines.append(
            {"field": name, "maps": n, **{key: float(np.mean([one[key] for one in found])) for key in found[0]}}
        )
        print(lines[-1], flush=True)
    return pd.DataFrame(lines)


def main() -> None:
    """Write docs/generated/spatial_methods.csv and spatial_false_alarms.csv."""
    tables.write("spatial_methods", pd.concat([methods(n) for n in (50, 100)]).round(3))
    lines = [{"field": name, **rates(make, n, place)} for name, make, place in FIELDS_OF for n in (50, 100)]
    tables.write("spatial_false_alarms", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
