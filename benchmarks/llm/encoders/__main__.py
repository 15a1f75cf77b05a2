"""Write docs/generated/llm_encoders.csv and llm_encoders_claims.csv: ``python -m benchmarks.llm.encoders --help``."""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path
from typing import Any

import torch

from benchmarks.llm.encoders.claims import CLAIMS, claims_of
from benchmarks.llm.encoders.digest import write_digests
from benchmarks.llm.encoders.fitted import Case, Fitted, fitted_of
from benchmarks.llm.encoders.rules import Curve, curves_of
from benchmarks.llm.encoders.table import BUDGETS, COLUMNS, rows_of
from benchmarks.llm.encoders.tasks import TASKS, Sizes
from benchmarks.llm.encoders.times import times_of

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "generated"
TIMES = ("speed_up_1", "share_1", "speed_up_32", "share_32")
TIMED = 1  # the place of the budget at which times are taken
_CASE = ("model", "task", "encoder")


def merge(path: Path, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Write rows in the place of those of the same case."""
    done, kept = {tuple(row[name] for name in _CASE) for row in rows}, []
    if path.exists():
        with path.open(newline="") as stream:
            kept = [row for row in csv.DictReader(stream) if tuple(row.get(name) for name in _CASE) not in done]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in sorted(kept + rows, key=lambda each: tuple(str(each[name]) for name in _CASE)):
            writer.writerow({name: f"{each:.4g}" if isinstance(each, float) else each for name, each in row.items()})


def add_times(made: Fitted, curves: dict[str, tuple[str, Curve]], rows: list[dict[str, Any]], *, measure: bool) -> None:
    """Add times to rows of the middle budget: measured now, or those that the table has for the same setting."""
    path, kept = FOLDER / "llm_encoders.csv", {}
    if path.exists():
        with path.open(newline="") as stream:
            kept = {
                (*(row.get(name) for name in _CASE), row["rule"], row["budget"]): row for row in csv.DictReader(stream)
            }
    for row in rows:
        if row["budget"] != BUDGETS[TIMED]:
            continue
        old = kept.get((*(row[name] for name in _CASE), row["rule"], f"{row['budget']:.4g}"))
        if measure:
            _, curve = curves[row["rule"]]
            place = curve.at_budget(row["budget"] * row["layers"])
            assert place is not None  # the row is there
            row.update(times_of(made, curve.variants[place].policy, curve.variants[place].heads))
        elif old is not None and old["mean_depth"] == f"{row['mean_depth']:.4g}":
            row.update({name: old[name] for name in TIMES})


def main() -> None:
    """Go through models and tasks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["minilm-l6", "mpnet-base"])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--tuned", action="store_true", help="train encoders together with their heads")
    parser.add_argument("--times", action="store_true", help="measure times, too; wants a quiet machine")
    parser.add_argument("--train", type=int, default=Sizes.train)
    parser.add_argument("--tuning", type=int, default=Sizes.tuning)
    parser.add_argument("--test", type=int, default=Sizes.test)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    sizes = Sizes(options.train, options.tuning, options.test)
    for model_name in options.models:
        for task_name in options.tasks:
            encoder = "fine-tuned" if options.tuned else "frozen"
            print(f"{model_name} {task_name} {encoder}", flush=True)
            made = fitted_of(Case(model_name, task_name, encoder, sizes, options.seed))
            curves = curves_of(made)
            rows = rows_of(made, curves)
            add_times(made, curves, rows, measure=options.times)
            claims = claims_of(made, curves)
            merge(FOLDER / "llm_encoders.csv", COLUMNS, rows)
            merge(FOLDER / "llm_encoders_claims.csv", CLAIMS, claims)
            write_digests(FOLDER)
            for row in claims:
                print({name: each for name, each in row.items() if name not in _CASE}, flush=True)


if __name__ == "__main__":
    main()
