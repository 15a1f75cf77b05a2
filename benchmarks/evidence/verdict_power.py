"""Verdicts at the same measured rate of false alarms: ``detect`` and ``detect(method="auto")`` beside ewstools' trends.

The series are those of :mod:`benchmarks.evidence.peers`, the nulls with the mean path of the positives. A verdict has
the rate of false alarms that it has on the nulls of the row; each peer's threshold on its own trend is set so that it
has at least that rate on the same nulls (never less, so the comparison favours the peer), and its power is read there.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from benchmarks.evidence import tables
from benchmarks.evidence.peers import LENGTHS, MODELS, draw, ewstools_trends, nulls_of
from ews import nulls
from ews._analysis.assessment.run import beyond_trends, joint_statistics
from ews._common.alarms import Statistic, westfall_young
from ews._significance.pipeline import Pipeline, in_chunks
from ews._significance.resolve import resolve_pipeline

SERIES = 120
SURROGATES = 399
ALPHA = 0.05
SEED = 20_261_123


def pipeline_of(n: int) -> Pipeline:
    """The defaults of ``ews.detect``."""
    return resolve_pipeline(
        n=n,
        step=1.0,
        level=np.zeros(n),
        detrend="gaussian",
        bandwidth=None,
        window=0.5,
        indicators=("variance", "ac1", "skewness"),
        trend="kendall",
        causal=False,
        season=None,
    )


def warned(row: np.ndarray, seed: int) -> tuple[bool, bool]:
    """Whether the default test and the joint test of "auto" warn."""
    pipeline = pipeline_of(row.size)
    residual = row - pipeline.plan.rows(row[None])[0]
    statistics = joint_statistics(pipeline)

    def joint(rows: np.ndarray, measured: list[np.ndarray]) -> np.ndarray:
        return np.vstack([pipeline.tau(measured), beyond_trends(pipeline, rows)])

    observed = joint(residual[None], pipeline.measure(residual[None], residual[None]))[:, 0]
    surrogate = joint(*pipeline.measure_surrogates(nulls.fit(residual).draw(0, SURROGATES, seed=seed)))
    k = len(pipeline.indicators)
    trio = [Statistic(one.alarm) for one in pipeline.indicators]
    plain = westfall_young(observed[:k], surrogate[:k], trio)[1]
    every = westfall_young(observed, surrogate, statistics)[1]
    return (
        any(bool(one.warns(observed[i], plain[i], ALPHA)) for i, one in enumerate(trio)),
        any(bool(one.warns(observed[i], every[i], ALPHA)) for i, one in enumerate(statistics)),
    )


def power_at(rate: float, positive: np.ndarray, null: np.ndarray) -> float:
    """Share of positive scores above the threshold that at least a share `rate` of the null scores exceed."""
    exceed = max(1, int(np.ceil(rate * null.size)))
    threshold = np.sort(null)[::-1][exceed - 1]
    return float(np.mean(positive >= threshold))


def main() -> None:
    """Write docs/generated/verdict_power.csv."""
    warnings.simplefilter("ignore")  # ewstools' own
    lines = []
    for name, simulate in MODELS.items():
        for n in LENGTHS:
            drawn = tuple(rows[:SERIES] for rows in draw(simulate, n))
            positive, null = drawn[0], nulls_of(*drawn)["same mean"]
            rows = np.concatenate([positive, null])

            def verdicts(first: int, count: int, rows: np.ndarray = rows) -> np.ndarray:
                return np.array([warned(rows[i], SEED + i) for i in range(first, first + count)])

            found = np.concatenate(in_chunks(verdicts, len(rows), n=n))
            peer = pd.DataFrame([ewstools_trends(row) for row in rows]).fillna(0.0)
            if name == "flip":
                peer["ac1"] = -peer["ac1"]
            peer["skew"] = peer["skew"].abs()
            for column, verdict in enumerate(("detect", 'detect, method="auto"')):
                rate = found[SERIES:, column].mean()
                powers = {
                    key: power_at(rate, peer[key].to_numpy()[:SERIES], peer[key].to_numpy()[SERIES:]) for key in peer
                }
                best = max(powers, key=powers.__getitem__)
                lines.append(
                    {
                        "bifurcation": name,
                        "n": n,
                        "verdict": verdict,
                        "false alarms": rate,
                        "power": found[:SERIES, column].mean(),
                        "best peer": best,
                        "its power": powers[best],
                    }
                )
            tables.write("verdict_power", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
