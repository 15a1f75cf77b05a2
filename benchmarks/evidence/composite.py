"""Error rates of ``composite`` and ``abrupt_shift`` in autoregressive noise, and how often a step is found."""

from __future__ import annotations

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables
from ews._analysis.composite import run as _composite
from ews._significance.controls import positive_control
from ews._significance.resolve import resolve_indicators
from ews._significance.windows import prepare
from ews.nulls.autoregressive import AR1, draw_autoregression

SEED = 20_261_123
RULE_SERIES, TESTED_SERIES, SURROGATES = 2000, 500, 199
SHIFT_SERIES, STEP_SERIES = 1000, 300
COEFFICIENTS = (0.0, 0.3, 0.7, 0.9)
ALPHA = 0.05


def noise(coefficient: float, n: int, count: int) -> np.ndarray:
    """Rows of autoregressive noise of unit variance."""
    return AR1(coefficient, float(np.sqrt(1.0 - coefficient**2)), n).draw(0, count, seed=SEED)


def approach(coefficient: float, n: int, count: int) -> np.ndarray:
    """Rows of the positive control of :func:`ews.detect`: power, not false alarms."""
    return draw_autoregression(positive_control(coefficient, n), np.ones(n), 0, count, seed=SEED)


def rule_rates(rows: np.ndarray) -> dict[str, float]:
    """How often the rule alone raises an alarm somewhere, by the crossings in a row that it asks for."""
    n = rows.shape[1]
    chosen = resolve_indicators(("variance", "ac1", "skewness"))
    shortest = max(5, *(one.shortest_window for one in chosen))
    prepared = prepare(
        rows[0], time=None, until=None, missing="raise", duplicates="raise", detrend=None, bandwidth=None, causal=True,
        season=None, window=shortest, shortest=shortest,
    )  # fmt: skip
    assert len(prepared.series) == n
    strength = np.concatenate(
        [
            _composite._strength(_composite._measured(prepared, part, chosen, shortest, None), chosen)[1]
            for part in np.array_split(rows, max(1, rows.shape[0] // 200))
        ]
    )
    labels = {1: "one crossing", 2: "two in a row (the rule)", 5: "five in a row"}
    return {label: float((_composite._strongest(strength, k) > 2.0).mean()) for k, label in labels.items()}


def composites() -> None:
    """Write docs/generated/composite_false_alarms.csv."""
    lines = []
    cases = [(f"AC1 {coefficient:g}", noise, coefficient) for coefficient in COEFFICIENTS]
    cases.append(("approaching a fold from AC1 0.5", approach, 0.5))
    for label, make, coefficient in cases:
        for n in (50, 100):
            rows = make(coefficient, n, RULE_SERIES)
            line: dict[str, object] = {"noise": label, "n": n, **rule_rates(rows)}
            found = [ews.composite(row, n_surrogates=SURROGATES, seed=k) for k, row in enumerate(rows[:TESTED_SERIES])]
            line["p ≤ 0.05"] = np.mean([one.pvalue <= ALPHA for one in found])
            line["warns (rule and p ≤ 0.05)"] = np.mean([one.warning for one in found])
            lines.append(line)
    tables.write("composite_false_alarms", pd.DataFrame(lines).round(3))


def shifts() -> None:
    """Write docs/generated/abrupt_shift_rates.csv."""
    lines = []
    for coefficient in COEFFICIENTS:
        for n in (50, 100):
            rows = noise(coefficient, n, SHIFT_SERIES)
            line: dict[str, object] = {"AC1": coefficient, "n": n}
            for size, count in ((0.0, SHIFT_SERIES), (3.0, STEP_SERIES), (6.0, STEP_SERIES)):
                stepped = rows[:count] + size * (np.arange(n) >= n // 2)
                found = [ews.abrupt_shift(row, n_surrogates=SURROGATES, seed=k) for k, row in enumerate(stepped)]
                label = "no step" if size == 0 else f"step of {size:g} SD"
                line[label] = np.mean([one.warning for one in found])
                if size == 0:
                    line["no step, largest score above 0.7"] = np.mean([one.statistic > 0.7 for one in found])
            lines.append(line)
    tables.write("abrupt_shift_rates", pd.DataFrame(lines).round(3))


def main() -> None:
    """Write both tables."""
    composites()
    shifts()


if __name__ == "__main__":
    main()
