"""Whether the calibrated risk holds on text that was not used for it, over many splits of one recording.

``python -m benchmarks.llm.risk`` reads a recording and writes ``docs/generated/llm_risk.csv``.
In each split the prompts are dealt out anew: rules are chosen on some, tested on others, and judged on the rest.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from adapters.calibration.costs import Costs
from adapters.calibration.risk import learn_then_test
from adapters.calibration.rules import choose_rules, losses_of
from adapters.families import family_of
from benchmarks.llm.models import load
from benchmarks.llm.record import recorded, short_head

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
SPLITS = 60
RULE_TEXTS, CALIBRATION_TEXTS = 40, 130
CONFIDENCE = 0.95

Target = Literal["agreement", "sequence"]
CASES: tuple[tuple[Target, float], ...] = (
    ("agreement", 0.03),
    ("agreement", 0.05),
    ("agreement", 0.1),
    ("sequence", 0.3),
)

EXCEEDED = "Splits that exceed it by more than 1.645 standard errors of their sample"


def measure(name: str, target: Target, risk: float) -> dict[str, str]:
    """One row: a risk, over all splits."""
    recording = recorded(name)
    family = family_of(load(name)[0])
    head = short_head(family, recording)
    costs = Costs.of(family, rank=head.screen.rank, candidates=head.candidates)
    texts = np.unique(recording.evidence.text)
    longest = max(each.decided for each in recording.written)
    exceeded, unmet, spent, found, tokens = 0, 0, [], [], []
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(texts)
        first, second = RULE_TEXTS, RULE_TEXTS + CALIBRATION_TEXTS
        rules = choose_rules(recording.evidence.of_texts(order[:first]), costs, family.depth)
        calibrating = recording.evidence.of_texts(order[first:second])
        losses, sizes = losses_of(rules, calibrating, order[first:second])
        control = learn_then_test(
            losses, sizes, risk=risk, confidence=CONFIDENCE, target=target, max_size=longest, seed=seed
        )
        judged = recording.evidence.of_texts(order[second:])
        tokens.append(len(judged.text))
        if control.index is None:
            unmet += 1
            spent.append(1.0)
            continue
        rule = rules[control.index]
        wrong, lengths = losses_of([rule], judged, order[second:])
        share = wrong[0].sum() / lengths.sum() if target == "agreement" else (wrong[0] > 0).mean()
        # The error that the share of a test text of this size would have if tokens were independent; they are not, so
        # that this is less than a split may be off by chance.
        binomial = np.sqrt(risk * (1 - risk) / (lengths.sum() if target == "agreement" else len(lengths)))
        found.append(share)
        exceeded += share > risk + 1.645 * binomial
        spent.append(rule.cost(judged, costs, family.depth).mean() / costs.full_model(family.depth))
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / SPLITS)
    return {
        "Model": name,
        "Risk is a share of": "tokens" if target == "agreement" else "continuations",
        "Stated risk": f"{risk:g}",
        "Splits": str(SPLITS),
        "Test tokens in each": f"{min(tokens):,} or more",
        EXCEEDED: f"{exceeded / SPLITS:.3f} (allowed {allowed:.3f})",
        "Mean disagreement": f"{np.mean(found):.4f}" if found else "–",
        "Largest": f"{np.max(found):.4f}" if found else "–",
        "Splits without a rule": str(unmet),
        "Mean cost, of the whole model's": f"{np.mean(spent):.3f}",
        "Largest cost": f"{np.max(spent):.3f}",
    }


def main() -> int:
    """Write the table, and say whether the promise holds."""
    torch.set_grad_enabled(False)
    name = sys.argv[1] if len(sys.argv) > 1 else "smollm2-135m"
    rows = [measure(name, target, risk) for target, risk in CASES]
    with (FOLDER / "llm_risk.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print("  ".join(row.values()))
    kept = all(float(row[EXCEEDED].split()[0]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / SPLITS) for row in rows)
    print("the stated risk holds" if kept else "the stated risk does NOT hold")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
