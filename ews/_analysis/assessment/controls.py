"""Positive controls of an assessment: linear systems whose eigenvalue goes where a fold, a flip or a Hopf takes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ews._significance.controls import positive_control
from ews.nulls.autoregressive import LARGEST_COEFFICIENT, draw_autoregression

__all__ = ["CONTROLS", "SENTENCES", "draw_control"]

FloatArray = npt.NDArray[np.float64]
CONTROLS = ("fold", "flip", "hopf")
SENTENCES = {
    "fold": "the recovery rate falls from the fitted one to zero as the square root of the time left",
    "flip": "the lag-1 coefficient falls along a line from the fitted one to −1",
    "hopf": "the modulus of a complex pair rises from the fitted one to 1, the recovery rate falling along a line",
}
# A pair with no cycle to go by turns an eighth of a circle a sample, and loses half of its distance.
DEFAULT_ANGLE, DEFAULT_MODULUS = np.pi / 4.0, 0.5


def draw_control(
    kind: str, residual: FloatArray, coefficient: float, innovation_sd: float, *, seed: int
) -> Callable[[int, int], FloatArray]:
    """``draw(first, count)`` of rows, each as long as the residual, of a system whose eigenvalue goes to `kind`.

    The control starts with the lag-1 coefficient and the innovations fitted to the residual. Row i is the same however
    many are drawn.
    """
    n = residual.size
    sd = np.full(n, innovation_sd)
    if kind == "hopf":
        modulus, angle = _pair(residual)
        rate = -np.log(modulus) * (1.0 - (np.arange(n) + 1.0) / (n + 1.0))
        moduli = np.minimum(np.exp(-rate), LARGEST_COEFFICIENT)
        return lambda first, count: _second_order(moduli, angle, sd, first, count, seed)
    if kind == "fold":
        ramp = positive_control(coefficient, n)
    else:
        ramp = np.maximum(np.linspace(np.clip(coefficient, -0.9, 0.95), -1.0, n), -LARGEST_COEFFICIENT)
    return lambda first, count: draw_autoregression(ramp, sd, first, count, seed=seed)


def _pair(residual: FloatArray) -> tuple[float, float]:
    """Modulus and angle of the fitted AR(2)'s roots, if they are a pair."""
    centred = residual - residual.mean()
    design = np.column_stack([centred[1:-1], centred[:-2]])
    (first, second), *_ = np.linalg.lstsq(design, centred[2:], rcond=None)
    if first * first + 4.0 * second >= 0.0:
        return DEFAULT_MODULUS, DEFAULT_ANGLE
    modulus = float(np.sqrt(-second))
    return float(np.clip(modulus, 0.05, 0.95)), float(np.arccos(np.clip(first / (2.0 * modulus), -1.0, 1.0)))


def _second_order(moduli: FloatArray, angle: float, sd: FloatArray, first: int, count: int, seed: int) -> FloatArray:
    """AR(2) with a pair of roots whose modulus changes: x[t] = 2 r cos ω x[t−1] − r² x[t−2] + e."""
    burn = 200
    still = np.zeros(moduli.size + burn)
    # A coefficient of zero leaves the innovations alone: row i of these is the i-th stream of the seed.
    noise = draw_autoregression(still, np.concatenate([np.full(burn, sd[0]), sd]), first, count, seed=seed)
    steady = np.concatenate([np.full(burn, moduli[0]), moduli])
    out = noise.copy()
    for t in range(2, out.shape[1]):
        out[:, t] += 2.0 * steady[t] * np.cos(angle) * out[:, t - 1] - steady[t] ** 2 * out[:, t - 2]
    return np.ascontiguousarray(out[:, burn:])
