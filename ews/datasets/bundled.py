"""Real series that come along: with statsmodels, or in the folder ``records`` with their licences."""

from __future__ import annotations

from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ews.datasets.dataset import Label
from ews.datasets.entry import Entry
from ews.datasets.readers import Content, month_time, two_columns

__all__ = ["ENTRIES"]

_PUBLIC_DOMAIN = "public domain"
_CHICK = "github.com/ThomasMBury/dl_discrete_bifurcation; Bury et al. 2023, Nature Communications 14, 6331"


def sunspots() -> Content:
    """Yearly numbers."""
    table = _statsmodels("sunspots")
    values, time = (table[name].to_numpy(dtype=np.float64) for name in ("SUNACTIVITY", "YEAR"))
    return Content(values, time, ("sunspots",))


def nile() -> Content:
    """Yearly discharge; Cobb (1978) places the change between 1898 and 1899."""
    table = _statsmodels("nile")
    values, time = (table[name].to_numpy(dtype=np.float64) for name in ("volume", "year"))
    return Content(values, time, ("discharge",), {"discharge": (1899.0,)}, labels={"discharge": "transition"})


def elnino() -> Content:
    """Monthly temperatures, unrolled from one row a year."""
    table = _statsmodels("elnino")
    years = table["YEAR"].to_numpy(dtype=np.float64)
    values = table.drop(columns="YEAR").to_numpy(dtype=np.float64)
    time = month_time(years[:, None], np.arange(1.0, 13.0)[None, :])
    return Content(values.ravel(), time.ravel(), ("sea surface temperature",))


def co2() -> Content:
    """Weekly concentrations; some weeks are missing."""
    table = _statsmodels("co2")
    time = table.index.to_numpy().astype("datetime64[ns]")
    return Content(table["co2"].to_numpy(dtype=np.float64), time, ("co2",))


def recorded(file: str, column: str, label: Label, *transitions: float) -> Content:
    """A record of two columns, time and value, from the folder beside this module."""
    with resources.as_file(resources.files("ews.datasets") / "records" / file) as path:
        content = two_columns(Path(path), column, label)
    return Content(content.values, content.time, (column,), {column: transitions}, labels={column: label})


def _statsmodels(name: str) -> Any:
    from importlib import import_module

    return import_module(f"statsmodels.datasets.{name}").load_pandas().data


def _heart(name: str, description: str, read: partial[Content]) -> Entry:
    return Entry(
        name=f"chick_heart_{name}",
        description=description,
        kind="bundled",
        time_name="beat",
        time_unit="beat",
        unit="s",
        source=_CHICK,
        licence="MIT",
        read=read,
    )


_INTERVAL = "interval between beats"

ENTRIES = (
    # The first that alternates, and the one that does not whose length is nearest to the other's approach.
    _heart(
        "flip",
        "Intervals between beats of an aggregate of chick heart cells that begins to alternate at beat 440 (pd 1)",
        partial(recorded, "chick_heart_flip.csv", _INTERVAL, "transition", 440.0),
    ),
    _heart(
        "steady",
        "Intervals between beats of an aggregate of chick heart cells that does not begin to alternate (neutral 2)",
        partial(recorded, "chick_heart_steady.csv", _INTERVAL, "control"),
    ),
    Entry(
        name="co2",
        description="Weekly atmospheric CO2 at Mauna Loa, 1958-2001: a trend and a season, with missing weeks",
        kind="bundled",
        time_name="date",
        time_unit="week",
        unit="ppm by volume",
        source="statsmodels; Keeling & Whorf 2004",
        licence=_PUBLIC_DOMAIN,
        read=co2,
    ),
    Entry(
        name="elnino",
        description="Monthly sea surface temperature of the eastern equatorial Pacific, 1950-2010",
        kind="bundled",
        time_name="year",
        time_unit="year",
        unit="degrees Celsius",
        source="statsmodels; NOAA, ERSST.V3B, region Nino 1+2",
        licence=_PUBLIC_DOMAIN,
        read=elnino,
    ),
    Entry(
        name="glaciation",
        description="Deuterium in the Vostok ice core before the end of glaciation III, detrended and interpolated",
        kind="bundled",
        time_name="time",
        time_unit="year",
        unit="deuterium, detrended",
        source="R package earlywarning (github.com/cboettig/earlywarning), glaciation; "
        "Dakos et al. 2008, PNAS 105, 14308-14312",
        licence="CC0",
        read=partial(recorded, "glaciation.csv", "deuterium", "transition"),
    ),
    Entry(
        name="nile",
        description="Yearly discharge of the Nile at Aswan, 1871-1970: a sudden drop after 1898",
        kind="bundled",
        time_name="year",
        time_unit="year",
        unit="10^8 cubic metres",
        source="statsmodels; Cobb 1978, Biometrika 65, 243-251",
        licence=_PUBLIC_DOMAIN,
        read=nile,
    ),
    Entry(
        name="sunspots",
        description="Yearly sunspot numbers, 1700-2008: a cycle, no transition",
        kind="bundled",
        time_name="year",
        time_unit="year",
        unit="sunspots",
        source="statsmodels; NOAA National Geophysical Data Center",
        licence=_PUBLIC_DOMAIN,
        read=sunspots,
    ),
)
