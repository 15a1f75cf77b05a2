"""What :func:`ews.detect_spatial` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ews._common.publish import public
from ews.results import IndicatorSeries, Verdict, _plain
from ews.spatial.grids import FloatArray, Grids

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["SpatialConfig", "SpatialDetection"]


@public("ews")
@dataclass(frozen=True, slots=True)
class SpatialConfig:
    """Every choice behind a :class:`SpatialDetection`.

    Attributes
    ----------
    indicators : tuple of str
        Names of the indicators.
    trend, null : str
        Trend statistic and null model.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Level of the test.
    until : str or None
        Last time used, as given.
    detrend_space : str or None
        What was taken out of each map.
    coarse_grain : int
        Side of the blocks that cells were averaged over.
    missing : str
        How NaN cells were handled.
    seed : int
        Seed of every random number in the result.
    """

    indicators: tuple[str, ...]
    trend: str
    null: str
    n_surrogates: int
    alpha: float
    until: str | None
    detrend_space: str | None
    coarse_grain: int
    missing: str
    seed: int


@public("ews")
@dataclass(frozen=True, eq=False)
class SpatialDetection:
    """The answer of :func:`ews.detect_spatial`.

    Attributes
    ----------
    verdict : {"warning", "no warning", "inconclusive"}
        *Warning* where the min-p-adjusted p of an indicator in its alarm direction is ≤ alpha; else *no warning* where
        the power on a positive control of this length is ≥ 0.8; else *inconclusive*.
    reasons : tuple of str
        Why, in sentences.
    grids : Grids
        The maps that were analysed, with notes on what was done to them.
    indicators : dict of str to IndicatorSeries
        One value a map.
    tau, pvalue, pvalue_adjusted : dict of str to float
        Trend statistic and its p-values, two-sided, single and min-p adjusted; NaN without surrogates.
    surrogate_tau : dict of str to ndarray of shape (n_surrogates,)
        Trend statistic of each surrogate.
    power : float or None
        Share of positive controls that get a warning; None without surrogates.
    power_sentence, null_sentence, detrend_sentence : str
        What the control is, what the trends were tested against, what was taken out of the maps.
    config : SpatialConfig
        Every choice and the seed.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    grids: Grids
    indicators: Mapping[str, IndicatorSeries]
    tau: Mapping[str, float]
    pvalue: Mapping[str, float]
    pvalue_adjusted: Mapping[str, float]
    surrogate_tau: Mapping[str, FloatArray]
    power: float | None
    power_sentence: str
    null_sentence: str
    detrend_sentence: str
    config: SpatialConfig

    @property
    def name(self) -> str:
        """Name of the quantity, or ``"maps"``."""
        return self.grids.name or "maps"

    def summary(self) -> str:
        """The result as plain text.

        Returns
        -------
        str
            Verdict, reasons, methods and one line for each indicator.
        """
        from ews import summary as words
        from ews._common.layout import section, table, wrap

        heading = f"Spatial early-warning signals in {self.name!r}"
        lines = [heading, "=" * len(heading), "", f"Verdict: {self.verdict.upper()}"]
        for reason in self.reasons:
            lines += wrap(words.sentence(reason), first="  - ", rest="    ")
        lines.append("")
        count, height, width = self.grids.values.shape
        span = f"{words.time_text(self.grids.time[0])} to {words.time_text(self.grids.time[-1])}"
        lines += section("Data", f"{count} maps of {height} × {width} cells from {span}.")
        for note in self.grids.notes:
            lines += section("", words.sentence(f"Note: {note}"))
        coarse = self.config.coarse_grain
        blocks = f"; means over {coarse} × {coarse} cells" if coarse > 1 else ""
        lines += section("Detrending", words.sentence(self.detrend_sentence + blocks))
        statistic, symbol = words.trend_name(self.config.trend), words.trend_symbol(self.config.trend)
        if self.config.n_surrogates:
            text = f"{self.null_sentence}; {self.config.n_surrogates} surrogates, seed {self.config.seed}"
            lines += section("Null", words.sentence(text))
            lines += section(
                "Test",
                f"{statistic} of each indicator over the maps, two-sided; p adjusted over the indicators by the min-p "
                f"of Westfall & Young; level {self.config.alpha:g}.",
            )
        else:
            lines += section("Test", f"{statistic} only: no surrogates were asked for, so there is no p-value.")
        lines.append("")
        rows = [
            [
                indicator.label,
                words.number_text(self.tau[name], 3),
                words.p_text(self.pvalue[name]),
                words.p_text(self.pvalue_adjusted[name]),
                words.alarm_text(indicator.alarm),
            ]
            for name, indicator in self.indicators.items()
        ]
        lines += table(["indicator", symbol, "p", "adjusted p", "alarm"], rows)
        lines.append("")
        if self.power is not None:
            lines += section("Power", f"{self.power:.2f}; {self.power_sentence}.")
        lines += section("Caution", CAUTION)
        return "\n".join(lines)

    def to_frame(self) -> pd.DataFrame:
        """The indicators side by side.

        Returns
        -------
        pandas.DataFrame
            One row a map, indexed by time.
        """
        import pandas as pd

        columns = {name: indicator.values for name, indicator in self.indicators.items()}
        return pd.DataFrame(columns, index=pd.Index(self.grids.time, name=self.grids.time_name or "time"))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the maps as plain numbers, strings and lists; NaN becomes None.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`.
        """
        from ews import __version__

        return {
            "earlywarning": __version__,
            "name": self.grids.name,
            "shape": list(self.grids.values.shape),
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "config": asdict(self.config),
            "detrend": self.detrend_sentence,
            "null": self.null_sentence,
            "power": self.power,
            "power_control": self.power_sentence,
            "notes": list(self.grids.notes),
            "time": [_plain(time) for time in self.grids.time],
            "indicators": {
                name: [_plain(value) for value in indicator.values] for name, indicator in self.indicators.items()
            },
            "statistics": {
                name: {
                    "tau": _plain(self.tau[name]),
                    "pvalue": _plain(self.pvalue[name]),
                    "pvalue_adjusted": _plain(self.pvalue_adjusted[name]),
                    "alarm": indicator.alarm,
                }
                for name, indicator in self.indicators.items()
            },
            "surrogate_tau": {name: [_plain(tau) for tau in taus] for name, taus in self.surrogate_tau.items()},
        }

    def plot(self) -> Figure:
        """A few maps on one scale, and each indicator over time.

        Returns
        -------
        matplotlib.figure.Figure
            Up to four maps on top, one panel an indicator below.
        """
        from ews._analysis.spatial.figure import spatial_figure

        return spatial_figure(self)

    def __repr__(self) -> str:
        taus = ", ".join(f"{name} τ={tau:+.2f}" for name, tau in self.tau.items())
        size = " × ".join(map(str, np.shape(self.grids.values)))
        return f"<SpatialDetection of {self.name!r}: {self.verdict}; {taus}; {size}, seed={self.config.seed}>"


CAUTION = (
    "A rising indicator is not proof: gradients, habitat and growing disturbance raise variance and correlation "
    "without any loss of resilience. The p-values hold for the null named above and for a record that was not chosen "
    "because it ended in a collapse."
)
