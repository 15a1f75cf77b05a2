"""The table of trained systems: what is measured anew stands in the place of what was there, and nothing else moves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.llm import train_claims


def _claims(folder: Path) -> list[tuple[str, str]]:
    with (folder / "llm_training_claims.csv").open(newline="", encoding="utf-8") as file:
        return [(row["Claim"], row["Value"]) for row in csv.DictReader(file)]


def test_one_system_measured_anew_leaves_the_rows_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_claims, "FOLDER", tmp_path)
    text = np.array([0, 0, 1])
    first = train_claims.Table()
    for claim in ("LayerSkip", "Difficulty and early-warning statistics", "SkipDecode", "Duo-LLM"):
        first.add(claim, "some setting", "nats", np.ones(3), text)
    first.write()
    assert [claim.split()[0] for claim, _ in _claims(tmp_path)] == ["SkipDecode", "Difficulty", "Duo-LLM", "LayerSkip"]
    again = train_claims.Table()
    again.add("Duo-LLM", "some setting", "nats", np.full(3, 2.0), text)
    again.add("The oracle with one whole block beats all whole", "exact", "nats", np.full(3, 3.0), text)
    again.write()
    found = dict(_claims(tmp_path))
    assert found["Duo-LLM"] == "2.000"
    assert found["The oracle with one whole block beats all whole"] == "3.000"
    assert found["LayerSkip"] == found["SkipDecode"] == found["Difficulty and early-warning statistics"] == "1.000"
    assert len(_claims(tmp_path)) == 5


def test_every_claim_belongs_to_a_system() -> None:
    path = train_claims.FOLDER / "llm_training_claims.csv"
    with path.open(newline="", encoding="utf-8") as file:
        assert [train_claims._order(row) for row in csv.DictReader(file)]
