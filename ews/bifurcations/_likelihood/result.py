"""What :func:`ews.bifurcations.likelihood` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ews._common.layout import Report
from ews._common.publish import public
from ews._common.result import Result
from ews.series import Series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "Alternative",
    "Drift",
    "LikelihoodConfig",
    "LikelihoodRatio",
    "Noise",
    "OrnsteinUhlenbeckFit",
    "TransitionFit",
]

FloatArray = npt.NDArray[np.float64]
Alternative = Literal["saddle-node", "transcritical"]
Drift = Literal["towards", "free"]
Noise = Literal["demographic", "additive"]


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True)
class LikelihoodConfig:
    """Every choice behind a likelihood ratio.

    Attributes
    ----------
    alternative : {"saddle-node", "transcritical"}
        The model in which the rate of return changes.
    drift : {"towards", "free"}
        Whether it may only approach the bifurcation.
    noise : {"demographic", "additive"}
        Whether its noise variance follows the equilibrium.
    n_bootstrap : int
        Series drawn from each of the two fits.
    alpha : float
        Level at which the power is stated.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    seed : int
        Seed of every random number in the result.
    """

    alternative: Alternative
    drift: Drift
    noise: Noise
    n_bootstrap: int
    alpha: float
    until: str | None
    missing: str
    duplicates: str
    seed: int


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True, eq=False)
class OrnsteinUhlenbeckFit(Result):
    """The fit in which nothing changes: dx = rate (level − x) dt + sigma dB.

    Attributes
    ----------
    rate : float
        Rate of return, per unit of time (per day for dates).
    level : float
        Equilibrium, in units of the series.
    sigma : float
        Noise, in units of the series per square root of time.
    log_likelihood : float
        At these values, the first observation given.
    """

    rate: float
    level: float
    sigma: float
    log_likelihood: float


@public("ews.bifurcations")
@dataclass(frozen=True, slots=True, eq=False)
class TransitionFit(Result):
    """The fit of a model in which the distance R to a bifurcation changes at constant speed.

    Attributes
    ----------
    R_start, R_end : float
        R at the first and the last observation.
    slope : float
        Change of R per unit of time; negative is an approach.
    theta, sigma : float
        The other parameters, in the units of :func:`saddle_node_log_likelihood` or
        :func:`transcritical_log_likelihood`.
    rate_start, rate_end : float
        Rate of return at the first and the last observation: 2√R, or R/θ.
    level_start, level_end : float
        Equilibrium there: √R + θ, or θR.
    log_likelihood : float
        At these values, the first observation given.
    """

    R_start: float
    R_end: float
    slope: float
    theta: float
    sigma: float
    rate_start: float
    rate_end: float
    level_start: float
    level_end: float
    log_likelihood: float


@public("ews.bifurcations")
@dataclass(frozen=True, eq=False)
class LikelihoodRatio(Result):
    """Likelihood ratio of a changing rate of return against a constant one.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    config : LikelihoodConfig
        Every choice and the seed.
    null : OrnsteinUhlenbeckFit
        The best fit with a constant rate.
    towards : TransitionFit
        The best fit with a rate that falls or stays.
    free : TransitionFit
        The best fit with a rate that falls, stays or rises.
    ratio_towards, ratio_free : float
        D = −2 (l_null − l) of each; 0 where nothing is better than a constant rate.
    ratio : float
        The one that is tested: that of ``config.drift``.
    pvalue : float
        (1 + r) / (1 + n), r of n series drawn from the null reaching the ratio; NaN without bootstrap.
    null_ratios, test_ratios : ndarray of shape (n_bootstrap,)
        Ratios of series drawn from the null and from the alternative, both models fitted again to each.
    false_positive_rate, true_positive_rate : ndarray of shape (k,)
        The ROC curve, from (0, 0) to (1, 1); empty without bootstrap.
    auc : float
        Area under it: how often a series of the alternative has the larger ratio of it and one of the null.
    threshold : float
        The ratio above which the p-value is at most ``config.alpha``; infinite where `n_bootstrap` is too small.
    power : float
        Share of `test_ratios` whose p-value is at most ``config.alpha``.
    """

    series: Series
    config: LikelihoodConfig
    null: OrnsteinUhlenbeckFit
    towards: TransitionFit
    free: TransitionFit
    ratio_towards: float
    ratio_free: float
    pvalue: float
    null_ratios: FloatArray
    test_ratios: FloatArray
    false_positive_rate: FloatArray
    true_positive_rate: FloatArray
    auc: float
    threshold: float
    power: float

    _shapes: ClassVar = {"bootstrap": "null_ratios test_ratios", "k": "false_positive_rate true_positive_rate"}
    _derived: ClassVar = ("ratio",)

    @property
    def ratio(self) -> float:
        """The ratio that is tested."""
        return self.ratio_towards if self.config.drift == "towards" else self.ratio_free

    @property
    def alternative(self) -> TransitionFit:
        """The fit that is tested against the null."""
        return self.towards if self.config.drift == "towards" else self.free

    @property
    def name(self) -> str:
        """Name of the series, or ``"series"``."""
        return self.series.name or "series"

    def _report(self) -> Report:
        from ews.bifurcations._likelihood.text import likelihood_report

        return likelihood_report(self)

    def to_frame(self) -> pd.DataFrame:
        """The three fits.

        Returns
        -------
        pandas.DataFrame
            One row a fit: rate, level and sigma at the start and the end, log-likelihood and ratio.
        """
        import pandas as pd

        null = self.null
        constant = [null.rate, null.rate, null.level, null.level, null.sigma, null.log_likelihood, np.nan]
        columns = ["rate_start", "rate_end", "level_start", "level_end", "sigma", "log_likelihood"]
        rows = [constant]
        for fit, ratio in ((self.towards, self.ratio_towards), (self.free, self.ratio_free)):
            rows.append([*(getattr(fit, name) for name in columns), ratio])
        index = pd.Index(["constant", "towards", "free"], name="fit")
        return pd.DataFrame(rows, columns=[*columns, "ratio"], index=index)

    def plot(self) -> Figure:
        """Series with fitted levels, rate over time, bootstrap distributions of the ratio, and ROC curve.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; save it with ``savefig``.
        """
        from ews.bifurcations._likelihood.figure import likelihood_figure

        return likelihood_figure(self)

    def __repr__(self) -> str:
        p = "" if np.isnan(self.pvalue) else f" p={self.pvalue:.3g}"
        return (
            f"<LikelihoodRatio of {self.name!r}: {self.config.alternative} ({self.config.drift}) "
            f"D={self.ratio:.3g}{p}; n={len(self.series)}, seed={self.config.seed}>"
        )
