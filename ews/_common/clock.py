"""Time zones: the one rule by which an `until` without a zone is compared with times that have one.

It is read on the clock that the times were written with. Where clocks are turned back, a reading that occurs twice
means the earlier: an `until` must not let in what came later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Clock"]


@dataclass(frozen=True, eq=False)
class Clock:
    """The clock that times were written with."""

    zone: Any = None  # a time zone that all share
    offsets: npt.NDArray[Any] | None = None  # offset from UTC written beside each time (timedelta64[ns])
    utc: npt.NDArray[Any] | None = None  # the same times in UTC

    @property
    def aware(self) -> bool:
        """Whether the times have a zone."""
        return self.zone is not None or self.offsets is not None

    def wall(self, utc: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What the clock showed at times in UTC."""
        if self.zone is not None:
            import pandas as pd

            index = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(self.zone)
            return index.tz_localize(None).to_numpy().astype("datetime64[ns]")
        if self.offsets is None or self.utc is None:
            return utc
        order = np.argsort(self.utc, kind="stable")
        at = np.clip(np.searchsorted(self.utc[order], utc, side="right") - 1, 0, order.size - 1)
        return np.asarray(utc + self.offsets[order][at])

    def to_utc(self, wall: Any) -> Any:
        """The instant at which the clock showed `wall`; the earlier of two."""
        if self.zone is not None:
            import pandas as pd

            local = pd.Timestamp(wall).tz_localize(self.zone, ambiguous=True, nonexistent="shift_backward")
            return local.tz_convert("UTC").tz_localize(None).to_datetime64().astype("datetime64[ns]")
        if self.offsets is None:
            return wall
        candidates = [wall - offset for offset in np.unique(self.offsets)]
        right = [one for one in candidates if self.wall(np.array([one]))[0] == wall]
        return min(right or candidates)
