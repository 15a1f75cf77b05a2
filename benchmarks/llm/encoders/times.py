"""Times of rules, interleaved with the plain model on the same batches."""

from __future__ import annotations

import time

import numpy as np
import torch

from adapters.encoders import EncoderPolicy, ExitHeads
from adapters.encoders.engine import run_batch
from benchmarks.llm.encoders.fitted import Fitted

__all__ = ["times_of"]


def times_of(made: Fitted, rule: EncoderPolicy, heads: ExitHeads) -> dict[str, float]:
    """Measured speed-up at batches of 1 and 32, and the realised share of the time that theory would save.

    The plain model and the rule take turns. On one thread its processor time is taken, which other work on the machine
    does not lengthen by waiting; else the time on the wall. Of each batch the medians of both are held against each
    other, since batches differ in length, and of these ratios the mean is taken, as of the depths.
    """
    found: dict[str, float] = {}
    rows, backbone = made.rows[2], made.backbone
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    for size, batches, turns in ((1, 48, 7), (32, 4, 5)):
        chosen = np.random.default_rng(0).permutation(len(rows))[: size * batches]
        inputs = [
            rows.collate([rows.rows[each] for each in chosen[start : start + size]])
            for start in range(0, len(chosen), size)
        ]
        times = np.zeros((2, turns, len(inputs)))
        depths = np.zeros(len(inputs))
        rule.bind(backbone.depth, heads.classes)
        rule.begin(size)
        for turn in range(turns):
            for place, each in enumerate(inputs):
                started = clock()
                with torch.inference_mode():
                    backbone.model(**each)
                between = clock()
                depths[place] = run_batch(backbone, each, policy=rule, heads=heads).depths.mean()
                times[:, turn, place] = between - started, clock() - between
        plain, early = np.median(times, axis=1)
        ratio, saved = float((early / plain).mean()), 1.0 - float(depths.mean()) / backbone.depth
        found[f"speed_up_{size}"] = 1.0 / ratio
        found[f"share_{size}"] = (1.0 - ratio) / saved if saved > 0 else float("nan")
    return found
