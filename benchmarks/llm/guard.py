"""How often the guard alarms in healthy texts, and how early in loops and gibberish, beside three plainer rules.

``python -m benchmarks.llm.guard record MODEL PART ...`` generates texts and keeps what a guard sees of them, a part at
a time; ``python -m benchmarks.llm.guard`` makes ``docs/generated/llm_guard.csv`` of the parts that are there. Loops and
gibberish are as in :mod:`benchmarks.llm.collapse`. Nothing is alarmed in the making of the texts, so that all rules are
held against the same ones.

Parts are ``tuning-0`` and so on (healthy texts on which the guard's signals were chosen), ``fitting-0`` and so on
(others), ``healthy-0`` and so on (others again); ``skipped-0`` and so on, by the case in which layers are left out, and
``tried-0`` and so on (the same on other openings, to try statistics on). Thresholds are made of tuning and fitting
texts. False alarms are counted in healthy ones, and loops in skipped ones, of which nothing was made.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.stats import chi2

from adapters.guard.calibration import default_monitors
from adapters.guard.chart import ScoreChart
from adapters.guard.token_signals import Cycle, TokenSignals
from benchmarks.evidence import tables
from benchmarks.llm import collapse
from benchmarks.llm.models import load

FOLDER = Path.home() / ".cache" / "earlywarning" / "guard"
SEED = 20_261_129
ROWS = collapse.ROWS
TUNING = {"stories15m": 9, "smollm2-135m": 7}  # blocks of 40 openings that were drawn together
FITTING, JUDGING = ("tuning", "fitting"), ("healthy",)
BUDGET = 1.0  # alarms in 10,000 healthy tokens
FOLDS = 10
UNJUDGED = 32  # of the end of a healthy text it is not known whether a loop begins there

FloatArray = npt.NDArray[np.float64]


class Recorded(collapse.LeavesOut):
    """Leaves out what it is told to, and keeps the signals of each token."""

    def start(self, rows: int, input_ids: Any) -> None:
        """Forget what was kept."""
        super().start(rows, input_ids)
        self.kept: list[FloatArray] = []
        self._time = TokenSignals(("entropy", "margin", "repetition"), rows=rows)

    def taken(self, input_ids: Any) -> None:
        """Take in the tokens."""
        self._time.take(input_ids)

    def emitted(self, logits: Any) -> None:
        """Keep what is seen of the new token."""
        self.kept.append(self._time.measure(logits))


class Bench(collapse.Bench):
    """One model that generates parts."""

    def __init__(self, name: str) -> None:
        self.setting = collapse.MODELS[name]
        self.model, _ = load(name)
        self.options = self.setting.options or {"do_sample": False}

    def part(self, name: str, part: str) -> dict[str, Any]:
        """Texts of a part, and what is seen and thought of them."""
        kind, _, number = part.partition("-")
        place = int(number)
        policy: Recorded
        if kind == "tuning":
            collapse.SEED = 20_261_125
            drawn = self._openings(ROWS * TUNING[name])[place * ROWS : (place + 1) * ROWS]
            seed = collapse.SEED + 1000 + place
        else:
            collapse.SEED = SEED + 1000 * {"healthy": place, "fitting": 600 + place, "skipped": 500, "tried": 700}[kind]
            drawn, seed = self._openings(ROWS), collapse.SEED + 1
        if kind in ("skipped", "tried"):
            policy = Recorded(self.setting.start, **list(self.setting.cases.values())[place])
        else:
            policy = Recorded(10**9, depth=1)
        torch.manual_seed(seed)
        rows = torch.from_numpy(drawn)
        texts = self.model.generate(
            input_ids=rows,
            attention_mask=torch.ones_like(rows),
            max_new_tokens=self.setting.tokens,
            eos_token_id=None,
            pad_token_id=0,
            custom_generate=policy,
            **self.options,
        )
        loops, losses = self._judged(texts)
        return {"sig": np.stack(policy.kept, 1), "loops": loops, "losses": losses, "seqs": texts.numpy()}


@dataclass(frozen=True)
class Texts:
    """Signals of texts, of shape (texts, tokens), and from which new token on each loops or babbles (−1: never)."""

    signals: dict[str, FloatArray]
    loop: npt.NDArray[np.int64]
    babble: npt.NDArray[np.int64]

    def __getitem__(self, rows: Any) -> Texts:
        return Texts({name: one[rows] for name, one in self.signals.items()}, self.loop[rows], self.babble[rows])


def first(bad: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Place of the first True of each row; −1 where there is none."""
    return np.where(bad.any(1), bad.argmax(1), -1)


def read(model: str, kinds: Iterable[str], *, usual: float | None = None) -> tuple[Texts, float]:
    """All parts of some kinds, and the median perplexity at their ends; `usual` is that of healthy texts."""
    parts = [np.load(path) for kind in kinds for path in sorted(FOLDER.glob(f"{model}_{kind}-*.npz"))]
    if not parts:
        raise SystemExit(f"no part of {', '.join(kinds)} texts of {model}: record them first")
    sig, loops, losses, seqs = (np.concatenate([one[name] for one in parts]) for name in parts[0].files)
    length = sig.shape[1]
    cycles = np.zeros(sig.shape[:2])
    for row, text in enumerate(seqs[:, collapse.OPENING :].tolist()):
        cycle = Cycle()
        cycles[row] = [cycle.take(token) for token in text[:length]]
    sure = sig[..., 2] * np.maximum(-np.log(sig[..., 0] + 0.01), 0.0)
    signals = {"entropy": sig[..., 0], "repetition": sig[..., 2], "sure_repetition": sure, "cycle": cycles}
    perplexity = float(np.median(np.exp(losses[:, -1])))
    bound = np.log(collapse.GIBBERISH * (perplexity if usual is None else usual))
    return Texts(signals, first(loops > collapse.LOOP), first(losses > bound)), perplexity


def healthy_of(texts: Texts) -> Texts:
    """Texts that do not loop, without their ends."""
    kept = texts[texts.loop < 0]
    return Texts({name: one[:, :-UNJUDGED] for name, one in kept.signals.items()}, kept.loop, kept.babble)


# ---- rules: each a running statistic of shape (statistics, texts, tokens), and alarms where one is above its threshold


def over_last(values: FloatArray, window: int) -> FloatArray:
    """Sums over the last tokens."""
    total = np.cumsum(np.pad(values, ((0, 0), (window, 0))), axis=1)
    return np.asarray(total[:, window:] - total[:, :-window])


def guard(texts: Texts, healthy: Texts) -> FloatArray:
    """Evidence of the guard's own charts."""
    found = []
    for name, monitor in default_monitors().items():
        assert isinstance(monitor, ScoreChart)
        settled = monitor.calibrate_on(healthy.signals[name], false_alarm_rate=0.5)
        found.append(cusum((texts.signals[name] - settled.centre) / settled.spread - monitor.allowance))
    return np.stack(found)


def cusum(scores: FloatArray) -> FloatArray:
    """Page's sum of each row."""
    out, total = np.empty_like(scores), np.zeros(len(scores))
    for t in range(scores.shape[1]):
        total = np.maximum(0.0, total + scores[:, t])
        out[:, t] = total
    return out


def counter(texts: Texts, healthy: Texts) -> FloatArray:  # noqa: ARG001
    """4-grams among the last 32 tokens that the text had before."""
    return over_last(texts.signals["repetition"], 32)[None]


def entropy_threshold(texts: Texts, healthy: Texts) -> FloatArray:
    """Mean entropy of the last 16 tokens, above and below the usual."""
    mean = over_last(texts.signals["entropy"], 16) / 16 - healthy.signals["entropy"].mean()
    mean[:, :15] = 0.0
    return np.stack([mean, -mean])


def plain_cusum(texts: Texts, healthy: Texts) -> FloatArray:
    """CUSUM of the entropy, upwards and downwards, with an allowance of half a standard deviation."""
    usual = healthy.signals["entropy"]
    z = (texts.signals["entropy"] - usual.mean()) / usual.std()
    return np.stack([cusum(z - 0.5), cusum(-z - 0.5)])


Rule = Callable[[Texts, Texts], FloatArray]
RULES: dict[str, Rule] = {
    "adapters.Guarded": guard,
    "count of repeated 4-grams": counter,
    "mean entropy": entropy_threshold,
    "CUSUM of entropy": plain_cusum,
}


def thresholds(statistics: FloatArray, tokens: int) -> FloatArray:
    """What few healthy texts exceed: each statistic has its part of the budget."""
    largest = np.sort(statistics.max(axis=2), axis=1)
    share = BUDGET * tokens / 10_000 / len(largest)
    rank = int(share * (largest.shape[1] + 1))
    if rank < 1:
        raise SystemExit(f"{largest.shape[1]} fitting texts, of {1 / share:.0f} that the budget asks for: record more")
    return np.asarray(largest[:, -rank])


def alarmed(statistics: FloatArray, limits: FloatArray) -> npt.NDArray[np.int64]:
    """Token of the first alarm of each text; −1 where there is none."""
    return first(np.asarray((statistics > limits[:, None, None]).any(axis=0)))


def warned(alarm: npt.NDArray[np.int64], collapsed: npt.NDArray[np.int64]) -> tuple[int, float, float]:
    """How many collapsed, the share that was warned of, and the median lead over all of them."""
    fell = collapsed >= 0
    if not fell.any():
        return 0, np.nan, np.nan
    lead = np.where(alarm[fell] >= 0, collapsed[fell] - 1.0 - alarm[fell], -np.inf)
    median = float(np.median(lead))
    return int(fell.sum()), float((lead > 0).mean()), median if np.isfinite(median) else np.nan


def interval(count: int, tokens: int) -> str:
    """95 % interval of a rate in 10,000 tokens (Garwood 1936), as text."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return f"{1e4 * low / tokens:.2f} to {1e4 * chi2.ppf(0.975, 2 * count + 2) / 2 / tokens:.2f}"


def joined(one: Texts, other: Texts) -> Texts:
    """Both."""
    signals = {name: np.concatenate([one.signals[name], other.signals[name]]) for name in one.signals}
    return Texts(signals, np.concatenate([one.loop, other.loop]), np.concatenate([one.babble, other.babble]))


def by_folds(statistic: Rule, texts: Texts, tokens: int) -> int:
    """False alarms where each fold of all healthy texts is held against thresholds of the others."""
    fold = np.arange(len(texts.loop)) * FOLDS // len(texts.loop)
    count = 0
    for held in range(FOLDS):
        inside, outside = texts[fold != held], texts[fold == held]
        limits = thresholds(statistic(inside, inside), tokens)
        count += int((alarmed(statistic(outside, inside), limits) >= 0).sum())
    return count


def measure(model: str) -> list[dict[str, object]]:
    """A line for each rule."""
    made_of, usual = read(model, FITTING)
    judged, _ = read(model, JUDGING, usual=usual)
    skipped, _ = read(model, ("skipped",), usual=usual)
    fitting, healthy, looped = healthy_of(made_of), healthy_of(judged), judged[judged.loop >= 0]
    n, tokens = healthy.signals["entropy"].shape
    both = joined(fitting, healthy)
    lines = []
    for rule, statistic in RULES.items():
        limits = thresholds(statistic(fitting, fitting), tokens)
        each = statistic(healthy, fitting).max(axis=2) > limits[:, None]
        false = int(each.any(axis=0).sum())
        print(rule, "alarms of each statistic", each.sum(axis=1), flush=True)
        alarm = alarmed(statistic(skipped, fitting), limits)
        loops, loops_warned, loops_lead = warned(alarm, skipped.loop)
        only = np.where(skipped.loop < 0, skipped.babble, -1)
        babbles, babbles_warned, babbles_lead = warned(alarm, only)
        own = alarmed(statistic(looped, fitting), limits) if len(looped.loop) else np.zeros(0)
        lines.append(
            {
                "model": model,
                "rule": rule,
                "fitting texts": len(fitting.loop),
                "healthy texts": n,
                "healthy tokens": n * tokens,
                "false alarms in 10,000 tokens": round(1e4 * false / (n * tokens), 2),
                "95 % interval": interval(false, n * tokens),
                "by folds of all healthy texts": round(
                    1e4 * by_folds(statistic, both, tokens) / (len(both.loop) * tokens), 2
                ),
                "loops": loops,
                "loops warned of": loops_warned,
                "median lead, tokens": loops_lead,
                "gibberish": babbles,
                "gibberish warned of": babbles_warned,
                "its median lead": babbles_lead,
                "loops at full depth": len(looped.loop),
                "of them alarmed": float((own >= 0).mean()) if len(own) else np.nan,
            }
        )
        print(lines[-1], flush=True)
    return lines


def main(arguments: list[str]) -> None:
    """Record parts, or write the table."""
    if arguments[:1] == ["record"]:
        FOLDER.mkdir(parents=True, exist_ok=True)
        bench = Bench(arguments[1])
        for part in arguments[2:]:
            path = FOLDER / f"{arguments[1]}_{part}.npz"
            if not path.exists():
                np.savez(path, **bench.part(arguments[1], part))
        return
    lines = [line for model in collapse.MODELS for line in measure(model)]
    tables.write("llm_guard", pd.DataFrame(lines).round(3))


if __name__ == "__main__":
    main(sys.argv[1:])
