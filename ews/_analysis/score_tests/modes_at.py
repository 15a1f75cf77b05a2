"""Records that oscillate, at any times: damped modes by their exact likelihood, and the score of lost damping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.oscillation import FASTEST, FEWEST_TURNS, LEAST_SHARE, MOST_DAMPED, Mode
from ews._analysis.score_tests.paths import Path
from ews.nulls.modes_at_times import ModesAtTimes

__all__ = ["ModesAt", "modes_at"]

FloatArray = npt.NDArray[np.float64]

FEWEST = 24  # observations
_STEP = 1e-6  # of a parameter, on its scale, for a slope
_LEAST_RATIO = 1e-3
_PEAKS = 3
# Where the search starts: damping ratios, rates of decay of red noise, its share, and peaks so far apart (logarithm).
_RATIOS, _RATES, _BESIDE, _APART = (0.03, 0.15, 0.5), (0.5, 0.05), 0.2, 0.3
_FINER = 8  # of a grid for the periodogram, as many cells as observations, at most


@dataclass(frozen=True, eq=False)
class ModesAt:
    """Modes fitted to a record; the first is the one whose damping is tested."""

    kinds: tuple[int, ...]  # as the kernels number them: red noise, a mode, a smooth mode
    theta: FloatArray  # on the scale of the search
    unit: float  # standard deviation of the record
    known: FloatArray  # (n,): variance of noise that is known, in these units
    positions: FloatArray
    shape: FloatArray  # (n,): of the drift that is tested

    @cached_property
    def null(self) -> ModesAtTimes:
        """The same that never changes."""
        modes, noise = _model(self.theta, self.kinds)
        scale = np.array([1.0, 1.0, self.unit**2, 1.0])
        return ModesAtTimes(modes * scale, np.full(self.positions.size, noise * self.unit**2), self.positions)

    @property
    def mode(self) -> Mode:
        """The first mode, as it is found in even records."""
        decay, frequency, variance, _ = self.null.modes[0]
        everything = float(self.null.modes[:, 2].sum() + self.null.noise.mean())
        return Mode(2.0 * math.pi / float(frequency), float(decay / frequency), float(variance) / everything, 1, 2)

    @cached_property
    def _filters(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """As fitted, and with each of the parameters that matter, and the drift, a little larger."""
        from ews._kernels.modes_at import gains_of

        n, width = self.positions.size, 2 * len(self.kinds)
        varied = [(self.theta, 0.0)]
        for k in {0, 1, 2, self.theta.size - 2, self.theta.size - 1}:  # the first mode; the size of what is beside it
            theta = self.theta.copy()
            theta[k] += _STEP
            varied.append((theta, 0.0))
        varied.append((self.theta, self._reach))
        turns, gains, spreads = (np.empty((len(varied), n, k)) for k in (width, width, 1))
        steps = np.diff(self.positions)
        for (theta, drift), turn, gain, spread in zip(varied, turns, gains, spreads, strict=True):
            modes, noise = _model(theta, self.kinds)
            gains_of(steps, modes, self.known + noise, drift * self.shape, turn, gain, spread[:, 0])
        return turns, gains, spreads[:, :, 0].copy()

    def damping(self, rows: FloatArray) -> FloatArray:
        """Score of each row, (rows, n), for a first mode that loses damping: positive where it does."""
        return self._scored(rows)[0]

    def modulus_path(self, x: FloatArray, n: int, *, shape: str, quantile: float) -> Path:
        """Squared modulus over one step, e^(−2γ), at `n` even times: one step of Gauss and Newton from no drift."""
        _, (total, information) = (one[0] for one in self._scored(x[None]))
        rate = float(self.null.modes[0, 0])
        unit = self._reach  # by which the two filters of the drift differ
        drift, error = (
            (total * unit / information, unit / math.sqrt(information)) if information > 0.0 else (0.0, math.inf)
        )
        w = np.interp(np.linspace(0.0, self.positions[-1], n), self.positions, self.shape)
        # Of an oscillation that is seen all the time, γ is known to √(γ / time).
        spread = quantile * np.sqrt(rate / self.positions[-1] + (w * error) ** 2)
        value, lower, upper = (
            np.exp(-2.0 * np.maximum(rate + drift * w + side, 0.0)) for side in (0.0, spread, -spread)
        )
        moved = float(w[-1] - w[0])
        slope = 2.0 * math.exp(-2.0 * rate) * abs(moved)
        return Path(shape, value, lower, upper, float(value[-1] - value[0]), slope * error)

    @property
    def _reach(self) -> float:
        """How far the filters' drifts are from none, in units of the shape."""
        return _STEP * float(self.null.modes[0, 0]) / float(np.abs(self.shape).max())

    def _scored(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        from ews._kernels.modes_at import drift_scores

        x = np.require((rows - rows.mean(axis=1, keepdims=True)) / self.unit, np.float64, ("C",))
        z, slope = np.empty(len(rows)), np.empty((len(rows), 2))
        drift_scores(x, *self._filters, self.shape, z, slope)
        return z, slope


def modes_at(x: FloatArray, positions: FloatArray, shape: FloatArray, known: FloatArray) -> ModesAt | None:
    """Fit damped modes to one record at any times; None where it does not oscillate.

    Of red noise, a mode, and a mode beside red noise or another mode, each with white noise, the least BIC is taken;
    red noise unless another is lower by the logarithm of the number of observations.
    The record oscillates where that has a mode that turns at least six times within the record, in no less than three
    steps where all are whole, and holds a tenth of the variance.
    """
    if positions.size < FEWEST:
        return None
    x = x - x.mean()
    unit = float(np.sqrt(np.mean(x * x)))
    if not unit > 0.0:
        return None
    whole = bool((positions == np.round(positions)).all())
    search = _Search(x / unit, positions, known / unit**2, FASTEST if whole else 2.0 * math.pi)
    found = search.best()
    if found is None:
        return None
    kinds, theta = found
    modes, noise = _model(theta, kinds)
    share = modes[:, 2] / (modes[:, 2].sum() + noise + float(np.mean(search.known)))
    # At a bound of the search it alternates, or has no peak.
    slower, under = search.fastest * (1.0 - 1e-6), MOST_DAMPED * (1.0 - 1e-6)
    turning = [
        k
        for k, (decay, frequency, _, _) in enumerate(modes)
        if 0.0 < frequency < slower and decay < under * frequency and share[k] >= LEAST_SHARE
    ]
    if not turning:
        return None
    first = max(turning, key=lambda k: share[k])
    if first:  # the dominant one first
        kinds, theta = kinds[::-1], np.concatenate([theta[3:6], theta[:3], theta[6:]])
    return ModesAt(tuple(kinds), theta, unit, search.known, positions, np.ascontiguousarray(shape))


def _model(theta: FloatArray, kinds: Sequence[int]) -> tuple[FloatArray, float]:
    """Modes as the kernels have them, and the variance of the white noise."""
    from ews._kernels.modes_at import model_of

    modes = np.zeros((len(kinds), 4))
    noise = model_of(theta, np.array(kinds, dtype=np.int64), modes)
    return modes, float(noise)


class _Search:
    """The search for the modes of a record of variance 1."""

    def __init__(self, x: FloatArray, positions: FloatArray, known: FloatArray, fastest: float) -> None:
        self.x, self.known, self.steps = np.require(x, np.float64, "C"), known, np.diff(positions)
        span = float(positions[-1])
        self.slowest, self.fastest = min(2.0 * math.pi * FEWEST_TURNS / span, fastest), fastest
        self.peaks = self._peaks(positions, span)
        small, large = math.log(1e-4), math.log(3.0)
        bounds = {
            "ratio": (math.log(_LEAST_RATIO), math.log(MOST_DAMPED)),
            "frequency": (math.log(self.slowest), math.log(fastest)),
            "rate": (math.log(1.0 / span), math.log(10.0)),
        }
        size = (small, large)
        turning = [bounds["ratio"], bounds["frequency"], size]
        from ews._kernels.modes_at import MODE, RED, SMOOTH

        self.bounds = {MODE: turning, SMOOTH: turning, RED: [bounds["rate"], size]}
        self.noise = (math.log(1e-6), large)

    def deviance(self, theta: FloatArray, kinds: Sequence[int]) -> float:
        from ews._kernels.modes_at import deviance

        modes, noise = _model(theta, kinds)
        return float(deviance(self.x, self.steps, modes, self.known + noise))

    def fit(self, kinds: Sequence[int], starts: Sequence[npt.ArrayLike]) -> tuple[float, FloatArray]:
        """The least BIC from these starts, and its parameters."""
        from ews._kernels.modes_at import fit_modes

        low, high = np.array([one for kind in kinds for one in self.bounds[kind]] + [self.noise]).T.copy()
        numbers = np.array(kinds, dtype=np.int64)
        best, found = math.inf, low
        for start in starts:
            theta = np.clip(start, low, high)
            deviance = fit_modes(self.x, self.steps, numbers, self.known, low, high, theta)
            if deviance < best:
                best, found = float(deviance), theta
        return best + low.size * math.log(self.x.size), found

    def best(self) -> tuple[tuple[int, ...], FloatArray] | None:
        """What has the least BIC, and its parameters; None where that is red noise."""
        from ews._kernels.modes_at import MODE, RED, SMOOTH

        if not self.peaks:
            return None
        starts = [np.log([ratio, peak, 0.8, 0.2]) for peak in self.peaks for ratio in _RATIOS]
        starts.sort(key=lambda one: self.deviance(one, (MODE,)))
        starts = [starts[0], *[one for one in starts if one[1] != starts[0][1]][:1]]
        found: dict[tuple[int, ...], tuple[float, FloatArray]] = {(MODE,): self.fit((MODE,), starts)}
        found[SMOOTH,] = self.fit((SMOOTH,), [found[MODE,][1]])
        own = min(found, key=lambda kinds: found[kinds][0])
        theta = found[own][1]
        noise = max(float(theta[3]), math.log(_BESIDE / 4.0))
        beside = [[rate, _BESIDE] for rate in _RATES]
        found[*own, RED] = self.fit((*own, RED), [[*theta[:3], *np.log(one), noise] for one in beside])
        others = [peak for peak in self.peaks if abs(math.log(peak) - theta[1]) > _APART]
        if others:
            beside = [[0.1, peak, _BESIDE] for peak in others]
            found[*own, MODE] = self.fit((*own, MODE), [[*theta[:3], *np.log(one), noise] for one in beside])
        chosen = min(found, key=lambda kinds: found[kinds][0])
        red = self.fit((RED,), [np.log([rate, 0.8, 0.2]) for rate in _RATES])[0]
        clearly = math.log(self.x.size)  # the frequency was looked for among many
        return None if red <= found[chosen][0] + clearly else (chosen, found[chosen][1])

    def _peaks(self, positions: FloatArray, span: float) -> list[float]:
        """Frequencies of the highest peaks of the periodogram of the record, put on a fine grid."""
        finer = min(max(1.0, math.ceil(2.0 * self.fastest / math.pi)), _FINER * self.x.size / span)
        size = int(span * finer) + 1
        grid = np.bincount(np.round(positions * ((size - 1) / span)).astype(np.intp), weights=self.x, minlength=size)
        power = np.abs(np.fft.rfft(grid, 2 * size)) ** 2
        frequency = np.arange(power.size) * (math.pi / size * (size - 1) / span)
        power = np.convolve(power, np.full(5, 0.2), "same")
        power[(frequency < self.slowest) | (frequency > self.fastest)] = 0.0
        found: list[float] = []
        while len(found) < _PEAKS and power.max() > 0.0:
            found.append(float(frequency[np.argmax(power)]))
            power[np.abs(frequency - found[-1]) < 0.25 * found[-1]] = 0.0
        return found
