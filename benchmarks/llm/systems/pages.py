"""The part of the guide that shows these tables: its sentences about who is ahead are computed, not typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.llm.systems.contenders import CONTROLS
from benchmarks.llm.systems.tables import NOT_MEASURED

__all__ = ["left_out", "said_of", "section", "write_page"]

NAMES = {
    "stories15m": "stories15m, 6 layers",
    "smollm2-135m": "SmolLM2-135M-Instruct, 30 layers",
    "qwen2.5-coder-0.5b": "Qwen2.5-Coder-0.5B-Instruct, 24 layers",
    "tinyllama-1.1b": "TinyLlama-1.1B, 22 layers",
}
BEST = {
    "best other system": "other systems in agreement",
    "best other with the short head": "others that read through the same short-listed head",
}
_ORDER = ("better", "equal within the interval", "losing")


def _rank(word: str) -> int:
    return _ORDER.index(word) if word in _ORDER else len(_ORDER)


def said_of(verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on where the early-warning policy stands, from the table of verdicts.

    Parameters
    ----------
    verdicts : sequence of mapping
        Its rows.

    Returns
    -------
    list of str
        For the best others, for each control, and for its time.
    """
    sentences = []
    for kind, words in BEST.items():
        parts = []
        for row in verdicts:
            if row["EWS against the"] == kind:
                if row["System"] == NOT_MEASURED:
                    continue
                if row["System"] == "none fits":
                    parts.append(f"no other keeps within {row['Budget']}")
                    continue
                given = f" by {row['Difference']}" if row["Difference"] else ""
                parts.append(f"at {row['Budget']} it is {row['EWS is']}{given}, against {row['System']}")
        if parts:
            sentences.append(f"Against the best of the {words}: {'; '.join(parts)}.")
    for control, words in CONTROLS.items():
        found = [row["EWS is"] for row in verdicts if row["System"] == control and row["EWS is"] != "–"]
        if found:
            counts = [f"{word} at {found.count(word)}" for word in sorted(set(found), key=_rank)]
            sentences.append(f"Against the control {words} it is {', '.join(counts)} of {len(found)} budgets.")
    timed = {row["Budget"]: row["Time of EWS"] for row in verdicts if row["Time of EWS"] != NOT_MEASURED}
    if timed:
        said = ", ".join(f"{time} at {budget}" for budget, time in timed.items())
        sentences.append(f"Its time, of plain generate's, is {said}.")
    else:
        sentences.append("Times were not measured.")
    return sentences


def left_out(rows: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on what a table lacks, from its rows; nothing where it lacks nothing."""
    lacking: dict[str, list[str]] = {}
    for row in rows:
        if row["Setting"] == NOT_MEASURED:
            lacking.setdefault(row["System"], []).append(row["Budget"])
    budgets = {row["Budget"] for row in rows if row["Budget"] != "–"}
    named = [
        system if len(missing) == len(budgets) else f"{system} at {' and '.join(missing)}"
        for system, missing in lacking.items()
    ]
    return f"Not measured, for want of time: {', '.join(named)}." if named else ""


def section(name: str, folder: Path) -> str:
    """One model's part; nothing where it has no tables."""
    title = NAMES.get(name, name)
    if not (folder / f"llm_systems_{name}.csv").exists():
        return ""
    verdicts = pd.read_csv(folder / f"llm_systems_verdicts_{name}.csv", dtype=str, keep_default_na=False)
    rows = pd.read_csv(folder / f"llm_systems_{name}.csv", dtype=str, keep_default_na=False)
    parts = [
        title,
        '"' * len(title),
        "",
        " ".join(filter(None, (*said_of(verdicts.to_dict("records")), left_out(rows.to_dict("records"))))),
        "",
        f".. image:: ../generated/llm_systems_{name}.png",
        f"   :alt: Agreement and cost, depth by position, and realised against theoretical gain on {name}",
        "",
    ]
    tables = [("verdicts", "Where the early-warning policy stands"), ("", "Every system at every budget")]
    more = (("costs", "What the parts of a token cost, in layers"), ("tasks", "Tasks"))
    tables += [each for each in more if (folder / f"llm_systems_{each[0]}_{name}.csv").exists()]
    for kind, caption in tables:
        stem = f"llm_systems_{kind}_{name}" if kind else f"llm_systems_{name}"
        parts += [f".. csv-table:: {caption}", f"   :file: ../generated/{stem}.csv", "   :header-rows: 1", ""]
    return "\n".join(parts)


def write_page(models: Sequence[str], folder: Path) -> None:
    """The parts of all models that have tables, for the guide to include."""
    known = [section(name, folder) for name in models]
    (folder / "llm_systems.inc").write_text("\n".join(filter(None, known)), encoding="utf-8")
