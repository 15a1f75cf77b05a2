"""How long a calibration takes, and what it finds: ``python -m benchmarks.llm.calibration``.

Writes ``docs/generated/llm_calibration.csv``: the goal is ten minutes on two cores for SmolLM2-135M.
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from pathlib import Path

from adapters import EWSExitPolicy
from adapters.errors import FullDepthWarning
from benchmarks.llm.models import load
from benchmarks.llm.prompts import prompts, tokenised

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
TEXTS = {"layer": 240, "ffn": 140, "both": 140}


def main() -> None:
    """Calibrate each unit once."""
    warnings.simplefilter("ignore", FullDepthWarning)
    rows = []
    model, tokenizer = load("smollm2-135m", dtype="bfloat16")
    for unit in sys.argv[1:] or TEXTS:
        texts = tokenised(prompts(TEXTS[unit], seed=1), tokenizer)
        started = time.perf_counter()
        policy = EWSExitPolicy.calibrate(model, None, texts, risk=0.05, unit=unit, max_new_tokens=48, progress=False)
        seconds = time.perf_counter() - started
        found = policy.calibration
        assert found is not None
        rule = found.rule
        rows.append(
            {
                "Model": "SmolLM2-135M, bfloat16",
                "Unit": unit,
                "Texts": str(len(texts)),
                "Tokens": f"{found.config.tokens:,}",
                "Minutes": f"{seconds / 60:.1f}",
                "Looks after layers": "none"
                if rule is None
                else ", ".join(str(each.depth) for each in rule.exits) or "none",
                "Gates of them": "" if rule is None else str(sum(each.classifier is not None for each in rule.exits)),
                "Feed-forward groups": "" if rule is None else str(len(rule.skips)),
                "Expected cost, of the whole model's": f"{found.expected:.3f}",
            }
        )
        print("  ".join(rows[-1].values()), flush=True)
    with (FOLDER / "llm_calibration.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
