"""How each data set's files become series: one function for each layout."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ews.datasets.dataset import Label

__all__ = [
    "Content",
    "cascade_lake",
    "chick_heart",
    "gpdd",
    "isle_royale",
    "lake_washington",
    "lake_zurich",
    "ngrip",
    "two_columns",
    "younger_dryas",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Content:
    """What a reader finds: see :class:`ews.datasets.Dataset` for the fields."""

    values: FloatArray
    time: npt.NDArray[Any]
    columns: tuple[str, ...]
    transitions: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    labels: Mapping[str, Label] = field(default_factory=dict)


def month_time(year: Any, month: Any) -> Any:
    """The middle of a month in years, so that months are evenly spaced."""
    return year + (month - 0.5) / 12.0


def two_columns(path: Path, column: str, label: Label) -> Content:
    """Read a table of time and value."""
    table = _table(path)
    time, values = (table.iloc[:, i].to_numpy(dtype=np.float64) for i in (0, 1))
    return Content(values, time, (column,), labels={column: label})


def younger_dryas(path: Path) -> Content:
    """Read grey scale against age; ages count backwards, and time is minus the age."""
    content = two_columns(path, "grey scale", "transition")
    return Content(content.values, -content.time, content.columns, labels=content.labels)


# Columns of the published file.
_LAKE = {"Chl_HYLB": "chlorophyll", "BGA_HYLB": "phycocyanin", "Temp_HYLB": "temperature"}


def cascade_lake(path: Path, lake: str, year: int) -> Content:
    """Read one lake and season of daily means.

    The bloom of Peter Lake has no published day in this file. It is taken to begin on the first day from which on the
    lake's phycocyanin stays above the highest value of the season in the reference, Paul Lake: a rule without a
    threshold to choose, and early, so that what precedes it holds little of the bloom.
    """
    table = _table(path)
    season = table[table["Year"] == year]
    here = season[season["Lake"] == lake].sort_values("DoY")
    time = here["DoY"].to_numpy(dtype=np.float64)
    columns = tuple(_LAKE.values())
    values = here[list(_LAKE)].to_numpy(dtype=np.float64)
    measured = columns[:2]
    if lake == "Paul":
        return Content(values, time, columns, labels=dict.fromkeys(measured, "control"))
    highest = season.loc[season["Lake"] == "Paul", "BGA_HYLB"].max()
    below = np.flatnonzero(values[:, 1] <= highest)
    bloom = float(time[below[-1] + 1])
    return Content(
        values, time, columns, dict.fromkeys(measured, (bloom,)), labels=dict.fromkeys(measured, "transition")
    )


# Names of the groups as in the table of break points; 1 is the small form of a group, 2 the large one.
_GROUPS = {
    "Cy": "Cyanobacteria",
    "Gr1": "Green algae (small)",
    "Gr2": "Green algae (large)",
    "Di1": "Diatoms (small)",
    "Di2": "Diatoms (large)",
    "Go1": "Gold algae (small)",
    "Go2": "Gold algae (large)",
    "Cr1": "Cryptophytes (small)",
    "Cr2": "Cryptophytes (large)",
    "Mi": "Mixotrophic flagellates",
    "He": "Large herbivores",
    "Om": "Omnivores",
    "Pr": "Invertebrate predators",
}


def lake_zurich(plankton: Path, breaks: Path) -> Content:
    """Read the monthly groups, and the month in which each changed."""
    table = _table(plankton)
    names = _GROUPS | {"temperature": "temperature", "phosphorus": "phosphorus"}
    months = {abbreviation: number for number, abbreviation in enumerate(calendar.month_abbr)}
    transitions = {}
    for _, row in _table(breaks).iterrows():
        month, year = str(row["TP month"]).split("-")
        century = 1900 if int(year) >= 70 else 2000
        transitions[str(row["functional group"])] = (month_time(century + int(year), months[month]),)
    return Content(
        table[list(names)].to_numpy(dtype=np.float64),
        month_time(table["year"].to_numpy(dtype=np.float64), table["month"].to_numpy(dtype=np.float64)),
        tuple(names.values()),
        transitions,
        labels=dict.fromkeys(transitions, "transition"),
    )


# Onsets of the Dansgaard-Oeschger events, years before AD 2000 (Rasmussen et al. 2014).
_DANSGAARD_OESCHGER = (
    59440, 58280, 55800, 54220, 49280, 46860, 43340, 41460, 40160, 38220, 35480, 33740, 32500, 28900, 27780, 23340,
    14692, 11703,
)  # fmt: skip


def ngrip(path: Path) -> Content:
    """Read time in years relative to AD 2000, and a low-pass and a high-pass part whose sum is the record."""
    time, low, high, _ = np.loadtxt(path).T
    column = "d18O"
    inside = tuple(-float(age) for age in _DANSGAARD_OESCHGER if time[0] <= -age <= time[-1])
    return Content(low + high, time, (column,), {column: inside}, labels={column: "transition"})


def chick_heart(beats: Path, transitions: Path) -> Content:
    """Read the intervals between beats of each record; records end at different beats, with NaN after."""
    table = _table(beats)
    onset = dict(zip(*(_table(transitions)[name].tolist() for name in ("tsid", "transition")), strict=True))
    kinds: dict[str, Label] = {"pd": "transition", "neutral": "control"}
    wide = table.pivot_table(index="Beat number", columns=["type", "tsid"], values="IBI (s)", aggfunc="first")
    wide = wide[sorted(wide.columns, key=lambda key: (key[0] != "pd", key[1]))]
    keys = [(str(kind), int(record)) for kind, record in wide.columns]
    columns = tuple(f"{kind} {record}" for kind, record in keys)
    return Content(
        wide.to_numpy(dtype=np.float64),
        wide.index.to_numpy(dtype=np.float64),
        columns,
        {f"pd {record}": (float(beat),) for record, beat in onset.items()},
        labels={column: kinds[kind] for column, (kind, _) in zip(columns, keys, strict=True)},
    )


def isle_royale(path: Path) -> Content:
    """Read the two populations, year by year."""
    table = _table(path)
    return Content(
        table[["Wolf", "Moose"]].to_numpy(dtype=np.float64), table["Year"].to_numpy(dtype=np.float64), ("wolf", "moose")
    )


def lake_washington(path: Path) -> Content:
    """Read the monthly variables; *Daphnia* came to dominate the zooplankton in 1976."""
    table = _table(path)
    names = list(table.columns[2:])
    return Content(
        table[names].to_numpy(dtype=np.float64),
        month_time(table["Year"].to_numpy(dtype=np.float64), table["Month"].to_numpy(dtype=np.float64)),
        tuple(name.replace(".", " ") for name in names),
        {"Daphnia": (month_time(1976.0, 1.0),)},
        labels={"Daphnia": "transition"},
    )


def gpdd(series: Path, records: Path) -> Content:
    """Read the annual records, one column each, on the calendar years that any of them covers."""
    described = _table(records, dtype={"SamplingFrequency": "string"}, usecols=["MainID", "SamplingFrequency"])
    annual = described.loc[described["SamplingFrequency"] == "1", "MainID"]
    table = _table(series)
    table = table[table["MainID"].isin(annual)]
    wide = table.pivot_table(index="DecimalYearBegin", columns="MainID", values="Population", aggfunc="first")
    wide = wide.reindex(np.arange(wide.index[0], wide.index[-1] + 1.0))
    names = table.drop_duplicates("MainID").set_index("MainID")["CommonName"]
    return Content(
        wide.to_numpy(dtype=np.float64),
        wide.index.to_numpy(dtype=np.float64),
        tuple(f"{record} {names[record]}" for record in wide.columns),
    )


def _table(path: Path, *, dtype: Mapping[str, str] | None = None, usecols: list[str] | None = None) -> Any:
    import pandas as pd

    return pd.read_csv(path, encoding="utf-8-sig", dtype=dtype, usecols=usecols)
