"""A sequential score test of a level: what a guard holds each signal against."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters._common.publish import public
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["ChartCalibration", "ChartState", "ScoreChart"]

FloatArray = npt.NDArray[np.float64]

_FORMAT = 1
_ALLOWED = "what ScoreChart.to_dict gave"


@dataclass(frozen=True)
class ChartCalibration:
    """What a chart's alarms are based on.

    Attributes
    ----------
    centre, spread : float
        Mean and standard deviation of the signal in the runs.
    threshold : float
        The evidence above which there is an alarm.
    n_simulations : int
        How many runs were watched.
    horizon : int
        Tokens of each.
    false_alarm_rate : float
        Share of such runs with an alarm, at most.
    """

    centre: float
    spread: float
    threshold: float
    n_simulations: int
    horizon: int
    false_alarm_rate: float


@dataclass(frozen=True)
class ChartState:
    """What a chart says after a token: whether it alarms, and why."""

    alarm: bool
    reasons: tuple[str, ...]


@public("adapters")
class ScoreChart:
    """Sequential score test of a rising level (Page's CUSUM): one signal, one token after the other.

    The evidence grows by the score of a shift of the mean, the signal's distance from its usual mean in standard
    deviations, less an allowance, and never falls below 0. It takes two operations a token, and Python alone.

    Parameters
    ----------
    allowance : float, default 1.0
        In standard deviations: half the shift that is to be seen soonest.

    Attributes
    ----------
    calibration : ChartCalibration or None
        What the alarms are based on.
    evidence : float
        The running statistic.

    Raises
    ------
    ews.errors.ArgumentError
        If the allowance is no positive number.

    References
    ----------
    Page, E. S. (1954). Continuous inspection schemes. Biometrika 41, 100–115. Moustakides, G. V. (1986). Optimal
    stopping times for detecting changes in distributions. Ann. Statist. 14, 1379–1387.

    Examples
    --------
    >>> import numpy as np
    >>> from adapters import ScoreChart
    >>> chart = ScoreChart()
    >>> healthy = np.random.default_rng(0).standard_normal((99, 50))
    >>> found = chart.calibrate_on(healthy, false_alarm_rate=0.05)
    >>> [chart.update(value).alarm for value in (0.1, 9.0, 9.0)]
    [False, True, True]
    """

    def __init__(self, *, allowance: float = 1.0) -> None:
        given: object = allowance
        if not isinstance(given, int | float) or isinstance(given, bool) or not 0.0 < given < 1e6:
            raise ValueRangeError("allowance", allowance, "a number of standard deviations above 0")
        self.allowance = float(allowance)
        self.calibration: ChartCalibration | None = None
        self.evidence = 0.0

    def update(self, value: float) -> ChartState:
        """Take in the signal of one token; NaN changes nothing.

        Parameters
        ----------
        value : float
            The signal.

        Returns
        -------
        ChartState
            Whether there is an alarm, and why.
        """
        found = self.calibration
        if found is None:
            return ChartState(False, ("not calibrated: no alarm can be raised",))
        score = (value - found.centre) / found.spread - self.allowance
        if score == score:
            self.evidence = max(0.0, self.evidence + score)
        if not self.evidence > found.threshold:
            return ChartState(False, ())
        far = f"evidence {self.evidence:.3g}, above {found.threshold:.3g}"
        return ChartState(True, (f"higher than in healthy texts ({far})",))

    def calibrate_on(self, runs: Any, *, false_alarm_rate: float) -> ChartCalibration:
        """Find the threshold from recorded runs in which nothing changes.

        Parameters
        ----------
        runs : array_like of shape (runs, tokens)
            The signal from the start of each; NaN where there is none.
        false_alarm_rate : float
            Share of runs with an alarm, at most, over the draw of all runs (as in a permutation test).

        Returns
        -------
        ChartCalibration
            Kept as ``calibration`` too.

        Raises
        ------
        ews.errors.ArgumentError
            If there are too few runs for that rate.
        """
        rows = np.asarray(runs, np.float64)
        if rows.ndim != 2 or not np.isfinite(rows).any():
            raise InputTypeError(
                "runs", described(f"an array of shape {rows.shape}"), "numbers of shape (runs, tokens)"
            )
        if not 0.0 < false_alarm_rate < 1.0:
            raise ValueRangeError("false_alarm_rate", false_alarm_rate, "a number between 0 and 1")
        rank = math.floor(false_alarm_rate * (len(rows) + 1) * (1.0 + 1e-12))
        if rank < 1:
            raise ArgumentError("runs", len(rows), f"at least {math.ceil(1.0 / false_alarm_rate) - 1} for that rate")
        there = np.isfinite(rows)
        centre = float(rows[there].mean())
        # What no run has, one may have: no spread is less than that of one token in all.
        spread = max(float(rows[there].std()), 1.0 / math.sqrt(there.sum()))
        evidence, largest = np.zeros(len(rows)), np.zeros(len(rows))
        for values in rows.T:
            score = (values - centre) / spread - self.allowance
            evidence = np.where(np.isnan(score), evidence, np.maximum(0.0, evidence + score))
            largest = np.maximum(largest, evidence)
        threshold = float(np.sort(largest)[-rank])
        self.calibration = ChartCalibration(
            centre, spread, threshold, len(rows), rows.shape[1], float(false_alarm_rate)
        )
        self.reset()
        return self.calibration

    def reset(self) -> None:
        """Forget the evidence, keep the calibration."""
        self.evidence = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`.
        """
        calibration = None if self.calibration is None else asdict(self.calibration)
        return {"chart": _FORMAT, "allowance": self.allowance, "evidence": self.evidence, "calibration": calibration}

    @classmethod
    def from_dict(cls, saved: Any) -> ScoreChart:
        """From what :meth:`to_dict` gave.

        Parameters
        ----------
        saved : dict
            What it gave.

        Returns
        -------
        ScoreChart
            One that goes on where that one stopped.

        Raises
        ------
        ews.errors.ArgumentError
            If it holds something else.
        """
        if not isinstance(saved, dict) or set(saved) != {"chart", "allowance", "evidence", "calibration"}:
            raise ArgumentError("saved", described("something else"), _ALLOWED)
        if saved["chart"] != _FORMAT:
            raise ArgumentError("chart", saved["chart"], _ALLOWED)
        chart = cls(allowance=saved["allowance"])
        chart.evidence = _number("evidence", saved["evidence"], least=0.0)
        if (kept := saved["calibration"]) is not None:
            if not isinstance(kept, dict) or set(kept) != set(ChartCalibration.__dataclass_fields__):
                raise ArgumentError("calibration", described("something else"), _ALLOWED)
            counts = {name: kept[name] for name in ("n_simulations", "horizon")}
            for name, value in counts.items():
                if type(value) is not int or value < 1:
                    raise ArgumentError(name, value, _ALLOWED)
            chart.calibration = ChartCalibration(
                centre=_number("centre", kept["centre"]),
                spread=_number("spread", kept["spread"], least=5e-324),
                threshold=_number("threshold", kept["threshold"], least=0.0),
                false_alarm_rate=_number("false_alarm_rate", kept["false_alarm_rate"], least=5e-324),
                **counts,
            )
        return chart

    def __repr__(self) -> str:
        tied = "not calibrated" if self.calibration is None else f"threshold {self.calibration.threshold:.3g}"
        return f"<ScoreChart allowance={self.allowance:g}: {tied}>"


def _number(name: str, given: Any, *, least: float = -math.inf) -> float:
    if not isinstance(given, int | float) or isinstance(given, bool) or not math.isfinite(given) or given < least:
        raise ArgumentError(name, given, _ALLOWED)
    return float(given)
