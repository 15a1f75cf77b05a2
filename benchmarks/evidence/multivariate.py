"""What ``detect_multivariate`` gets wrong where nothing changes, and what its indicators see where something does.

False alarms: series drawn from a VAR(1) of three variables, each with its own fitted null and its own surrogates, as in
the verb. AUC: trends of the indicators on systems that approach a bifurcation against the same systems held still.
Systems, lengths and seeds were fixed before the first run; the default indicators were then chosen on its AUCs.

Methods: whole verdicts of both methods on the same series, of systems that approach a bifurcation and of systems in
which nothing does. The statistics of the score form and their weights were chosen at n = 100 with the first three
systems in view, these very series, and with others like the last three, of other directions and seeds: only the last
three judge.
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
from ews._analysis.multivariate.scoring import TESTED, MultivariateScoring
from ews._analysis.score_tests.statistics import STATISTICS
from ews._common.alarms import Statistic, closed_test, westfall_young
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


def resolved(n: int, variables: int, indicators: tuple[str, ...], detrend: str = "gaussian") -> MultivariatePipeline:
    """The defaults of ``detect_multivariate`` for series of this shape, with method="kendall" unless asked."""
    return resolve(
        (variables, n),
        step=1.0,
        detrend=detrend,
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


# ---- both methods on the same series ----

VERDICTS = 200  # series a cell: a share is known to 0.015 at 0.05, and to 0.035 at 0.5
FIVE = np.linalg.qr(np.random.default_rng(SEED + 1).standard_normal((5, 5)))[0]


def five_variables(n: int, moving: bool) -> np.ndarray:
    """Five variables that share their noise, one mode of five on its way to a fold."""
    start = FIVE @ np.diag([0.5, 0.4, 0.3, 0.1, -0.2]) @ FIVE.T
    coefficients = driven(start, n) if moving else np.broadcast_to(start, (n, 5, 5))
    return draw_vector_autoregression(coefficients, 0.5 + 0.5 * np.eye(5), 0, PAIRS, seed=SEED + n + moving + 10)


def alternating(n: int, moving: bool) -> np.ndarray:
    """One mode of three on its way to a period doubling."""
    values = np.linspace(-0.3, -0.99, n) if moving else np.full(n, -0.3)
    maps = np.stack([MODES @ np.diag([one, 0.5, 0.1]) @ MODES.T for one in values])
    return draw_vector_autoregression(maps, NOISE, 0, PAIRS, seed=SEED + n + moving + 20)


def turning(n: int, moving: bool) -> np.ndarray:
    """Two modes of three that turn about each other, losing damping."""
    maps = np.zeros((n, 3, 3))
    turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
    maps[:, :2, :2] = (np.linspace(0.6, 0.99, n) if moving else np.full(n, 0.6))[:, None, None] * turn
    maps[:, 2, 2] = 0.5
    return draw_vector_autoregression(MODES @ maps @ MODES.T, NOISE, 0, PAIRS, seed=SEED + n + moving + 30)


def louder(rows: np.ndarray, last: tuple[float, ...]) -> np.ndarray:
    """The same with a standard deviation that grows to so many times the first, variable by variable."""
    share = np.linspace(0.0, 1.0, rows.shape[2])
    return np.ascontiguousarray(rows * (1.0 + share * (np.array(last)[:, None] - 1.0)))


def heavy(n: int) -> np.ndarray:
    """Four independent variables with the tails of a t distribution of three degrees of freedom."""
    return np.random.default_rng([SEED, n, 40]).standard_t(3, (VERDICTS, 4, n))


METHODS_OF: tuple[tuple[str, Callable[[int], np.ndarray], bool], ...] = (
    *((f"{name}, approaching", partial(simulate, moving=True), True) for name, simulate in SYSTEMS.items()),
    ("fold, five variables, approaching", partial(five_variables, moving=True), True),
    ("flip, three variables, approaching", partial(alternating, moving=True), True),
    ("Hopf, three variables, approaching", partial(turning, moving=True), True),
    *((f"{name}, still", partial(simulate, moving=False), False) for name, simulate in SYSTEMS.items()),
    ("fold, five variables, still", partial(five_variables, moving=False), False),
    ("flip, three variables, still", partial(alternating, moving=False), False),
    ("Hopf, three variables, still", partial(turning, moving=False), False),
    ("VAR(1), radius 0.95", lambda n: stationary(0.95, n, VERDICTS), False),
    ("VAR(1), SD × 2.5 in all", lambda n: louder(stationary(0.5, n, VERDICTS), (2.5, 2.5, 2.5)), False),
    ("VAR(1), SD × 3 in one", lambda n: louder(stationary(0.7, n, VERDICTS), (3.0, 1.0, 1.0)), False),
    ("VAR(1), units 1, 10⁴, 10⁻³", lambda n: stationary(0.7, n, VERDICTS) * [[1.0], [1e4], [1e-3]], False),
    ("t₃ noise, four variables", heavy, False),
    ("1/f noise, mixed", lambda n: pink(n, VERDICTS), False),
)


def least_p(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Smallest family-wise p of what warns, (series,), by method; for the score form that of the noise too."""
    series, variables, n = rows.shape
    scoring = MultivariateScoring(resolved(n, variables, DEFAULT_INDICATORS, "local_linear"))
    trends_of = resolved(n, variables, DEFAULT_INDICATORS)
    statistics = [Statistic(indicator.alarm) for indicator in trends_of.indicators]
    detrended = trends_of.detrended(rows)
    taus = trends_of.tau(trends_of.measure(detrended))
    warns = [i for i, one in enumerate(STATISTICS) if one.warns]
    found = {name: np.ones(series) for name in ("score", "score, any", "kendall")}
    for i in range(series):
        left = scoring.left(rows[i : i + 1])
        null = joint_nulls.VAR1.fit(left[0]).calibrated(scoring.left, seed=SEED + i)
        table = _drawn(scoring.statistics, null, rows[i].size, i)
        adjusted = closed_test(scoring.statistics(rows[i : i + 1])[:, 0], table, TESTED)[1]
        found["score"][i], found["score, any"][i] = adjusted[warns].min(), adjusted.min()
        null = joint_nulls.VAR1.fit(detrended[i]).calibrated(trends_of.refitted, seed=SEED + i)
        p = westfall_young(taus[:, i], _drawn(trends_of.surrogate_tau, null, rows[i].size, i), statistics)[1]
        against = [not bool(one.warns(tau, q, 1.0)) for one, tau, q in zip(statistics, taus[:, i], p, strict=True)]
        found["kendall"][i] = np.where(against, 1.0, p).min()
    return found


def _drawn(
    measure: Callable[[np.ndarray], np.ndarray], null: joint_nulls.MultivariateNull, size: int, i: int
) -> np.ndarray:
    """The statistics of surrogates, (statistics, surrogates)."""
    parts = in_chunks(lambda first, count: measure(null.draw(first, count, seed=SEED + 7 + i)), SURROGATES, n=size)
    return np.concatenate(parts, axis=1)


def methods(n: int) -> pd.DataFrame:
    """Share of series with a warning by each method; of approaching systems also at the still ones' own 5 % point."""
    lines = []
    still: dict[str, dict[str, np.ndarray]] = {}
    for name, draw, moving in reversed(METHODS_OF):  # still ones first
        p = least_p(np.ascontiguousarray(draw(n)[:VERDICTS]))
        line: dict[str, object] = {"series of": name, "n": n}
        line |= {method: float((values <= ALPHA).mean()) for method, values in p.items()}
        key = name.rpartition(",")[0]
        if moving:
            bounds = {method: np.quantile(still[key][method], ALPHA) for method in p}
            line |= {f"{method}, equal": float((p[method] <= bounds[method]).mean()) for method in p}
        still[key] = p
        lines.append(line)
    return pd.DataFrame(lines[::-1])


def false_alarms() -> pd.DataFrame:
    """Rates of all cells."""
    lines = [
        {"series of": name, "null": null, "n": n, "series": series, **rates(draw(n, series), null)}
        for name, draw, null, n, series in CELLS
    ]
    return pd.DataFrame(lines)


def main() -> None:
    """Write docs/generated/multivariate_methods.csv, multivariate_auc.csv and multivariate_false_alarms.csv."""
    both = pd.concat([methods(n) for n in (100, 300)])
    tables.write("multivariate_methods", both.sort_values("n", kind="stable").round(3))
    tables.write("multivariate_auc", areas().round(2))
    tables.write("multivariate_false_alarms", false_alarms().round(3))


if __name__ == "__main__":
    main()
