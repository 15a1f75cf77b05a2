"""Telling an approaching bifurcation from a parameter that stands still: AUC and power beside what peers offer.

Five models that the classifier never saw, each on its way to its bifurcation, reached with the last sample; the nulls
are the same models with the parameter standing still, anywhere from the start to nine tenths of the way. "Same mean" is
the harder null: the mean path of the positive series is added to it, so that no method can live on a moving mean that
the smoother leaves behind. Peers get the direction in which their indicator moves (for a flip, AC1 falls); ours get
nothing. Every method sees the same series.

- score tests: the smallest p of the four (any alarm), as :mod:`benchmarks.evidence.joint_score` orders series by it.
- classifier: evidence of ``ews.bifurcations.classifier``, any bifurcation against none, defaults.
- ewstools 2.1.2: variance, lag-1 autocorrelation and skewness, Gaussian detrending (bandwidth 0.2), window 0.5,
  Kendall's τ.
- deep classifier: the networks of Bury et al. (2021), :mod:`benchmarks.evidence.deep_classifier`; any bifurcation
  against none. Their weights are no part of this project: where they are not found the rows say so.
- Boers (2021): restoring rate in a running window, trend; computed by `ews`, which matches the published code to 1e-12.

INLA.ews (Myrvoll-Nilsen et al. 2025) needs R and is not run: what its authors committed for one scenario is quoted in a
table of its own, beside the score tests in that scenario.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import deep_classifier, tables
from benchmarks.evidence.joint_score import smallest, standardised
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
SERIES = 1000
SEED = 20_261_123
FALSE_ALARMS = 0.05
WORKERS = 2
OURS = ("score tests", "classifier")
ABSENT = "weights not here"
RESAMPLES = 1000

# Rates at which INLA.ews finds P(b > 0) > 0.95 in 1,000 series of 500 samples whose φ rises by b around 0.5:
# github.com/eirikmn/INLA.ews, inst/include/tests (tempbpos-n500.txt), of ESD 16, 1539 (2025).
QUOTED = {0.0: 0.053, 0.1: 0.425, 0.2: 0.907, 0.3: 0.999}
QUOTED_LENGTH = 500


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


def _row_scores(rows: np.ndarray) -> list[dict[str, float]]:
    warnings.simplefilter("ignore")  # ewstools' own
    return [
        {"score tests": smallest(standardised(row))}
        | {f"ewstools {name}": value for name, value in ewstools_trends(row).items()}
        for row in rows
    ]


def scores(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Every method's score of every series."""
    n = rows.shape[1]
    with ProcessPoolExecutor(WORKERS) as pool:
        each = [one for part in pool.map(_row_scores, np.array_split(rows, 4 * WORKERS)) for one in part]
    by_row = pd.DataFrame(each)
    plan = detrend.plan("gaussian", n=n, bandwidth=0.2, causal=False)
    residual = rows - plan.rows(rows)
    found = {"score tests": by_row.pop("score tests").to_numpy()}
    found["classifier"] = np.concatenate(in_chunks(lambda i, k: evidence_of(residual[i : i + k]), len(rows), n=n))
    restoring = ews.restoring_rate(residual, window=n // 2)
    found["restoring rate"] = ews.trends.rows(np.ascontiguousarray(restoring[:, n // 2 - 1 :]))
    if deep_classifier.are_here():
        found["deep classifier"] = deep_classifier.evidence(rows)
    return found | {str(name): by_row[name].to_numpy() for name in by_row}


def seen(values: np.ndarray, labels: np.ndarray) -> float:
    """Share of the positives above the point that few of the nulls exceed."""
    return float(np.mean(values[labels == 1] > np.quantile(values[labels == 0], 1 - FALSE_ALARMS)))


def gain(one: np.ndarray, other: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Difference of what two methods see, and its 95 % bootstrap interval, paired by series."""
    generator = np.random.default_rng(SEED)
    groups = [np.flatnonzero(labels == label) for label in (0, 1)]
    drawn = []
    for _ in range(RESAMPLES):
        picked = np.concatenate([generator.choice(group, group.size) for group in groups])
        drawn.append(seen(one[picked], labels[picked]) - seen(other[picked], labels[picked]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return seen(one, labels) - seen(other, labels), float(low), float(high)


def compared(found: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, Any]:
    """AUC of every method; the score tests against the best peer in AUC, and in power at equal false alarms."""
    areas = {key: ews.roc(value, labels, n_bootstrap=0).auc for key, value in found.items()}
    power = {key: seen(value, labels) for key, value in found.items()}
    peers = [key for key in found if key not in OURS]
    best, strongest = max(peers, key=areas.__getitem__), max(peers, key=power.__getitem__)
    difference = ews.compare_roc(found["score tests"], found[best], labels, seed=SEED)
    more, low, high = gain(found["score tests"], found[strongest], labels)
    return {
        **{key: areas.get(key, ABSENT) for key in (*found, "deep classifier")},
        "best peer": best,
        "score tests − best peer": difference.difference,
        "low": difference.interval[0],
        "high": difference.interval[1],
        "power of the score tests": power["score tests"],
        "of the classifier": power["classifier"],
        "strongest peer": strongest,
        "its power": power[strongest],
        "difference": more,
        "low ": low,
        "high ": high,
    }


def rising(rise: float, generator: np.random.Generator) -> np.ndarray:
    """Series of the quoted scenario: φ rises linearly by `rise` around 0.5, innovations have variance 1/(−2 log φ)."""
    phi = 0.5 + rise * (np.linspace(0.0, 1.0, QUOTED_LENGTH) - 0.5)
    x = generator.standard_normal((SERIES, QUOTED_LENGTH)) / np.sqrt(-2.0 * np.log(phi))
    for t in range(1, QUOTED_LENGTH):
        x[:, t] += phi[t] * x[:, t - 1]
    return x


def _rising_answers(rows: np.ndarray) -> list[tuple[bool, bool, bool]]:
    found = []
    for row in rows:
        alone = ews.score_tests(row, detrend="linear", n_surrogates=199)["memory towards +1"]
        default = ews.score_tests(row, n_surrogates=199)
        found.append((alone.pvalue <= FALSE_ALARMS, default.warning, bool(default.kinds)))
    return found


def quoted() -> pd.DataFrame:
    """The scenario of INLA.ews: what its authors committed, and the score tests."""
    lines = []
    for rise, rate in QUOTED.items():
        rows = rising(rise, np.random.default_rng([SEED, round(10 * rise)]))
        with ProcessPoolExecutor(WORKERS) as pool:
            parts = pool.map(_rising_answers, np.array_split(rows, 4 * WORKERS))
            alone, warning, alarm = np.mean([one for part in parts for one in part], axis=0)
        lines.append(
            {
                "φ rises by": rise,
                "series": SERIES,
                "INLA.ews, quoted": rate,
                "memory towards +1 alone, a line taken out": alone,
                "warning, defaults": warning,
                "any alarm, defaults": alarm,
            }
        )
    return pd.DataFrame(lines)


def main() -> None:
    """Write docs/generated/peers.csv and peers_quoted.csv."""
    lines = []
    for name, simulate in MODELS.items():
        for n in LENGTHS:
            positive, null = draw(simulate, n)
            cases = {"approach": positive} | nulls_of(positive, null)
            scored = {key: scores(rows) for key, rows in cases.items()}
            labels = np.repeat([1, 0], [len(positive), len(null)])
            for null_name in list(cases)[1:]:
                found = {
                    key: np.nan_to_num(np.concatenate([scored["approach"][key], scored[null_name][key]]))
                    for key in scored["approach"]
                }
                if name == "flip":
                    found["ewstools ac1"] = -found["ewstools ac1"]
                    found["restoring rate"] = -found["restoring rate"]
                found["ewstools skew"] = np.abs(found["ewstools skew"])
                lines.append(
                    {"bifurcation": name, "n": n, "null": null_name, "series": SERIES, **compared(found, labels)}
                )
                print(lines[-1], flush=True)
    tables.write("peers", pd.DataFrame(lines).round(3))
    tables.write("peers_quoted", quoted().round(3))


if __name__ == "__main__":
    main()
