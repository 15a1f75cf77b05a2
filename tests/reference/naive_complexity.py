"""Slow and obvious: complexity and autoregressive fits of one window, straight from their definitions."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def default_sizes(window: int) -> list[int]:
    return sorted({round(s) for s in np.geomspace(4, max(window // 4, 6), 12)})


def segments(w: FloatArray, size: int) -> list[FloatArray]:
    """Cut from the start and, where samples are left over, from the end."""
    count, rest = divmod(w.size, size)
    starts = [k * size for k in range(count)]
    if rest:
        starts += [rest + k * size for k in range(count)]
    return [w[start : start + size] for start in starts]


def dfa_exponent(w: FloatArray, sizes: list[int] | None = None) -> float:
    profile = np.cumsum(w - w.mean())
    chosen = sizes or default_sizes(w.size)
    fluctuation = []
    for size in chosen:
        position = np.arange(size)
        left = [part - np.polyval(np.polyfit(position, part, 1), position) for part in segments(profile, size)]
        fluctuation.append(np.sqrt(np.mean(np.square(left))))
    return float(np.polyfit(np.log(chosen), np.log(fluctuation), 1)[0])


def hurst_exponent(w: FloatArray) -> float:
    chosen = default_sizes(w.size)
    excess = []
    for size in chosen:
        ratios = []
        for part in segments(w, size):
            walk = np.cumsum(part - part.mean())
            ratios.append((walk.max() - walk.min()) / part.std())
        expected = math.gamma((size - 1) / 2) / math.gamma(size / 2) / math.sqrt(math.pi)
        expected *= sum(math.sqrt((size - i) / i) for i in range(1, size))
        excess.append(math.log(np.mean(ratios) / expected))
    return float(np.polyfit(np.log(chosen), excess, 1)[0]) + 0.5


def sample_entropy(w: FloatArray, dimension: int = 2, tolerance: float = 0.2) -> float:
    radius = tolerance * w.std(ddof=1)
    starts = range(w.size - dimension)

    def matches(length: int) -> int:
        return sum(
            np.abs(w[i : i + length] - w[j : j + length]).max() <= radius for i in starts for j in starts if i < j
        )

    longer = matches(dimension + 1)
    return math.log(matches(dimension) / longer) if longer else math.log(math.comb(len(starts), 2))


def permutation_entropy(w: FloatArray, order: int = 3, delay: int = 1) -> float:
    reach = (order - 1) * delay
    orders = [tuple(np.argsort(w[i : i + reach + 1 : delay], kind="stable")) for i in range(w.size - reach)]
    shares = np.array(list(Counter(orders).values())) / len(orders)
    return float(-(shares * np.log(shares)).sum() / math.log(math.factorial(order)))


def phrases(symbols: str) -> list[str]:
    """Each the shortest stretch that does not occur in what lies before its own last symbol (Lempel & Ziv 1976)."""
    found, begin = [], 0
    while begin < len(symbols):
        end = begin + 1
        while end < len(symbols) and symbols[begin:end] in symbols[: end - 1]:
            end += 1
        found.append(symbols[begin:end])
        begin = end
    return found


def lempel_ziv_complexity(w: FloatArray) -> float:
    symbols = "".join("1" if value > np.median(w) else "0" for value in w)
    return len(phrases(symbols)) * math.log2(w.size) / w.size


def autoregression(w: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
    """Coefficients of lags 1, 2, … of a fit with a constant, and its residuals."""
    late = w[order:]
    design = np.column_stack([np.ones(late.size), *(w[order - k : w.size - k] for k in range(1, order + 1))])
    solution = np.linalg.lstsq(design, late, rcond=None)[0]
    return solution[1:], late - design @ solution


def order_by_aic(w: FloatArray, lowest: int, highest: int) -> int:
    def aic(order: int) -> float:
        residual = autoregression(w - w.mean(), order)[1]
        return w.size * math.log(np.mean(residual**2)) + 2 * (order + 1)

    return min(range(lowest, highest + 1), key=aic)


def largest_order(window: int) -> int:
    return min(int(10 * math.log10(window)), window // 5)


def companion_eigenvalue(w: FloatArray) -> float:
    d = w - w.mean()
    coefficients = autoregression(d, order_by_aic(d, 1, largest_order(w.size)))[0]
    return float(np.abs(np.roots([1.0, *-coefficients])).max())


def corrected_autocorrelation(w: FloatArray) -> float:
    (biased,), residual = autoregression(w - w.mean(), 1)
    left = np.sum(residual[1:] * residual[:-1]) / np.sum(residual[:-1] ** 2)
    roots = np.roots([1.0, -(biased + left), left / biased])
    return float(np.max(roots.real))


def conditional_heteroskedasticity(w: FloatArray) -> float:
    d = w - w.mean()
    squares = autoregression(d, order_by_aic(d, 0, largest_order(w.size)))[1] ** 2
    return float(np.corrcoef(squares[1:], squares[:-1])[0, 1] ** 2)
