"""What reading a file gives: series with their times, and a record of how the file was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ews._common.publish import public
from ews._tables.dates import parts_of_time
from ews.errors import DuplicatedTimesError, UnknownNameError, described

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Recognised", "Table", "ways_apart"]

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
_THOUSANDS = {",": "commas", ".": "points", "'": "apostrophes", "’": "apostrophes", " ": "spaces"}


def ways_apart(telling: Sequence[str], time: str | None) -> str:
    """What to do where rows share a time and these columns tell them apart."""
    if time is not None and (parts := parts_of_time((time, *telling))):
        return f"column{'s' * (len(telling) > 1)} {' and '.join(map(repr, telling))} may belong to it: time={parts!r}"
    many = len(telling) > 1
    names = " and ".join(map(repr, telling))
    by = tuple(telling) if many else telling[0]
    where = tuple(f"{name}=…" for name in telling) if many else f"{telling[0]}=…"
    verb = "tell" if many else "tells"
    return (
        f"column{'s' * many} {names} {verb} them apart: by={by!r} makes one series of each group, where={where!r} "
        "takes one"
    )


@public("ews")
@dataclass(frozen=True)
class Recognised:
    """How a file was read: what was found in it, and what was left out.

    Attributes
    ----------
    source : str
        Name of the file.
    encoding : str or None
        Of its text; None for a sheet, or where text was given.
    sheet : str or None
        Name of the sheet; None for text.
    separator : str or None
        What separates cells; None for a sheet or a single column.
    decimal : str or None
        Decimal sign of the values; None where all are whole.
    thousands : str or None
        What separates groups of thousands; None where nothing does.
    dates : str or None
        Notation of the times, in words; None without times.
    missing : mapping of str to int
        What stood in cells without a value, and in how many of those used.
    rows, rows_used : int
        Rows below the heading, and those that the series were taken from.
    left_out : tuple of str
        Lines and rows that were left out, and where.
    remarks : tuple of str
        What else had to be decided, or looks odd.
    """

    source: str
    encoding: str | None
    sheet: str | None
    separator: str | None
    decimal: str | None
    thousands: str | None
    dates: str | None
    missing: Mapping[str, int]
    rows: int
    rows_used: int
    left_out: tuple[str, ...]
    remarks: tuple[str, ...]

    def lines(self) -> tuple[str, ...]:
        """Sentences on how the file was read, as in the report's *Data* lines.

        Returns
        -------
        tuple of str
            One for the notation, and one for each thing that was left out or decided.
        """
        how = [f"sheet {self.sheet!r}"] if self.sheet is not None else []
        if self.encoding is not None:
            how.append(f"encoding {self.encoding}")
        if self.separator is not None:
            how.append(f"cells separated by {_SEPARATORS.get(self.separator, repr(self.separator))}")
        if self.decimal is not None:
            how.append(f"decimal {'point' if self.decimal == '.' else 'comma'}")
        if self.thousands is not None:
            how.append(f"thousands separated by {_THOUSANDS.get(self.thousands, repr(self.thousands))}")
        if self.dates is not None:
            how.append(f"times: {self.dates}")
        rows = "row" if self.rows == 1 else "rows"
        how.append(
            f"{self.rows} {rows}" if self.rows_used == self.rows else f"{self.rows_used} of {self.rows} {rows} used"
        )
        said = [f"read from {self.source}: {', '.join(how)}"]
        if self.missing:
            cells = ", ".join(
                f"{count} × {text if text == 'empty' else repr(text)}" for text, count in self.missing.items()
            )
            said.append(f"cells without a value: {cells}")
        return (*said, *(f"left out: {one}" for one in self.left_out), *self.remarks)


@public("ews")
@dataclass(frozen=True, eq=False, repr=False)
class Table(Mapping[str, "pd.Series[Any]"]):
    """Series read from a file, each with its times: :func:`ews.detect` takes it as it is.

    A mapping from names to series (pandas, indexed by time), in order.

    Attributes
    ----------
    series : dict of str to pandas.Series
        The values, NaN where missing; indexed by time, or by 0, 1, 2, … without times.
    recognised : Recognised
        How the file was read.
    time_name : str or None
        Name of the column of times, or of several joined.
    is_age : bool or None
        Whether the times are ages, whose negative is the index; None where nobody said so.
    rows : dict of str to ndarray of int
        The row of each value below the heading of the file, counted from 1.
    overlooked : str or None
        Where no times were asked for: a column that looks like them.
    telling : tuple of str
        Columns whose values tell apart the rows that share a time; empty where no time repeats.

    Examples
    --------
    >>> import io, ews
    >>> table = ews.read_table(io.StringIO("year;chl\\n1900;1,5\\n1901;2,5\\n"), time="year")
    >>> table.frame["chl"].tolist(), table.recognised.decimal
    ([1.5, 2.5], ',')
    """

    series: Mapping[str, pd.Series[Any]]
    recognised: Recognised
    time_name: str | None
    is_age: bool | None
    rows: Mapping[str, npt.NDArray[np.int64]]
    overlooked: str | None
    telling: tuple[str, ...]

    @property
    def frame(self) -> pd.DataFrame:
        """All series side by side.

        Returns
        -------
        pandas.DataFrame
            A column for each series, indexed by time; NaN where a series has no value at a time of another.

        Raises
        ------
        ews.errors.DuplicatedTimesError
            If the series have different times, some of which repeat.
        """
        import pandas as pd

        every = list(self.series.values())
        if all(one.index.equals(every[0].index) for one in every):
            return pd.DataFrame(dict(self.series))
        for name, one in self.series.items():
            if not one.index.is_unique:
                given = described(f"times that repeat in {name!r}, in a table of series with different times")
                raise DuplicatedTimesError("time", given, "each time once in each series")
        found: pd.DataFrame = pd.concat(every, axis=1, keys=list(self.series))
        return found.sort_index()

    @property
    def notes(self) -> tuple[str, ...]:
        """How the file was read, in sentences."""
        return self.recognised.lines()

    def __getitem__(self, name: str) -> pd.Series[Any]:
        if name not in self.series:
            raise UnknownNameError("name", name, self.series)
        return self.series[name]

    def __contains__(self, name: object) -> bool:
        return name in self.series

    def __iter__(self) -> Iterator[str]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    def __repr__(self) -> str:
        names = ", ".join(map(repr, list(self.series)[:4])) + (", …" if len(self.series) > 4 else "")
        return f"<Table of {len(self.series)} series ({names}) from {self.recognised.source}>"
