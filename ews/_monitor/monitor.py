"""``ews.Monitor``: sequential score tests, one observation at a time."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.publish import public
from ews._common.transforms import Transform, name_of, transformed
from ews._kernels import sequential_step as step
from ews._monitor import saved_parts as parts
from ews._monitor import saving
from ews._monitor.clock import Clock
from ews._monitor.indicator_monitor import IndicatorMonitor
from ews._monitor.learning import learned
from ews._monitor.observations import along_time, as_rows, pair_of
from ews._monitor.update import MonitorAlarm, MonitorUpdate, SequentialConfig
from ews.errors import ArgumentError, described

__all__ = ["TESTS", "Monitor"]

FloatArray = npt.NDArray[np.float64]

TESTS = (
    "memory towards +1", "memory towards −1", "level up", "level down", "noise up", "noise down",
)  # fmt: skip
# How far the evidence overshoots its limit, on average: docs/generated/monitor_run_lengths.csv measures it.
_OVERSHOOT = 1.07
_SHORTEST, _LONGEST = 20, 1_000_000  # references
_AT_ONCE = 65_536  # values whose evidence is held whole
_FEW = 64  # values that are taken in one by one rather than compiled


def _former(options: dict[str, Any]) -> IndicatorMonitor:
    """The monitor of indicators, which was called Monitor."""
    warnings.warn(
        "ews.Monitor with these options is now ews.IndicatorMonitor, and will be refused in a later release",
        DeprecationWarning,
        stacklevel=3,
    )
    return IndicatorMonitor(**options)


def _without_self(method: Callable[..., None]) -> inspect.Signature:
    """The signature of a method as it is called."""
    signature = inspect.signature(method)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


@public("ews")
class Monitor:
    """Sequential score test of drifting memory (a Shiryaev–Roberts chart), one observation at a time.

    Each series is learned from its first observations; from then on every new one adds its score to the evidence that
    the series' memory, level or noise drifts. An alarm is raised where the evidence reaches a limit that undisturbed
    series reach once in `average_run_length` observations. Memory is bounded, missing values are left out, times may be
    irregular, and many series can be watched at once.

    Parameters
    ----------
    average_run_length : float, default 10000
        False alarms allowed: so many observations of a series lie between two of them on average, over all tests
        together. Of m series, one alarms m times as often.
    tests : sequence of str, default ("memory towards +1", "memory towards −1")
        What is watched for: these, "level up", "level down", "noise up" and "noise down". A rising memory is what a
        fold, a transcritical or a pitchfork bifurcation brings, a memory that falls towards −1 a flip.
    reference : int, default 200
        How many observations a series is learned from. Nothing is meant to change in them. What is learned goes on
        being refined later.
    smoothing : float or None, default 100
        Over how many observations the running mean forgets: a level that moves slowly is no memory. None for never,
        which is wanted where the level is what is tested.
    transform : {"log", "log1p", "sqrt", "anscombe"}, callable or None, default None
        Applied to each value first (see :func:`ews.detect`).
    **former
        Options of :class:`ews.IndicatorMonitor`, which this name made before: with one of them that monitor is made,
        and a DeprecationWarning given.

    Attributes
    ----------
    config : SequentialConfig
        Every choice behind the monitor.
    names : tuple of str
        Names of the series; none before the first observation.
    newest : float, datetime64 or None
        Time of the newest observation; None where there are no times.

    Raises
    ------
    ews.errors.ArgumentError
        For any choice that cannot be used.

    Notes
    -----
    Let :math:`r_t` be what the running mean leaves, φ the AR(1) coefficient learned so far and :math:`ρ = φ^{Δt}`, with
    times counted in the median step of the reference. The innovation
    :math:`u_t = (r_t − ρ r_{t−1}) / (σ \\sqrt{1 − ρ^2})`, cut at ±2 so that no outlier decides, has mean 0 given the
    past, and so has the score :math:`s_t = w_t r_{t−1} u_t` of a drift of φ, which is 0 behind an outlier of more than
    four standard deviations. The evidence

    .. math:: R_t = (1 + R_{t−1}) (1 + λ s_t),

    averaged over three stakes λ and over the tests, is then a martingale less the number of observations, whatever the
    distribution of the noise and whatever φ: it reaches A after A observations on average, or a little later, as it
    overshoots. That is why the limit needs neither a model of
    the noise nor simulation: measured run lengths are in :doc:`/api/monitor`. Since φ, mean and spread are learned from
    all that came before (recursive residuals), a short reference makes alarms late, hardly more frequent.

    A value that is missing (NaN, None or an infinity) adds nothing; the next is compared with the last that was there,
    over the longer gap. Where φ is negative and a gap no whole number of steps, the pair tells nothing of memory.

    References
    ----------
    Shiryaev, A. N. (1963). On optimum methods in quickest detection problems. Theory Probab. Appl. 8, 22–46. Pollak, M.
    (1985). Optimal detection of a change in distribution. Ann. Statist. 13, 206–227. Shin, J., Ramdas, A. & Rinaldo, A.
    (2024). E-detectors: a nonparametric framework for sequential change detection. N. Engl. J. Stat. Data Sci. 2.
    Brown, R. L., Durbin, J. & Evans, J. M. (1975). Techniques for testing the constancy of regression relationships
    over time. J. R. Stat. Soc. B 37, 149–192.

    Examples
    --------
    >>> import numpy as np
    >>> import ews
    >>> rng = np.random.default_rng(0)
    >>> lake = np.zeros(1200)
    >>> for t in range(1, 1200):  # its memory rises from 0.3, after observation 600
    ...     lake[t] = (0.3 + 0.6 * max(0, t - 600) / 600) * lake[t - 1] + rng.standard_normal()
    >>> monitor = ews.Monitor(average_run_length=5000)
    >>> found = monitor.update_many(lake)
    >>> found.alarms[0].test, 600 < found.alarms[0].index
    ('memory towards +1', True)
    """

    def __new__(cls, **options: Any) -> Any:
        """Make the monitor, or the former one where its options are given."""
        if IndicatorMonitor.has_options(options):
            return _former(options)
        return super().__new__(cls)

    def __init__(
        self,
        *,
        average_run_length: float = 10_000.0,
        tests: Any = TESTS[:2],
        reference: int = 200,
        smoothing: float | None = 100.0,
        transform: Transform = None,
        **former: Any,
    ) -> None:
        if former:
            raise ArgumentError("options", described(", ".join(former)), "those of ews.Monitor")
        asked = checks.names("tests", tests, TESTS)
        self._config = SequentialConfig(
            average_run_length=checks.number("average_run_length", average_run_length, least=20.0, most=1e12),
            tests=tuple(name for name in TESTS if name in asked),
            reference=checks.whole("reference", reference, least=_SHORTEST, most=_LONGEST),
            smoothing=None if smoothing is None else checks.number("smoothing", smoothing, least=10.0, most=1e12),
            transform=name_of(transform),
        )
        self._transform = transform
        self._limit = self._config.average_run_length / _OVERSHOOT
        self._places = [TESTS.index(name) for name in self._config.tests]
        self._shares = [(place in self._places) / len(self._places) for place in range(step.TESTS)]
        self._smoothing = math.inf if smoothing is None else float(smoothing)
        self._learning: list[tuple[list[float], list[float]] | None] = []  # values and gaps so far; None once learned
        self._constant: set[str] = set()  # series of which the reference just taken did not vary
        self.reset()

    # Else the options of `__new__` would be taken for those of the class.
    __signature__ = _without_self(__init__)

    @property
    def config(self) -> SequentialConfig:
        """Every choice."""
        return self._config

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the series."""
        return self._names

    @property
    def newest(self) -> float | np.datetime64 | None:
        """Time of the newest observation; None where there are no times."""
        found: float | np.datetime64 | None = self._clock.newest
        return found

    def reset(self) -> None:
        """Forget all observations, and what was learned.

        Examples
        --------
        >>> import ews
        >>> monitor = ews.Monitor()
        >>> _ = monitor.update(1.0)
        >>> monitor.reset()
        >>> monitor.names
        ()
        """
        self._names: tuple[str, ...] = ()
        self._state = np.zeros((0, step.SIZE))
        self._learning = []
        self._apart: list[float] = []  # of a series that is learned: time since its newest value
        self._seen = 0
        self._clock = Clock()

    def update(self, value: Any, time: Any = None) -> MonitorUpdate:
        """Take in one observation of each series.

        Parameters
        ----------
        value : float, array_like of shape (series,) or mapping of str to float
            The observation; NaN or None where it is missing.
        time : number or date, optional
            When it was made; later than the one before. Either all observations have times or none.

        Returns
        -------
        MonitorUpdate
            What the monitor makes of it; ``alarm`` and ``reasons`` are what is mostly wanted.

        Raises
        ------
        ews.errors.ArgumentError
            If there are other series than before, or the time is not later than the one before.

        Examples
        --------
        >>> import ews
        >>> monitor = ews.Monitor(reference=50)
        >>> monitor.update(1.0).reasons
        ('value: learned from 49 observations more',)
        """
        rows, names = as_rows(value, self._names, one=True)
        return self._take(rows, names, None if time is None else [time])

    def update_many(self, values: Any, time: Any = None) -> MonitorUpdate:
        """Take in many observations, as :meth:`update` would one by one.

        All are checked before the first is taken in. From some 64 values on this is compiled: less than 0.2 µs a value.

        Parameters
        ----------
        values : array_like of shape (n,) or (n, series), pandas.Series, pandas.DataFrame or xarray.DataArray
            The observations; NaN where one is missing. Columns of a frame name the series; dates that index it are the
            times, as is the coordinate of time of a DataArray.
        time : array_like of shape (n,), optional
            Times of the observations.

        Returns
        -------
        MonitorUpdate
            What the monitor makes of all of them.

        Raises
        ------
        ews.errors.ArgumentError
            As :meth:`update`.

        Examples
        --------
        >>> import numpy as np
        >>> import ews
        >>> monitor = ews.Monitor(reference=50)
        >>> found = monitor.update_many(np.random.default_rng(2).standard_normal((300, 2)))
        >>> found.names, found.alarm
        (('series 1', 'series 2'), False)
        """
        if hasattr(values, "dims") and hasattr(values, "coords"):
            values, carried = along_time(values)
            time = carried if time is None else time
        rows, names = as_rows(values, self._names, one=False)
        if time is None and hasattr(values, "index") and getattr(values.index, "dtype", np.dtype(int)).kind == "M":
            time = values.index
        return self._take(rows, names, time)

    async def watch(self, observations: AsyncIterable[Any]) -> AsyncIterator[MonitorUpdate]:
        """Take in observations as they arrive, and give what the monitor makes of each.

        Parameters
        ----------
        observations : async iterable
            Values as :meth:`update` takes them, or pairs (time, value).

        Yields
        ------
        MonitorUpdate
            One for each observation.

        Raises
        ------
        ews.errors.ArgumentError
            As :meth:`update`.

        Examples
        --------
        >>> import asyncio, ews
        >>> async def sensor():
        ...     for value in (1.0, 2.0, 1.5):
        ...         yield value
        >>> async def main():
        ...     return [len(found.alarms) async for found in ews.Monitor().watch(sensor())]
        >>> asyncio.run(main())
        [0, 0, 0]
        """
        async for observation in observations:
            time, value = pair_of(observation)
            yield self.update(value, time)

    def to_dict(self) -> dict[str, Any]:
        """Everything that the monitor remembers, as plain numbers, strings and lists.

        Returns
        -------
        dict
            Ready for :func:`json.dumps`; :meth:`from_dict` goes on from it bit for bit.

        Examples
        --------
        >>> import json, ews
        >>> monitor = ews.Monitor()
        >>> _ = monitor.update(1.0)
        >>> again = ews.Monitor.from_dict(json.loads(json.dumps(monitor.to_dict())))
        >>> again.update(3.0) == monitor.update(3.0)
        True
        """
        return saving.saved_monitor(
            self._config, self._names, self._state, self._learning, self._apart, self._seen, self._clock.to_dict()
        )

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], *, transform: Transform = None) -> Any:
        """Restore a monitor from what :meth:`to_dict` gave.

        Parameters
        ----------
        saved : mapping
            What :meth:`to_dict` gave; that of an :class:`ews.IndicatorMonitor` gives such a one.
        transform : callable, optional
            The function that the monitor transforms by, if it was given one: it cannot be saved but by name.

        Returns
        -------
        Monitor
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
        if isinstance(given, Mapping) and given.get("monitor") == saving.FORMER:
            return IndicatorMonitor.from_dict(dict(given), transform=transform)
        kept = saving.read_monitor(saved)
        monitor = cls(**{**kept.config, "transform": parts.transform(kept.config["transform"], transform)})
        monitor._names, monitor._state, monitor._learning = kept.names, kept.state, kept.learning
        monitor._apart, monitor._seen = kept.apart, kept.seen
        monitor._clock = Clock.from_dict(kept.clock)
        return monitor

    def __repr__(self) -> str:
        budget = f"{self._config.average_run_length:g}"
        return f"<Monitor of {len(self._names)} series, one false alarm in {budget} observations: {self._seen} seen>"

    # ---- one step -------------------------------------------------------------------------------------------------

    def _take(self, rows: FloatArray, names: tuple[str, ...], time: Any) -> MonitorUpdate:
        if self._transform is not None:
            rows = transformed(rows.ravel(), self._transform, argument="values")[0].reshape(rows.shape)
        rows = np.where(np.isfinite(rows), rows, np.nan)
        n = len(rows)
        moments, gaps = self._clock.read(time, n)
        if not self._names and n:
            self._names = names
            self._state = np.zeros((len(names), step.SIZE))
            self._learning = [([], []) for _ in names]
            self._apart = [0.0] * len(names)
        self._constant.clear()
        watched = range(len(self._names))  # none before the first observation
        begin = np.array([self._learn(one, rows[:, one], gaps) for one in watched], np.int64)
        coefficient = np.full(rows.shape, np.nan)
        evidence = {name: np.full(rows.shape, np.nan) for name in self._config.tests}
        index = np.arange(self._seen, self._seen + n)
        alarms: list[MonitorAlarm] = []
        for start in range(0, n, max(1, _AT_ONCE // max(1, len(names)))):
            stop = min(n, start + max(1, _AT_ONCE // len(names)))
            out = self._advance(rows[start:stop], gaps[start:stop], np.maximum(begin - start, 0))
            coefficient[start:stop] = out[:, :, 0]
            for name, place in zip(self._config.tests, self._places, strict=True):
                evidence[name][start:stop] = out[:, :, 1 + place]
            shares = out[:, :, 1 : 1 + step.TESTS][:, :, self._places]
            for t, one in np.argwhere(shares.sum(axis=2) >= self._limit).tolist():
                place = self._places[int(shares[t, one].argmax())]
                age = float(out[t, one, 1 + step.TESTS + place])
                alarms.append(
                    MonitorAlarm(
                        name=names[one],
                        test=TESTS[place],
                        index=int(index[start + t]),
                        time=self._clock.moment(moments, start + t, index),
                        since=self._clock.moment(moments, start + t, index, before=age),
                        evidence=float(shares[t, one].sum()),
                    )
                )
        self._seen += n
        self._clock.accept(moments, n)
        waiting = {
            name: self._config.reference - len(one[0])
            for name, one in zip(self._names, self._learning, strict=True)
            if one is not None
        }
        return MonitorUpdate(
            names=names,
            index=index,
            time=index.astype(np.float64) if moments is None else moments,
            values=rows,
            coefficient=coefficient,
            evidence=evidence,
            limit=self._limit,
            alarms=tuple(alarms),
            waiting=waiting,
            constant=tuple(name for name in names if name in self._constant and name in waiting),
        )

    def _advance(self, rows: FloatArray, gaps: FloatArray, begin: npt.NDArray[np.int64]) -> FloatArray:
        """Coefficient, evidence and ages, of shape (n, series, 1 + 2 TESTS); NaN before a series begins."""
        out = np.full((*rows.shape, 1 + 2 * step.TESTS), np.nan)
        if rows.size > _FEW:
            from ews._kernels.sequential import advance_rows

            advance_rows(self._state, rows, gaps, begin, self._smoothing, np.array(self._shares), self._limit, out)
            return out
        for one in range(rows.shape[1]):
            state, found = self._state[one].tolist(), [0.0] * out.shape[2]
            for t in range(int(begin[one]), len(rows)):
                step.advance(
                    state, float(rows[t, one]), float(gaps[t]), self._smoothing, self._shares, self._limit, found
                )
                out[t, one] = found
            self._state[one] = state
        return out

    def _learn(self, one: int, values: FloatArray, gaps: FloatArray) -> int:
        """Add to the reference of a series that is still learned; the row with which it is watched."""
        kept = self._learning[one]
        if kept is None:
            return 0
        for t in range(len(values)):
            self._apart[one] += float(gaps[t])
            if math.isnan(values[t]):
                continue
            kept[0].append(float(values[t]))
            kept[1].append(self._apart[one])
            self._apart[one] = 0.0
            if len(kept[0]) < self._config.reference:
                continue
            state = learned(np.array(kept[0]), np.array(kept[1]), self._smoothing)
            if state is not None:
                self._state[one], self._learning[one] = state, None
                return t + 1
            # A reference in which nothing varies says nothing: another is taken.
            self._constant.add(self._names[one])
            kept[0].clear()
            kept[1].clear()
        return len(values)
