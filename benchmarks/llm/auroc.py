"""How well head-free signals tell that the lens is right already: windows against the same signals without windows.

``python -m benchmarks.llm.auroc`` reads the recordings of :mod:`benchmarks.llm.record` and writes
``docs/generated/llm_auroc.csv``. Boosted trees are fitted to two thirds of the prompts and scored on the rest.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from adapters.windows import STATISTICS, last
from benchmarks.llm.record import Recording, recorded

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
WINDOW = 8
RESAMPLES = 200


def features(recording: Recording, depth: int) -> dict[str, np.ndarray]:
    """What each row of the table is told about a token after `depth` layers."""
    window = recording.signals[:, max(2, depth - WINDOW) : depth]  # tokens, layers, signals
    rows = torch.from_numpy(np.ascontiguousarray(window.transpose(0, 2, 1))).reshape(-1, window.shape[1])
    windowed = last(rows, statistics=STATISTICS[:4]).numpy().reshape(len(window), -1)
    raw = window[:, -1]
    two = window[:, -2:].reshape(len(window), -1)
    every = window.reshape(len(window), -1)
    at = recording.raw_depths.index(depth)
    confidence = recording.raw_confidence[:, [at]]
    return {
        "cosine of the last two states": raw[:, :1],
        "last values": raw,
        "last two values": two,
        "all values in the window (control)": every,
        "windowed statistics": windowed,
        "last values and windowed statistics": np.hstack((raw, windowed)),
        "confidence of the lens (needs the head)": confidence,
        "confidence and windowed statistics": np.hstack((confidence, windowed)),
    }


def score(name: str) -> list[dict[str, str]]:
    """The rows of one model."""
    recording = recorded(name)
    texts = np.unique(recording.raw_text)
    held_out = np.isin(recording.raw_text, np.random.default_rng(0).permutation(texts)[: len(texts) // 3])
    columns: dict[str, dict[str, str]] = {}
    for at, depth in enumerate(recording.raw_depths):
        label = recording.raw_correct[:, at]
        groups = recording.raw_text[held_out]
        scores = {}
        for kind, x in features(recording, depth).items():
            model = HistGradientBoostingClassifier(
                max_iter=150, learning_rate=0.05, max_leaf_nodes=8, l2_regularization=1.0, random_state=0
            )
            model.fit(x[~held_out], label[~held_out])
            scores[kind] = model.decision_function(x[held_out])
        control = "last two values"
        for kind, found in scores.items():
            area = roc_auc_score(label[held_out], found)
            low, high = interval(label[held_out], found, scores[control], groups)
            row = columns.setdefault(kind, {"Model": name, "Told": kind})
            row[f"Layer at {('2/3', '0.8', '0.9')[at]}"] = f"{area:.2f}"
            row[f"… minus last two values, at {('2/3', '0.8', '0.9')[at]}"] = (
                "" if kind == control else f"{low:+.2f} to {high:+.2f}"
            )
    share = ", ".join(
        f"{recording.raw_correct[:, at].mean():.2f} at {depth}" for at, depth in enumerate(recording.raw_depths)
    )
    print(f"{name}: {held_out.sum()} tokens of {len(np.unique(groups))} prompts scored; lens right {share}")
    return list(columns.values())


def interval(label: np.ndarray, found: np.ndarray, control: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """95 % interval of the difference of areas, over prompts drawn anew."""
    random = np.random.default_rng(1)
    names, place = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(place == index) for index in range(len(names))]
    differences = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([members[index] for index in random.integers(len(names), size=len(names))])
        if 0 < label[rows].sum() < len(rows):
            differences.append(roc_auc_score(label[rows], found[rows]) - roc_auc_score(label[rows], control[rows]))
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Write the table for the models named (default: SmolLM2 and Qwen)."""
    rows = [row for name in sys.argv[1:] or ("smollm2-135m", "qwen2.5-coder-0.5b") for row in score(name)]
    with (FOLDER / "llm_auroc.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print("  ".join(row.values()))


if __name__ == "__main__":
    main()
