"""Early exit of encoders: systems and rules at three budgets, on the same texts and clock.

``python -m benchmarks.llm.encoders`` writes ``docs/generated/llm_encoders.csv`` (model × task × system × budget) and
``llm_encoders_claims.csv`` (what the papers say, with interval). Encoders are frozen; their states are worked out once.

Budgets are shares of the layers, fixed beforehand. A rule gets the setting whose mean depth, on texts of its own, is
nearest to the budget from below; accuracy, calibration and sets are those of other texts. Runs are interleaved with the
plain model on the same batch; of the ratios of times the mean of the middle half is taken.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from adapters.encoders import (
    ConfidenceExit,
    EncoderPolicy,
    EntropyExit,
    EWSEncoderExit,
    ExitHeads,
    FixedDepthExit,
    JEIPolicy,
    NeverLeave,
    PabeePolicy,
    PonderPolicy,
    RandomDepthExit,
    conformal_sets,
    expected_calibration_error,
    heads_named,
)
from adapters.encoders.backbones import backbone_of
from adapters.encoders.engine import run_batch
from adapters.encoders.inputs import Rows, read_rows
from adapters.encoders.run import EncoderOutput, run_batches
from adapters.encoders.states import FirstTokenStates, first_token_states, readings
from adapters.encoders.systems import SYSTEMS
from adapters.training.encoder_heads import HeadsTask
from adapters.training.registry import FitSettings
from benchmarks.llm.models import model_folder
from benchmarks.llm.prompts import text_folder

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
MODELS = ("minilm-l6", "mpnet-base")
BUDGETS = (0.4, 0.6, 0.8)  # shares of the layers
DRAWS, SEEDS = 2000, 20
COLUMNS = (
    *("model", "task", "system", "rule", "budget", "setting", "metric", "value", "low", "high", "n", "mean_depth"),
    *(
        "layers",
        "theoretical_speed_up",
        "speed_up_1",
        "share_1",
        "speed_up_32",
        "share_32",
        "ece",
        "coverage",
        "set_size",
    ),
)
CLAIMS = ("claim", "model", "task", "measure", "first", "second", "difference", "low", "high", "n")


@dataclass(frozen=True)
class Split:
    """Texts and the index of each one's class."""

    texts: list[Any]
    labels: np.ndarray[Any, np.dtype[np.int64]]

    def some(self, count: int, seed: int) -> Split:
        """That many, drawn."""
        index = np.random.default_rng(seed).permutation(len(self.texts))[:count]
        return Split([self.texts[each] for each in index], self.labels[index])

    def cut(self, at: int) -> tuple[Split, Split]:
        """The first ones, and the rest."""
        return Split(self.texts[:at], self.labels[:at]), Split(self.texts[at:], self.labels[at:])


# ---- tasks -----------------------------------------------------------------------------------------------------------


def _lines(path: str, *, header: bool) -> Iterator[list[str]]:
    found = (text_folder() / path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    yield from (line.split("\t") for line in found[header:] if line.strip())


def _split(pairs: list[tuple[Any, str]], classes: list[str]) -> Split:
    return Split([text for text, _ in pairs], np.array([classes.index(label) for _, label in pairs]))


def _sst2(name: str) -> Split:
    return _split([(row[0], row[1].strip()) for row in _lines(f"sst2_glue/{name}.tsv", header=True)], ["0", "1"])


def _mrpc(name: str) -> Split:
    rows = [row for row in _lines(f"mrpc/msr_paraphrase_{name}.txt", header=True) if len(row) >= 5]
    return _split([((row[3], row[4]), row[0]) for row in rows], ["0", "1"])


def _rte(name: str) -> Split:
    rows = _lines(f"rte/{name}.tsv", header=True)
    return _split([((row[1], row[2]), row[3]) for row in rows], ["entailment", "not_entailment"])


def _cola(name: str) -> Split:
    return _split([(row[3], row[1]) for row in _lines(f"cola/{name}.tsv", header=False)], ["0", "1"])


def _trec(name: str) -> Split:
    lines = (text_folder() / f"trec_qc/TREC.{name}.all").read_text(encoding="utf-8", errors="replace").splitlines()
    return _split([(line[2:], line[0]) for line in lines if line.strip()], list("012345"))


def task(name: str, train: int, seed: int) -> tuple[Split, Split, Split]:
    """Texts for fitting, for choosing settings, and for scoring."""
    if name == "sst2":
        return _sst2("train").some(train, seed), _sst2("dev").some(1000, seed), _sst2("test")
    if name == "cola":
        return _cola("train").some(train, seed), _cola("val"), _cola("dev")
    whole, test = {
        "mrpc": lambda: (_mrpc("train"), _mrpc("test")),
        "rte": lambda: (_rte("train"), _rte("dev")),
        "trec": lambda: (_trec("train"), _trec("test")),
    }[name]()
    shuffled = whole.some(len(whole.texts), seed)
    chosen = min(1000, len(shuffled.texts) // 4)
    tuning, rest = shuffled.cut(chosen)
    return rest.some(train, seed), tuning, test


TASKS = ("sst2", "mrpc", "rte", "cola", "trec")


# ---- numbers ---------------------------------------------------------------------------------------------------------


def metric_of(task_name: str, found: Any, truth: Any) -> Any:
    """Accuracy, for CoLA Matthews' correlation; over the last axis."""
    if task_name != "cola":
        return (found == truth).mean(-1)
    a, b = found - found.mean(-1, keepdims=True), truth - truth.mean(-1, keepdims=True)
    below = np.sqrt((a**2).mean(-1) * (b**2).mean(-1))
    return np.where(below > 0, (a * b).mean(-1) / np.where(below > 0, below, 1.0), 0.0)


def interval(task_name: str, truth: Any, *found: Any) -> tuple[float, float, float]:
    """Value with a 95 % interval over texts; of two predictions, of the first less the second."""
    index = np.random.default_rng(0).integers(0, len(truth), (DRAWS, len(truth)))

    def value(rows: Any) -> Any:
        each = [metric_of(task_name, one[rows], truth[rows]) for one in found]
        return each[0] - each[1] if len(each) == 2 else each[0]

    low, high = np.quantile(value(index), [0.025, 0.975])
    return float(value(np.arange(len(truth)))), float(low), float(high)


def probabilities(found: EncoderOutput) -> Any:
    assert found.logits is not None
    return found.logits.double().softmax(-1).numpy()


def replayed(kept: FirstTokenStates, policy: EncoderPolicy, heads: ExitHeads) -> EncoderOutput:
    """What a rule does, on states that are at hand."""
    return run_batches(kept, [(np.arange(len(kept)), None)], len(kept), policy=policy, heads=heads)


def by_depth(policy: EncoderPolicy, kept: FirstTokenStates, heads: ExitHeads) -> list[tuple[float, EncoderPolicy]]:
    """The rule at each of its settings, with its mean depth."""
    rules = [policy.with_setting(value) for value in policy.settings(kept.depth, heads.classes)]
    return [(replayed(kept, rule, heads).report.mean_depth, rule) for rule in rules]


def at_budget(rules: list[tuple[float, EncoderPolicy]], depth: float) -> EncoderPolicy | None:
    """The rule whose mean depth is nearest to a budget, and not above it; None where there is none."""
    within = [(mean, -place) for place, (mean, _) in enumerate(rules) if mean <= depth + 1e-9]
    return rules[-max(within)[1]][1] if within else None


# ---- one model and task ----------------------------------------------------------------------------------------------


class Bench:
    """Heads of all systems on one model and task, and what their rules do."""

    def __init__(self, model_name: str, task_name: str, *, train: int, seed: int) -> None:
        logging.disable_progress_bar()
        folder = model_folder(model_name)
        self.model_name, self.task_name, self.seed = model_name, task_name, seed
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.backbone = backbone_of(self.model)
        splits = task(task_name, train, seed)
        self.truth = [each.labels for each in splits]
        self.rows = [self._rows(each) for each in splits]
        started = time.perf_counter()
        self.kept = [self._states(each) for each in self.rows]
        print(f"{model_name} {task_name}: states of {[len(each) for each in self.kept]} texts", flush=True)
        print(f"  in {time.perf_counter() - started:.0f} s", flush=True)
        self.classes = int(max(each.max() for each in self.truth)) + 1
        self.heads = {name: self._fit(name) for name in SYSTEMS}
        self.heads["jei_warm"] = self._fit("jei_dnn", warm_up=10**6)  # no gates: what thresholding is given

    def _rows(self, split: Split) -> Rows:
        pad = int(self.model.config.pad_token_id)
        names = ("input_ids", "attention_mask") + (("token_type_ids",) if self.backbone.has_token_types else ())
        return read_rows(split.texts, self.tokenizer, names=names, pad_token=pad, max_length=96)

    def _states(self, rows: Rows) -> FirstTokenStates:
        order: list[int] = []

        def inputs() -> Iterator[Any]:
            for index, each in rows.batches(32):
                order.extend(index.tolist())
                yield each

        return first_token_states(self.backbone, inputs()).rows(torch.from_numpy(np.argsort(order)))

    def _fit(self, name: str, **options: Any) -> ExitHeads:
        system, kept = SYSTEMS[name], self.kept[0]
        shape = {"width": kept.width, "classes": self.classes, "exits": kept.depth}
        heads = heads_named(system.heads, seed=self.seed, **shape)
        made = HeadsTask(heads, torch.from_numpy(self.truth[0]), kept=kept)
        if name == "jei_dnn":
            options = {"trade_off": 0.1, **options}
        fit = FitSettings(epochs=system.epochs, batch_size=system.batch_size, seed=self.seed)
        system.function()(made, fit, **options)
        return heads.requires_grad_(False).eval()

    def rules(self) -> dict[str, tuple[str, EncoderPolicy]]:
        """Name → heads and rule."""
        found: dict[str, tuple[str, EncoderPolicy]] = {
            "pabee": ("pabee", PabeePolicy()),
            "confidence": ("pabee", ConfidenceExit()),
            "entropy": ("pabee", EntropyExit()),
            "fixed": ("pabee", FixedDepthExit(depth=1)),
            "random": ("pabee", RandomDepthExit(seed=self.seed)),
            "palbert": ("palbert", PonderPolicy()),
            "jei_dnn": ("jei_dnn", JEIPolicy()),
            "thresholding": ("jei_warm", ConfidenceExit()),
        }
        tuning = self.kept[1]
        for features in ("both", "windowed", "raw"):
            policy = EWSEncoderExit(features=features)  # type: ignore[arg-type]
            half = tuning.rows(torch.arange(len(tuning) // 2))
            policy.fit(half, *readings(self.heads["pabee"], half))
            found[f"ews_{features}"] = ("pabee", policy)
        return found

    def table(self) -> tuple[list[dict[str, Any]], dict[tuple[str, float], Any]]:
        """Rows of the table, and what each rule says at each budget."""
        tuning, test = self.kept[1].rows(torch.arange(len(self.kept[1]) // 2, len(self.kept[1]))), self.kept[2]
        known, truth = self.truth[1][len(self.kept[1]) // 2 :], self.truth[2]
        said: dict[tuple[str, float], Any] = {}
        rows = [
            self._row(name, "never", 1.0, NeverLeave(), self.heads[name], tuning, known, test, truth, said)
            for name in SYSTEMS
        ]
        for name, (system, policy) in self.rules().items():
            tried = by_depth(policy, tuning, self.heads[system])
            for budget in BUDGETS:
                rule = at_budget(tried, budget * test.depth)
                if rule is None:
                    continue
                heads = self.heads[system]
                row = self._row(system, name, budget, rule, heads, tuning, known, test, truth, said)
                if budget == BUDGETS[1]:
                    row |= self._times(rule, heads)
                rows.append(row)
        return rows, said

    def _row(
        self,
        system: str,
        name: str,
        budget: float,
        rule: EncoderPolicy,
        heads: ExitHeads,
        tuning: FirstTokenStates,
        known: Any,
        test: FirstTokenStates,
        truth: Any,
        said: dict[tuple[str, float], Any],
    ) -> dict[str, Any]:
        found, before = replayed(test, rule, heads), replayed(tuning, rule, heads)
        likely = probabilities(found)
        answers = likely.argmax(axis=1)
        said[(system if name == "never" else name, budget)] = answers
        value, low, high = interval(self.task_name, truth, answers)
        sets = conformal_sets(probabilities(before), before.report.depths, known, alpha=0.1)
        measured = sets.measure(likely, found.report.depths, truth)
        return {
            "model": self.model_name,
            "task": self.task_name,
            "system": system,
            "rule": name,
            "budget": budget,
            "setting": "" if rule.knob is None else getattr(rule, rule.knob),
            "metric": "mcc" if self.task_name == "cola" else "accuracy",
            "value": value,
            "low": low,
            "high": high,
            "n": len(truth),
            "mean_depth": found.report.mean_depth,
            "layers": test.depth,
            "theoretical_speed_up": found.report.theoretical_speed_up,
            "ece": expected_calibration_error(likely, truth),
            "coverage": measured["coverage"],
            "set_size": measured["size"],
        }

    def _times(self, rule: EncoderPolicy, heads: ExitHeads) -> dict[str, float]:
        """Measured speed-up, and the realised share of the time that theory would save."""
        found: dict[str, float] = {}
        for size, batches in ((1, 32), (32, 2)):
            chosen = np.random.default_rng(0).permutation(len(self.rows[2]))[: size * batches]
            inputs = [
                self.rows[2].collate([self.rows[2].rows[each] for each in chosen[start : start + size]])
                for start in range(0, len(chosen), size)
            ]
            clock: dict[str, list[float]] = {"full": [], "rule": []}
            depths: list[float] = []
            rule.bind(self.backbone.depth, heads.classes)
            rule.begin(size)
            for _ in range(3):
                for each in inputs:
                    started = time.perf_counter()
                    with torch.no_grad():
                        self.model(**each)
                    between = time.perf_counter()
                    depths.append(run_batch(self.backbone, each, policy=rule, heads=heads).depths.mean())
                    clock["full"].append(between - started)
                    clock["rule"].append(time.perf_counter() - between)
            # Of each batch the ratio, since batches differ in length; then the median over interleaved pairs.
            ratios = [rule_ / full for rule_, full in zip(clock["rule"], clock["full"], strict=True)]
            saved = 1.0 - statistics.mean(depths) / self.backbone.depth
            middle = statistics.mean(sorted(ratios)[len(ratios) // 4 : -(len(ratios) // 4)])
            found[f"speed_up_{size}"] = 1.0 / middle
            found[f"share_{size}"] = (1.0 - middle) / saved if saved > 0 else float("nan")
        return found

    def claims(self, said: dict[tuple[str, float], Any]) -> list[dict[str, Any]]:
        """What the papers say, on this model and task."""
        truth, rows = self.truth[2], []
        pairs = (
            ("PALBERT over PABEE", "palbert", "pabee"),
            ("joint gating over thresholding", "jei_dnn", "thresholding"),
            ("windows over the same signals without", "ews_windowed", "ews_raw"),
            ("windows beside the signals over these alone", "ews_both", "ews_raw"),
            ("early warning over confidence", "ews_both", "confidence"),
        )
        for claim, first, second in pairs:
            for budget in BUDGETS:
                if (first, budget) in said and (second, budget) in said:
                    one, other = said[(first, budget)], said[(second, budget)]
                    value, low, high = interval(self.task_name, truth, one, other)
                    measure = f"{'MCC' if self.task_name == 'cola' else 'accuracy'} at budget {budget:g}"
                    rows.append(self._claim(claim, measure, first, second, value, low, high, len(truth)))
        return rows + self._sampling()

    def _sampling(self) -> list[dict[str, Any]]:
        """Q-exit beside sampled exits of the same heads, at the mean depth of the latter."""
        heads, truth = self.heads["palbert"], self.truth[2]
        runs = [replayed(self.kept[2], PonderPolicy(exit="sample", seed=seed), heads) for seed in range(SEEDS)]
        drawn = np.array([metric_of(self.task_name, probabilities(run).argmax(1), truth) for run in runs])
        depth = statistics.mean(run.report.mean_depth for run in runs)
        rule = min(
            (PonderPolicy(q=value) for value in PonderPolicy().settings(self.kept[2].depth, heads.classes)),
            key=lambda each: abs(replayed(self.kept[1], each, heads).report.mean_depth - depth),
        )
        found = replayed(self.kept[2], rule, heads)
        value = float(metric_of(self.task_name, probabilities(found).argmax(1), truth))
        low, high = (value - each for each in np.quantile(drawn, [0.975, 0.025]))
        said = f"mean of {SEEDS} draws, sd {drawn.std():.4f} (the quantile's: 0); depths {depth:.2f} and "
        said += f"{found.report.mean_depth:.2f}"
        gain = value - float(drawn.mean())
        claim = "Q-exit over sampled exit"
        return [self._claim(claim, said, "quantile", "sample", gain, float(low), float(high), len(truth))]

    def _claim(self, claim: str, measure: str, *values: Any) -> dict[str, Any]:
        names = ("first", "second", "difference", "low", "high", "n")
        given = {"claim": claim, "model": self.model_name, "task": self.task_name, "measure": measure}
        return given | dict(zip(names, values, strict=True))


def merge(path: Path, columns: tuple[str, ...], rows: list[dict[str, Any]], done: set[tuple[str, str]]) -> None:
    """Write rows in the place of those of the same models and tasks."""
    kept: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="") as stream:
            kept = [row for row in csv.DictReader(stream) if (row["model"], row["task"]) not in done]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in kept + rows:
            writer.writerow({name: f"{each:.4g}" if isinstance(each, float) else each for name, each in row.items()})


def main() -> None:
    """Write docs/generated/llm_encoders.csv and llm_encoders_claims.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--train", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    for model_name in options.models:
        for task_name in options.tasks:
            bench = Bench(model_name, task_name, train=options.train, seed=options.seed)
            rows, said = bench.table()
            claims = bench.claims(said)
            done = {(model_name, task_name)}
            merge(FOLDER / "llm_encoders.csv", COLUMNS, rows, done)
            merge(FOLDER / "llm_encoders_claims.csv", CLAIMS, claims, done)
            for row in rows:
                print({name: each for name, each in row.items() if name not in ("model", "task", "metric")}, flush=True)
            for row in claims:
                print(row, flush=True)


if __name__ == "__main__":
    main()
