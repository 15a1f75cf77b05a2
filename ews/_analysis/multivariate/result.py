"""What :func:`ews.detect_multivariate` returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ews._common.publish import public
from ews.results import DetectConfig, IndicatorSeries, SurrogateBand, Verdict, _plain
from ews.series import Series

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["MultivariateConfig", "MultivariateDetection"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, slots=True)
class MultivariateConfig(DetectConfig):
    """Every choice behind a :class:`MultivariateDetection`, as resolved for these variables.

    Attributes
    ----------
    standardize : bool
        Whether each residual was divided by its standard deviation.
    """

    standardize: bool


@public("ews")
@dataclass(frozen=True, eq=False)
class MultivariateDetection:
    """The answer of :func:`ews.detect_multivariate` for several variables of one system.

    Attributes
    ----------
    verdict : {"warning", "no warning", "inconclusive"}
        By the rule of :func:`ews.detect`.
    reasons : tuple of str
        Why, in sentences.
    variables : dict of str to Series
        Each variable as it was analysed, all at the same times, with notes on what was done to it.
    trend, residual : ndarray of shape (n, variables)
        What detrending took out and what it left, in the variables' units.
    scale : ndarray of shape (variables,)
        What the residuals were divided by before they were measured.
    indicators : dict of str to IndicatorSeries
        Values over time.
    tau, pvalue, pvalue_adjusted : dict of str to float
        Trend statistic and its p-values; the p-values are NaN without surrogates.
    surrogate_tau : dict of str to ndarray of shape (n_surrogates,)
        Trend statistic of each surrogate.
    surrogate_band : dict of str to SurrogateBand
        Where each indicator lies under the null; empty without surrogates.
    power : float or None
        Share of positive controls of this length that get a warning; None without surrogates.
    power_sentence : str
        What the positive control is.
    config : MultivariateConfig
        Every choice and the seed.
    detrend_sentence, scale_sentence, null_sentence : str
        What was taken out, what it was divided by, and what it was tested against.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    variables: Mapping[str, Series]
    trend: FloatArray
    residual: FloatArray
    scale: FloatArray
    indicators: Mapping[str, IndicatorSeries]
    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    surrogate_tau: Mapping[str, FloatArray]
    surrogate_band: Mapping[str, SurrogateBand]
    power: float | None
    power_sentence: str
    config: MultivariateConfig
    detrend_sentence: str
    scale_sentence: str
    null_sentence: str

    @property
    def series(self) -> Series:
        """The first variable: its times, step and their names hold for all."""
        return next(iter(self.variables.values()))

    @property
    def values(self) -> FloatArray:
        """The variables as a table of shape (n, variables)."""
        return np.column_stack([series.values for series in self.variables.values()])

    def summary(self) -> str:
        """The report as plain text, ready for a paper's appendix.

        Returns
        -------
        str
            Verdict, reasons, methods and one line for each indicator.
        """
        from ews._analysis.multivariate.text import summary

        return summary(self)

    def plot(self) -> Figure:
        """Variables, residuals, and each indicator with its surrogate band.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; save it with ``savefig``.
        """
        from ews._analysis.multivariate.figure import figure

        return figure(self)

    def to_frame(self) -> pd.DataFrame:
        """Variables, trends, residuals and indicators side by side.

        Returns
        -------
        pandas.DataFrame
            One row an observation, indexed by time; columns of two levels: what (value, trend, residual, indicator) and
            of which variable or indicator.
        """
        import pandas as pd

        columns: dict[tuple[str, str], FloatArray] = {}
        for what, table in (("value", self.values), ("trend", self.trend), ("residual", self.residual)):
            columns |= {(what, name): table[:, place] for place, name in enumerate(self.variables)}
        columns |= {("indicator", name): one.values for name, one in self.indicators.items()}
        frame = pd.DataFrame(columns, index=pd.Index(self.series.time, name=self.series.time_name or "time"))
        frame.columns.names = ["what", "name"]
        return frame

    def statistics(self) -> pd.DataFrame:
        """One row for each indicator: trend and p-values.

        Returns
        -------
        pandas.DataFrame
            Columns tau, pvalue, pvalue_adjusted and alarm.
        """
        import pandas as pd

        rows = [
            {
                "indicator": name,
                "tau": self.tau[name],
                "pvalue": self.pvalue[name],
                "pvalue_adjusted": self.pvalue_adjusted[name],
                "alarm": indicator.alarm,
            }
            for name, indicator in self.indicators.items()
        ]
        return pd.DataFrame(rows).set_index("indicator")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain numbers, strings and lists; NaN becomes None, dates become ISO strings.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`.
        """
        from ews import __version__

        def listed(values: Any) -> list[Any]:
            return [_plain(value) for value in values]

        return {
            "earlywarning": __version__,
            "variables": list(self.variables),
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "config": asdict(self.config),
            "detrend": self.detrend_sentence,
            "scale": dict(zip(self.variables, listed(self.scale), strict=True)),
            "scale_sentence": self.scale_sentence,
            "null": self.null_sentence,
            "power": self.power,
            "power_control": self.power_sentence,
            "notes": {name: list(series.notes) for name, series in self.variables.items()},
            "step": self.series.step,
            "step_unit": self.series.step_unit,
            "statistics": {
                name: {
                    "tau": _plain(self.tau[name]),
                    "pvalue": _plain(self.pvalue[name]),
                    "pvalue_adjusted": _plain(self.pvalue_adjusted[name]),
                    "alarm": indicator.alarm,
                }
                for name, indicator in self.indicators.items()
            },
            "time": listed(self.series.time),
            "value": {name: listed(series.values) for name, series in self.variables.items()},
            "trend": {name: listed(self.trend[:, place]) for place, name in enumerate(self.variables)},
            "residual": {name: listed(self.residual[:, place]) for place, name in enumerate(self.variables)},
            "indicators": {name: listed(indicator.values) for name, indicator in self.indicators.items()},
            "surrogate_tau": {name: listed(taus) for name, taus in self.surrogate_tau.items()},
        }

    def to_json(self) -> str:
        """:meth:`to_dict` as a JSON text.

        Returns
        -------
        str
            Valid JSON: no NaN.
        """
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=1)

    def __repr__(self) -> str:
        from ews.summary import p_clause

        numbers = ", ".join(
            f"{name} τ={self.tau[name]:+.2f}"
            + ("" if np.isnan(p := self.pvalue_adjusted[name]) else f" {p_clause(p).replace(' ', '')}")
            for name in self.indicators
        )
        return (
            f"<MultivariateDetection of {len(self.variables)} variables: {self.verdict}; {numbers}; "
            f"n={len(self.series)}, seed={self.config.seed}>"
        )
