"""Numbers that count days or seconds from an epoch: taken as plain numbers, and said so where they look like it."""

from __future__ import annotations

import numpy as np

from ews._common.times import Times

__all__ = ["serial_days"]

# How they are called, their epoch, their number in a day, and how pandas reads them; looked for in these years.
_FIRST, _LAST = np.datetime64("1980-01-01", "D"), np.datetime64("2040-01-01", "D")
_EPOCHS = (
    ("days of a spreadsheet", np.datetime64("1899-12-30", "D"), 1.0, 'time, unit="D", origin="1899-12-30"'),
    ("modified Julian days", np.datetime64("1858-11-17", "D"), 1.0, 'time, unit="D", origin="1858-11-17"'),
    ("days of MATLAB", np.datetime64("-0001-12-31", "D"), 1.0, 'time - 719529, unit="D"'),
    ("Julian days", np.datetime64("-4713-11-24", "D"), 1.0, 'time, unit="D", origin="julian"'),
    ("seconds since 1970", np.datetime64("1970-01-01", "D"), 86_400.0, 'time, unit="s"'),
    ("milliseconds since 1970", np.datetime64("1970-01-01", "D"), 86_400e3, 'time, unit="ms"'),
    ("nanoseconds since 1970", np.datetime64("1970-01-01", "D"), 86_400e9, 'time, unit="ns"'),
)


def serial_days(times: Times) -> str:
    """A note where plain numbers may count days or seconds from a usual epoch; else empty."""
    values = times.values
    if values.dtype.kind != "f" or times.form or times.calendar or values.size < 3:
        return ""
    low, high = float(values.min()), float(values.max())
    for name, epoch, per_day, way in _EPOCHS:
        span = [(edge - epoch).astype(np.int64) * per_day for edge in (_FIRST, _LAST)]
        if span[0] <= low < high <= span[1]:
            first, last = (epoch + np.timedelta64(int(one // per_day), "D") for one in (low, high))
            return (
                f"times are taken as plain numbers; as {name} they would run from {first} to {last}: if they are, give "
                f"dates, as pandas.to_datetime({way}) makes them"
            )
    return ""
