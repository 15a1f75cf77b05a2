"""Power spectra by Welch's method: the spectrum in a sliding window, and what indicators take from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.publish import public
from ews._common.result import Result
from ews.indicators.building import read_rows, read_step, read_window

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "OVERLAP",
    "SEGMENT",
    "SHORTEST_WINDOW",
    "TAPERS",
    "PowerSpectrum",
    "Sides",
    "Taper",
    "finite_or_nan",
    "frequencies",
    "power_spectrum",
    "read_segments",
    "welch",
    "without_mean",
]

FloatArray = npt.NDArray[np.float64]
Sides = Literal["one", "two"]
Taper = Literal["hamming", "hann"]

# What the indicators use: Bury et al. (2020).
SEGMENT = 40
OVERLAP = 0.5
SHORTEST_WINDOW = 4
# a - b cos(2 pi k / m), periodic over the segment.
TAPERS = {"hamming": (0.54, 0.46), "hann": (0.5, 0.5)}


@public("ews")
@dataclass(frozen=True, slots=True, eq=False)
class PowerSpectrum(Result):
    """Power spectrum in a sliding window.

    Attributes
    ----------
    frequency : ndarray of shape (frequencies,)
        In cycles per unit of time, from 0 to the Nyquist frequency.
    power : ndarray of shape (..., frequencies)
        Laid out like the series, with the frequencies as one more axis at the end; in its units squared.
    """

    frequency: FloatArray
    power: FloatArray

    _shapes: ClassVar = {"frequencies": "frequency", "...,frequencies": "power"}

    def to_frame(self) -> pd.DataFrame:
        """One row a window, one column a frequency; series one after the other.

        Returns
        -------
        pandas.DataFrame
            Power, in columns named by frequency.
        """
        import pandas as pd

        columns = [f"{one:.10g}" for one in self.frequency]
        return pd.DataFrame(self.power.reshape(-1, self.frequency.size), columns=columns)

    def plot(self) -> Figure:
        """The last spectrum, on the range of all windows.

        Returns
        -------
        matplotlib.figure.Figure
            One panel.
        """
        from ews._common.figures import spectrum_figure

        return spectrum_figure("Power spectrum", self.frequency, self.power, "cycles per unit of time")


def power_spectrum(
    x: Any,
    *,
    window: int | float,
    segment: int = SEGMENT,
    overlap: float = OVERLAP,
    taper: Taper = "hamming",
    sides: Sides = "one",
    step: float = 1.0,
    axis: int = -1,
) -> PowerSpectrum:
    """Power spectrum in a sliding window, by Welch's method.

    Each window is cut into overlapping segments; the mean is taken out of each, a taper is laid over it, and the
    squared moduli of the Fourier transforms are averaged and scaled so that a sine of amplitude A has power A**2 / 2.

    Parameters
    ----------
    x : array_like
        The series (detrended, if it has a trend), of any shape with time along `axis`.
    window : int or float
        Window: samples, or a fraction of the series between 0 and 1. At least 4 samples.
    segment : int, default 40
        Length of a segment in samples; a shorter window is one segment. 40 is the length used by Bury et al. (2020).
    overlap : float, default 0.5
        Fraction of a segment that it shares with the next.
    taper : {"hamming", "hann"}, default "hamming"
        Weights over the segment. Bury et al. (2020) write Hamming; their package uses Hann.
    sides : {"one", "two"}, default "one"
        With "one", the power at a frequency includes that of its negative; with "two" it does not, and is half as high
        everywhere but at 0 and at the Nyquist frequency.
    step : float, default 1.0
        Time between observations.
    axis : int, default -1
        The axis of time.

    Returns
    -------
    PowerSpectrum
        ``frequency`` (frequencies,) and ``power`` (..., frequencies); NaN before the first full window.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no series of real numbers, or the window or an option cannot be used.

    References
    ----------
    Welch, P. D. (1967). The use of fast Fourier transform for the estimation of power spectra. IEEE Transactions on
    Audio and Electroacoustics 15, 70-73.

    Examples
    --------
    >>> import numpy as np
    >>> from ews.indicators.welch import power_spectrum
    >>> wave = np.sin(2 * np.pi * 0.1 * np.arange(100))
    >>> spectrum = power_spectrum(wave, window=80)
    >>> round(float(spectrum.frequency[spectrum.power[-1].argmax()]), 6)
    0.1
    """
    length, shared = read_segments(segment, overlap, taper, sides)
    spacing = read_step(step)
    rows = read_rows(x, axis)
    samples = read_window(window, rows.values.shape[1], shortest=SHORTEST_WINDOW)
    per_row = [welch(row, samples, length, shared, taper, sides) for row in rows.values]
    power = np.stack(
        [np.asarray(rows.restore(np.stack(part))) for part in zip(*(p.T for p in per_row), strict=True)], -1
    )
    return PowerSpectrum(frequencies(min(length, samples)) / spacing, power)


def read_segments(segment: Any, overlap: Any, taper: Any, sides: Any) -> tuple[int, float]:
    """Check the options of Welch's method: segment in samples, and the fraction of it shared with the next."""
    checks.choice("taper", taper, TAPERS)
    checks.choice("sides", sides, ("one", "two"))
    return (
        checks.whole("segment", segment, least=4),
        checks.number("overlap", overlap, least=0.0, below=1.0, allowed="a fraction of a segment: at least 0, below 1"),
    )


def without_mean(segments: FloatArray) -> FloatArray:
    """Take out the mean of each row; its first sample goes first, so that an offset costs no digits.

    C-contiguous, so that each row is summed the same way wherever it stands.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # as compiled kernels: what overflows has no number
        centred = np.ascontiguousarray(segments - segments[:, :1])
        centred -= centred.mean(axis=-1, keepdims=True)
    centred[~np.isfinite(centred)] = np.nan  # of which a transform is NaN without a warning
    return centred


def frequencies(samples: int) -> FloatArray:
    """Frequencies of a real Fourier transform, from 0 to the Nyquist frequency, in cycles per sample."""
    return np.arange(samples // 2 + 1, dtype=np.float64) / samples


def finite_or_nan(row: FloatArray) -> FloatArray:
    """A copy with infinite samples as missing ones, so that they pass through a Fourier transform without a warning."""
    return np.where(np.isfinite(row), row, np.nan)


def welch(row: FloatArray, window: int, segment: int, overlap: float, taper: str, sides: str) -> FloatArray:
    """Welch's spectrum in each window of one series, (time, frequencies); NaN where a sample is not finite."""
    length = min(segment, window)
    hop = length - int(overlap * length)
    constant, cosine = TAPERS[taper]
    weights = constant - cosine * np.cos(2.0 * np.pi * np.arange(length) / length)
    # The periodogram of a segment is the same in all windows that hold it: taken once for each start.
    segments = without_mean(np.lib.stride_tricks.sliding_window_view(finite_or_nan(row), length))
    transform = np.fft.rfft(segments * weights)
    with np.errstate(over="ignore"):  # the power of what is beyond 1e154 is infinite
        each = (transform.real**2 + transform.imag**2) / weights.sum() ** 2
    if sides == "one":
        each[:, 1 : None if length % 2 else -1] *= 2.0
    out = np.full((row.size, each.shape[1]), np.nan)
    starts = row.size - window + 1
    count = (window - length) // hop + 1
    total = np.zeros((starts, each.shape[1]))
    for k in range(count):
        total += each[k * hop : k * hop + starts]
    out[window - 1 :] = total / count
    return out
