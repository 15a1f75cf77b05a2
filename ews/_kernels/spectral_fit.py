"""Least-squares fit of spectra whose shape has one or two parameters; the amplitude is solved for in closed form.

A model is A g(ω; θ) with A ≥ 0. For given θ the best A is gᵀWy / gᵀWg, which leaves a sum of squares to be searched
over θ alone (variable projection, Golub & Pereyra 1973): over one number for fold and flip, over two for Hopf. A grid
covers the whole of the bounds, so that no start has to be guessed; around each of its dips it is then made finer.

The search runs over the unit square: for a fold, u is the logarithm of |λ| between its bounds; for a flip that of
1 + r; for a Hopf, u is ω₀ and v the logarithm of |μ| between its least value and the largest that ω₀ allows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ews._kernels.jit import kernel

__all__ = ["FLIP", "FOLD", "HOPF", "NULL", "fit_spectra", "shape"]

FOLD, FLIP, HOPF, NULL = 0, 1, 2, 3
ALONG = 4  # points of the first grid for each frequency: a line of the spectrum can be a dip of its own
ACROSS = 17  # and in the other direction
FINE = 5  # points of the finer ones: two steps to either side
HALVINGS = 26  # of the step: 5e-10 at the end
ROUNDS = 200  # an end to the search where a valley is long


@kernel
def shape(model: int, first: float, second: float, omega: Any, out: Any) -> None:
    """Spectrum of unit amplitude at angular frequencies `omega`: fold (λ), flip (r), Hopf (μ, ω₀) or null."""
    square = first * first
    for k in range(omega.size):
        w = omega[k]
        if model == FOLD:
            out[k] = 1.0 / (w * w + square)
        elif model == FLIP:
            out[k] = 1.0 / (1.0 + square - 2.0 * first * np.cos(w))
        elif model == HOPF:
            out[k] = 0.5 / ((w + second) * (w + second) + square) + 0.5 / ((w - second) * (w - second) + square)
        else:
            out[k] = 1.0


@kernel
def _place(model: int, u: float, v: float, bounds: Any, at: Any) -> None:
    """Parameters at (u, v). Bounds: fold, flip: least, most; Hopf: ω₀ least, most, |μ| least, |μ| / ω₀ most, mirror."""
    at[0] = 0.0
    at[1] = 0.0
    if model == FOLD:
        at[0] = -bounds[0] * (bounds[1] / bounds[0]) ** u
    elif model == FLIP:
        at[0] = bounds[0] * (bounds[1] / bounds[0]) ** u - 1.0
    elif model == HOPF:
        at[1] = bounds[0] + (bounds[1] - bounds[0]) * u
        # A peak near the Nyquist frequency is held off its mirror image as one near 0 is held off its own.
        widest = max(min(at[1], bounds[4] - at[1]) * bounds[3], bounds[2])
        at[0] = -bounds[2] * (widest / bounds[2]) ** v
    else:
        at[0] = 0.0


@kernel
def _squares(model: int, u: float, v: float, bounds: Any, omega: Any, weight: Any, y: Any, at: Any, g: Any) -> float:
    """Weighted sum of squares that the best amplitude leaves; `at` becomes (first, second, amplitude)."""
    _place(model, u, v, bounds, at)
    shape(model, at[0], at[1], omega, g)
    top = 0.0
    for k in range(omega.size):
        top = max(top, g[k])
    gy = 0.0
    gg = 0.0
    for k in range(omega.size):
        g[k] /= top  # so that the peak of a narrow shape does not overflow
        gy += weight[k] * g[k] * y[k]
        gg += weight[k] * g[k] * g[k]
    amplitude = max(gy, 0.0) / gg
    squares = 0.0
    for k in range(omega.size):
        difference = y[k] - amplitude * g[k]
        squares += weight[k] * difference * difference
    at[2] = amplitude / top
    return squares


@kernel
def _refine(
    model: int, start: Any, step: float, bounds: Any, omega: Any, weight: Any, y: Any, at: Any, g: Any, best: Any
) -> None:
    """Descend from `start` (u, v) by ever finer grids; `best` (squares, u, v) is replaced where that leads lower."""
    u, v = start
    half = FINE // 2
    across = FINE if model == HOPF else 1
    lowest = _squares(model, u, v, bounds, omega, weight, y, at, g)
    step *= 0.5
    smallest = step * 0.5**HALVINGS
    for _ in range(ROUNDS):
        if step < smallest:
            break
        centre_u, centre_v = u, v
        for i in range(FINE):
            trial_u = min(max(centre_u + (i - half) * step, 0.0), 1.0)
            for j in range(across):
                trial_v = min(max(centre_v + (j - half) * step, 0.0), 1.0) if model == HOPF else 0.0
                squares = _squares(model, trial_u, trial_v, bounds, omega, weight, y, at, g)
                if squares < lowest:
                    lowest, u, v = squares, trial_u, trial_v
        if max(abs(u - centre_u), abs(v - centre_v)) < 1.5 * step:  # else go on as far: a valley leads out of the grid
            step *= 0.5
    if lowest < best[0]:
        best[0], best[1], best[2] = lowest, u, v


@kernel
def _fit(model: int, bounds: Any, omega: Any, weight: Any, y: Any, at: Any, g: Any, profile: Any, best: Any) -> float:
    """Least sum of squares of one model; `at` becomes (first, second, amplitude)."""
    best[0], best[1], best[2] = np.inf, 0.0, 0.0
    if model != NULL:
        along = profile.shape[1]
        across = ACROSS if model == HOPF else 1
        for i in range(along):
            profile[0, i] = np.inf
            for j in range(across):
                v = j / (ACROSS - 1)
                squares = _squares(model, i / (along - 1), v, bounds, omega, weight, y, at, g)
                if squares < profile[0, i]:
                    profile[0, i], profile[1, i] = squares, v
        step = 1.0 / (along - 1)
        for i in range(along):  # every dip of the profile is a start
            before = profile[0, i - 1] if i > 0 else np.inf
            after = profile[0, i + 1] if i < along - 1 else np.inf
            if profile[0, i] <= before and profile[0, i] < after:
                _refine(model, (i * step, profile[1, i]), step, bounds, omega, weight, y, at, g, best)
                if i == 0 or i == along - 1:  # where |μ| has one value only, no v is better than another
                    _refine(model, (i * step, 1.0), step, bounds, omega, weight, y, at, g, best)
    return _squares(model, best[1], best[2], bounds, omega, weight, y, at, g)


@kernel
def fit_spectra(power: Any, omega: Any, weight: Any, models: Any, bounds: Any, squares: Any, parameters: Any) -> None:
    """Fit each model to each spectrum.

    `power` is (rows, m), `omega` and `weight` (m,), `models` (k,) codes, `bounds` (k, 5). Written are `squares`
    (k, rows), as a share of the row's highest power squared, and `parameters` (k, rows, 3): first, second, amplitude.
    A row that is not finite, or 0 throughout, gives NaN.
    """
    m = omega.size
    y = np.empty(m)
    g = np.empty(m)
    at = np.empty(3)
    best = np.empty(3)
    profile = np.empty((2, ALONG * m + 1))
    for row in range(power.shape[0]):
        top = 0.0
        finite = True
        for k in range(m):
            finite = finite and np.isfinite(power[row, k])
            top = max(top, power[row, k])
        for i in range(models.size):
            if not finite or top == 0.0:
                squares[i, row] = np.nan
                parameters[i, row, :] = np.nan
                continue
            for k in range(m):
                y[k] = power[row, k] / top
            squares[i, row] = _fit(models[i], bounds[i], omega, weight, y, at, g, profile, best)
            parameters[i, row, 0] = at[0]
            parameters[i, row, 1] = at[1]
            parameters[i, row, 2] = at[2] * top
