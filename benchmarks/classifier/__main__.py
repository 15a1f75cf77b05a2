"""Train the classifier anew: simulate, fit, calibrate, write ``ews/bifurcations/classifier.npz`` and its tables.

``python -m benchmarks.classifier`` takes about fifteen minutes on two cores and needs torch (the extra ``train``).
Every seed is below; nothing is downloaded. Another processor or another version of torch may round differently.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import mannwhitneyu

from benchmarks.classifier import network
from benchmarks.classifier.collection import CLASSES, Collection, collect
from benchmarks.evidence import tables
from ews.bifurcations._classifier.features import FEATURES

HOME = Path(__file__).resolve().parents[2] / "ews" / "bifurcations" / "classifier.npz"
TRAINING = {"seed": 101, "rounds": 130, "each": 640}
CALIBRATION = {"seed": 202, "rounds": 40, "each": 400}
TEST = {"seed": 303, "rounds": 60, "each": 400}
LENGTHS = ((40, 100), (100, 300), (300, 1500))


def main() -> None:
    """Train, calibrate, save, and measure on series that neither step saw."""
    started = time.perf_counter()
    training = collect(**TRAINING)
    print(f"{training.labels.size} series after {time.perf_counter() - started:.0f} s", flush=True)
    arrays = network.train(training, seed=TRAINING["seed"])
    held_out = collect(**CALIBRATION)
    arrays["temperature"] = np.float64(network.temperature(network.logits(arrays, held_out), held_out.labels))
    np.savez_compressed(HOME, **arrays)
    print(f"temperature {float(arrays['temperature']):.3f}, {HOME.stat().st_size / 1e3:.0f} kB", flush=True)
    test = collect(**TEST)
    probabilities = softmax(network.logits(arrays, test) / float(arrays["temperature"]), axis=1)
    tables.write("classifier_auc", discrimination(test, probabilities))
    tables.write("classifier_confusion", confusion(test, probabilities))
    tables.write("classifier_calibration", calibration(test, probabilities))
    print(f"{time.perf_counter() - started:.0f} s")


def discrimination(test: Collection, probabilities: np.ndarray) -> pd.DataFrame:
    """AUC of each bifurcation against all nulls, by length, beside the trends that the field looks at."""
    warning = -np.log(np.maximum(probabilities[:, 0], 1e-300))
    variance = test.features[:, FEATURES.index("tau of variance, window 0.5")]
    memory = test.features[:, FEATURES.index("tau of ac1, window 0.5")]
    lines = []
    for label, name in enumerate(CLASSES[1:], start=1):
        for low, high in LENGTHS:
            there = (test.lengths >= low) & (test.lengths < high)
            positive, negative = there & (test.labels == label), there & (test.labels == 0)
            sign = -1.0 if name == "flip" else 1.0
            scores = {
                "any bifurcation": warning,
                "this bifurcation": np.log(probabilities[:, label] / probabilities[:, 0]),
                "τ variance": variance,
                "τ AC1 (flip: falling)": sign * memory,
            }
            areas = {key: auc(score[positive], score[negative]) for key, score in scores.items()}
            lines.append({"bifurcation": name, "n": f"{low}–{high}", "series": int(positive.sum()), **areas})
    return pd.DataFrame(lines).round(3)


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    return float(mannwhitneyu(positive, negative).statistic) / positive.size / negative.size


def confusion(test: Collection, probabilities: np.ndarray) -> pd.DataFrame:
    """Share of each true class (row) that is given each class (column)."""
    given = probabilities.argmax(axis=1)
    lines = [
        {"true": name, **{CLASSES[k]: np.mean(given[test.labels == label] == k) for k in range(len(CLASSES))}}
        for label, name in enumerate(CLASSES)
    ]
    return pd.DataFrame(lines).round(3)


def calibration(test: Collection, probabilities: np.ndarray) -> pd.DataFrame:
    """Stated probability of a bifurcation, in tenths, beside the share of series that approach one."""
    weights = (network.PRIOR * test.labels.size / np.bincount(test.labels, minlength=len(CLASSES)))[test.labels]
    stated, happened = 1.0 - probabilities[:, 0], (test.labels > 0).astype(float)
    place = np.minimum((stated * 10).astype(int), 9)
    lines = []
    for tenth in range(10):
        there = place == tenth
        lines.append(
            {
                "stated": f"{tenth / 10:.1f}–{(tenth + 1) / 10:.1f}",
                "series": int(there.sum()),
                "mean stated": np.average(stated[there], weights=weights[there]),
                "share that approach": np.average(happened[there], weights=weights[there]),
            }
        )
    return pd.DataFrame(lines).round(3)


if __name__ == "__main__":
    main()
