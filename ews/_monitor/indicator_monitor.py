"""``ews.IndicatorMonitor``: indicators one observation at a time, in bounded memory, with NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.progress import ProgressOption, reported
from ews._common.publish import public
from ews._common.seeds import resolve_seed
from ews._common.times import as_times
from ews._common.transforms import Transform, name_of, transformed
from ews._monitor import saved_parts as parts
from ews._monitor import saving
from ews._monitor.calibration import calibrated, calibrated_on_runs, levels_from, signed
from ews._monitor.engine import MEASURES, Engine
from ews._monitor.reading import LONGEST, read_bandwidth, read_rate, read_runs, read_value, read_values
from ews._monitor.result import MonitorCalibration, MonitorConfig, MonitorState, Rule
from ews.errors import (
    ArgumentError,
    InputTypeError,
    MissingValuesError,
    ValueRangeError,
    WindowError,
    described,
)
from ews.indicators import registry

__all__ = ["IndicatorMonitor"]

FloatArray = npt.NDArray[np.float64]

_SMOOTHERS = ("gaussian", "running_mean")
_RULES: tuple[Rule, ...] = ("level", "trend")
_FORMAT = 1
_OWN = frozenset({"window", "bandwidth", "detrend", "indicators", "history", "rule"})


@public("ews")
class IndicatorMonitor:
    """Rolling indicators and alarms, one observation at a time, as published practice has them.

    :class:`ews.Monitor` sees drifts earlier at the same rate of false alarms, and does without a calibration.

    Each observation is detrended by a smoother that looks back only, the indicators are measured in the window that
    ends at it, and a running statistic of each indicator is held against a threshold, once :meth:`calibrate` has found
    how far noise alone goes. Memory is bounded by the window, the smoother and the history; nothing but NumPy is used.

    Parameters
    ----------
    window : int
        Window in samples. A fraction has no meaning while the record grows.
    bandwidth : float or int, optional
        Bandwidth of the smoother in samples (default: the window), in the convention of
        :func:`ews.detrend.gaussian`; for a running mean its length.
    detrend : {"gaussian", "running_mean"} or None, default "gaussian"
        The causal smoother that is taken out; None for none.
    indicators : sequence of str, default ("variance", "ac1", "skewness")
        Of mean, variance, std, cv, skewness, kurtosis, ac1, ac2 and ac3.
    history : int, optional
        Over how many values of an indicator the running statistic looks back (default: the window).
    rule : {"level", "trend"}, default "level"
        The running statistic. ``"level"``: the exponentially weighted mean of the indicator (weight 2 / (history + 1)
        for the newest value), in standard deviations of the reference about its mean; defined once calibrated.
        ``"trend"``: Kendall's τ-b of the last `history` values against time, the field's statistic. Watched without
        end, noise reaches nearly any τ at some time, so that this rule sees far less at the same rate of false alarms.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to each value first (see :func:`ews.detect`); a function gets an array and must give each value the same
        whatever stands beside it.

    Attributes
    ----------
    config : MonitorConfig
        Every choice behind the monitor.
    calibration : MonitorCalibration or None
        What the alarms are based on.
    state : MonitorState or None
        What the last observation gave.

    Raises
    ------
    ews.errors.ArgumentError
        For any choice that cannot be used.

    Notes
    -----
    Trend, residual and indicators equal those of the batch functions, ``ews.detrend.gaussian(x, bandwidth=…,
    causal=True)`` followed by ``ews.variance(residual, window=…)`` and so on. Each window is summed anew, in two passes
    about its own mean, since running sums drift: an update takes time in proportion to window, smoother and history.
    The smoother weighs differences from the newest sample. On a record with an offset far above its spread it is
    therefore more exact than the batch smoother, from which it then differs by the latter's rounding; and where a
    record stays constant for longer than the smoother reaches, residuals are exactly 0.

    A missing observation (NaN, None or an infinity) is left out of the smoother, whose remaining weights are divided by
    their sum; windows that hold it have no indicators, and a running trend needs all values of its history. So a gap
    can silence the monitor, but cannot make it alarm.

    Running statistics start once every residual in the window comes from a full smoother: the first residuals of a
    record are smaller, and variance would rise from that alone.

    References
    ----------
    Dakos, V. et al. (2012). Methods for detecting early warnings of critical transitions in time series illustrated
    using simulated ecological data. PLoS ONE 7, e41010. Roberts, S. W. (1959). Control chart tests based on geometric
    moving averages. Technometrics 1, 239–250. Westfall, P. H. & Young, S. S. (1993). Resampling-based multiple testing,
    ch. 2. Wiley.

    Examples
    --------
    >>> import ews
    >>> monitor = ews.IndicatorMonitor(window=20, detrend=None, indicators=("variance", "ac1"))
    >>> noise = ews.models.ar1(n=400, coefficient=0.5, seed=1).values
    >>> calibration = monitor.calibrate(noise[:200], horizon=200, n_simulations=99)
    >>> states = [monitor.update(value) for value in noise[200:]]
    >>> states[-1].index, states[-1].alarm
    (399, False)
    >>> sorted(states[-1].indicators)
    ['ac1', 'variance']
    """

    def __init__(
        self,
        *,
        window: int,
        bandwidth: float | None = None,
        detrend: str | None = "gaussian",
        indicators: Sequence[str] | str = ("variance", "ac1", "skewness"),
        history: int | None = None,
        rule: Rule = "level",
        transform: Transform = None,
    ) -> None:
        names = checks.names("indicators", indicators, MEASURES)
        shortest = max(2, *(registry.get(name).shortest_window for name in names))
        length = checks.whole("window", window, least=shortest, most=LONGEST, error=WindowError)
        if detrend is not None:
            detrend = checks.choice("detrend", detrend, _SMOOTHERS)
        rule = checks.choice("rule", rule, _RULES)
        self._config = MonitorConfig(
            window=length,
            bandwidth=read_bandwidth(bandwidth, detrend, length),
            detrend=detrend,
            indicators=names,
            history=max(3, length) if history is None else checks.whole("history", history, least=3, most=LONGEST),
            rule=rule,
            transform=name_of(transform),
        )
        self._transform = transform
        self._calibration: MonitorCalibration | None = None
        self._engine = Engine(self._config, 1)
        self._state: MonitorState | None = None
        self._watched = 0  # samples since the calibration, or the reset
        self._timed = False

    @classmethod
    def has_options(cls, options: Mapping[str, Any]) -> bool:
        """Whether any of these options is this monitor's alone."""
        return bool(_OWN & set(options))

    @property
    def config(self) -> MonitorConfig:
        """Every choice."""
        return self._config

    @property
    def calibration(self) -> MonitorCalibration | None:
        """What the alarms are based on; None before :meth:`calibrate`."""
        return self._calibration

    @property
    def state(self) -> MonitorState | None:
        """What the last observation gave; None before the first."""
        return self._state

    def update(self, value: float | None, time: Any = None) -> MonitorState:
        """Take in one observation.

        Parameters
        ----------
        value : float
            The observation; NaN or None where it is missing.
        time : number or date, optional
            When it was made; later than the one before. Either all observations since the start have times or none.
            (A date written as text is read by pandas; numbers and ``numpy.datetime64`` need NumPy alone.)

        Returns
        -------
        MonitorState
            What the monitor knows now.

        Raises
        ------
        ews.errors.InputTypeError
            If the value is no real number, or the time neither number nor date.
        ews.errors.ArgumentError
            If the time is not later than the one before, or times are given for some observations only.

        Examples
        --------
        >>> import ews
        >>> monitor = ews.IndicatorMonitor(window=2, detrend=None, indicators="variance")
        >>> monitor.update(1.0).indicators["variance"], monitor.update(3.0).indicators["variance"]
        (nan, 2.0)
        """
        number = float(self._on_scale("value", np.array([read_value(value)]))[0])
        moment = None if time is None else self._read_times([time], 1)[0]
        self._check_clock(time is not None)
        return self._advance(number, moment)

    def update_many(self, values: Any, time: Any = None) -> tuple[MonitorState, ...]:
        """Take in several observations, as :meth:`update` would one by one.

        All are checked before the first is taken in.

        Parameters
        ----------
        values : array_like of shape (n,)
            The observations; NaN where one is missing.
        time : array_like of shape (n,), optional
            Times of the observations.

        Returns
        -------
        tuple of MonitorState
            One for each observation.

        Raises
        ------
        ews.errors.ArgumentError
            As :meth:`update`.

        Examples
        --------
        >>> import ews
        >>> monitor = ews.IndicatorMonitor(window=2, detrend=None, indicators="mean")
        >>> [state.indicators["mean"] for state in monitor.update_many([1.0, 3.0, 5.0])]
        [nan, 2.0, 4.0]
        """
        samples = self._on_scale("values", read_values("values", values))
        moments = [None] * samples.size if time is None else self._read_times(time, samples.size)
        if samples.size:
            self._check_clock(time is not None)
        return tuple(self._advance(float(sample), moment) for sample, moment in zip(samples, moments, strict=True))

    @reported("simulating")
    def calibrate(
        self,
        reference: Any,
        *,
        horizon: int,
        false_alarm_rate: float = 0.05,
        n_simulations: int = 999,
        seed: int | np.random.Generator | None = 0,
        progress: ProgressOption = None,
    ) -> MonitorCalibration:
        r"""Find the thresholds from a stretch in which nothing changes.

        AR(1) noise is fitted to the stretch, and all that the monitor does is simulated: such noise as a reference and,
        after it, a horizon that is watched. The thresholds are those that any indicator exceeds at any time of a
        horizon in at most the share of simulations asked for.

        The monitor then starts anew, with the reference as what it has seen: go on with the observations that follow
        it, or call :meth:`reset` to watch another record.

        Parameters
        ----------
        reference : array_like of shape (n,)
            Observations in which nothing changes, none missing: at least two windows and one history after the reach of
            the smoother. The longer it is, the lower are the thresholds of the rule "level".
        horizon : int
            How many observations will be watched.
        false_alarm_rate : float, default 0.05
            Share of horizons of noise in which an alarm is raised, over all indicators together.
        n_simulations : int, default 999
            How many horizons are simulated.
        seed : int, numpy.random.Generator or None, default 0
            Seed of the simulations.
        progress : None, True or callable, default None
            A bar, or a function called as ``progress(done, total)`` (see :func:`ews.detect`).

        Returns
        -------
        MonitorCalibration
            Noise, thresholds and simulated maxima, kept as ``calibration`` too.

        Raises
        ------
        ews.errors.SeriesTooShortError
            If the reference is too short.
        ews.errors.MissingValuesError
            If it has missing or infinite values.
        ews.errors.ArgumentError
            If it does not vary, or another argument cannot be used.

        Notes
        -----
        The noise is that whose residual, after the monitor's own smoother, has the lag-1 autocorrelation of the
        reference's, corrected for its bias; each simulation draws the coefficient anew within its standard error
        (Bartlett 1946), so that the rate includes what a short reference does not tell. With the largest statistic
        :math:`M_k` of indicator k in each of n simulations, a statistic has :math:`p_k = (1 + r) / (1 + n)`, r of them
        at or above it. Its p-value is the share of simulations whose smallest :math:`p_k` is as small.

        Noise that is not AR(1), and a reference in which something does change, are not covered: see the rates measured
        on :doc:`/api/monitor`.

        Examples
        --------
        >>> import ews
        >>> noise = ews.models.ar1(n=200, coefficient=0.5, seed=1).values
        >>> monitor = ews.IndicatorMonitor(window=20, bandwidth=40, indicators="variance", rule="level")
        >>> calibration = monitor.calibrate(noise, horizon=100, n_simulations=99)
        >>> calibration.thresholds["variance"] > 0
        True
        """
        samples = read_values("reference", reference)
        if not np.isfinite(samples).all():
            given = described(f"{int((~np.isfinite(samples)).sum())} missing or infinite value(s)")
            raise MissingValuesError("reference", given, "a stretch without gaps")
        samples = self._on_scale("reference", samples)
        n = checks.draws("n_simulations", n_simulations, least=1)
        watched = checks.whole("horizon", horizon, least=1, most=LONGEST)
        rate = read_rate(false_alarm_rate, n)
        calibration, engine = calibrated(
            self._config,
            samples,
            horizon=watched,
            false_alarm_rate=rate,
            n_simulations=n,
            seed=resolve_seed(seed),
            progress=progress,
        )
        self._calibration, self._engine, self._state = calibration, engine, None
        self._watched, self._timed = 0, False
        return calibration

    def calibrate_on(
        self, runs: Any, *, horizon: int | None = None, false_alarm_rate: float = 0.05
    ) -> MonitorCalibration:
        """Find the thresholds from recorded runs in which nothing changes.

        For records of which there are many, each watched from its start: healthy machines, or texts of a language
        model. Nothing is assumed of their noise but that the next run is like them: an alarm is then raised in at most
        the share of runs asked for (as in a conformal or permutation test, over the draw of all runs).

        The monitor then starts anew, without observations.

        Parameters
        ----------
        runs : sequence of array_like, or array_like of shape (runs, n)
            Records from their start, NaN where an observation is missing. With the rule "level" the first half of them
            gives the mean and standard deviation of each indicator, so that twice as many are needed: put them in an
            order that means nothing.
        horizon : int, optional
            How many observations of a run will be watched (default: the shortest run).
        false_alarm_rate : float, default 0.05
            Share of runs in which an alarm is raised, over all indicators together.

        Returns
        -------
        MonitorCalibration
            Thresholds and maxima, kept as ``calibration`` too.

        Raises
        ------
        ews.errors.SeriesTooShortError
            If no running statistic fits into the horizon.
        ews.errors.ArgumentError
            If there are too few runs for that rate, or another argument cannot be used.

        Examples
        --------
        >>> import ews
        >>> healthy = ews.models.ar1(n=60, coefficient=0.5, replicates=100, seed=1).values
        >>> monitor = ews.IndicatorMonitor(window=20, detrend=None, indicators="variance", history=5)
        >>> monitor.calibrate_on(healthy).sentence
        'a run like the 50 watched sets off an alarm within 60 samples in at most 0.05 of cases'
        """
        rows = read_runs(runs, horizon)
        rows = self._on_scale("runs", rows.ravel()).reshape(len(rows), -1)
        rate = read_rate(false_alarm_rate, rows.shape[0] - levels_from(self._config, rows.shape[0]), "runs")
        self._calibration = calibrated_on_runs(self._config, rows, false_alarm_rate=rate)
        self.reset()
        return self._calibration

    def reset(self) -> None:
        """Forget all observations, keep the calibration.

        A record that is watched from its start can alarm later than one that follows the reference, as its window and
        history must fill first; the rate of false alarms is then at most about the one asked for.

        Examples
        --------
        >>> import ews
        >>> monitor = ews.IndicatorMonitor(window=2, detrend=None, indicators="mean")
        >>> _ = monitor.update_many([1.0, 3.0])
        >>> monitor.reset()
        >>> monitor.update(5.0).index
        0
        """
        self._engine = Engine(self._config, 1)
        if self._calibration is not None:
            levels = (self._calibration.centre, self._calibration.spread)
            self._engine.start_level(
                *(np.array([[level[name]] for name in self._config.indicators]) for level in levels)
            )
        self._state, self._watched, self._timed = None, 0, False

    def to_dict(self) -> dict[str, Any]:
        """Everything that the monitor remembers, as plain numbers, strings and lists.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`; :meth:`from_dict` goes on from it bit for bit.

        Examples
        --------
        >>> import json, ews
        >>> monitor = ews.IndicatorMonitor(window=2, detrend=None, indicators="variance")
        >>> _ = monitor.update(1.0)
        >>> again = ews.IndicatorMonitor.from_dict(json.loads(json.dumps(monitor.to_dict())))
        >>> again.update(3.0).to_dict() == monitor.update(3.0).to_dict()
        True
        """
        calibration = None if self._calibration is None else self._calibration._written_fields()
        return {
            "monitor": _FORMAT,
            "config": {**asdict(self._config), "indicators": list(self._config.indicators)},
            "calibration": calibration,
            "engine": saving.saved_engine(self._engine),
            "state": None if self._state is None else self._state._written_fields(),
            "watched": self._watched,
            "timed": self._timed,
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any], *, transform: Transform = None) -> IndicatorMonitor:
        """Restore a monitor from what :meth:`to_dict` gave.

        Parameters
        ----------
        saved : dict
            What :meth:`to_dict` gave.
        transform : callable, optional
            The function that the monitor transforms by, if it was given one: it cannot be saved but by name.

        Returns
        -------
        IndicatorMonitor
            A monitor that goes on where the saved one stopped.

        Raises
        ------
        ews.errors.ArgumentError
            If something is missing, or is not what a monitor saves.

        Examples
        --------
        See :meth:`to_dict`.
        """
        given: Any = saved
        if not isinstance(given, dict) or given.get("monitor") != _FORMAT:
            raise parts.of_another_kind(given)
        kept = parts.parts(
            given, ("monitor", "config", "calibration", "engine", "state", "watched", "timed"), "a monitor"
        )
        if not isinstance(kept["config"], dict):
            raise parts.unusable("config", kept["config"])
        config = {"transform": None, **kept["config"]}  # version 0.1 had none
        config = parts.parts(config, MonitorConfig.__dataclass_fields__, "a configuration")
        monitor = cls(**{**config, "transform": parts.transform(config["transform"], transform)})
        if kept["calibration"] is not None:
            monitor._calibration = saving.loaded_calibration(kept["calibration"], monitor._config)
        saving.read_engine(monitor._engine, kept["engine"])
        if kept["state"] is not None:
            monitor._state = saving.loaded_state(kept["state"], monitor._config)
        monitor._watched = parts.count("watched", kept["watched"])
        if not isinstance(kept["timed"], bool):
            raise parts.unusable("timed", kept["timed"])
        monitor._timed = kept["timed"]
        return monitor

    def __repr__(self) -> str:
        seen = f"{self._engine.seen} observations"
        tied = "not calibrated" if self._calibration is None else "calibrated"
        return f"<IndicatorMonitor window={self._config.window} rule={self._config.rule!r}: {seen}, {tied}>"

    def _on_scale(self, argument: str, values: FloatArray) -> FloatArray:
        return values if self._transform is None else transformed(values, self._transform, argument=argument)[0]

    def _advance(self, value: float, moment: float | np.datetime64 | None) -> MonitorState:
        engine, config, calibration = self._engine, self._config, self._calibration
        step = engine.advance(np.array([value]))
        self._watched += 1
        names = config.indicators
        statistics = dict(zip(names, step.statistics[:, 0].tolist(), strict=True))
        if calibration is None:
            pvalues = dict.fromkeys(names, math.nan)
        else:
            reached = signed(names, step.statistics)[:, 0].tolist()
            pvalues = {name: calibration.pvalue(name, far) for name, far in zip(names, reached, strict=True)}
        rate = math.nan if calibration is None else calibration.false_alarm_rate
        alarms = tuple(name for name, p in pvalues.items() if p <= rate)
        missing = int(np.isnan(engine.residual[0, max(0, config.window - engine.seen) :]).sum())
        index = engine.seen - 1
        self._timed = moment is not None
        self._state = MonitorState(
            index=index,
            time=float(index) if moment is None else moment,
            value=value,
            trend=float(step.trend[0]),
            residual=float(step.residual[0]),
            indicators=dict(zip(names, step.indicators[:, 0].tolist(), strict=True)),
            statistics=statistics,
            pvalues=pvalues,
            alarms=alarms,
            missing=missing,
            reasons=self._reasons(alarms, statistics, pvalues, missing),
        )
        return self._state

    def _reasons(
        self, alarms: tuple[str, ...], statistics: dict[str, float], pvalues: dict[str, float], missing: int
    ) -> tuple[str, ...]:
        config, calibration = self._config, self._calibration
        if calibration is None:
            return ("not calibrated: no alarm can be raised",)
        found = []
        for name in alarms:
            label, value = registry.get(name).label, statistics[name]
            if config.rule == "trend":
                far = f"Kendall's τ {value:.3f} over its last {config.history} values"
            else:
                far = f"{value:.3g} standard deviations of the reference from its mean"
            found.append(
                f"{label}: {far}, as far as some indicator goes in {pvalues[name]:.2g} of horizons of "
                f"{calibration.horizon} samples without change"
            )
        first = self._engine.settled + (config.history - 1 if config.rule == "trend" else 0)
        if self._engine.seen < first:
            found.append(f"the first running statistic needs {first - self._engine.seen} more sample(s)")
        if missing:
            found.append(f"{missing} of the last {config.window} samples missing: no indicators")
        if self._watched > calibration.horizon:
            found.append(f"past the horizon of {calibration.horizon} samples: the rate of false alarms no longer holds")
        return tuple(found)

    def _read_times(self, time: Any, n: int) -> list[Any]:
        times = as_times(time, n)[0]
        last = self._state.time if self._state is not None and self._timed else None
        if last is not None and n and isinstance(last, np.datetime64) != isinstance(times[0], np.datetime64):
            raise InputTypeError("time", time, "times of the same kind as before")
        sequence = times if last is None else np.concatenate([np.array([last], times.dtype), times])
        if np.any(sequence[1:] <= sequence[:-1]):
            raise ValueRangeError("time", time, "times later than the one before")
        return list(times) if times.dtype.kind == "M" else times.tolist()

    def _check_clock(self, timed: bool) -> None:
        if self._state is not None and timed != self._timed:
            before = "had times" if self._timed else "had none"
            raise ArgumentError(
                "time", described("given" if timed else "not given"), f"as before: observations {before}"
            )
