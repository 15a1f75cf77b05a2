"""Bounded multi-start search for the rates of the models of :mod:`ews._kernels.likelihood`, and draws from their fits.

A model whose rate changes is searched in (u, κ): u = log of the mean of the rates at the start and the end, and the
contrast κ = (end − start)/(end + start), so that κ = 0 is the nested model of constant rate, κ = −1 a rate that reaches
zero at the end, and κ < 0 a drift towards the bifurcation. Level and noise are fitted inside. Each side of κ = 0 is
searched by itself: a grid, then Nelder–Mead from the best points of the grid and from the nested fit, so that a
likelihood ratio is never negative.

Reference: Nelder & Mead (1965), Comput. J. 7, 308–313.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel
from ews._kernels.likelihood import NESTED, SADDLE_NODE, ornstein_uhlenbeck_table, profile, transition_table
from ews._kernels.random import fill_normal, new_state

__all__ = ["FIT", "draw", "ends", "fit_ornstein_uhlenbeck", "fit_transition"]

FloatArray = npt.NDArray[np.float64]

# What a fit holds: log-likelihood, then u, κ, z and σ (κ is 0 for the Ornstein–Uhlenbeck process).
FIT = 5
SMALLEST_DECAY = 1e-3  # of a deviation over the whole record, at the slowest rate
LARGEST_DECAY = 40.0  # over one median step, at the fastest: beyond it observations are independent in double precision
RATES = 14
CONTRASTS = 6
STARTS = 3
_MOVES = 160
_SPREAD = 1e-9
_SIZE = 1e-6
_REFINEMENTS = 16
# Smallest noise SD looked for, relative to the range of the series: a series without noise has no likelihood.
_SMALLEST_NOISE = 1e-10


@kernel
def limits(x: FloatArray, positive: bool) -> tuple[float, float, float]:
    """Lowest and highest level looked for, and the range: the level lies within one range of the observations.

    Where levels must be `positive`, not below a thousandth of the largest value. If all values are negative, the lowest
    level is above the highest: nothing can be fitted.
    """
    lowest = x[0]
    highest = x[0]
    for i in range(x.size):
        lowest = min(lowest, x[i])
        highest = max(highest, x[i])
    width = highest - lowest
    low = lowest - width
    if positive:
        low = max(low, 1e-3 * abs(highest))
    return low, highest + width, width


@kernel
def rate_limits(steps: FloatArray, middle: float) -> tuple[float, float]:
    """Logarithms of the slowest and the fastest rate looked for; `middle` is the median step."""
    duration = 0.0
    for i in range(steps.size):
        duration += steps[i]
    return math.log(SMALLEST_DECAY / duration), math.log(LARGEST_DECAY / middle)


@kernel
def fit_ornstein_uhlenbeck(
    x: FloatArray, steps: FloatArray, middle: float, positive: bool, table: FloatArray, fit: FloatArray
) -> None:
    """Fit a constant rate: a grid in its logarithm, then ever finer ones around the best point.

    `table` (5, n - 1) is scratch; `fit` (FIT,) is written.
    """
    low, high, width = limits(x, positive)
    floor = (_SMALLEST_NOISE * width) ** 2 / middle
    slowest, fastest = rate_limits(steps, middle)
    fit[0] = -math.inf
    count = 2 * RATES
    first = slowest
    spacing = (fastest - slowest) / (count - 1)
    for _ in range(_REFINEMENTS):
        for i in range(count):
            u = min(max(first + spacing * i, slowest), fastest)
            ornstein_uhlenbeck_table(steps, math.exp(u), table)
            found, z, sigma = profile(x, table, 1, low, high, floor)
            if found > fit[0]:
                fit[0], fit[1], fit[2], fit[3], fit[4] = found, u, 0.0, z, sigma
        spacing /= 3.0  # two thirds of the old spacing to either side hold the maximum
        count = 5
        first = fit[1] - 2.0 * spacing


@kernel
def ends(model: int, u: float, contrast: float) -> tuple[float, float]:
    """What :func:`transition_table` takes, √R or R/θ, at the start and the end."""
    middle = math.exp(u)
    if model == SADDLE_NODE:
        middle *= 0.5
    return middle * (1.0 - contrast), middle * (1.0 + contrast)


@kernel
def at_rates(
    model: int,
    additive: bool,
    x: FloatArray,
    steps: FloatArray,
    u: float,
    contrast: float,
    low: float,
    high: float,
    floor: float,
    table: FloatArray,
) -> tuple[float, float, float]:
    """Profile of a transition at its two rates. The level is bounded where its rate is highest or at the start."""
    start, end = ends(model, u, contrast)
    transition_table(model, additive, steps, start, end, NESTED, table)
    if model == SADDLE_NODE:  # the level is θ + √R: bounded at the start, and positive throughout
        power = 1
        smallest = low - start
        if not additive:
            smallest = max(smallest, low - min(start, end))
        largest = high - start
    else:  # it is θ² times the rate
        power = 2
        fastest = max(start, end)
        smallest = math.sqrt(max(low, 0.0) / fastest)
        largest = math.sqrt(max(high, 0.0) / fastest)
    return profile(x, table, power, smallest, largest, floor)


@kernel
def fit_transition(
    model: int,
    additive: bool,
    side: float,
    x: FloatArray,
    steps: FloatArray,
    middle: float,
    positive: bool,
    nested: FloatArray,
    table: FloatArray,
    fit: FloatArray,
) -> None:
    """Fit a rate that changes, on one side of the nested model.

    Parameters
    ----------
    model : int
        SADDLE_NODE or TRANSCRITICAL.
    additive : bool
        Constant noise.
    side : float
        -1 for a rate that falls, towards the bifurcation; 1 for one that rises.
    x, steps : ndarray of shape (n,), (n - 1,)
        Observations and the times between them.
    middle : float
        The median step.
    positive : bool
        Whether levels must be positive.
    nested : ndarray of shape (FIT,)
        The fit of a constant rate to the same series.
    table : ndarray of shape (5, n - 1)
        Scratch.
    fit : ndarray of shape (FIT,)
        Written.
    """
    low, high, width = limits(x, positive)
    floor = (_SMALLEST_NOISE * width) ** 2 / middle
    if not additive:
        floor /= max(abs(high), 1.0)
    slowest, fastest = rate_limits(steps, middle)
    u = nested[1]
    found, z, sigma = at_rates(model, additive, x, steps, u, 0.0, low, high, floor, table)
    fit[0], fit[1], fit[2], fit[3], fit[4] = found, u, 0.0, z, sigma
    if not found > -math.inf:
        return
    level = 0.5 * (max(low, 0.0) + high)
    spacing = (fastest - slowest) / (RATES - 1)
    best = np.full(RATES, -math.inf)
    where = np.zeros(RATES)
    for i in range(RATES):
        u = slowest + spacing * i
        # The contrast over which the level itself moves by the range of the series; beyond it, the fit must be bad.
        bend = min(1.0, width / math.exp(u) if model == SADDLE_NODE else 0.5 * width / level)
        for j in range(CONTRASTS):
            if j < 3:
                contrast = side * (1.0, 0.7, 0.3)[j]
            else:
                contrast = side * bend * (0.85, 0.5, 0.15)[j - 3]
            found, _, _ = at_rates(model, additive, x, steps, u, contrast, low, high, floor, table)
            if found > best[i]:
                best[i] = found
                where[i] = contrast
    simplex = np.empty((3, 2))
    values = np.empty(3)
    bend = min(1.0, width / math.exp(nested[1]) if model == SADDLE_NODE else 0.5 * width / level)
    for start in range(STARTS + 1):
        if start == 0:
            u = nested[1]
            contrast = 0.15 * side * bend
        else:
            chosen = -1
            for i in range(RATES):
                higher = i > 0 and best[i - 1] > best[i]
                higher |= i < RATES - 1 and best[i + 1] > best[i]
                if not higher and best[i] > -math.inf and (chosen < 0 or best[i] > best[chosen]):
                    chosen = i
            if chosen < 0:
                break
            u = slowest + spacing * chosen
            contrast = where[chosen]
            best[chosen] = -math.inf
        reach = 0.5 * spacing
        turn = 0.3 * max(abs(contrast), 0.1 * bend)
        for _ in range(2):  # again from where it stopped: a simplex that collapsed on a bound gets a second chance
            u, contrast = descend(
                model, additive, side, x, steps, u, contrast, reach, turn, slowest, fastest,
                low, high, floor, table, simplex, values,
            )  # fmt: skip
            reach *= 0.1
            turn *= 0.1
        found, z, sigma = at_rates(model, additive, x, steps, u, contrast, low, high, floor, table)
        if found > fit[0]:
            fit[0], fit[1], fit[2], fit[3], fit[4] = found, u, contrast, z, sigma


@kernel
def descend(
    model: int,
    additive: bool,
    side: float,
    x: FloatArray,
    steps: FloatArray,
    u: float,
    contrast: float,
    reach: float,
    turn: float,
    slowest: float,
    fastest: float,
    low: float,
    high: float,
    floor: float,
    table: FloatArray,
    simplex: FloatArray,
    values: FloatArray,
) -> tuple[float, float]:
    """Nelder–Mead from (u, κ), each trial moved to the nearest point within bounds; returns the best point.

    `reach` and `turn` are the sides of the first simplex; `simplex` (3, 2) and `values` (3,) are scratch.
    """
    lowest = min(0.0, side)
    highest = max(0.0, side)
    for corner in range(3):
        simplex[corner, 0] = u
        simplex[corner, 1] = contrast
    simplex[1, 0] += -reach if u + reach > fastest else reach
    simplex[2, 1] += -turn if contrast + turn > highest else turn
    for corner in range(3):
        simplex[corner, 0] = min(max(simplex[corner, 0], slowest), fastest)
        simplex[corner, 1] = min(max(simplex[corner, 1], lowest), highest)
        values[corner] = -math.inf  # not known yet
    for _ in range(_MOVES):
        for corner in range(3):
            if values[corner] == -math.inf:
                values[corner] = at_rates(
                    model, additive, x, steps, simplex[corner, 0], simplex[corner, 1], low, high, floor, table
                )[0]
        top = int(np.argmax(values))
        bottom = int(np.argmin(values))
        size = 0.0
        for corner in range(3):
            size = max(size, abs(simplex[corner, 0] - simplex[top, 0]), abs(simplex[corner, 1] - simplex[top, 1]))
        if top == bottom or size < _SIZE or values[top] - values[bottom] < _SPREAD:
            break
        second = values[3 - top - bottom]
        centre_u = 0.5 * (simplex[0, 0] + simplex[1, 0] + simplex[2, 0] - simplex[bottom, 0])
        centre_contrast = 0.5 * (simplex[0, 1] + simplex[1, 1] + simplex[2, 1] - simplex[bottom, 1])
        away_u = centre_u - simplex[bottom, 0]
        away_contrast = centre_contrast - simplex[bottom, 1]
        stretch = 1.0
        tried_u = min(max(centre_u + away_u, slowest), fastest)
        tried_contrast = min(max(centre_contrast + away_contrast, lowest), highest)
        tried = at_rates(model, additive, x, steps, tried_u, tried_contrast, low, high, floor, table)[0]
        if tried > values[top]:
            stretch = 2.0
        elif tried <= second:
            stretch = 0.5 if tried > values[bottom] else -0.5
        if stretch != 1.0:
            other_u = min(max(centre_u + stretch * away_u, slowest), fastest)
            other_contrast = min(max(centre_contrast + stretch * away_contrast, lowest), highest)
            other = at_rates(model, additive, x, steps, other_u, other_contrast, low, high, floor, table)[0]
            if other > tried or stretch < 1.0:
                tried_u, tried_contrast, tried = other_u, other_contrast, other
        if tried > values[bottom]:
            simplex[bottom, 0] = tried_u
            simplex[bottom, 1] = tried_contrast
            values[bottom] = tried
            continue
        for corner in range(3):
            if corner != top:
                simplex[corner, 0] = 0.5 * (simplex[corner, 0] + simplex[top, 0])
                simplex[corner, 1] = 0.5 * (simplex[corner, 1] + simplex[top, 1])
                values[corner] = -math.inf
    top = int(np.argmax(values))
    return simplex[top, 0], simplex[top, 1]


@kernel
def draw(
    table: FloatArray, power: int, z: float, sigma: float, first: float, seed: np.uint64, stream: int, x: FloatArray
) -> None:
    """Draw a series from the fit whose `table` is given, from the value `first` on; `x` (n,) is written."""
    fill_normal(new_state(seed, stream), x)
    mean_part = z if power == 1 else z * z
    x[0] = first
    for i in range(table.shape[1]):
        expected = table[0, i] * x[i] + table[2, i] + mean_part * table[1, i]
        x[i + 1] = expected + sigma * math.sqrt(z * table[3, i] + table[4, i]) * x[i + 1]
