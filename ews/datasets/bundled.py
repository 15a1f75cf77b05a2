"""Real series that come with statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ews.datasets.entry import Entry
from ews.datasets.readers import Content, month_time

__all__ = ["ENTRIES"]

_PUBLIC_DOMAIN = "public domain"


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


def _statsmodels(name: str) -> Any:
    from importlib import import_module

    return import_module(f"statsmodels.datasets.{name}").load_pandas().data


ENTRIES = (
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
