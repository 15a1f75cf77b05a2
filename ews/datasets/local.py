"""Published series that need the folder named by ``EWS_DATA_DIR``: their sources publish them in R's own format."""

from __future__ import annotations

from functools import partial

from ews.datasets import readers
from ews.datasets.entry import Entry
from ews.datasets.files import File

__all__ = ["ENTRIES"]

_LAKES = File("cascade_lakes/sos_daily.csv", "e8fdc29cba4f33a044ce4004c516f8b850e3cc5367cb17f15c7f8b90e72da382")
_TOOLBOX = "R package earlywarnings (github.com/earlywarningtoolbox/earlywarnings-R)"
_TIME_SCALES = "R package timeScales (github.com/rBatt/timeScales), sos_data; Batt et al. 2019, PLoS ONE 14, e0223366"
_BOETTIGER = (
    "R package earlywarning (github.com/cboettig/earlywarning); Boettiger & Hastings 2012, J. R. Soc. Interface 9"
)
_MARSS = "R package MARSS"

ENTRIES = (
    Entry(
        name="circulation",
        description="Overturning circulation in a climate model, forced towards collapse; the record stops before it",
        kind="local",
        time_name="time",
        time_unit="sample",
        unit="model units",
        source=f"{_TOOLBOX}, circulation",
        licence="BSD-2-Clause",
        read=partial(readers.two_columns, column="circulation", label="transition"),
        files=(
            File(
                "earlywarnings-R/csv/circulation.csv",
                "ec9df18fd900949910501e0fc2b346a1711e874b044642643e55cac855937362",
            ),
        ),
    ),
    Entry(
        name="daphnia",
        description="Daphnia in a chemostat, in a worsening environment from day 154 on, until they died out",
        kind="local",
        time_name="day",
        time_unit="day",
        unit="individuals",
        source=f"{_BOETTIGER}, chemostat; Drake & Griffen 2010, Nature 467",
        licence="CC0",
        read=partial(readers.two_columns, column="Daphnia", label="transition"),
        files=(
            File("boettiger/csv/chemostat.csv", "5e790fd4b28d4bb082ce09bf4048687765e754df358dfef29ee9da0d0b676981"),
        ),
    ),
    Entry(
        name="foldbif",
        description="A simulated harvested resource, up to just before its fold",
        kind="local",
        time_name="time",
        time_unit="sample",
        unit="model units",
        source=f"{_TOOLBOX}, foldbif; Dakos et al. 2012, PLoS ONE 7, e41010",
        licence="BSD-2-Clause",
        read=partial(readers.two_columns, column="resource", label="transition"),
        files=(
            File("earlywarnings-R/csv/foldbif.csv", "e91d975c9811496ee551034bb48da58722530a8a9d222628eb63ab634287905a"),
        ),
    ),
    Entry(
        name="glaciation",
        description="Deuterium in the Vostok ice core before the end of glaciation III, detrended and interpolated",
        kind="local",
        time_name="time",
        time_unit="year",
        unit="deuterium, detrended",
        source=f"{_BOETTIGER}, glaciation; Dakos et al. 2008, PNAS 105",
        licence="CC0",
        read=partial(readers.two_columns, column="deuterium", label="transition"),
        files=(
            File("boettiger/csv/glaciation.csv", "daa77d7d95a87b27e5d3e8591a9359bae81d8d05786ed09fde29e0768e8fd8c7"),
        ),
    ),
    Entry(
        name="gpdd",
        description="Forty annual populations with at least 100 counts, from the Global Population Dynamics Database",
        kind="local",
        time_name="year",
        time_unit="year",
        unit="counts, as published",
        source="R package rgpdd (github.com/ropensci/rgpdd); NERC Centre for Population Biology, Imperial College",
        licence="CC0",
        read=readers.gpdd,
        files=(
            File("gpdd/gpdd_len100.csv", "4dc5ced05c5dc7492d4626288f6e17b51eeb082bbcaf2db140053a43afed440a"),
            File("gpdd/gpdd_main.csv", "19c03c6b88950b84c59c7f8c558c691d0c691391ea45e727bc67218545cd7a79"),
        ),
    ),
    Entry(
        name="ibm_critical",
        description="An individual-based population that approaches a fold",
        kind="local",
        time_name="time",
        time_unit="model time",
        unit="individuals",
        source=f"{_BOETTIGER}, ibms",
        licence="CC0",
        read=partial(readers.two_columns, column="population", label="transition"),
        files=(
            File("boettiger/csv/ibm_critical.csv", "3df2010753c00e9a82491e5feefe2c44bd20669a6dddc081e569b3730084744a"),
        ),
    ),
    Entry(
        name="ibm_stable",
        description="The same individual-based population, approaching nothing",
        kind="local",
        time_name="time",
        time_unit="model time",
        unit="individuals",
        source=f"{_BOETTIGER}, ibms",
        licence="CC0",
        read=partial(readers.two_columns, column="population", label="control"),
        files=(
            File("boettiger/csv/ibm_stable.csv", "50081a24769f6a263ba316ac05bf36e078a580011a22bce7b242b9e6b7cab8c4"),
        ),
    ),
    Entry(
        name="isle_royale",
        description="Wolves and moose of Isle Royale, 1959-2011",
        kind="local",
        time_name="year",
        time_unit="year",
        unit="individuals",
        source=f"{_MARSS}, isleRoyal",
        licence="GPL-2",
        read=readers.isle_royale,
        files=(File("isle_royale/isleRoyal.csv", "31ca6464eb5d5737436d60cc0762ed256d7747cb6d143670e6935f9c2ed861b5"),),
    ),
    Entry(
        name="lake_washington",
        description="Monthly plankton and chemistry of Lake Washington, 1962-1994, after sewage was diverted",
        kind="local",
        time_name="year",
        time_unit="year",
        unit="as published",
        source=f"{_MARSS}, lakeWAplanktonRaw",
        licence="GPL-2",
        read=readers.lake_washington,
        files=(
            File(
                "lake_washington/lakeWAplanktonRaw.csv",
                "82457b8fa9dcbc4e66079919251959dfe0a8682ab5c5e613e855499149c2bac2",
            ),
        ),
    ),
    Entry(
        name="paul_lake_2015",
        description="Daily chlorophyll and phycocyanin of Paul Lake in 2015: the untouched reference of Peter Lake",
        kind="local",
        time_name="day of 2015",
        time_unit="day",
        unit="fluorescence, as published; degrees Celsius",
        source=_TIME_SCALES,
        licence="GPL-3",
        read=partial(readers.cascade_lake, lake="Paul", year=2015),
        files=(_LAKES,),
    ),
    Entry(
        name="peter_lake_2015",
        description="Daily chlorophyll and phycocyanin of Peter Lake in 2015, fertilised until cyanobacteria bloomed",
        kind="local",
        time_name="day of 2015",
        time_unit="day",
        unit="fluorescence, as published; degrees Celsius",
        source=_TIME_SCALES,
        licence="GPL-3",
        read=partial(readers.cascade_lake, lake="Peter", year=2015),
        files=(_LAKES,),
    ),
    Entry(
        name="younger_dryas",
        description="Grey scale of Cariaco Basin sediment to the end of the Younger Dryas; ages in whole years",
        kind="local",
        time_name="minus the age",
        time_unit="year",
        unit="grey scale",
        source=f"{_TOOLBOX}, YD2PB_grayscale; Dakos et al. 2008, PNAS 105",
        licence="BSD-2-Clause",
        read=readers.younger_dryas,
        files=(
            File(
                "earlywarnings-R/csv/YD2PB_grayscale.csv",
                "76a3a26d6c823c004086e18aeef029c5d14f480b04bb670c68b60255332e111d",
            ),
        ),
    ),
)
