"""One observation more of a sequential score test: plain Python, which the kernel beside it compiles.

Nothing is imported but :mod:`math`, so that one observation at a time needs no numba.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = [
    "AGES", "BETS", "CLIP", "COEFFICIENT", "COUNT", "EVERY", "EVIDENCE", "GAP", "INFORMATION", "LAST", "MEAN", "ORIGIN",
    "POWER", "RISES", "SIZE", "TESTS", "UNIT", "advance",
]  # fmt: skip

# Places of the state of one series. Values are held less ORIGIN, in units of UNIT; gaps in units of EVERY.
ORIGIN, UNIT, EVERY = 0, 1, 2
LAST, GAP = 3, 4  # the newest value that was there, and the time since it
MEAN, COEFFICIENT, POWER, CENTRE = 5, 6, 7, 8  # what is learned; POWER is the variance of an innovation over one gap
COUNT, INFORMATION = 9, 10  # what it rests on: observations, and the information on the coefficient
# In this order: memory towards +1 and towards −1, level up and down, noise up and down.
TESTS = 6
BETS = (0.05, 0.12, 0.3)  # shares of the evidence that are staked; small ones see slow drifts, large ones quick ones
EVIDENCE = 11
RISES = EVIDENCE + TESTS * len(BETS)  # likelihood of the drift since its likeliest start, by test
AGES = RISES + TESTS  # time since that start
SIZE = AGES + TESTS

CLIP = 2.0  # residuals count no further out, in standard deviations
_FAR = 4.0  # standard deviations
_KEPT = 0.9205373  # mean square of standard normal noise that is cut there
_WIDEST = 1.25  # weight of a residual after a long gap
_EDGE = 0.995  # largest coefficient
_LEAST = 0.02  # factor of the evidence, which must not turn negative
_DATING = 0.3  # the stake that dates the start, which falls back soon where nothing drifts


def advance(state: Any, value: float, gap: float, smoothing: float, shares: Any, limit: float, out: Any) -> None:
    """Take in one value of one series.

    With :math:`r` the value less its running mean, a coefficient φ that is learned (recursive prediction errors; Ljung
    & Söderström 1983) and :math:`ρ = φ^{gap}`, the innovation :math:`u = (r_t − ρ r_{t−1}) / (σ \\sqrt{1 − ρ^2})`, cut
    at 2, has mean 0 given the past. So has its product with anything known before: the score of each test is u, u² less
    its mean, or u times the cut residual before it. The evidence :math:`R ← (1 + R)(1 + λ · score)` less the number of
    observations is then a martingale (Shiryaev–Roberts), whatever the noise is: it exceeds A after A observations on
    average, or a little later, as it overshoots.

    Parameters
    ----------
    state : list of float, or ndarray of shape (SIZE,)
        The series; changed in place.
    value : float
        NaN where it is missing.
    gap : float
        Time since the value before it, missing or not.
    smoothing : float
        Time over which the mean forgets; infinity for never.
    shares : sequence of float
        Weight of each test in the whole evidence; they sum to 1.
    limit : float
        Where the whole evidence alarms, and begins anew.
    out : list of float, or ndarray of shape (1 + 2 TESTS,)
        Filled with the coefficient, the weighted evidence of each test before it begins anew, and the time since the
        likeliest start of each drift.
    """
    state[GAP] += gap
    x = (value - state[ORIGIN]) / state[UNIT]
    found = state[COEFFICIENT]
    # First-order bias of a coefficient about a mean that is learned as well (Kendall 1954, Biometrika 41, 403).
    phi = max(-_EDGE, min(_EDGE, found + (1.0 + 3.0 * found) / (state[COUNT] + 3.0)))
    out[0] = phi
    if not abs(x) < 1e100:  # missing
        for test in range(TESTS):
            out[1 + test] = math.nan
            out[1 + TESTS + test] = math.nan
        return
    steps = state[GAP] / state[EVERY]
    if abs(steps - 1.0) < 1e-6:
        carried, slope = phi, 1.0  # φ^gap and its derivative
    elif phi >= 0.0 or abs(steps - math.floor(steps + 0.5)) < 1e-6:
        size = max(abs(phi), 1e-3)
        if phi < 0.0:
            steps = math.floor(steps + 0.5)
        part = size ** (steps - 1.0)
        carried, slope = min(size * part, _EDGE), steps * part
        if phi < 0.0:
            if steps % 2.0 == 0.0:
                slope = -slope
            else:
                carried = -carried
    else:  # a negative coefficient has no power that is not whole
        carried, slope = 0.0, 0.0
    mean, power, before = state[MEAN], state[POWER], state[INFORMATION]
    own = math.sqrt(1.0 - phi * phi)
    spread = math.sqrt(power) / own
    left = math.sqrt(1.0 - carried * carried)
    residual, earlier = x - mean, state[LAST] - mean
    held = max(-CLIP, min(CLIP, earlier / spread))
    if abs(earlier) > _FAR * spread:
        held = 0.0  # what follows an outlier tells nothing of memory
    raw = max(-CLIP, min(CLIP, (residual - carried * earlier) / (spread * left)))
    u = raw - state[CENTRE]
    weight = slope / left
    lever = held * weight
    # What is not known of the coefficient makes innovations wider (recursive residuals; Brown, Durbin & Evans 1975).
    scored = min(weight * own, _WIDEST) * held * u / (_KEPT * math.sqrt(1.0 + lever * lever / before))
    scores = (scored, u / math.sqrt(_KEPT), raw * raw / _KEPT - 1.0)
    bets, whole = len(BETS), 0.0
    for test in range(TESTS):
        score = scores[test // 2]
        if test % 2 == 1:
            score = -score
        total = 0.0
        for k in range(bets):
            place = EVIDENCE + test * bets + k
            grown = (1.0 + state[place]) * max(_LEAST, 1.0 + BETS[k] * score)
            state[place] = grown
            total += grown
        total *= shares[test] / bets
        whole += total
        risen = state[RISES + test] * max(_LEAST, 1.0 + _DATING * score)
        state[AGES + test] += state[GAP]
        if risen <= 1.0:
            risen, state[AGES + test] = 1.0, 0.0
        state[RISES + test] = risen
        out[1 + test] = total
        out[1 + TESTS + test] = state[AGES + test]
    if whole >= limit:
        for place in range(EVIDENCE, RISES):
            state[place] = 0.0
        for place in range(RISES, AGES):
            state[place] = 1.0
    count = state[COUNT] + 1.0
    share = 1.0 / count
    information = before + lever * lever
    state[COUNT], state[INFORMATION] = count, information
    state[COEFFICIENT] = max(-_EDGE, min(_EDGE, found + lever * (u + lever * (phi - found)) / information))
    state[POWER] = max(power * (1.0 + (raw * raw / _KEPT - 1.0) * share), 1e-200)
    state[CENTRE] += u * share
    follow = max(share, min(0.5, state[GAP] / (state[EVERY] * smoothing)))
    state[MEAN] = mean + follow * spread * max(-CLIP, min(CLIP, residual / spread))
    state[LAST], state[GAP] = x, 0.0
