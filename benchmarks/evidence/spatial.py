"""Error rates of ``detect_spatial``: fields in which nothing changes, and fields on the way to a transition.

The null knows nothing of maps: their cells may be skewed, and their memory is that of a linear field with exchange
between neighbours. The verdict's rule is the one of :func:`ews.detect_spatial`, at level 0.05.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from benchmarks.evidence import tables
from ews._analysis.spatial import run as _detect_spatial
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
    chosen = [registry.get(name) for name in _detect_spatial.DEFAULT_SPATIAL_INDICATORS]
    single = np.zeros(len(chosen))
    warned = dict.fromkeys(surrogates.NULLS, 0)
    for field in range(FIELDS):
        generator = np.random.default_rng(np.random.SeedSequence([SEED, place, n, field]))
        maps = make(n, generator)
        table = np.stack([one.compute(maps) for one in chosen])
        tau = _detect_spatial._trend(table, "kendall", 1.0)
        for null in warned:
            drawn = _detect_spatial._surrogate_trends(table, "kendall", null, SURROGATES, field, 1.0)  # type: ignore[arg-type]
            p, adjusted = _detect_spatial._pvalues(tau, drawn)
            warned[null] += bool(_detect_spatial._warns(chosen, tau, adjusted, ALPHA).any())
            if null == "ar1":
                single += p <= ALPHA
    line: dict[str, object] = {"maps": n}
    line |= {f"{one.label}: p ≤ 0.05": rate for one, rate in zip(chosen, single / FIELDS, strict=True)}
    return line | {f"warns ({null})": count / FIELDS for null, count in warned.items()}


def main() -> None:
    """Write docs/generated/spatial_false_alarms.csv."""
    lines = [{"field": name, **rates(make, n, place)} for name, make, place in FIELDS_OF for n in (50, 100)]
    tables.write("spatial_false_alarms", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
