"""The BDS test: is anything left in a series, linear or not, once a linear model has been taken out?"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews._common.seeds import resolve_seed
from ews._common.words import p_text
from ews.errors import ArgumentError, SeriesTooShortError, ValueRangeError, described
from ews.series import Duplicates, Missing, Series, as_series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["IndependenceTest", "bds"]

FloatArray = npt.NDArray[np.float64]
Residuals = Literal["difference", "arma", "garch"]

_ORDERS = ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1))
_FEWEST = 20  # points in the highest dimension
_AT_ONCE = 64  # permutations held at a time


@public("ews")
@dataclass(frozen=True, slots=True, eq=False)
class IndependenceTest(Result):
    """BDS statistics of the residuals of a series, and their p-values.

    Attributes
    ----------
    series : Series
        What was given.
    residual : ndarray of shape (m,)
        What was tested.
    residual_sentence : str
        One line on what that is.
    dimensions : tuple of int
        How many successive samples were compared, from 2 on.
    distances : tuple of float
        How near two samples must be to count as close, in standard deviations (ddof 1) of the residual.
    statistic : ndarray of shape (dimensions, distances)
        Standard normal, for long series, if the residual is independent and identically distributed; positive where
        stretches that were alike stay alike.
    pvalue : ndarray of shape (dimensions, distances)
        Two-sided, from permutations of the residual.
    pvalue_normal : ndarray of shape (dimensions, distances)
        Two-sided, from the normal distribution. Too small for records of a few hundred samples.
    n_surrogates : int
        Number of permutations.
    seed : int
        Seed of the permutations.
    """

    series: Series
    residual: FloatArray
    residual_sentence: str
    dimensions: tuple[int, ...]
    distances: tuple[float, ...]
    statistic: FloatArray
    pvalue: FloatArray
    pvalue_normal: FloatArray
    n_surrogates: int
    seed: int

    _shapes: ClassVar = {
        "m": "residual",
        "dimensions": "dimensions",
        "distances": "distances",
        "dimensions,distances": "statistic pvalue pvalue_normal",
    }
    _keys: ClassVar = {"residual_sentence": "residuals"}

    def _report(self) -> Report:
        answer = (
            f"BDS test of independence on {self.residual.size} residuals ({self.residual_sentence}); p-values from "
            f"{self.n_surrogates} permutations, seed {self.seed}. The {self.statistic.size} tests are of "
            "one series and are not corrected for their number"
        )
        report = Report("Independence of residuals", answers=[answer])
        rows = [
            [str(dimension), f"{distance:g} SD", f"{self.statistic[i, j]:.2f}", p_text(self.pvalue[i, j])]
            for i, dimension in enumerate(self.dimensions)
            for j, distance in enumerate(self.distances)
        ]
        report.table(["dimension", "distance", "statistic", "p"], rows)
        return report

    def to_frame(self) -> pd.DataFrame:
        """One row for each dimension and distance.

        Returns
        -------
        pandas.DataFrame
            Columns dimension, distance, statistic, pvalue and pvalue_normal.
        """
        import pandas as pd

        columns: dict[str, Any] = {
            "dimension": np.repeat(self.dimensions, len(self.distances)),
            "distance": np.tile(self.distances, len(self.dimensions)),
        }
        columns |= {name: getattr(self, name).ravel() for name in ("statistic", "pvalue", "pvalue_normal")}
        return pd.DataFrame(columns)

    def plot(self) -> Figure:
        """The statistic over distances, a line for each dimension, on the range of a standard normal variable.

        Returns
        -------
        matplotlib.figure.Figure
            One panel.
        """
        from ews._common import figures as draw

        figure = draw.new_figure(3.0, "Independence of residuals")
        axes = figure.add_subplot()
        axes.axhspan(-1.96, 1.96, facecolor=draw.BAND, edgecolor="none", label="95 % of a normal variable")
        for place, dimension in enumerate(self.dimensions):
            line = draw.LINES[place % len(draw.LINES)]
            axes.plot(self.distances, self.statistic[place], marker="o", ms=3, label=f"dimension {dimension}", **line)
        draw.style(axes)
        axes.set_xlabel("distance (SD)")
        axes.set_ylabel("BDS statistic")
        axes.legend(fontsize=draw.SMALL, frameon=False, labelcolor=draw.INK)
        return figure


def bds(
    series: Any,
    *,
    residuals: Residuals | None = "difference",
    order: tuple[int, int] | None = None,
    max_dimension: int = 3,
    distances: Sequence[float] = (0.5, 0.75, 1.0),
    n_surrogates: int = 1000,
    time: Any = None,
    until: Any = None,
    missing: Missing = "raise",
    duplicates: Duplicates = "raise",
    seed: int | np.random.Generator | None = 0,
) -> IndependenceTest:
    """BDS test of Brock, Dechert, Scheinkman and LeBaron: dependence of any kind, linear or not, in residuals.

    C(m, e) is the share of pairs of stretches of m samples that lie within e of each other at each sample. In
    independent data C(m, e) = C(1, e)**m; the statistic is the difference of the two over its standard error. Near a
    bifurcation nonlinear terms matter, and residuals of a linear model are no longer independent.

    Parameters
    ----------
    series : array_like of shape (n,)
        List, numpy array, pandas Series, polars Series or 1-D xarray DataArray.
    residuals : {"difference", "arma", "garch"} or None, default "difference"
        What is tested. ``"difference"``: first differences, which of a stationary series are themselves
        correlated, so that a small p-value may be linear memory. ``"arma"``: the innovations of an autoregressive
        moving average with a mean, by maximum likelihood, each over its standard deviation. ``"garch"``: those of an
        AR(1) with ARCH(1) variance, GARCH(0, 1) in R's notation; needs the extra ``earlywarning[arch]``.
        None: the series as it is.
    order : (int, int), optional
        Orders p and q of ``residuals="arma"``. Default: the least AIC among p up to 2 and q up to 1.
    max_dimension : int, default 3
        Highest dimension m; all from 2 on are computed.
    distances : sequence of float, default (0.5, 0.75, 1.0)
        Distances e in standard deviations (ddof 1) of the residual: those of Dakos et al. (2012).
    n_surrogates : int, default 1000
        Number of permutations for the p-values; 0 for none, which gives NaN.
    time : array_like of shape (n,), optional
        Numbers or dates (default: those that `series` carries, else 0, 1, …).
    until : number or date, optional
        Last time used.
    missing : {"raise", "interpolate", "drop"}, default "raise"
        What to do with NaN and with uneven spacing.
    duplicates : {"raise", "mean"}, default "raise"
        What to do with several observations at one time.
    seed : int, numpy.random.Generator or None, default 0
        Seed of the permutations.

    Returns
    -------
    IndependenceTest
        Statistics and p-values, one for each dimension and distance.

    Raises
    ------
    ews.errors.ArgumentError
        If the series or an option cannot be used, the residuals do not vary, or a package is missing.

    Notes
    -----
    Programs differ in which points enter, and by more than rounding. Here, as in LeBaron's program and R's
    ``tseries::bds.test``, the shares C of *every* dimension and the constants of the standard error are taken over the
    first n - M + 1 samples, M being `max_dimension`; a distance of exactly e is close. statsmodels takes C(m, e) over
    the first n - m + 1 samples, C(1, e) over the last n - m + 1, the standard error over all n; a distance of exactly e
    is not close. On the first differences of R's ``foldbif`` (n = 199, e = 0.5 SD, m = 2) the statistic is 4.051 here
    and in R with M = 3, 3.661 with M = 2, and 3.501 in statsmodels. It is that sensitive because C(2, e) - C(1, e)**2
    is a small difference of shares that are nearly alike: 0.0804 - 0.2734**2 = 0.0056 over the first 197 samples,
    0.0803 - 0.2748**2 = 0.0048 with C(1, e) over the last 198.

    The R package earlywarnings draws its bootstrap samples with replacement. Samples drawn twice lie at distance 0 of
    each other and count as close, so that the statistic would be compared with that of another distribution;
    permutations have exactly that of the residual, and their p-value is exact if it is exchangeable.

    References
    ----------
    Brock, W. A., Dechert, W. D., Scheinkman, J. A. & LeBaron, B. (1996). A test for independence based on the
    correlation dimension. Econometric Reviews 15, 197-235. LeBaron, B. (1997). A fast algorithm for the BDS statistic.
    Studies in Nonlinear Dynamics and Econometrics 2, 53-59. Dakos, V. et al. (2012). Methods for detecting early
    warnings of critical transitions in time series. PLoS ONE 7, e41010.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> x = [0.4]
    >>> for _ in range(199):  # the logistic map: no linear memory, all of it determined
    ...     x.append(3.99 * x[-1] * (1 - x[-1]))
    >>> result = ews.bds(x, residuals=None, n_surrogates=199)
    >>> bool(result.pvalue.max() <= 0.01)
    True
    """
    data = as_series(series, time=time, until=until, missing=missing, duplicates=duplicates)
    max_dimension = checks.whole("max_dimension", max_dimension, least=2)
    n_surrogates = checks.draws("n_surrogates", n_surrogates)
    radii = _read_distances(distances)
    number = resolve_seed(seed)
    residual, sentence = _residuals(data.values, residuals, order)
    if residual.size - max_dimension + 1 < _FEWEST:
        needed = _FEWEST + max_dimension - 1
        raise SeriesTooShortError("series", described(f"{residual.size} residuals"), f"at least {needed}")
    power = int(np.frexp(np.abs(residual).max())[1])  # a power of two, in which squares neither overflow nor vanish
    spread = float(np.ldexp(np.ldexp(residual, -power).std(ddof=1), power))
    if not spread > 1e-12 * float(np.abs(residual).max(initial=0.0)):
        raise ArgumentError("series", described("a series whose residuals do not vary"), "residuals that vary")

    from scipy.special import ndtr

    unit = residual / spread
    observed = _statistics(unit[np.newaxis], radii, max_dimension)[0]
    rng = np.random.default_rng(number)
    above = np.zeros(observed.shape)
    below = np.zeros(observed.shape)
    for first in range(0, n_surrogates, _AT_ONCE):
        rows = np.tile(unit, (min(_AT_ONCE, n_surrogates - first), 1))
        drawn = _statistics(rng.permuted(rows, axis=1), radii, max_dimension)
        # A permutation without a standard error counts as extreme on both sides.
        above += (~(drawn < observed)).sum(axis=0)
        below += (~(drawn > observed)).sum(axis=0)
    tail = (1.0 + np.minimum(above, below)) / (1.0 + n_surrogates)
    pvalue = np.where(np.isfinite(observed) & (n_surrogates > 0), np.minimum(1.0, 2.0 * tail), np.nan)
    return IndependenceTest(
        series=data,
        residual=residual,
        residual_sentence=sentence,
        dimensions=tuple(range(2, max_dimension + 1)),
        distances=tuple(radii.tolist()),
        statistic=observed,
        pvalue=pvalue,
        pvalue_normal=2.0 * ndtr(-np.abs(observed)),
        n_surrogates=n_surrogates,
        seed=number,
    )


def _read_distances(distances: Any) -> FloatArray:
    given = list(distances) if isinstance(distances, Sequence | np.ndarray) and np.ndim(distances) else [distances]
    allowed = "positive, finite numbers of standard deviations"
    if not given:
        raise ValueRangeError("distances", distances, allowed)
    return np.array([checks.number("distances", one, above=0.0, allowed=allowed) for one in given])


def _statistics(rows: FloatArray, distances: FloatArray, highest: int) -> FloatArray:
    from ews._kernels.bds import bds_statistics

    out = np.empty((rows.shape[0], highest - 1, distances.size))
    with np.errstate(all="ignore"):  # as compiled
        bds_statistics(np.require(rows, np.float64, ("C", "W")), distances, highest, out)
    return out


def _residuals(values: FloatArray, name: Any, order: Any) -> tuple[FloatArray, str]:
    """What is tested, and one line on it."""
    if name is not None:
        name = checks.choice("residuals", name, get_args(Residuals))
    if order is not None and name != "arma":
        raise ValueRangeError("order", order, "None unless residuals is 'arma'")
    if name is None:
        return values, "the series as it is"
    fewest = 10
    if values.size < fewest:
        raise SeriesTooShortError("series", described(f"{values.size} observations"), f"at least {fewest}")
    if name == "difference":
        return np.diff(values), "first differences"
    # In units of the largest deviation, whose squares neither vanish nor overflow.
    scaled = values / (float(np.abs(values).max()) or 1.0)
    spread = float(scaled.std())
    if spread <= 1e-13:
        return np.zeros_like(values), "nothing"
    scaled = (scaled - scaled.mean()) / spread
    return _garch(scaled) if name == "garch" else _arma(scaled, order)


def _arma(values: FloatArray, order: Any) -> tuple[FloatArray, str]:
    from statsmodels.tsa.arima.model import ARIMA

    if order is not None:
        pair = isinstance(order, tuple) and len(order) == 2
        if not (pair and all(checks.is_whole(k, least=0) for k in order)):
            raise ValueRangeError("order", order, "two whole numbers of at least 0")
    best: Any = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a start value that is not stationary only costs iterations
        for p, q in _ORDERS if order is None else (order,):
            fitted = ARIMA(values, order=(int(p), 0, int(q)), trend="c").fit(cov_type="none")
            if best is None or fitted.aic < best.aic:
                best = fitted
    chosen = "" if order is not None else ", orders by AIC"
    p, _, q = best.specification["order"]
    innovations = np.asarray(best.filter_results.standardized_forecasts_error[0], dtype=np.float64)
    return innovations, f"standardised innovations of ARMA({p}, {q}){chosen}"


def _garch(values: FloatArray) -> tuple[FloatArray, str]:
    try:
        univariate = importlib.import_module("arch.univariate")
    except ModuleNotFoundError:
        raise ArgumentError(
            "residuals",
            "garch",
            "'difference' or 'arma'; 'garch' needs the package arch (pip install 'earlywarning[arch]')",
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = univariate.arch_model(values, mean="AR", lags=1, vol="ARCH", p=1, rescale=False).fit(disp="off")
    innovations = np.asarray(fitted.std_resid, dtype=np.float64)[1:]  # the first has no predecessor
    return innovations, "standardised innovations of AR(1) with ARCH(1) variance"
