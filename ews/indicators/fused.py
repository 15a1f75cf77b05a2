"""Several indicators in one pass: the statistics that many of them share are computed once for all.

:class:`Windows` is what an indicator's ``compute`` sees: the residual (and the raw series) as rows, the window, the
sampling step, and :meth:`Windows.moment`, which hands out the statistics of the fused kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from ews._common.threads import thread_count
from ews.indicators.registry import Indicator

__all__ = ["Windows", "fused"]

FloatArray = npt.NDArray[np.float64]

_WORTH_THREADS = 500_000  # samples: fewer are done before a thread has started

# The kernel's codes, by the names that an Indicator lists in `moments`; "acf<k>" stands for the lag-k correlation.
_CODES = {"mean": 0, "variance": 1, "skewness": 2, "kurtosis": 3}
_CORRELATION = 4


class Windows:
    """Rows of a series seen through one window length, with the shared statistics computed once.

    Parameters
    ----------
    residual : ndarray of shape (rows, time)
        What the indicators are measured on, in the units of the series. C-contiguous float64.
    window : int
        Window length in samples.
    raw : ndarray of shape (rows, time), optional
        The series before detrending (default: `residual`); cv divides by its mean.
    step : float, default 1.0
        Sampling step, in units of time.
    min_count : int, optional
        Fewest finite samples in a window (default: `window`).
    moments : sequence of str
        The shared statistics that will be asked for: "mean", "variance" (ddof 1), "skewness" and "kurtosis" (adjusted
        Fisher–Pearson, excess), "acf1", "acf2", … (Pearson correlation inside the window).
    """

    __slots__ = ("_complete", "_moments", "min_count", "raw", "residual", "step", "window")

    def __init__(
        self,
        residual: FloatArray,
        *,
        window: int,
        raw: FloatArray | None = None,
        step: float = 1.0,
        min_count: int | None = None,
        moments: Sequence[str] = (),
    ) -> None:
        self.residual = _rows(residual)
        self.raw = self.residual if raw is None or raw is residual else _rows(raw)
        self.window = window
        self.step = step
        self.min_count = window if min_count is None else min_count
        self._moments: dict[str, FloatArray] = {}
        self._complete: bool | None = None
        self._compute(tuple(dict.fromkeys(moments)))

    def moment(self, name: str) -> FloatArray:
        """One shared statistic, computed now if it was not announced as one of `moments`.

        Parameters
        ----------
        name : str
            See `moments` above.

        Returns
        -------
        ndarray of shape (rows, time)
            NaN before the first full window.
        """
        if name not in self._moments:
            self._compute((name,))
        return self._moments[name]

    def raw_mean(self) -> FloatArray:
        """Mean of the raw series in each window.

        Returns
        -------
        ndarray of shape (rows, time)
            In the units of the series.
        """
        if self.raw is self.residual:
            return self.moment("mean")
        return np.asarray(_rolling(self.raw, self.window, self.min_count, 1, [_CODES["mean"]])[0][0])

    @property
    def complete(self) -> bool:
        """Whether every sample is finite."""
        if self._complete is None:
            self._complete = bool(np.isfinite(self.residual).all())
        return self._complete

    def count(self) -> npt.NDArray[np.int64]:
        """Number of finite samples in each window; at the start, in the part of it that exists.

        Returns
        -------
        ndarray of shape (rows, time)
            From 0 to the window.
        """
        total = np.cumsum(np.isfinite(self.residual), axis=-1, dtype=np.int64)
        total[:, self.window :] -= total[:, : -self.window].copy()
        return np.asarray(total)

    def _compute(self, wanted: tuple[str, ...]) -> None:
        """Run the kernel once for the plain statistics and the first lag, then once for each further lag."""
        plain = [name for name in wanted if name in _CODES]
        lags = [int(name.removeprefix("acf")) for name in wanted if name not in _CODES]
        passes = [(plain, lags[:1])] if plain or lags else []
        passes += [([], [lag]) for lag in lags[1:]]
        for statistics, lag in passes:
            codes = [_CODES[name] for name in statistics] + [_CORRELATION] * len(lag)
            values, finite = _rolling(self.residual, self.window, self.min_count, lag[0] if lag else 1, codes)
            self._complete = finite or self._complete
            labels = statistics + [f"acf{k}" for k in lag]
            self._moments.update(zip(labels, values, strict=True))


def _rows(given: FloatArray) -> FloatArray:
    """As the kernels are compiled for: in one piece, and such as may be written to, though they never do."""
    flags = given.flags
    ready = flags.c_contiguous and flags.writeable and given.dtype == np.float64
    return given if ready else np.require(given, np.float64, ("C", "W"))


def _rolling(rows: FloatArray, window: int, min_count: int, lag: int, codes: list[int]) -> tuple[FloatArray, bool]:
    """Statistics of rows, and whether all samples were seen to be finite on the way."""
    from ews._kernels import moments

    memory = moments.statistics_array(len(codes), *rows.shape)
    out = memory[:, : rows.size].reshape(len(codes), *rows.shape)
    which = np.array(codes, dtype=np.int64)
    finite = False
    if min_count < window:
        with np.errstate(all="ignore"):  # compiled, 0/0 is NaN without a word; the plain twin would warn
            moments.rolling_moments_gappy(rows, window, min_count, lag, which, out)
    elif rows.size < _WORTH_THREADS or (threads := min(thread_count(), rows.shape[0])) == 1:
        finite = moments.rolling_moments_of(rows, 0, rows.shape[0], window, lag, which, memory)
    else:

        def work(first: int, last: int) -> bool:
            return moments.rolling_moments_of(rows, first, last, window, lag, which, memory)

        edges = np.linspace(0, rows.shape[0], 4 * threads + 1).astype(int).tolist()  # so that none waits long
        with ThreadPoolExecutor(threads) as pool:
            finite = all(list(pool.map(work, edges[:-1], edges[1:])))
    return out, finite


def fused(
    residual: FloatArray,
    *,
    window: int,
    indicators: Sequence[Indicator],
    raw: FloatArray | None = None,
    step: float = 1.0,
    min_count: int | None = None,
) -> list[FloatArray]:
    """Compute several indicators over the same rows, sharing one pass.

    Parameters
    ----------
    residual : ndarray of shape (rows, time)
        What the indicators are measured on. C-contiguous float64.
    window : int
        Window length in samples.
    indicators : sequence of Indicator
        What to compute.
    raw : ndarray of shape (rows, time), optional
        The series before detrending.
    step : float, default 1.0
        Sampling step, in units of time.
    min_count : int, optional
        Fewest finite samples in a window (default: `window`).

    Returns
    -------
    list of ndarray
        One array of shape (rows, time) an indicator, in the order asked for.
    """
    wanted = [name for indicator in indicators for name in indicator.moments]
    windows = Windows(residual, window=window, raw=raw, step=step, min_count=min_count, moments=wanted)
    return [indicator.measured(windows) for indicator in indicators]
