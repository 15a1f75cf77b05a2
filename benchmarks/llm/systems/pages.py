"""The part of the guide that shows these tables: its sentences about who is ahead are computed, not typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.llm.systems.contenders import CONTROL

__all__ = ["said_of", "section", "write_page"]

NAMES = {
    "stories15m": "stories15m, 6 layers",
    "smollm2-135m": "SmolLM2-135M-Instruct, 30 layers",
    "qwen2.5-coder-0.5b": "Qwen2.5-Coder-0.5B-Instruct, 24 layers",
    "tinyllama-1.1b": "TinyLlama-1.1B, 22 layers",
}
_ORDER = {"better": 0, "equal within the interval": 1, "losing": 2}


def said_of(verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on where the early-warning policy stands, from the table of verdicts.

    Parameters
    ----------
    verdicts : sequence of mapping
        Its rows.

    Returns
    -------
    list of str
        One for the best others, one for the control without windows.
    """
    parts = []
    for row in verdicts:
        if row["EWS against the"] == "best other system":
            given = f" ({row['Difference']})" if row["Difference"] else ""
            parts.append(f"at {row['Budget']} it is {row['EWS is']} against {row['System']}{given}")
    sentences = ["Against the best of the other systems in agreement: " + "; ".join(parts) + "."]
    control = [row["EWS is"] for row in verdicts if row["System"] == CONTROL]
    if control:
        counts = [
            f"{word} at {control.count(word)}" for word in sorted(set(control), key=lambda each: _ORDER.get(each, 3))
        ]
        sentences.append(f"Against the control without windows it is {', '.join(counts)} of {len(control)} budgets.")
    return sentences


def section(name: str, folder: Path) -> str:
    """One model's part; empty where it has no tables."""
    if not (folder / f"llm_systems_{name}.csv").exists():
        return ""
    title = NAMES.get(name, name)
    verdicts = pd.read_csv(folder / f"llm_systems_verdicts_{name}.csv", dtype=str, keep_default_na=False)
    parts = [
        title,
        '"' * len(title),
        "",
        " ".join(said_of(verdicts.to_dict("records"))),
        "",
        f".. image:: ../generated/llm_systems_{name}.png",
        f"   :alt: Agreement and cost, depth by position, and realised against theoretical gain on {name}",
        "",
    ]
    tables = [("verdicts", "Where the early-warning policy stands"), ("", "Every system at every budget")]
    if (folder / f"llm_systems_tasks_{name}.csv").exists():
        tables.append(("tasks", "Tasks"))
    for kind, caption in tables:
        stem = f"llm_systems_{kind}_{name}" if kind else f"llm_systems_{name}"
        parts += [f".. csv-table:: {caption}", f"   :file: ../generated/{stem}.csv", "   :header-rows: 1", ""]
    return "\n".join(parts)


def write_page(models: Sequence[str], folder: Path) -> None:
    """The parts of all models that have tables, for the guide to include."""
    known = [section(name, folder) for name in models]
    (folder / "llm_systems.inc").write_text("\n".join(filter(None, known)), encoding="utf-8")
