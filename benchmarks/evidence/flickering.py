"""How often the statistic of flickering sees two states, and how often noise without them raises it.

Beside it stands the statistic it replaces, Sarle's coefficient of the last half, at level 0.05 against AR(1) noise of
the same lag-1 correlation. All series go through the default smoother of the score tests first. The thresholds of the
statistic were chosen on other seeds than this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from scipy import signal, stats

from benchmarks.evidence import tables
from ews._analysis.score_tests.flickering import flickering
from ews.detrend.methods import SMOOTHER, plan

SEED = 20_261_129
SERIES = 1000
LENGTHS = (100, 400)
EASE = 300
LAG1 = (-0.5, 0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)

Rows = np.ndarray


def filtered(noise: Rows, *coefficients: float) -> Rows:
    """Autoregression driven by noise, without its first samples."""
    return signal.lfilter([1.0], np.r_[1.0, -np.array(coefficients)], noise, axis=1)[:, EASE:]


def sarle(rows: Rows) -> Rows:
    """Sarle's coefficient of bimodality of the last half, a parabola taken out: the statistic used before."""
    half = rows[:, rows.shape[1] // 2 :]
    parabola, _ = np.linalg.qr(np.vander(np.linspace(-1.0, 1.0, half.shape[1]), 3))
    centred = half - (half @ parabola) @ parabola.T
    n = half.shape[1]
    skewness, excess = stats.skew(centred, axis=1, bias=False), stats.kurtosis(centred, axis=1, bias=False)
    return (skewness**2 + 1.0) / (excess + 3.0 * (n - 1.0) ** 2 / ((n - 2.0) * (n - 3.0)))


def residual(rows: Rows) -> Rows:
    """What the default smoother leaves."""
    rows = np.ascontiguousarray(rows, dtype=np.float64)
    return rows - plan(SMOOTHER, n=rows.shape[1]).rows(rows)


def lag1(rows: Rows) -> Rows:
    """Lag-1 coefficient of each row."""
    return (rows[:, 1:] * rows[:, :-1]).sum(axis=1) / (rows[:, :-1] ** 2).sum(axis=1)


def noises(n: int, rng: np.random.Generator) -> Iterator[tuple[str, Rows]]:
    """Noise of one state."""
    u = np.linspace(0.0, 1.0, n)
    phase = rng.uniform(0.0, 2 * np.pi, (SERIES, 1))

    def normal(spread: Rows | float = 1.0) -> Rows:
        return rng.standard_normal((SERIES, n + EASE)) * np.r_[np.ones(EASE), np.broadcast_to(spread, n)]

    marginal = {
        "exponential": stats.expon(),
        "gamma(4)": stats.gamma(4.0),
        "gamma(0.5)": stats.gamma(0.5),
        "uniform": stats.uniform(),
        "lognormal": stats.lognorm(1.0),
        "Poisson(3)": stats.poisson(3.0),
        "Poisson(0.5)": stats.poisson(0.5),
    }
    for name, law in marginal.items():
        for phi in (0.0, 0.5, 0.9):
            scores = filtered(normal(), phi) * np.sqrt(1.0 - phi**2)
            yield f"{name}, AR(1) {phi:g} of scores", law.ppf(stats.norm.cdf(scores))
    for phi in (0.0, 0.3, 0.6, 0.9, 0.97):
        yield f"AR(1) {phi:g}", filtered(normal(), phi)
    yield "random walk", normal()[:, EASE:].cumsum(axis=1)
    yield "AR(1) 0.5, t₃ innovations", filtered(rng.standard_t(3, (SERIES, n + EASE)), 0.5)
    yield "AR(1) 0.5, exponential innovations", filtered(rng.exponential(size=(SERIES, n + EASE)), 0.5)
    frequencies = np.maximum(np.fft.rfftfreq(4 * n), 1.0 / (4 * n))
    spectrum = rng.standard_normal((SERIES, frequencies.size)) + 1j * rng.standard_normal((SERIES, frequencies.size))
    yield "1/f noise", np.fft.irfft(spectrum / np.sqrt(frequencies), 4 * n)[:, :n]
    for phi in (0.0, 0.5, 0.9):
        size = 1.0 / np.sqrt(1.0 - phi**2)
        yield f"AR(1) {phi:g}, SD doubles", filtered(normal(1.0 + u), phi)
        yield f"AR(1) {phi:g}, SD × 3 in a step", filtered(normal(np.where(u < 0.5, 1.0, 3.0)), phi)
        yield f"AR(1) {phi:g}, mean steps by 4 SD", filtered(normal(), phi) + 4.0 * size * (u > 0.75)
        yield f"AR(1) {phi:g}, mean rises by 10 SD", filtered(normal(), phi) + 10.0 * size * u**2
    for modulus in (0.8, 0.9, 0.95, 0.99):
        for period in (2.5, 4.0, 8.0, 12.0, 25.0, 60.0):
            first = 2.0 * modulus * np.cos(2 * np.pi / period)
            yield f"AR(2), modulus {modulus:g}, period {period:g}", filtered(normal(), first, -(modulus**2))
    for period in (3.3, 6.5, 12.0, 25.0, 60.0):
        for size in (0.1, 0.5, 1.0):
            sine = np.sin(2 * np.pi / period * np.arange(n) + phase)
            yield f"sine of period {period:g} in noise of SD {size:g}", sine + size * filtered(normal(), 0.3)
    season = np.sin(2 * np.pi / 12.0 * np.arange(n) + phase)
    yield "season of period 12 that doubles", (1.0 + u) * season + 0.3 * filtered(normal(), 0.3)


def wells(n: int, rng: np.random.Generator) -> Iterator[tuple[str, Rows]]:
    """Two wells, the second of them reached late."""
    u = np.linspace(0.0, 1.0, n)

    def path(force: Rows, slope: Rows, sigma: float, interval: float, start: float) -> Rows:
        """Euler–Maruyama for dx = (slope x − x³ + force) dt + σ dW."""
        steps = int(np.ceil(interval / 0.05))
        dt = interval / steps
        x, out = np.full(SERIES, start), np.empty((SERIES, n))
        for t in range(-50, n):
            now = max(t, 0)
            for _ in range(steps):
                pull = (slope[now] * x - x**3 + force[now]) * dt
                x = x + pull + sigma * np.sqrt(dt) * rng.standard_normal(SERIES)
            out[:, now] = x
        return out

    still = np.ones(n)
    for sigma in (0.4, 0.5, 0.6):
        for interval in (0.5, 1.0, 2.0):
            ramp = -0.7 + 0.7 * np.minimum(u / 0.8, 1.0)
            yield (
                f"second well opens over the record, σ = {sigma}, Δ = {interval}",
                path(ramp, still, sigma, interval, -1.2),
            )
    for sigma in (0.4, 0.6):
        for interval in (1.0, 3.0):
            ramp = -0.8 + 0.8 * np.clip((u - 0.67) / 0.1, 0.0, 1.0)
            yield (
                f"second well opens in the last third, σ = {sigma}, Δ = {interval}",
                path(ramp, still, sigma, interval, -1.2),
            )
    for sigma in (0.4, 0.6):
        for interval in (1.0, 3.0):
            slope = -1.0 + 2.2 * np.minimum(u / 0.8, 1.0)
            yield f"one well parts in two, σ = {sigma}, Δ = {interval}", path(np.zeros(n), slope, sigma, interval, 0.0)
    for chance in (0.03, 0.1, 0.25):
        for distance in (1.5, 2.5):
            for since, where in ((0.5, "half"), (0.67, "third")):
                switches = (rng.random((SERIES, n)) < chance).cumsum(axis=1) % 2
                state = np.where(u > since, distance * (2.0 * switches - 1.0), 0.0 if where == "half" else -distance)
                name = f"switches by ±{distance} SD in the last {where}, {chance} a sample"
                yield name, state + filtered(rng.standard_normal((SERIES, n + EASE)), 0.3)


def threshold(n: int, statistic: Callable[[Rows], Rows]) -> Callable[[Rows], Rows]:
    """95 % point of a statistic on AR(1) noise, by the lag-1 coefficient of the residual."""
    rng = np.random.default_rng([SEED, n])
    points = [
        np.quantile(statistic(residual(filtered(rng.standard_normal((2 * SERIES, n + EASE)), phi))), 0.95)
        for phi in LAG1
    ]
    return partial(np.interp, xp=LAG1, fp=points)


def main() -> None:
    """Write docs/generated/flickering.csv."""
    lines: dict[tuple[str, str], dict[str, object]] = {}
    for n in LENGTHS:
        new, old = threshold(n, flickering), threshold(n, sarle)
        for place, (states, draw) in enumerate((("one", noises), ("two", wells))):
            for name, rows in draw(n, np.random.default_rng([SEED, n, place])):
                left = residual(rows)
                line = lines.setdefault((states, name), {"states": states, "series": name})
                line[f"flickering, n = {n}"] = (flickering(left) > new(lag1(left))).mean()
                line[f"Sarle's coefficient, n = {n}"] = (sarle(left) > old(lag1(left))).mean()
                print(n, line, flush=True)
    tables.write("flickering", pd.DataFrame(list(lines.values())).round(3))


if __name__ == "__main__":
    main()
