"""The radial power spectrum of each map, and how much of it lies in long waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ews._common import checks
from ews._common.publish import public
from ews._common.result import Result
from ews.errors import SeriesTooShortError, described
from ews.spatial.grids import FloatArray, as_cells, blocks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["RadialSpectrum", "low_frequency_ratio", "radial_spectrum"]

# Fewer leave no wavenumber beside the lowest.
SHORTEST_SPECTRUM = 4


@public("ews.spatial")
@dataclass(frozen=True, eq=False)
class RadialSpectrum(Result):
    """The power of each map by wavenumber, whatever the direction.

    Attributes
    ----------
    wavenumber : ndarray of shape (k,)
        1, 2, … waves across the shorter side of the map.
    power : ndarray of shape (time, k)
        Mean of the periodogram over the waves of about that number; over all waves of all directions the periodogram
        sums to the population variance of the cells.
    """

    wavenumber: FloatArray
    power: FloatArray

    _shapes: ClassVar = {"k": "wavenumber", "time,k": "power"}

    def to_frame(self) -> pd.DataFrame:
        """One row a map, one column a wavenumber.

        Returns
        -------
        pandas.DataFrame
            Power, in columns named by wavenumber.
        """
        import pandas as pd

        return pd.DataFrame(self.power, columns=[f"{one:g}" for one in self.wavenumber])

    def plot(self) -> Figure:
        """The spectrum of the last map, on the range of all.

        Returns
        -------
        matplotlib.figure.Figure
            One panel.
        """
        from ews._common.figures import spectrum_figure

        return spectrum_figure("Radial spectrum", self.wavenumber, self.power, "waves across the map")


def radial_spectrum(grids: Any) -> RadialSpectrum:
    """Radially averaged power spectrum of each map.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        Maps without gaps, at least 4 × 4 cells.

    Returns
    -------
    RadialSpectrum
        Power by wavenumber, in the square of the maps' unit.

    Raises
    ------
    ews.errors.ArgumentError
        If the maps cannot be read, hold NaN or are too small.

    Notes
    -----
    The periodogram of the map less its mean, averaged over rings of width 1 about 1, 2, … up to half of the shorter
    side: what ``rspectrum`` of spatialwarnings averages, up to its constant factor. Where the sides differ it crops the
    map to a square; here waves are counted per length, and all cells are used. Rings beyond the Nyquist wavenumber,
    which only corners of the plane reach, are left out. A map that is not periodic leaks power into all waves along
    both axes: take out slopes first (``detrend_space`` in :func:`ews.detect_spatial`).

    References
    ----------
    Kéfi, S. et al. (2014). Early warning signals of ecological transitions: methods for spatial patterns. PLoS ONE 9,
    e92097.

    Examples
    --------
    >>> import numpy as np, ews
    >>> wave = np.sin(2 * np.pi * 3 * np.arange(16) / 16)
    >>> ews.spatial.radial_spectrum([np.tile(wave, (16, 1))]).power.round(3)
    array([[0.   , 0.   , 0.031, 0.   , 0.   , 0.   , 0.   , 0.   ]])
    """
    values = as_cells(grids)
    ring, count = _rings(values.shape[1], values.shape[2])
    wavenumber = np.arange(1.0, count + 1.0)
    return RadialSpectrum(wavenumber, np.concatenate([_radial(block, ring, count) for block in blocks(values)]))


def low_frequency_ratio(grids: Any, *, low: float = 0.2, against: Literal["all", "high"] = "all") -> FloatArray:
    r"""Share of the radial spectrum that lies in the lowest wavenumbers.

    Parameters
    ----------
    grids : array_like of shape (time, y, x)
        Maps without gaps, at least 4 × 4 cells.
    low : float, default 0.2
        Which wavenumbers are low: this fraction of those up to half of the shorter side, at least one.
    against : {"all", "high"}, default "all"
        What the low ones are held against: the whole spectrum, which gives a share in [0, 1]; or the mean of as many of
        the highest ones, which gives the spectral density ratio of Kéfi et al., in [0, ∞).

    Returns
    -------
    ndarray of shape (time,)
        The ratio; it rises as long waves slow down. NaN for a constant map.

    Raises
    ------
    ews.errors.ArgumentError
        If the maps cannot be read, hold NaN or are too small, or `low` is not in (0, 0.5].

    Notes
    -----
    With the radial spectrum :math:`p_r`, r = 1 … K, and L = max(1, ⌊`low` K⌋): :math:`\sum_{r \le L} p_r / \sum_r p_r`,
    or :math:`\sum_{r \le L} p_r / \sum_{r > K - L} p_r`. ``raw_sdr`` of spatialwarnings is the latter, with one more
    ring at the top.

    References
    ----------
    Carpenter, S. R. & Brock, W. A. (2010). Early warnings of regime shifts in spatial dynamics using the discrete
    Fourier transform. Ecosphere 1, 10. Kéfi, S. et al. (2014). Early warning signals of ecological transitions: methods
    for spatial patterns. PLoS ONE 9, e92097.

    Examples
    --------
    >>> import numpy as np, ews
    >>> wave = np.sin(2 * np.pi * np.arange(16) / 16)
    >>> ews.spatial.low_frequency_ratio([np.tile(wave, (16, 1))]).round(6)
    array([1.])
    """
    low = checks.number("low", low, above=0.0, most=0.5, allowed="a number above 0 and up to 0.5")
    checks.choice("against", against, ("all", "high"))
    power = radial_spectrum(grids).power
    lowest = max(1, int(low * power.shape[1]))
    rest = power if against == "all" else power[:, -lowest:]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = power[:, :lowest].sum(axis=1) / rest.sum(axis=1)
    return np.where(power.sum(axis=1) > 0, ratio, np.nan)


def _rings(height: int, width: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """Which ring each coefficient of the two-dimensional transform lies in (0 and beyond `count`: none)."""
    side = min(height, width)
    if side < SHORTEST_SPECTRUM:
        given = described(f"maps of {height} × {width} cells")
        raise SeriesTooShortError("grids", given, f"at least {SHORTEST_SPECTRUM} × {SHORTEST_SPECTRUM} cells")
    radius = side * np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    return np.floor(radius + 0.5).astype(np.int64), side // 2


def _radial(values: FloatArray, ring: np.ndarray[Any, np.dtype[np.int64]], count: int) -> FloatArray:
    flat = values.reshape(len(values), -1)
    centred = flat - flat[:, :1]  # exactly zero for a constant map
    centred = (centred - centred.mean(axis=1, keepdims=True)).reshape(values.shape)
    cells = values.shape[1] * values.shape[2]
    power = (np.abs(np.fft.fft2(centred)) ** 2).reshape(len(values), -1) / cells**2
    rings = ring.ravel()
    order = np.argsort(rings, kind="stable")
    starts = np.searchsorted(rings[order], np.arange(1, count + 2))
    sums = np.add.reduceat(power[:, order[: starts[-1]]], starts[:-1], axis=1)
    return np.asarray(sums / np.diff(starts), dtype=np.float64)
