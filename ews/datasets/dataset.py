"""What loading a data set gives: series on one time axis, and what is known about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ews._common.publish import public
from ews.errors import SeriesTooShortError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Dataset", "Label"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
Label: TypeAlias = Literal["transition", "control", "unknown"]


@public("ews.datasets")
@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """One series, or several on one time axis, with what is known about them.

    Attributes
    ----------
    name : str
        The name that loads it.
    values : ndarray of shape (n,) or (n, columns)
        One series, or one in each column. Missing values are NaN.
    time : ndarray of shape (n,), float64 or datetime64[ns]
        Time of each row, ascending; ages are negative, so that time runs forward.
    columns : tuple of str
        Name of each series.
    time_name, time_unit, unit : str
        What the time axis is called, its unit, and the unit of the values.
    description, source, licence : str
        What it is, where it comes from, and on which terms.
    transitions : mapping of str to tuple
        For each column, the times of its known transitions that lie inside the record.
    labels : mapping of str to {"transition", "control", "unknown"}
        For each column, whether the record leads up to a known transition (inside it, or where it stops), is a control
        in which none is expected, or nothing is known.

    Examples
    --------
    >>> from ews import datasets
    >>> nile = datasets.load("nile")
    >>> nile.values.shape, nile.columns, nile.transition
    ((100,), ('discharge',), 1899.0)
    """

    name: str
    values: FloatArray
    time: npt.NDArray[Any]
    columns: tuple[str, ...]
    time_name: str
    time_unit: str
    unit: str
    description: str
    source: str
    licence: str
    transitions: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    labels: Mapping[str, Label] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "transitions", MappingProxyType(dict(self.transitions)))
        object.__setattr__(self, "labels", MappingProxyType(dict(self.labels)))

    @property
    def transition(self) -> Any | None:
        """The one known time of transition, or None where none is known, or more than one."""
        times = {time for column in self.columns for time in self.transitions.get(column, ())}
        return times.pop() if len(times) == 1 else None

    @property
    def label(self) -> Label:
        """The label of all series here that have one; "unknown" where none has, or they differ."""
        labels = {self.labels[column] for column in self.columns if column in self.labels}
        return labels.pop() if len(labels) == 1 else "unknown"

    def __getitem__(self, column: str) -> Dataset:
        """Take one column out as a series of its own, from its first to its last value.

        Parameters
        ----------
        column : str
            One of ``columns``.

        Returns
        -------
        Dataset
            Values of shape (n,).

        Raises
        ------
        ews.errors.UnknownNameError
            If there is no such column.
        """
        if column not in self.columns:
            raise UnknownNameError("column", column, self.columns)
        values = self.values if self.values.ndim == 1 else self.values[:, self.columns.index(column)]
        present = np.flatnonzero(np.isfinite(values))
        rows = slice(present[0], present[-1] + 1) if present.size else slice(0)
        return replace(
            self,
            values=values[rows].copy(),
            time=self.time[rows].copy(),
            columns=(column,),
            transitions={column: self.transitions.get(column, ())},
            labels={column: self.labels.get(column, "unknown")},
        )

    def series(self) -> dict[str, Dataset]:
        """Take every column out as a series of its own.

        Returns
        -------
        dict of str to Dataset
            By column, in order.
        """
        return {column: self[column] for column in self.columns}

    def between(self, start: Any, stop: Any) -> Dataset:
        """Keep the rows with start ≤ time ≤ stop, for example one segment before a transition.

        Parameters
        ----------
        start, stop : float or datetime64
            First and last time kept, in the units of ``time``.

        Returns
        -------
        Dataset
            The same, shorter; transitions outside are dropped.

        Raises
        ------
        ews.errors.SeriesTooShortError
            If nothing is left.
        """
        if self.time.dtype.kind == "M":
            start, stop = np.datetime64(start), np.datetime64(stop)
        rows = (self.time >= start) & (self.time <= stop)
        if not rows.any():
            raise SeriesTooShortError("start, stop", (start, stop), f"times from {self.time[0]} to {self.time[-1]}")
        kept = {
            column: tuple(time for time in times if start <= time <= stop) for column, times in self.transitions.items()
        }
        return replace(self, values=self.values[rows], time=self.time[rows], transitions=kept)

    def to_frame(self) -> pd.DataFrame:
        """Lay the data out as a table.

        Returns
        -------
        pandas.DataFrame
            One column for each series, indexed by time.
        """
        import pandas as pd

        values = self.values if self.values.ndim == 2 else self.values[:, None]
        return pd.DataFrame(values, index=pd.Index(self.time, name=self.time_name), columns=list(self.columns))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Give the values, so that numpy takes the data set for an array."""
        return np.array(self.values, dtype=dtype, copy=copy)

    def __repr__(self) -> str:
        what = self.columns[0] if len(self.columns) == 1 else f"{len(self.columns)} series"
        return f"<Dataset {self.name!r}: {what}, {self.time.size} times from {self.time[0]} to {self.time[-1]}>"
