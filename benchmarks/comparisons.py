"""What is compared with which peer: one table that tests and benchmarks share.

``tests/reference/test_comparisons.py`` runs each entry at its small size and holds ours against the peer's numbers; the
benchmarks time the same two functions at full size. So a speed that is claimed is the speed of the same answer.

Peers are given their fastest form that is correct: pandas correlates the whole series with its shifted self instead of
calling a function in each window; ewstools, which has no other way, calls one.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import ews

__all__ = ["COMPARISONS", "Comparison", "noise"]

FloatArray = npt.NDArray[np.float64]
Results = Mapping[str, Any]
Task = Callable[[FloatArray], Results]

FOUR = ("variance", "skewness", "kurtosis", "ac1")
TWO = ("variance", "ac1")
ENDS = (100_000, 1_000_000)
SURROGATES = 1000
SURROGATES_OF_PEER = 10
SEED = 4


@dataclass(frozen=True)
class Comparison:
    """One task, done by us and by a peer.

    Attributes
    ----------
    task : str
        What is done, in words.
    peer : str
        The package it is compared with; the entry is left out where it is not installed.
    ours_call, peer_call : str
        What is called, in short, for the tables.
    ours, theirs : callable
        From the series, of shape (n,), to named results.
    sizes : tuple of int
        Lengths of the series at which it is timed.
    small : int
        Length at which it is tested.
    tolerance : float
        Largest |ours − theirs| / max(1, |theirs|) of any result.
    goal : float or None
        How many times faster we mean to be.
    peer_share : float, default 1.0
        The share of our work that the peer's call does: its time is divided by it.
    limit : float or None
        Most seconds that ours may take.
    threaded : bool
        Whether ours uses several threads, so that its processor time is not the time one waits.
    """

    task: str
    peer: str
    ours_call: str
    peer_call: str
    ours: Task
    theirs: Task
    sizes: tuple[int, ...]
    small: int
    tolerance: float
    goal: float | None = None
    peer_share: float = 1.0
    limit: float | None = None
    threaded: bool = False

    @property
    def installed(self) -> bool:
        """Whether the peer can be run here."""
        return importlib.util.find_spec(self.peer) is not None

    def difference(self, x: FloatArray) -> float:
        """Largest |ours − theirs| / max(1, |theirs|) over all results of one series.

        Parameters
        ----------
        x : ndarray of shape (n,)
            The series.

        Returns
        -------
        float
            Infinite where the results differ in their names, shapes or undefined values, or where none is defined.
        """
        ours, theirs = self.ours(x), self.theirs(x)
        if ours.keys() != theirs.keys():
            return np.inf
        return max(_difference(np.asarray(ours[name]), np.asarray(theirs[name])) for name in theirs)


def _difference(one: FloatArray, other: FloatArray) -> float:
    defined = np.isfinite(other)
    if one.shape != other.shape or not defined.any() or not np.array_equal(defined, np.isfinite(one)):
        return np.inf
    return float((np.abs(one - other) / np.maximum(1.0, np.abs(other)))[defined].max())


def noise(n: int) -> FloatArray:
    """Red noise of length `n`: what a detrended record looks like."""
    return np.array(ews.nulls.AR1(0.6, 1.0, n).draw(0, 1, seed=1)[0])


# ---- rolling statistics ----------------------------------------------------------------------------------------------


def ews_rolling(x: FloatArray, *, window: int, indicators: tuple[str, ...]) -> Results:
    """One pass for all."""
    return ews.rolling(x, window=window, indicators=indicators)


def pandas_rolling(x: FloatArray, *, window: int, indicators: tuple[str, ...]) -> Results:
    """One pass for each; the pairs of a lag-1 correlation inside a window of w samples are w − 1."""
    series = pd.Series(x)
    rolling = series.rolling(window)
    ways: dict[str, Callable[[], pd.Series]] = {
        "variance": rolling.var,
        "skewness": rolling.skew,
        "kurtosis": rolling.kurt,
        "ac1": lambda: series.rolling(window - 1).corr(series.shift(1)),
    }
    return {name: ways[name]() for name in indicators}


def bottleneck_variance(x: FloatArray, *, window: int) -> Results:
    """The one of the four that bottleneck has."""
    import bottleneck

    return {"variance": bottleneck.move_var(x, window, ddof=1)}


def numbagg_rolling(x: FloatArray, *, window: int, indicators: tuple[str, ...]) -> Results:
    """The two of the four that numbagg has in this form."""
    import numbagg

    ways: dict[str, Callable[[], FloatArray]] = {
        "variance": lambda: numbagg.move_var(x, window=window),
        "ac1": lambda: np.append(np.nan, numbagg.move_corr(x[1:], x[:-1], window=window - 1)),
    }
    return {name: ways[name]() for name in indicators}


def screamer_rolling(x: FloatArray, *, window: int, indicators: tuple[str, ...] = FOUR) -> Results:
    """One pass for each, as pandas; the correlation is one of two series, so that it gets the pairs."""
    import screamer

    ways: dict[str, Callable[[], FloatArray]] = {
        "variance": lambda: screamer.RollingVar(window)(x),
        "skewness": lambda: screamer.RollingSkew(window)(x),
        "kurtosis": lambda: screamer.RollingKurt(window)(x),
        "ac1": lambda: np.append(np.nan, screamer.RollingCorr(window - 1)(x[1:], x[:-1])),
    }
    return {name: ways[name]() for name in indicators}


def polars_rolling(x: FloatArray, *, window: int, indicators: tuple[str, ...]) -> Results:
    """One pass for each; higher moments without their bias, so that they are those of the others."""
    import polars as pl

    series = pl.Series("x", x)
    frame = series.to_frame()
    ways: dict[str, Callable[[], FloatArray]] = {
        "variance": lambda: series.rolling_var(window).to_numpy(),
        "skewness": lambda: series.rolling_skew(window, bias=False).to_numpy(),
        "kurtosis": lambda: series.rolling_kurtosis(window, bias=False).to_numpy(),
        "ac1": lambda: (
            frame.select(pl.rolling_corr("x", pl.col("x").shift(1), window_size=window - 1)).to_series().to_numpy()
        ),
    }
    return {name: ways[name]() for name in indicators}


def ewstools_rolling(x: FloatArray, *, window: int, indicators: tuple[str, ...]) -> Results:
    """A TimeSeries of the series as it is, and its methods one after the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas 3, at what ewstools calls
        import ewstools

        series = ewstools.TimeSeries(x)
        for name in indicators:
            getattr(series, _EWSTOOLS[name][0])(rolling_window=window)
    return {name: series.ews[_EWSTOOLS[name][1]].to_numpy() for name in indicators}


# ---- trend -----------------------------------------------------------------------------------------------------------


def ews_kendall(x: FloatArray) -> Results:
    """τ-b with time, of one row."""
    return {"τ": ews.trends.rows(x[None])}


def scipy_kendall(x: FloatArray) -> Results:
    """τ-b with time, and its p-value, which cannot be left out."""
    from scipy import stats

    return {"τ": [stats.kendalltau(np.arange(x.size), x).statistic]}


def pymannkendall_kendall(x: FloatArray) -> Results:
    """τ from all pairs."""
    import pymannkendall

    return {"τ": [pymannkendall.original_test(x).Tau]}


# ---- detrending, windows, trend --------------------------------------------------------------------------------------


def ews_pipeline(x: FloatArray, *, window: float, indicators: tuple[str, ...]) -> Results:
    """``ews.detect`` without a test: indicators in every window and their trends."""
    found: Any = ews.detect(x, window=window, indicators=indicators, n_surrogates=0, method="kendall")
    values = {name: found.indicators[name].values for name in indicators}
    return {**values, **{f"τ of {name}": found.tau[name] for name in indicators}}


def ewstools_pipeline(x: FloatArray, *, window: float, indicators: tuple[str, ...]) -> Results:
    """A TimeSeries, its methods one after the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas 3, at what ewstools calls
        import ewstools

        series = ewstools.TimeSeries(x)
        series.detrend(method="Gaussian", bandwidth=0.2)
        for name in indicators:
            getattr(series, _EWSTOOLS[name][0])(rolling_window=window)
        series.compute_ktau()
    columns = {name: _EWSTOOLS[name][1] for name in indicators}
    values = {name: series.ews[column] for name, column in columns.items()}
    return {**values, **{f"τ of {name}": series.ktau[column] for name, column in columns.items()}}


_EWSTOOLS = {
    "variance": ("compute_var", "variance"),
    "skewness": ("compute_skew", "skew"),
    "kurtosis": ("compute_kurt", "kurtosis"),
    "ac1": ("compute_auto", "ac1"),
}


# ---- significance ----------------------------------------------------------------------------------------------------


def ews_significance(x: FloatArray, *, window: float) -> Results:
    """1000 surrogates; the trends of those that the peer has a look at too."""
    found = ews.significance(x, window=window, indicators=TWO, n_surrogates=SURROGATES, seed=SEED)
    return {name: found.surrogate_tau[name][:SURROGATES_OF_PEER] for name in TWO}


def ewstools_significance(x: FloatArray, *, window: float) -> Results:
    """The first surrogates of the same null, each a TimeSeries of its own.

    ewstools has no test of significance, and what it says of surrogates is to run each one through these methods.
    """
    rows = ews.nulls.fit(x, null="ar1").draw(0, SURROGATES_OF_PEER, seed=SEED)
    done = [ewstools_pipeline(row, window=window, indicators=TWO) for row in rows]
    return {name: np.array([each[f"τ of {name}"] for each in done]) for name in TWO}


# ---- the table -------------------------------------------------------------------------------------------------------


def _rolling(indicators: tuple[str, ...], window: int, sizes: tuple[int, ...], goal: float | None) -> Comparison:
    words = "variance, skewness, kurtosis, AC1" if indicators == FOUR else ", ".join(indicators)
    return Comparison(
        task=f"{words} in windows of {window:,}",
        peer="pandas",
        ours_call="ews.rolling",
        peer_call="rolling(w).var, .skew, .kurt; rolling(w − 1).corr with the shifted series",
        ours=partial(ews_rolling, window=window, indicators=indicators),
        theirs=partial(pandas_rolling, window=window, indicators=indicators),
        sizes=sizes,
        small=window + 700,
        tolerance=1e-9,
        goal=goal,
    )


def _screamer(window: int) -> Comparison:
    ours = _rolling(FOUR, window, ENDS, 5.0)
    theirs = partial(screamer_rolling, window=window)
    return replace(ours, peer="screamer", peer_call="RollingVar, RollingSkew, RollingKurt, RollingCorr", theirs=theirs)


def _kendall(
    peer: str, peer_call: str, theirs: Task, sizes: tuple[int, ...], goal: float | None, tolerance: float = 1e-12
) -> Comparison:
    return Comparison(
        task="Kendall's τ-b with time",
        peer=peer,
        ours_call="ews.trends.rows",
        peer_call=peer_call,
        ours=ews_kendall,
        theirs=theirs,
        sizes=sizes,
        small=300,
        tolerance=tolerance,
        goal=goal,
    )


def _variance(peer: str, theirs: Callable[..., Results], window: int, goal: float | None = None) -> Comparison:
    return Comparison(
        task=f"variance in windows of {window:,}",
        peer=peer,
        ours_call="ews.rolling",
        peer_call="rolling_var" if peer == "polars" else "move_var",
        ours=partial(ews_rolling, window=window, indicators=("variance",)),
        theirs=partial(theirs, window=window),
        sizes=ENDS,
        small=window + 700,
        tolerance=1e-9,
        goal=goal,
    )


def _pipeline(window: float) -> Comparison:
    return Comparison(
        task=f"Gaussian detrending, variance, skewness, kurtosis, AC1, Kendall; window {window:g} of the record",
        peer="ewstools",
        ours_call="ews.detect(…, n_surrogates=0)",
        peer_call="TimeSeries: detrend, compute_var, _skew, _kurt, _auto, _ktau",
        ours=partial(ews_pipeline, window=window, indicators=FOUR),
        theirs=partial(ewstools_pipeline, window=window, indicators=FOUR),
        sizes=(10_000,),
        small=400,
        tolerance=1e-9,
        goal=300.0,
    )


def _significance(window: float) -> Comparison:
    return Comparison(
        task=f"{SURROGATES} AR(1) surrogates: Gaussian detrending, variance, AC1, Kendall; window {window:g}",
        peer="ewstools",
        ours_call="ews.significance",
        peer_call=f"a TimeSeries for each surrogate (timed for {SURROGATES_OF_PEER}, scaled to {SURROGATES})",
        ours=partial(ews_significance, window=window),
        theirs=partial(ewstools_significance, window=window),
        sizes=(1_000,),
        small=200,
        tolerance=1e-9,
        goal=3000.0,
        peer_share=SURROGATES_OF_PEER / SURROGATES,
        limit=0.050,
        threaded=True,
    )


COMPARISONS: tuple[Comparison, ...] = (
    *(_rolling(FOUR, window, ENDS, 20.0) for window in (50, 500, 5_000)),
    *(_screamer(window) for window in (50, 500, 5_000)),
    *(_rolling((name,), 500, ENDS, None) for name in FOUR),
    _variance("bottleneck", bottleneck_variance, 500, 1.5),
    _variance("numbagg", partial(numbagg_rolling, indicators=("variance",)), 500),
    _variance("polars", partial(polars_rolling, indicators=("variance",)), 500),
    _kendall("scipy", "stats.kendalltau", scipy_kendall, (500,), 30.0),
    _kendall("scipy", "stats.kendalltau", scipy_kendall, (1_000_000,), 6.0),
    _kendall("pymannkendall", "original_test", pymannkendall_kendall, (500,), None),
    *(_pipeline(window) for window in (0.5, 0.25)),
    *(_significance(window) for window in (0.5, 0.25)),
)
