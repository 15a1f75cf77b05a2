"""Published series, fetched from where their very bytes are public."""

from __future__ import annotations

from ews.datasets import readers
from ews.datasets.entry import Entry
from ews.datasets.files import File

__all__ = ["ENTRIES"]

_RAW = "https://raw.githubusercontent.com"
_ZURICH = f"{_RAW}/lucaspdmedeiros/gpedm-regime-shifts/9879811d22c3b01de8c529ae8fef439d8e54ec41"
_CHICK = f"{_RAW}/ThomasMBury/dl_discrete_bifurcation/9c6b258a23e1b5e98a34da7e038c1c51cf3fe923"
_NGRIP = f"{_RAW}/JuliaDynamics/JuliaDynamics/4f4e5f614f3f5ffa01bb2eb825e8a266d9ca9267"

_BREAKS = "tables/breakpoints_lake_plankton_month_no_interpolate_no_log_abund.csv"
ENTRIES = (
    Entry(
        name="chick_heart",
        description="Intervals between beats of 46 aggregates of chick heart cells: 23 begin to alternate, 23 do not",
        kind="remote",
        time_name="beat",
        time_unit="beat",
        unit="s",
        source="github.com/ThomasMBury/dl_discrete_bifurcation; Bury et al. 2023, Nature Communications 14, 6331",
        licence="MIT",
        read=readers.chick_heart,
        files=(
            File(
                "chick_heart/df_chick.csv",
                "289ffe8c4e1431b2218c091ca1a7e12139059b72c159314bff05cbc56daf5716",
                f"{_CHICK}/data/df_chick.csv",
            ),
            File(
                "chick_heart/df_transitions.csv",
                "78d4adc04d0adb61f49a0548961500374af4d5c8b169ef7990f6f958c6c71d42",
                f"{_CHICK}/code/test_chick_heart/output/df_transitions.csv",
            ),
        ),
    ),
    Entry(
        name="lake_zurich",
        description="Monthly abundance of 13 plankton groups of Lake Zurich, 1977-2020, temperature and phosphorus",
        kind="remote",
        time_name="year",
        time_unit="year",
        unit="abundance, as published",
        source="github.com/lucaspdmedeiros/gpedm-regime-shifts; Merz et al. 2023, Nature Climate Change 13; "
        "transitions: the break points of Medeiros et al. 2025, PNAS",
        licence="MIT",
        read=readers.lake_zurich,
        files=(
            File(
                "lake_zurich/data/lake_plankton/lake_zurich.csv",
                "4cd5c6e16b575bb348f360fa3de2c1c6024dfe257f5f534ddf5da9645b423ff6",
                f"{_ZURICH}/data/lake_plankton/lake_zurich.csv",
            ),
            File(
                f"lake_zurich/{_BREAKS}",
                "200445273a78b489f2e52fbb0ac8b27f5b2ab8eaf9cd4416466e0a31f88eb1e4",
                f"{_ZURICH}/{_BREAKS}",
            ),
        ),
    ),
    Entry(
        name="ngrip",
        description="Oxygen isotopes of the NGRIP ice core, 59,900-25,000 years before 2000, every 5 years, with the "
        "onsets of the Dansgaard-Oeschger events",
        kind="remote",
        time_name="year relative to 2000",
        time_unit="year",
        unit="permil",
        source="github.com/JuliaDynamics/JuliaDynamics, from the Centre for Ice and Climate, Niels Bohr Institute; "
        "onsets: Rasmussen et al. 2014, Quaternary Science Reviews 106",
        licence="none stated by the repository",
        read=readers.ngrip,
        files=(
            File(
                "ngrip/NGRIP_processed.csv",
                "45c9895c90e359f78ef6070d0d5726fdc83c67067b23228c05499e74de1d430a",
                f"{_NGRIP}/timeseries/NGRIP_processed.csv",
            ),
        ),
    ),
)
