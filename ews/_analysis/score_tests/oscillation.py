"""Records that oscillate: their dominant mode, the score of its lost damping, and the null that has the same modes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.shapes import weights
from ews.nulls.higher_order import AR

__all__ = ["Mode", "dominant_mode", "fitted_oscillating_null", "mode_damping", "mode_moduli"]

FloatArray = npt.NDArray[np.float64]

# A mode turns round at least so often within the record, else it is not told from slow fluctuations …
FEWEST_TURNS = 6
# … its damping ratio is at most this, above which the spectrum of a damped oscillator has no peak …
MOST_DAMPED = math.sqrt(0.5)
# … and at most this to tell its drift from that of noise …
_UNDERDAMPED = 0.35
# … it turns in no less than three samples, else it alternates; and it holds this share of the variance.
FASTEST = 2.0 * math.pi / 3.0
LEAST_SHARE = 0.1
# A mode with this share is alone: neither another nor measurement noise beside it.
_ALONE = 0.93
# Blocks are averaged until a turn has about so many: an autoregression of finely sampled noise sees only the noise.
_PER_TURN = 16
_HIGHEST_ORDER = 20
_HIGHEST_NULL = 30
_SAMPLES_PER_COEFFICIENT = 8
# The peak whose growth is looked for is at least so wide (damping ratio): narrower, a few turns would decide.
_NARROWEST = 0.03
# Orders up to two are what the score of a drifting second coefficient is made for.
_SECOND = 2


@dataclass(frozen=True, slots=True)
class Mode:
    """The mode that holds most of a record's variance, the underdamped before others."""

    period: float  # in samples
    damping: float  # damping ratio: rate of decay over angular frequency; 0 for a sine
    share: float  # of the variance, to first order in the damping
    block: int  # samples averaged into one
    order: int  # of the autoregression of these averages, by BIC

    @property
    def alone(self) -> bool:
        """Whether a second-order autoregression holds the record: neither another mode nor measurement noise in it.

        Its own score of damping sees more there, and so does a test against red noise. Of a mode that is sampled so
        finely that blocks were averaged, it is blind.
        """
        return self.block == 1 and (self.order <= _SECOND or self.share >= _ALONE)

    @property
    def resolved(self) -> bool:
        """Whether the drift of its damping is told from what else drifts in the record."""
        return not self.alone and self.damping <= _UNDERDAMPED


def dominant_mode(residual: FloatArray) -> Mode | None:
    """The dominant underdamped mode of one record, from the poles of an autoregression whose order BIC chose.

    Parameters
    ----------
    residual : ndarray of shape (n,)
        Evenly spaced, of mean 0, outliers pulled in; NaN where nothing was observed.

    Returns
    -------
    Mode or None
        None where the record does not oscillate: no complex pair of poles with a damping ratio below √½, at least six
        turns within the record and a tenth of its variance.
    """
    n = residual.size
    largest = float(np.nanmax(np.abs(residual), initial=0.0))
    if not largest > 0.0:
        return None
    x = residual / largest
    block = max(1, int(n / _turns(x) / _PER_TURN))
    averages = _averages(x, block)
    seen = int(np.isfinite(averages).sum())
    highest = min(_HIGHEST_ORDER, seen // _SAMPLES_PER_COEFFICIENT)
    if highest <= _SECOND:
        return None
    fitted = AR.fit(averages, highest=highest, penalty=math.log(seen))
    polynomial = np.concatenate([[1.0], -fitted.coefficients])
    poles = np.roots(polynomial)
    pair = poles[poles.imag > 0.0]
    angle, decay = np.angle(pair), -np.log(np.abs(pair))
    # Height of the spectrum at each angle times the half width of a peak there, over the variance.
    gain = np.abs(np.exp(-1j * np.outer(angle, np.arange(polynomial.size))) @ polynomial) ** 2
    share = decay / gain * np.prod(1.0 - np.square(fitted.reflections))
    slow = 2.0 * math.pi * FEWEST_TURNS * block / n
    clear = (decay <= MOST_DAMPED * angle) & (angle >= slow) & (angle <= FASTEST) & (share >= LEAST_SHARE)
    if not clear.any():
        return None
    under = clear & (decay <= _UNDERDAMPED * angle)
    chosen = np.flatnonzero(under if under.any() else clear)
    best = int(chosen[np.argmax(share[chosen])])
    return Mode(
        period=float(2.0 * math.pi / angle[best] * block),
        damping=float(decay[best] / angle[best]),
        share=float(min(share[best], 1.0)),
        block=block,
        order=len(fitted.reflections),
    )


def mode_damping(rows: FloatArray, memory: FloatArray, mode: Mode) -> FloatArray:
    """Score of each row for a mode that loses damping: positive where it does.

    The sum of two studentised scores. The first is that of the mode's own peak: the row is whitened, so that the peak's
    growth is judged against the rest of the spectrum, and a record that grows as a whole has none. The second is that
    of lag-1 memory, times the cosine of the mode's angle, which is what lag-1 memory goes to as the mode outgrows all
    else: of a slow mode, few turns are seen, and its share of the record tells more than its peak.

    Parameters
    ----------
    rows : ndarray of shape (rows, n)
        Evenly spaced residuals of mean 0, outliers pulled in; NaN where nothing was observed.
    memory : ndarray of shape (rows,)
        Score of a linear drift of memory of each.
    mode : Mode
        Of the record; of surrogates too.

    References
    ----------
    Burg, J. P. (1975). Maximum entropy spectral analysis. PhD thesis, Stanford University. White, H. (1980). A
    heteroskedasticity-consistent covariance matrix estimator and a direct test for heteroskedasticity. Econometrica
    48, 817–838.
    """
    from ews._kernels.oscillation import mode_scores

    frequency = 2.0 * math.pi * mode.block / mode.period
    z = np.empty(len(rows))
    shape = weights(rows.shape[1] // mode.block)[0]
    decay = max(mode.damping, _NARROWEST) * frequency
    mode_scores(np.require(rows, np.float64, ("C",)), mode.block, mode.order, frequency, decay, shape, z)
    return z + math.cos(2.0 * math.pi / mode.period) * memory


def fitted_oscillating_null(residual: FloatArray) -> AR:
    """The null of an oscillating record (n,): an autoregression that has its modes, of an order that AIC chose.

    AIC, as Burg's method on fine samples of a slow mode in measurement noise needs more coefficients than BIC grants.
    """
    highest = min(_HIGHEST_NULL, int(np.isfinite(residual).sum()) // _SAMPLES_PER_COEFFICIENT)
    return AR.fit(residual, highest=highest, penalty=2.0)


def mode_moduli(residual: FloatArray, mode: Mode) -> tuple[float, float]:
    """Squared modulus, a sample, of the mode's pair of eigenvalues in the first and in the last half of a record (n,).

    From autoregressions of the mode's order, by the pair whose angle is nearest; NaN where a half has none.
    """
    frequency = 2.0 * math.pi * mode.block / mode.period
    found = []
    for half in np.array_split(_averages(residual, mode.block), 2):
        fitted = AR.fit(half, highest=min(mode.order, half.size // 3), penalty=0.0)
        poles = np.roots(np.concatenate([[1.0], -fitted.coefficients]))
        pair = poles[poles.imag > 0.0]
        if not pair.size:
            return math.nan, math.nan
        nearest = pair[np.argmin(np.abs(np.angle(pair) - frequency))]
        found.append(float(np.abs(nearest) ** (2.0 / mode.block)))
    return found[0], found[1]


def _turns(x: FloatArray) -> int:
    """How often the strongest oscillation turns round in the record: the peak of its smoothed periodogram."""
    power = np.abs(np.fft.rfft(np.where(np.isnan(x), 0.0, x))) ** 2
    smooth = np.convolve(power, np.full(5, 0.2), "same")
    smooth[:FEWEST_TURNS] = 0.0
    return int(np.argmax(smooth)) or 1


def _averages(x: FloatArray, block: int) -> FloatArray:
    """Means over blocks of what was observed, counted from the end; NaN where a block has nothing."""
    blocks = x[x.size % block :].reshape(-1, block)
    seen = np.isfinite(blocks)
    total, count = np.where(seen, blocks, 0.0).sum(axis=1), seen.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
