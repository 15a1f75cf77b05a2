"""Transition densities of linearised bifurcation models, and their likelihood with all but two parameters fitted.

Between two observations the mean and the variance of each model obey linear equations,

    dE/dt = k(t) (e(t) − E),    dV/dt = −(c/2) k(t) V + noise(t),    V = 0 at the earlier observation,

with rate k and equilibrium e. Over a step of length Δ the solution is E = a x₀ + zᵖ g + h and V = σ² (z j + l), where
z is θ of the model, p is 1 or 2, and a, g, h, j and l depend on the rates alone. A table holds them, one row each, for
every step. Given the table, σ has a closed form and z is one safeguarded Newton search, so that a fit searches the two
rates (start and end) only. Integrals over a step are Gauss–Legendre sums: the integrands are entire functions of the
variable used, and the step is halved, the last half again and so on, until the exponent varies by less than 6 over the
part nearest to its end.

References: Boettiger & Hastings (2012), J. R. Soc. Interface 9, 2527–2539.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = ["SADDLE_NODE", "TRANSCRITICAL", "log_likelihood", "ornstein_uhlenbeck_table", "profile", "transition_table"]

FloatArray = npt.NDArray[np.float64]

SADDLE_NODE = 0
TRANSCRITICAL = 1
NESTED = 4.0  # c of Itô's equation for the variance; the original code's is 2

_nodes, _weights = np.polynomial.legendre.leggauss(10)
_NODE = 0.5 * (_nodes + 1.0)
_WEIGHT = 0.5 * _weights
_GONE = 45.0  # exp(-45) is 3e-20
_SMOOTH = 6.0  # ten nodes integrate exp(-6 x) on [0, 1] to 1e-15, and steeper ends of a step to 1e-9
_NEWTON_STEPS = 40
_DECAY, _GAIN, _SHIFT, _NOISE_SLOPE, _NOISE = range(5)


@kernel
def remaining(model: int, delta: float, start: float, end: float, back: float) -> float:
    """∫ k dt from the fraction `back` before the end of a step to its end.

    `start` and `end` are √R for the saddle-node, whose rate is 2√R with R linear in time; for the transcritical they
    are the rate itself, linear in time. For the saddle-node `back` measures √R, not time.
    """
    here = end + (start - end) * back
    if model == SADDLE_NODE:
        total = start + end
        if total <= 0.0:
            return 0.0
        # (4/3m)(s₁³ − s³) with s = √R and m Δ = s₁² − s₀², written without the division by m.
        return 4.0 * delta / (3.0 * total) * back * (end * end + end * here + here * here)
    return 0.5 * delta * back * (here + end)


@kernel
def step_integrals(model: int, delta: float, start: float, end: float, c: float) -> tuple[float, float, float]:
    """∫ k dt, ∫ k(t) κ(t) exp(−A(t)) dt and ∫ exp(−(c/2) A(t)) dt over one step, A(t) being ∫ k from t to its end.

    κ is √R for the saddle-node and k for the transcritical.
    """
    total = start + end
    if total <= 0.0:
        return 0.0, 0.0, delta
    faster = max(1.0, 0.5 * c)
    slower = min(1.0, 0.5 * c)
    width = 1.0  # what is left of the step, measured back from its end
    while slower * remaining(model, delta, start, end, 0.5 * width) > _GONE:
        width *= 0.5
    gained = 0.0
    noise = 0.0
    while width > 0.0:
        steepest = max(end, end + (start - end) * width)  # ∫ k dt falls fastest where the rate is highest
        slope = delta * steepest * (4.0 * steepest / total if model == SADDLE_NODE else 1.0)
        last = faster * slope * width <= _SMOOTH
        part = width if last else 0.5 * width
        for node in range(_NODE.size):
            back = width - part * _NODE[node]
            here = end + (start - end) * back
            left = remaining(model, delta, start, end, back)
            decayed = math.exp(-left)
            squared = decayed * decayed if c == NESTED else math.exp(-0.5 * c * left)
            weight = part * _WEIGHT[node]
            if model == SADDLE_NODE:  # dt = 2 s ds / m = 2 s Δ / (s₀ + s₁) · d(back)
                gained += weight * decayed * here * here * here
                noise += weight * squared * here
            else:
                gained += weight * decayed * here * here
                noise += weight * squared
        width = 0.0 if last else width - part
    if model == SADDLE_NODE:
        gained *= 4.0 * delta / total
        noise *= 2.0 * delta / total
    else:
        gained *= delta
        noise *= delta
    return remaining(model, delta, start, end, 1.0), gained, noise


@kernel
def transition_table(
    model: int, additive: bool, steps: FloatArray, start: float, end: float, c: float, table: FloatArray
) -> None:
    """Coefficients of each step of a model whose rate changes over the record.

    Parameters
    ----------
    model : int
        SADDLE_NODE: dE = 2√R (√R + θ − E), noise σ² (√R + θ), R linear in time, z = θ, p = 1.
        TRANSCRITICAL: dE = R (R − E/θ), noise σ² (1 + R), R/θ linear in time, z = θ, p = 2.
    additive : bool
        Constant noise σ² instead.
    steps : ndarray of shape (n - 1,)
        Time between observations.
    start, end : float
        √R, or R/θ, at the first and the last observation.
    c : float
        Factor of the decay of the variance, 4 for the nested form.
    table : ndarray of shape (5, n - 1)
        Written: a, g, h, j, l.
    """
    duration = 0.0
    for i in range(steps.size):
        duration += steps[i]
    elapsed = 0.0
    here = start
    for i in range(steps.size):
        elapsed += steps[i]
        part = min(elapsed / duration, 1.0)
        if model == SADDLE_NODE:
            there = math.sqrt((1.0 - part) * start * start + part * end * end)
        else:
            there = (1.0 - part) * start + part * end
        if i == steps.size - 1:
            there = end
        decay, gained, noise = step_integrals(model, steps[i], here, there, c)
        faded = -math.expm1(-0.5 * c * decay) / c
        table[_DECAY, i] = math.exp(-decay)
        if model == SADDLE_NODE:
            table[_GAIN, i] = -math.expm1(-decay)
            table[_SHIFT, i] = gained
            table[_NOISE_SLOPE, i] = noise
            table[_NOISE, i] = faded
        else:
            table[_GAIN, i] = gained
            table[_SHIFT, i] = 0.0
            table[_NOISE_SLOPE, i] = 2.0 * faded
            table[_NOISE, i] = noise
        if additive:
            table[_NOISE_SLOPE, i] = 0.0
            table[_NOISE, i] = noise
        here = there


@kernel
def ornstein_uhlenbeck_table(steps: FloatArray, rate: float, table: FloatArray) -> None:
    """Coefficients of each step at a constant rate, with z the level: E = a x₀ + (1 − a) z, V = σ² (1 − a²) / 2k."""
    for i in range(steps.size):
        decay = rate * steps[i]
        table[_DECAY, i] = math.exp(-decay)
        table[_GAIN, i] = -math.expm1(-decay)
        table[_SHIFT, i] = 0.0
        table[_NOISE_SLOPE, i] = 0.0
        table[_NOISE, i] = steps[i] if rate == 0.0 else -math.expm1(-2.0 * decay) / (2.0 * rate)


@kernel
def log_likelihood(x: FloatArray, table: FloatArray, power: int, z: float, sigma: float) -> float:
    """Log-likelihood of the observations after the first, given it; -inf where a variance is not positive."""
    mean_part = z if power == 1 else z * z
    total = 0.0
    for i in range(table.shape[1]):
        variance = sigma * sigma * (z * table[_NOISE_SLOPE, i] + table[_NOISE, i])
        if not variance > 0.0:
            return -math.inf
        residual = x[i + 1] - table[_DECAY, i] * x[i] - table[_SHIFT, i] - mean_part * table[_GAIN, i]
        total -= 0.5 * (math.log(2.0 * math.pi * variance) + residual * residual / variance)
    return total


@kernel
def generalised_least_squares(x: FloatArray, table: FloatArray, power: int, guess: float) -> float:
    """The z of least weighted squares, its weights those of `guess`."""
    across = 0.0
    within = 0.0
    for i in range(table.shape[1]):
        gain = table[_GAIN, i]
        weight = gain / (guess * table[_NOISE_SLOPE, i] + table[_NOISE, i])
        across += weight * (x[i + 1] - table[_DECAY, i] * x[i] - table[_SHIFT, i])
        within += weight * gain
    if not within > 0.0:
        return guess
    z = across / within
    if power == 2:
        return math.sqrt(max(z, 0.0))
    return z


@kernel
def profile(
    x: FloatArray, table: FloatArray, power: int, low: float, high: float, floor: float
) -> tuple[float, float, float]:
    """Largest log-likelihood over z in [low, high] and σ, with the z and σ that reach it.

    With σ² = S(z)/n, S = Σ r²/w and w = z j + l, it remains to minimise n log S(z) + Σ log w. Its slope is followed by
    Newton steps, kept between the last points of falling and of rising slope. `floor` is the smallest S/n allowed, so
    that a series without noise has a finite likelihood.
    """
    count = table.shape[1]
    if not low <= high:
        return -math.inf, 0.0, 0.0
    falling = -math.inf  # the last points of falling and of rising slope; infinite: none met yet
    rising = math.inf
    z = min(max(generalised_least_squares(x, table, power, 0.5 * (low + high)), low), high)
    tolerance = 1e-7 * (high - low)
    for _ in range(_NEWTON_STEPS):
        mean_part = z if power == 1 else z * z
        mean_slope = 1.0 if power == 1 else 2.0 * z
        mean_curve = 0.0 if power == 1 else 2.0
        squares = 0.0  # S and its two derivatives
        slope = 0.0
        curve = 0.0
        log_slope = 0.0  # derivatives of Σ log w
        log_curve = 0.0
        for i in range(count):
            inverse = 1.0 / (z * table[_NOISE_SLOPE, i] + table[_NOISE, i])
            relative = table[_NOISE_SLOPE, i] * inverse
            gain = table[_GAIN, i]
            residual = x[i + 1] - table[_DECAY, i] * x[i] - table[_SHIFT, i] - mean_part * gain
            moved = -mean_slope * gain
            scaled = residual * inverse
            squares += residual * scaled
            slope += 2.0 * scaled * moved - residual * scaled * relative
            curve += (
                2.0 * moved * moved * inverse
                - 2.0 * scaled * mean_curve * gain
                - 4.0 * scaled * moved * relative
                + 2.0 * residual * scaled * relative * relative
            )
            log_slope += relative
            log_curve -= relative * relative
        if squares <= count * floor:
            break
        slope /= squares
        total_slope = count * slope + log_slope
        total_curve = count * (curve / squares - slope * slope) + log_curve
        if total_slope > 0.0:
            if z <= low:
                break
            rising = z
        else:
            if z >= high:
                break
            falling = z
        moved_to = z - total_slope / total_curve if total_curve > 0.0 else (low if total_slope > 0.0 else high)
        if moved_to <= max(falling, low):
            moved_to = low if falling < low else 0.5 * (z + falling)
        elif moved_to >= min(rising, high):
            moved_to = high if rising > high else 0.5 * (z + rising)
        change = abs(moved_to - z)
        z = moved_to
        if change <= tolerance:
            break
    mean_part = z if power == 1 else z * z
    squares = 0.0
    logs = 0.0
    for i in range(count):
        weight = z * table[_NOISE_SLOPE, i] + table[_NOISE, i]
        residual = x[i + 1] - table[_DECAY, i] * x[i] - table[_SHIFT, i] - mean_part * table[_GAIN, i]
        squares += residual * residual / weight
        logs += math.log(weight)
    variance = max(squares / count, floor)
    found = -0.5 * (count * (math.log(2.0 * math.pi * variance)) + squares / variance + logs)
    return found, z, math.sqrt(variance)
