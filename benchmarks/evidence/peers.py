"""Telling an approaching bifurcation from a parameter that stands still: AUC beside what peers offer.

Five models that the classifier never saw, each on its way to its bifurcation, reached with the last sample; the nulls
are the same models with the parameter standing still, anywhere from the start to nine tenths of the way. "Same mean" is
the harder null: the mean path of the positive series is added to it, so that no method can live on a moving mean that
the smoother leaves behind. Peers get the direction in which their indicator moves (for a flip, AC1 falls); ours gets
nothing. Every method sees the same series.

- ewstools 2.1.2: variance, lag-1 autocorrelation and skewness, Gaussian detrending (bandwidth 0.2), window 0.5,
  Kendall's τ. Its deep-learning classifiers need weights that the package does not bring; they are not run here.
- Boers (2021): restoring rate in a running window, trend; computed by `ews`, which matches the published code to 1e-12.
- ours: evidence of ``ews.bifurcations.classifier``, any bifurcation against none, defaults.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track

import ews
from benchmarks.evidence import tables
from ews import detrend
from ews._significance.pipeline import in_chunks
from ews.bifurcations._classifier.run import evidence_of

MODELS: dict[str, Callable[..., Any]] = {
    "fold": ews.models.harvested_population,
    "transcritical": ews.models.transcritical,
    "pitchfork": ews.models.pitchfork,
    "Hopf": ews.models.hopf,
    "flip": ews.models.ricker,
}
LENGTHS = (100, 400)
SERIES = 250
SEED = 20_261_123
FALSE_ALARMS = 0.05


def draw(simulate: Callable[..., Any], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Positive and null series, each of shape (SERIES, n)."""
    options = inspect.signature(simulate).parameters
    driver = next(name for name, one in options.items() if isinstance(one.default, tuple))
    first = options[driver].default[0]
    critical = simulate(n=10, seed=0).critical
    positive = simulate(n=n, **{driver: (first, critical)}, replicates=SERIES, seed=SEED + n).values
    generator = np.random.default_rng([SEED, n])
    stays = first + generator.uniform(0.0, 0.9, SERIES) * (critical - first)
    null = [simulate(n=n, **{driver: float(one)}, seed=int(generator.integers(2**31))).values for one in stays]
    return positive, np.array(null)


def nulls_of(positive: np.ndarray, null: np.ndarray) -> dict[str, np.ndarray]:
    """The null as it is, and with the mean path of the positive series."""
    path = positive.mean(axis=0)
    return {"still": null, "same mean": null + path - path.mean()}


def ewstools_trends(row: np.ndarray) -> dict[str, float]:
    """Kendall's τ of three indicators, by ewstools."""
    import ewstools

    series = ewstools.TimeSeries(pd.Series(row))
    series.detrend(method="Gaussian", bandwidth=0.2)
    series.compute_var(rolling_window=0.5)
    series.compute_auto(lag=1, rolling_window=0.5)
    series.compute_skew(rolling_window=0.5)
    series.compute_ktau()
    return {name: float(series.ktau[name]) for name in ("variance", "ac1", "skew")}


def scores(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Every method's score of every series."""
    n = rows.shape[1]
    plan = detrend.plan("gaussian", n=n, bandwidth=0.2, causal=False)
    residual = rows - plan.rows(rows)
    found = {"ours": np.concatenate(in_chunks(lambda i, k: evidence_of(residual[i : i + k]), len(rows), n=n))}
    restoring = ews.restoring_rate(residual, window=n // 2)
    found["restoring rate"] = ews.trends.rows(np.ascontiguousarray(restoring[:, n // 2 - 1 :]))
    peer = pd.DataFrame([ewstools_trends(row) for row in track(rows, description=f"ewstools, n = {n}")])
    return found | {f"ewstools {name}": peer[name].to_numpy() for name in peer}


def main() -> None:
    """Write docs/generated/peers.csv."""
    warnings.simplefilter("ignore")  # ewstools' own
    lines = []
    for name, simulate in MODELS.items():
        for n in LENGTHS:
            for null_name, null in nulls_of(*(drawn := draw(simulate, n))).items():
                positive = drawn[0]
                found = {key: np.nan_to_num(value) for key, value in scores(np.concatenate([positive, null])).items()}
                if name == "flip":
                    found["ewstools ac1"] = -found["ewstools ac1"]
                    found["restoring rate"] = -found["restoring rate"]
                found["ewstools skew"] = np.abs(found["ewstools skew"])
                labels = np.repeat([1, 0], [len(positive), len(null)])
                areas = {key: ews.roc(value, labels, n_bootstrap=0).auc for key, value in found.items()}
                best = max((key for key in areas if key != "ours"), key=areas.__getitem__)
                difference = ews.compare_roc(found["ours"], found[best], labels, seed=SEED)
                seen = {
                    key: np.mean(value[labels == 1] > np.quantile(value[labels == 0], 1 - FALSE_ALARMS))
                    for key, value in found.items()
                }
                lines.append(
                    {
                        "bifurcation": name,
                        "n": n,
                        "null": null_name,
                        **areas,
                        "best peer": best,
                        "ours − best peer": difference.difference,
                        "low": difference.interval[0],
                        "high": difference.interval[1],
                        "power at 5 % false alarms": seen["ours"],
                        "best peer's": max(value for key, value in seen.items() if key != "ours"),
                    }
                )
    tables.write("peers", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main()
