"""Published series that need the folder named by ``EWS_DATA_DIR``: their sources publish them in R's own format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ews.datasets import readers
from ews.datasets.dataset import Label
from ews.datasets.entry import Entry
from ews.datasets.files import File

__all__ = ["ENTRIES"]

_TOOLBOX = "R package earlywarnings (github.com/earlywarningtoolbox/earlywarnings-R)"
_TIME_SCALES = "R package timeScales (github.com/rBatt/timeScales), sos_data; Batt et al. 2019, PLoS ONE 14, e0223366"
_BOETTIGER = (
    "R package earlywarning (github.com/cboettig/earlywarning); Boettiger & Hastings 2012, J. R. Soc. Interface 9"
)
_MARSS = "R package MARSS"

# SHA-256 of each file, by its place below the folder.
_DIGESTS = {
    "boettiger/csv/chemostat.csv": "5e790fd4b28d4bb082ce09bf4048687765e754df358dfef29ee9da0d0b676981",
    "boettiger/csv/ibm_critical.csv": "3df2010753c00e9a82491e5feefe2c44bd20669a6dddc081e569b3730084744a",
    "boettiger/csv/ibm_stable.csv": "50081a24769f6a263ba316ac05bf36e078a580011a22bce7b242b9e6b7cab8c4",
    "cascade_lakes/sos_daily.csv": "e8fdc29cba4f33a044ce4004c516f8b850e3cc5367cb17f15c7f8b90e72da382",
    "earlywarnings-R/csv/YD2PB_grayscale.csv": "76a3a26d6c823c004086e18aeef029c5d14f480b04bb670c68b60255332e111d",
    "earlywarnings-R/csv/circulation.csv": "ec9df18fd900949910501e0fc2b346a1711e874b044642643e55cac855937362",
    "earlywarnings-R/csv/foldbif.csv": "e91d975c9811496ee551034bb48da58722530a8a9d222628eb63ab634287905a",
    "gpdd/gpdd_len100.csv": "4dc5ced05c5dc7492d4626288f6e17b51eeb082bbcaf2db140053a43afed440a",
    "gpdd/gpdd_main.csv": "19c03c6b88950b84c59c7f8c558c691d0c691391ea45e727bc67218545cd7a79",
    "isle_royale/isleRoyal.csv": "31ca6464eb5d5737436d60cc0762ed256d7747cb6d143670e6935f9c2ed861b5",
    "lake_washington/lakeWAplanktonRaw.csv": "82457b8fa9dcbc4e66079919251959dfe0a8682ab5c5e613e855499149c2bac2",
}


def _entry(
    name: str,
    description: str,
    axes: tuple[str, str, str],
    terms: tuple[str, str],
    read: Callable[..., readers.Content],
    *paths: str,
) -> Entry:
    """A data set of the files at `paths`: name and unit of time, unit of the values; source and licence."""
    return Entry(name, description, "local", *axes, *terms, read, tuple(File(path, _DIGESTS[path]) for path in paths))


def _column(column: str, label: Label) -> Callable[..., readers.Content]:
    return partial(readers.two_columns, column=column, label=label)


ENTRIES = (
    _entry(
        "circulation",
        "Overturning circulation in a climate model, forced towards collapse; the record stops before it",
        ("time", "sample", "model units"),
        (f"{_TOOLBOX}, circulation", "BSD-2-Clause"),
        _column("circulation", "transition"),
        "earlywarnings-R/csv/circulation.csv",
    ),
    _entry(
        "daphnia",
        "Daphnia in a chemostat, in a worsening environment from day 154 on, until they died out",
        ("day", "day", "individuals"),
        (f"{_BOETTIGER}, chemostat; Drake & Griffen 2010, Nature 467", "CC0"),
        _column("Daphnia", "transition"),
        "boettiger/csv/chemostat.csv",
    ),
    _entry(
        "foldbif",
        "A simulated harvested resource, up to just before its fold",
        ("time", "sample", "model units"),
        (f"{_TOOLBOX}, foldbif; Dakos et al. 2012, PLoS ONE 7, e41010", "BSD-2-Clause"),
        _column("resource", "transition"),
        "earlywarnings-R/csv/foldbif.csv",
    ),
    _entry(
        "gpdd",
        "Forty annual populations with at least 100 counts, from the Global Population Dynamics Database",
        ("year", "year", "counts, as published"),
        ("R package rgpdd (github.com/ropensci/rgpdd); NERC Centre for Population Biology, Imperial College", "CC0"),
        readers.gpdd,
        "gpdd/gpdd_len100.csv",
        "gpdd/gpdd_main.csv",
    ),
    _entry(
        "ibm_critical",
        "An individual-based population that approaches a fold",
        ("time", "model time", "individuals"),
        (f"{_BOETTIGER}, ibms", "CC0"),
        _column("population", "transition"),
        "boettiger/csv/ibm_critical.csv",
    ),
    _entry(
        "ibm_stable",
        "The same individual-based population, approaching nothing",
        ("time", "model time", "individuals"),
        (f"{_BOETTIGER}, ibms", "CC0"),
        _column("population", "control"),
        "boettiger/csv/ibm_stable.csv",
    ),
    _entry(
        "isle_royale",
        "Wolves and moose of Isle Royale, 1959-2011",
        ("year", "year", "individuals"),
        (f"{_MARSS}, isleRoyal", "GPL-2"),
        readers.isle_royale,
        "isle_royale/isleRoyal.csv",
    ),
    _entry(
        "lake_washington",
        "Monthly plankton and chemistry of Lake Washington, 1962-1994, after sewage was diverted",
        ("year", "year", "as published"),
        (f"{_MARSS}, lakeWAplanktonRaw", "GPL-2"),
        readers.lake_washington,
        "lake_washington/lakeWAplanktonRaw.csv",
    ),
    _entry(
        "paul_lake_2015",
        "Daily chlorophyll and phycocyanin of Paul Lake in 2015: the untouched reference of Peter Lake",
        ("day of 2015", "day", "fluorescence, as published; degrees Celsius"),
        (_TIME_SCALES, "GPL-3"),
        partial(readers.cascade_lake, lake="Paul", year=2015),
        "cascade_lakes/sos_daily.csv",
    ),
    _entry(
        "peter_lake_2015",
        "Daily chlorophyll and phycocyanin of Peter Lake in 2015, fertilised until cyanobacteria bloomed",
        ("day of 2015", "day", "fluorescence, as published; degrees Celsius"),
        (_TIME_SCALES, "GPL-3"),
        partial(readers.cascade_lake, lake="Peter", year=2015),
        "cascade_lakes/sos_daily.csv",
    ),
    _entry(
        "younger_dryas",
        "Grey scale of Cariaco Basin sediment to the end of the Younger Dryas; ages in whole years",
        ("minus the age", "year", "grey scale"),
        (f"{_TOOLBOX}, YD2PB_grayscale; Dakos et al. 2008, PNAS 105", "BSD-2-Clause"),
        readers.younger_dryas,
        "earlywarnings-R/csv/YD2PB_grayscale.csv",
    ),
)
