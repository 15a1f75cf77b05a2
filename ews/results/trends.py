"""What detections of one series, of several variables and of maps share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from ews._common.alarms import hardly_more
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import p_clause
from ews.results.indicators import IndicatorSeries

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Kind", "TrendsOfIndicators", "Verdict"]

Verdict = Literal["warning", "no warning", "inconclusive"]
Kind = Literal["slowing down", "flickering", "variance only", "none"]

_SIDES = ("low", "high")


@public("ews.results")
class TrendsOfIndicators(Result):
    """What detections of one series, of several variables and of maps share: trends held against surrogates."""

    __slots__ = ()
    _named_alike: ClassVar = "indicators tau pvalue pvalue_adjusted"
    _keys: ClassVar = {"power_sentence": "power_control", "pvalue": "pvalues", "pvalue_adjusted": "pvalues_adjusted"}

    indicators: Mapping[str, IndicatorSeries]
    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    verdict: Verdict
    power: float | None
    config: Any

    @property
    def untellable(self) -> bool:
        """Whether the values allow no answer, whatever the tests make of them: most of them equal, or a handful.

        Of several variables those of any.
        """
        counts = getattr(self, "counts", None)
        each = counts.values() if isinstance(counts, Mapping) else (counts,)
        return any(one is not None and bool(one.obstacles(self.config.window)) for one in each)

    @property
    def qualified(self) -> bool:
        """Whether this is a warning that is hardly likelier with a loss of resilience than without.

        True where the power is below twice the level: the reasons then say so.
        """
        return self.verdict == "warning" and self.power is not None and hardly_more(self.power, self.config.alpha)

    def statistics(self) -> pd.DataFrame:
        """One row for each indicator: trend, interval where there is one, and p-values.

        Returns
        -------
        pandas.DataFrame
            Columns tau, low, high, pvalue, pvalue_adjusted and alarm.
        """
        import pandas as pd

        columns: dict[str, Any] = {"tau": self.tau}
        if (intervals := getattr(self, "tau_interval", None)) is not None:
            columns |= {side: {name: pair[i] for name, pair in intervals.items()} for i, side in enumerate(_SIDES)}
        columns |= {"pvalue": self.pvalue, "pvalue_adjusted": self.pvalue_adjusted}
        columns["alarm"] = {name: indicator.alarm for name, indicator in self.indicators.items()}
        rows = [{"indicator": name} | {key: of[name] for key, of in columns.items()} for name in self.indicators]
        return pd.DataFrame(rows).set_index("indicator")

    def _beside(self, found: Mapping[str, Any]) -> dict[str, Any]:
        keys = ("tau", "tau_interval", "pvalue", "pvalue_adjusted")
        of = {key: found[self._key(key)] for key in keys if hasattr(self, key)}
        return {
            "qualified": self.qualified,
            "statistics": {
                name: {key: numbers[name] for key, numbers in of.items()} | {"alarm": indicator.alarm}
                for name, indicator in self.indicators.items()
            },
        }

    def _numbers(self) -> str:
        """τ and adjusted p of each indicator, for a repr."""
        return ", ".join(
            f"{name} τ={'–' if np.isnan(tau := self.tau[name]) else f'{tau:+.2f}'}"
            + ("" if np.isnan(p := self.pvalue_adjusted[name]) else f" {p_clause(p).replace(' ', '')}")
            for name in self.indicators
        )
