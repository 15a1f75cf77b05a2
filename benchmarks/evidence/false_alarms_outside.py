"""Matched cells whose rate is outside [0.04, 0.06], each with its cause; read from the tables, so it takes no time."""

from __future__ import annotations

import pandas as pd
from scipy.stats import binomtest

from benchmarks.evidence import tables

PROMISED = (0.04, 0.06)
NOT_RATES = ("null", "kind", "n", "series", "verdicts", "any, adjusted", "warning")
CHANCE = "Chance: the interval holds 0.05."
UNDEFINED = (
    "The return rate is undefined in windows whose AC1 is 0 or less, as many are where memory is weak. Surrogates "
    "whose trend is undefined count as extreme on both sides, so that the test hardly ever refuses."
)
LOW_COEFFICIENT = (
    "The smoother takes slow variation out of a short record, so that the coefficient fitted to the residual is lower "
    "than that of the noise, and the statistics of the surrogates spread less than those of the series. Surrogates of "
    "the true coefficient keep the level."
)
FITTED_SPECTRUM = (
    "The rate of return is fitted to the spectrum that the smoother leaves: too fast, and the dip at low frequencies "
    "looks like the peak of a Hopf bifurcation. Series drawn from that fit show it less often. Without detrending the "
    "rate is lower, but above the level too, as the fit is not the truth."
)
LARGER = "The larger of two p-values: both tests must refuse, which happens less often than for either alone."
FEW_VALUES = (
    "The smallest of four p-values from 199 surrogates takes few values, and the next one below 0.05 is far below."
)
ONE_NEVER_WARNS = "One of the four tests, that of the noise, never warns; the rate of any of them keeps the level."
COLUMNS = ("statistic", "null", "n", "series", "rate", "interval", "cause")
# (statistic, null, length) → cause; None stands for every length.
CAUSES: dict[tuple[str, str, int | None], str] = {
    ("return_rate", "white", None): UNDEFINED,
    ("return_rate", "AR(1) 0.3", 100): UNDEFINED,
    ("variance", "AR(1) 0.9", 100): LOW_COEFFICIENT,
    ("cv", "AR(1) 0.9", 100): LOW_COEFFICIENT,
    ("variance", "AR(1) 0.7 + line", 100): LOW_COEFFICIENT,
    ("cv", "AR(1) 0.7 + line", 100): LOW_COEFFICIENT,
    ("mean", "AR(1) 0.7", 100): LOW_COEFFICIENT,
    ("corrected_autocorrelation", "AR(1) 0.7", 100): LOW_COEFFICIENT,
    ("lempel_ziv_complexity", "AR(1) 0.7", 100): LOW_COEFFICIENT,
    ("spectral, fold refused", "AR(1) 0.7", 100): FITTED_SPECTRUM,
    ("restoring, larger of the two", "AR(1) 0.7", 100): LARGER,
    ("jumps, any, adjusted", "AR(1) 0.7", 100): FEW_VALUES,
    ("detect, warning", "AR(1) 0.7", 100): ONE_NEVER_WARNS,
}


def cells() -> pd.DataFrame:
    """Every matched rate of p ≤ 0.05 in the committed tables: statistic, null, n, series, rate."""
    fast = pd.read_csv(tables.FOLDER / "false_alarms.csv").query("kind == 'matched'")
    names = [name for name in fast.columns if name not in NOT_RATES]
    parts = [fast.melt(["null", "n", "series"], names, var_name="statistic", value_name="rate")]
    for name in ("false_alarms_slow", "false_alarms_detectors"):
        table = pd.read_csv(tables.FOLDER / f"{name}.csv").query("kind == 'matched'")
        parts.append(table.rename(columns={"p ≤ 0.05": "rate"}))
    return pd.concat(parts, join="inner", ignore_index=True)


def outside(rates: pd.DataFrame) -> pd.DataFrame:
    """Those outside the promise, with their 95 % intervals (Clopper and Pearson) and causes."""
    found = rates[(rates["rate"] < PROMISED[0]) | (rates["rate"] > PROMISED[1])].reset_index(drop=True)
    intervals = [
        binomtest(round(one["rate"] * one["series"]), one["series"]).proportion_ci() for one in found.to_dict("records")
    ]
    found["interval"] = [f"{one.low:.3f}–{one.high:.3f}" for one in intervals]
    found["cause"] = [
        CAUSES.get((one["statistic"], one["null"], one["n"]))
        or CAUSES.get((one["statistic"], one["null"], None))
        or (CHANCE if span.low <= 0.05 <= span.high else "")
        for one, span in zip(found.to_dict("records"), intervals, strict=True)
    ]
    return found[list(COLUMNS)]


def main() -> None:
    """Write docs/generated/false_alarms_outside.csv."""
    tables.write("false_alarms_outside", outside(cells()))


if __name__ == "__main__":
    main()
