"""Where generated tables go: CSV files that the docs include."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"


def write(name: str, table: pd.DataFrame) -> None:
    """Write `table` as ``docs/generated/<name>.csv`` and print it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    table.to_csv(FOLDER / f"{name}.csv", index=False)
    print(f"\n{name}\n{table.to_string(index=False)}")
