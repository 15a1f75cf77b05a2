"""Times of rules, interleaved with the plain model on the same batches."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from adapters.encoders import EncoderPolicy, ExitHeads
from adapters.encoders.engine import run_batch
from benchmarks.llm.encoders.fitted import Fitted

__all__ = ["times_of"]


def times_of(made: Fitted, rule: EncoderPolicy, heads: ExitHeads) -> dict[str, float]:
    """Measured speed-up at batches of 1 and 32, and the realised share of the time that theory would save.

    Of each batch the ratio is taken, since batches differ in length, and of the ratios the mean of the middle half.
    """
    found: dict[str, float] = {}
    rows, backbone = made.rows[2], made.backbone
    for size, batches in ((1, 32), (32, 2)):
        chosen = np.random.default_rng(0).permutation(len(rows))[: size * batches]
        inputs = [
            rows.collate([rows.rows[each] for each in chosen[start : start + size]])
            for start in range(0, len(chosen), size)
        ]
        ratios: list[float] = []
        depths: list[float] = []
        rule.bind(backbone.depth, heads.classes)
        rule.begin(size)
        for _ in range(3):
            for each in inputs:
                started = time.perf_counter()
                with torch.no_grad():
                    backbone.model(**each)
                between = time.perf_counter()
                depths.append(float(run_batch(backbone, each, policy=rule, heads=heads).depths.mean()))
                ratios.append((time.perf_counter() - between) / (between - started))
        saved = 1.0 - statistics.mean(depths) / backbone.depth
        middle = statistics.mean(sorted(ratios)[len(ratios) // 4 : -(len(ratios) // 4)])
        found[f"speed_up_{size}"] = 1.0 / middle
        found[f"share_{size}"] = (1.0 - middle) / saved if saved > 0 else float("nan")
    return found
