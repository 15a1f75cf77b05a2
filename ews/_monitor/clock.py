"""The times of a monitor's observations: as they were given, and how far they lie apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.plain import plain
from ews._common.times import read_times
from ews._monitor import saved_parts as parts
from ews.errors import ArgumentError, InputTypeError, ValueRangeError, described

__all__ = ["Clock"]

FloatArray = npt.NDArray[np.float64]

_SECOND = 1e9  # nanoseconds


class Clock:
    """The time of the newest observation, and whether observations have times at all."""

    def __init__(self) -> None:
        self.newest: Any = None
        self.timed: bool | None = None  # not known before the first observation
        self.zoned: bool | None = None  # whether dates have a time zone; not known before the first

    def read(self, time: Any, n: int) -> tuple[Any, FloatArray]:
        """The times of n observations (None where they have none), and each one's distance from the one before."""
        if n and self.timed is not None and self.timed != (time is not None):
            before = "had times" if self.timed else "had none"
            given = described("given" if time is not None else "not given")
            raise ArgumentError("time", given, f"as before: observations {before}")
        if time is None:
            return None, np.ones(n)
        given_as = read_times(time, n, encoded=False)
        times = given_as.values
        zoned = given_as.clock.aware if n and times.dtype.kind == "M" else self.zoned
        if self.zoned is not None and zoned != self.zoned:
            given = described(f"dates {'with' if zoned else 'without'} a time zone")
            raise InputTypeError("time", given, f"as before: {'with' if self.zoned else 'without'} one")
        if n and self.newest is not None:
            if isinstance(self.newest, np.datetime64) != (times.dtype.kind == "M"):
                raise InputTypeError("time", time, "times of the same kind as before")
            sequence = np.concatenate([np.array([self.newest], times.dtype), times])
        else:
            sequence = times[:1].repeat(1 if n else 0)
            sequence = np.concatenate([sequence, times])
        later = sequence[1:] > sequence[:-1]
        if self.newest is None and n:
            later[0] = True
        if not later.all():
            raise ValueRangeError("time", time, "times later than the one before")
        self.zoned = zoned
        if times.dtype.kind == "M":
            return times, np.diff(sequence).astype(np.int64) / _SECOND
        with np.errstate(over="ignore"):
            gaps = np.diff(sequence)
        if not np.isfinite(gaps).all():
            raise ValueRangeError("time", time, "times whose distances a float holds")
        return times, gaps

    def accept(self, times: Any, n: int) -> None:
        """Remember the newest of the times that were read."""
        if n:
            self.timed = times is not None
            self.newest = None if times is None else times[-1]

    @staticmethod
    def moment(times: Any, place: int, index: npt.NDArray[np.int64], *, before: float = 0.0) -> Any:
        """A time, or a stretch before it; by the index where there are no times."""
        if times is None:
            return float(index[place]) - before
        if times.dtype.kind == "M":
            return times[place] - np.timedelta64(round(before * _SECOND), "ns")
        return float(times[place]) - before

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers and strings."""
        return {"timed": self.timed, "newest": plain(self.newest), "zoned": self.zoned}

    @classmethod
    def from_dict(cls, saved: Any) -> Clock:
        """From what :meth:`to_dict` gave."""
        if isinstance(saved, dict):
            saved = {"zoned": None, **saved}  # of earlier versions: not known
        kept = parts.parts(saved, ("timed", "newest", "zoned"), "a clock")
        clock = cls()
        clock.zoned = None if kept["zoned"] is None else checks.flag("clock.zoned", kept["zoned"])
        clock.timed = None if kept["timed"] is None else checks.flag("clock.timed", kept["timed"])
        if clock.timed:
            clock.newest = parts.instant("clock.newest", kept["newest"])
            if isinstance(clock.newest, float) and not math.isfinite(clock.newest):
                raise parts.unusable("clock.newest", kept["newest"])
        elif kept["newest"] is not None:
            raise parts.unusable("clock.newest", kept["newest"])
        return clock
