"""What the guide shows of the long tables: how often each claim held, and the times."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

__all__ = ["write_digests"]

_TIMES = {
    "Model": "model",
    "Rule": "rule",
    "Heads": "system",
    "Mean depth": "mean_depth",
    "Layers": "layers",
    "Theoretical speed-up": "theoretical_speed_up",
    "Batch of 1: speed-up": "speed_up_1",
    "realised share": "share_1",
    "Batch of 32: speed-up": "speed_up_32",
    "realised share ": "share_32",
}
_SCORES = {"accuracy": "accuracy, of CoLA MCC", "mcc": "accuracy, of CoLA MCC"}


def write_digests(folder: Path) -> None:
    """Write ``llm_encoders_verdicts.csv`` and ``llm_encoders_times.csv`` from the tables in a folder.

    Parameters
    ----------
    folder : Path
        Where ``llm_encoders.csv`` and ``llm_encoders_claims.csv`` are.
    """
    _write(folder / "llm_encoders_verdicts.csv", _verdicts(_read(folder / "llm_encoders_claims.csv")))
    _write(folder / "llm_encoders_times.csv", _times(_read(folder / "llm_encoders.csv")))


def _verdicts(claims: list[dict[str, str]]) -> list[dict[str, Any]]:
    """A row for each claim, measure and kind of encoder; a budget of a task of a model counts once."""
    found: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for row in claims:
        measure = _SCORES.get(row["measure"], row["measure"])
        at = found.setdefault((row["claim"], row["encoder"], measure), {})
        at.setdefault(row["holds"], []).append(f"{row['task']} ({row['model']})")
    return [
        {
            "Claim": claim,
            "Encoder": encoder,
            "Measure": measure,
            **{name.capitalize(): len(held.get(name, [])) for name in ("yes", "not shown", "no")},
            "Yes in": ", ".join(dict.fromkeys(held.get("yes", []))),
            "No in": ", ".join(dict.fromkeys(held.get("no", []))),
        }
        for (claim, encoder, measure), held in sorted(found.items())
    ]


def _times(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Rows that have times."""
    return [{title: row[name] for title, name in _TIMES.items()} for row in rows if row["share_1"]]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    if not rows:  # nothing was timed yet
        return
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
