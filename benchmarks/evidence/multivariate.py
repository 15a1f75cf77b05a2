"""What ``detect_multivariate`` gets wrong where nothing changes, and what its indicators see where something does.

False alarms: series drawn from a VAR(1) of three variables, each with its own fitted null and its own surrogates, as in
the verb. AUC: trends of the indicators on systems that approach a bifurcation against the same systems held still.
Systems, lengths and seeds were fixed before the first run; the default indicators were then chosen on its AUCs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

import ews
from benchmarks.evidence import tables
from ews._analysis.multivariate.controls import driven
from ews._analysis.multivariate.pipeline import MultivariatePipeline
from ews._analysis.multivariate.run import DEFAULT_INDICATORS, resolve
from ews._common.alarms import Statistic, westfall_young
from ews._significance.pipeline import in_chunks
from ews.multivariate import MULTIVARIATE
from ews.multivariate import nulls as joint_nulls
from ews.multivariate.nulls import draw_vector_autoregression

SURROGATES = 199  # a single test at 0.05 is exact; the least adjusted p is then 0.02 to 0.03
ALPHA = 0.05
SEED = 20_261_123
PAIRS = 400
MODES = np.linalg.qr(np.random.default_rng(SEED).standard_normal((3, 3)))[0]
NOISE = np.array([[1.0, 0.4, 0.0], [0.4, 1.0, 0.4], [0.0, 0.4, 1.0]])


def resolved(n: int, variables: int, indicators: tuple[str, ...]) -> MultivariatePipeline:
    """The defaults of ``detect_multivariate`` for series of this shape."""
    return resolve(
        (variables, n),
        step=1.0,
        detrend="gaussian",
        bandwidth=None,
        window=0.5,
        indicators=indicators,
        trend="kendall",
        causal=False,
        season=None,
        standardize=True,
    )


def stationary(radius: float, n: int, series: int) -> np.ndarray:
    """Series of a VAR(1) whose modes have coefficients radius, half of it and nothing, in slanted directions."""
    coefficients = MODES @ np.diag([radius, radius / 2, 0.0]) @ MODES.T
    steady = np.broadcast_to(coefficients, (n, 3, 3))
    return draw_vector_autoregression(steady, NOISE, 0, series, seed=SEED + n)


def pink(n: int, series: int) -> np.ndarray:
    """Three mixed 1/f noises: a memory longer than that of any VAR(1)."""
    rng = np.random.default_rng([SEED, n])
    spectrum = np.fft.rfft(rng.standard_normal((series, 3, 4 * n)), axis=2)
    spectrum[:, :, 1:] /= np.sqrt(np.fft.rfftfreq(4 * n)[1:])
    spectrum[:, :, 0] = 0.0
    return np.ascontiguousarray(np.einsum("ij,rjt->rit", NOISE, np.fft.irfft(spectrum, axis=2)[:, :, :n]))


# What the series are, the null they are tested against, length, number: as many as a few minutes allow.
CELLS: tuple[tuple[str, Callable[[int, int], np.ndarray], joint_nulls.MultivariateNullName, int, int], ...] = (
    ("VAR(1), radius 0.5", partial(stationary, 0.5), "var1", 100, 1000),
    ("VAR(1), radius 0.8", partial(stationary, 0.8), "var1", 100, 1000),
    ("VAR(1), radius 0.8", partial(stationary, 0.8), "var1", 300, 1000),
    ("VAR(1), radius 0.8", partial(stationary, 0.8), "fourier", 100, 1000),
    ("1/f noise, mixed", pink, "var1", 100, 500),
)


def rates(rows: np.ndarray, null: joint_nulls.MultivariateNullName) -> dict[str, float]:
    """Share of series with p ≤ 0.05 for each indicator, for any after adjustment, and with a warning."""
    series, _, n = rows.shape
    pipeline = resolved(n, 3, DEFAULT_INDICATORS)
    statistics = [Statistic(indicator.alarm) for indicator in pipeline.indicators]
    residual = pipeline.detrended(rows)
    taus = np.concatenate(
        in_chunks(
            lambda first, count: pipeline.tau(pipeline.measure(residual[first : first + count])), series, n=3 * n
        ),
        axis=1,
    )
    single, any_adjusted, warned = np.zeros(len(DEFAULT_INDICATORS)), 0, 0
    for i, one in enumerate(residual):
        fitted = joint_nulls.fit(one, null=null)
        if isinstance(fitted, joint_nulls.VAR1):
            fitted = fitted.calibrated(pipeline.refitted, seed=SEED + i)

        def surrogate(first: int, count: int, fitted: joint_nulls.MultivariateNull = fitted, i: int = i) -> np.ndarray:
            return pipeline.surrogate_tau(fitted.draw(first, count, seed=SEED + 7 + i))

        table = np.concatenate(in_chunks(surrogate, SURROGATES, n=3 * n), axis=1)
        pvalue, adjusted = westfall_young(taus[:, i], table, statistics)
        single += pvalue <= ALPHA
        any_adjusted += bool((adjusted <= ALPHA).any())
        warned += any(bool(s.warns(tau, p, ALPHA)) for s, tau, p in zip(statistics, taus[:, i], adjusted, strict=True))
    return dict(zip(DEFAULT_INDICATORS, single / series, strict=True)) | {
        "any, adjusted": any_adjusted / series,
        "warning": warned / series,
    }


def patches(n: int, moving: bool) -> np.ndarray:
    """Three harvested patches joined by dispersal, the first on its way to a fold (May 1977)."""
    rng = np.random.default_rng([SEED, n, moving])
    harvest = np.linspace(1.0, 2.5, n) if moving else np.full(n, 1.0)
    share, steps, interval = np.array([1.0, 0.7, 0.5]), 20, 1.0
    dt = interval / steps
    x = np.full((PAIRS, 3), 8.5)
    out = np.empty((PAIRS, 3, n))
    for t in range(-50, n):
        for _ in range(steps):
            growth = x * (1 - x / 10.0) - harvest[max(t, 0)] * share * x**2 / (1 + x**2)
            spread = 0.05 * (x.sum(axis=1, keepdims=True) - 3 * x)
            x = x + dt * (growth + spread) + 0.1 * np.sqrt(dt) * rng.standard_normal(x.shape)
            x = np.maximum(x, 1e-3)
        if t >= 0:
            out[:, :, t] = x
    return out


def consumer_resource(n: int, moving: bool) -> np.ndarray:
    """A consumer and its resource on their way to a Hopf bifurcation, as in ``ews.models.hopf``."""
    rng = np.random.default_rng([SEED, n, moving, 1])
    critical = ews.models.hopf(n=10, seed=1).critical
    assert critical is not None
    attack = np.linspace(9.0, 0.98 * critical, n) if moving else np.full(n, 9.0)
    steps, interval = 100, 0.5
    dt = interval / steps
    x = np.tile([0.4, 0.3], (PAIRS, 1))
    out = np.empty((PAIRS, 2, n))
    for t in range(-100, n):
        a = attack[max(t, 0)]
        for _ in range(steps):
            eaten = a * x[:, 0] * x[:, 1] / (1 + 0.15 * a * x[:, 0])
            drift = np.stack([4.0 * x[:, 0] * (1 - x[:, 0] / 1.7) - eaten, 0.5 * eaten - 2.0 * x[:, 1]], axis=1)
            x = np.maximum(x + dt * drift + 0.02 * np.sqrt(dt) * x * rng.standard_normal(x.shape), 1e-6)
        if t >= 0:
            out[:, :, t] = x
    return out


def hidden_mode(n: int, moving: bool) -> np.ndarray:
    """One mode of three slows down while the others carry most of the variance."""
    start = MODES @ np.diag([0.5, 0.3, 0.1]) @ MODES.T
    coefficients = driven(start, n) if moving else np.broadcast_to(start, (n, 3, 3))
    noise = MODES @ np.diag([0.25, 1.0, 1.0]) @ MODES.T
    return draw_vector_autoregression(coefficients, noise, 0, PAIRS, seed=SEED + n + moving)


SYSTEMS: dict[str, Callable[[int, bool], np.ndarray]] = {
    "fold in one of three patches": patches,
    "Hopf, two species": consumer_resource,
    "hidden slow mode": hidden_mode,
}


def trends(rows: np.ndarray, indicators: tuple[str, ...]) -> np.ndarray:
    """Trend statistics of the indicators, (indicators, rows)."""
    pipeline = resolved(rows.shape[2], rows.shape[1], indicators)
    parts = in_chunks(
        lambda first, count: pipeline.surrogate_tau(np.ascontiguousarray(rows[first : first + count])),
        len(rows),
        n=rows[0].size,
    )
    return np.concatenate(parts, axis=1)


def univariate_trends(rows: np.ndarray) -> np.ndarray:
    """Trends of variance and lag-1 autocorrelation of each variable, (2, variables, rows)."""
    from ews._significance.resolve import resolve_pipeline

    n = rows.shape[2]
    pipeline = resolve_pipeline(
        n=n,
        step=1.0,
        level=np.zeros(n),
        detrend="gaussian",
        bandwidth=None,
        window=0.5,
        indicators=("variance", "ac1"),
        trend="kendall",
        causal=False,
        season=None,
    )
    return np.stack([pipeline.surrogate_tau(np.ascontiguousarray(rows[:, i])) for i in range(rows.shape[1])], axis=1)


def area(moving: np.ndarray, still: np.ndarray) -> float:
    """Probability that a system that moves has the larger value; ties count half."""
    larger = (moving[:, None] > still[None, :]).mean() + 0.5 * (moving[:, None] == still[None, :]).mean()
    return float(larger)


def areas() -> pd.DataFrame:
    """AUC of each indicator in its direction of alarm, beside the best single variable's."""
    names = tuple(name for name in MULTIVARIATE if name not in ("jacobian_index", "variability_index"))  # same order
    signs = np.array([1.0 if MULTIVARIATE[name].alarm == "up" else -1.0 for name in names])
    columns: dict[str, list[float]] = {}
    for system, simulate in SYSTEMS.items():
        for n in (100, 300):
            moving, still = simulate(n, True), simulate(n, False)
            found = [signs[:, None] * trends(rows, names) for rows in (moving, still)]
            single = [univariate_trends(rows) for rows in (moving, still)]
            best = [max(area(a, b) for a, b in zip(*each, strict=True)) for each in zip(*single, strict=True)]
            columns[f"{system}, n = {n}"] = [area(a, b) for a, b in zip(*found, strict=True)] + best
    rows = [*names, "variance of the best variable", "autocorrelation of the best variable"]
    return pd.DataFrame(columns, index=pd.Index(rows, name="indicator")).reset_index()


def false_alarms() -> pd.DataFrame:
    """Rates of all cells."""
    lines = [
        {"series of": name, "null": null, "n": n, "series": series, **rates(draw(n, series), null)}
        for name, draw, null, n, series in CELLS
    ]
    return pd.DataFrame(lines)


def main() -> None:
    """Write docs/generated/multivariate_auc.csv and multivariate_false_alarms.csv."""
    tables.write("multivariate_auc", areas().round(2))
    tables.write("multivariate_false_alarms", false_alarms().round(3))


if __name__ == "__main__":
    main()
