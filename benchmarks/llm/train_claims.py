"""Central claims of the systems that are trained, at the size possible here: ``python -m benchmarks.llm.train_claims``.

Writes ``docs/generated/llm_training_claims.csv``. The model is stories15m; the texts are stories of its own, drawn once
for training and once, with another seed, for measuring. Minutes on one core; what is named is measured anew, and
rows of the others stay.
"""

from __future__ import annotations

import argparse
import copy
import csv
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from adapters import FFNRoute, FixedExitPolicy, NeverExitPolicy, Policy, SkipDecodePolicy
from adapters.families import Family, family_of
from adapters.oracle.difficulty import difficulty_correlations
from adapters.oracle.passes import TokenPass
from adapters.oracle.result import mean_interval
from adapters.oracle.routes import all_routes
from adapters.oracle.search import oracle_routes
from adapters.texts.continuations import Continuation
from adapters.training.duo import fit_duo
from adapters.training.layer_skip import train_layer_skip
from adapters.training.registry import FitSettings
from adapters.training.scheduled import Schedule, scheduled_states
from adapters.training.skip_decode import tune_under_schedule
from adapters.training.texts import CausalBatch
from benchmarks.llm.models import load
from benchmarks.llm.stories import stories

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
TRAINING, HELD, SEARCHED = 96, 32, 10  # texts
FIT = FitSettings(epochs=2, batch_size=8, seed=0, learning_rate=3e-4)
RESAMPLES = 2000

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Reading:
    """What a model says of held-out texts."""

    text: np.ndarray[Any, np.dtype[np.int64]]
    losses: FloatArray
    said: np.ndarray[Any, np.dtype[np.int64]]


@torch.no_grad()
def read_under(model: Any, texts: Sequence[Continuation], policy: Policy) -> Reading:
    """Losses and first choices of the decided tokens under a schedule, each token's past being the schedule's."""
    family = family_of(model)
    schedule = Schedule(policy, family, max(each.decided for each in texts))
    return _reading(family, texts, lambda batch: scheduled_states(family, batch, schedule))


def _reading(family: Family, texts: Sequence[Continuation], states: Callable[[CausalBatch], Tensor]) -> Reading:
    text, losses, said = [], [], []
    for start in range(0, len(texts), 8):
        batch = CausalBatch.of(texts[start : start + 8], family.home)
        hidden = batch.batch.of_decided(states(batch))
        wanted = batch.batch.ids.flatten()[batch.batch.decided + 1]
        for part in range(0, len(hidden), 256):
            logits = family.logits(family.finish(hidden[part : part + 256]))
            losses.append(F.cross_entropy(logits, wanted[part : part + 256], reduction="none").double().numpy())
            said.append(logits.argmax(-1).numpy())
        text.append(batch.batch.text + start)
    return Reading(np.concatenate(text), np.concatenate(losses), np.concatenate(said))


class Table:
    """Rows as they come."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self.began = time.perf_counter()

    def add(
        self,
        claim: str,
        setting: str,
        measure: str,
        values: FloatArray,
        text: Any,
        *,
        of: Callable[[float], float] = float,
        holds: Callable[[float, float], bool] | None = None,
    ) -> None:
        """A mean over tokens with its interval over texts; whether the interval says what is claimed."""
        low, high = mean_interval(values, text, resamples=RESAMPLES, seed=0)
        found = "" if holds is None else "yes" if holds(low, high) else "no"
        self.put(
            claim,
            setting,
            measure,
            of(float(values.mean())),
            of(low),
            of(high),
            len(np.unique(text)),
            len(values),
            found,
        )

    def put(
        self,
        claim: str,
        setting: str,
        measure: str,
        value: float,
        low: float,
        high: float,
        texts: int,
        tokens: int,
        holds: str,
    ) -> None:
        """A row."""
        numbers = {"Value": value, "95 % from": low, "95 % to": high}
        self.rows.append(
            {
                "Claim": claim,
                "Setting": setting,
                "Measure": measure,
                **{name: f"{number:.3f}" for name, number in numbers.items()},
                "Texts": str(texts),
                "Tokens": f"{tokens:,}",
                "Holds": holds,
            }
        )
        print(f"{time.perf_counter() - self.began:6.0f} s  " + "  ".join(self.rows[-1].values()), flush=True)

    def write(self) -> None:
        """The file, as far as there are rows; claims that were not measured now keep theirs."""
        path, now = FOLDER / "llm_training_claims.csv", {row["Claim"] for row in self.rows}
        kept: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                kept = [row for row in csv.DictReader(file) if row["Claim"] not in now]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(kept + self.rows, key=_order))


def skip_decode(table: Table, model: Any, training: list[Continuation], held: list[Continuation]) -> None:
    """Fine-tuned with the schedule on, beside the same model untuned, and beside one tuned without the schedule."""
    length = max(each.decided for each in held) + 1
    whole = read_under(model, held, NeverExitPolicy())
    table.add("SkipDecode", "full model", "perplexity", whole.losses, whole.text, of=_exp)
    plain = copy.deepcopy(model)
    tune_under_schedule(plain, training, NeverExitPolicy(), fit=FIT)
    for speedup in (2.0, 1.5):
        policy = SkipDecodePolicy(length=length, speedup=speedup)
        tuned = copy.deepcopy(model)
        tune_under_schedule(tuned, training, policy, fit=FIT)
        readings = {}
        for name, each in (("untuned", model), ("tuned at full depth", plain), ("tuned on schedule", tuned)):
            found = readings[name] = read_under(each, held, policy)
            setting = f"{name}, speed-up {speedup:g}"
            table.add("SkipDecode", setting, "perplexity", found.losses, found.text, of=_exp)
            agrees = (found.said == whole.said).astype(float)
            table.add("SkipDecode", setting, "agreement with the full model", agrees, found.text)
        for name in ("untuned", "tuned at full depth"):
            gain = readings[name].losses - readings["tuned on schedule"].losses
            table.add(
                "SkipDecode fine-tuned beats itself untuned",
                f"against {name}, speed-up {speedup:g}",
                "nats a token gained",
                gain,
                whole.text,
                holds=lambda low, _high: low > 0,
            )
        table.write()


def layer_skip(table: Table, model: Any, training: list[Continuation], held: list[Continuation]) -> None:
    """Exits after some layers, with and without a loss at exits in the fine-tuning."""
    tuned, plain = copy.deepcopy(model), copy.deepcopy(model)
    with tempfile.TemporaryDirectory() as folder:
        train_layer_skip(tuned, training, folder=folder, fit=FIT, period=2)
        train_layer_skip(plain, training, folder=folder, fit=FIT, exit_scale=0.0, dropout=0.0)
    for depth in (3, 4, 5, 6):
        policy = FixedExitPolicy(depth=depth) if depth < 6 else NeverExitPolicy()
        readings = {}
        for name, each in (("untuned", model), ("tuned without exit loss", plain), ("tuned with exit loss", tuned)):
            found = readings[name] = read_under(each, held, policy)
            table.add("LayerSkip", f"{name}, {depth} layers", "perplexity", found.losses, found.text, of=_exp)
        gain = readings["tuned without exit loss"].losses - readings["tuned with exit loss"].losses
        table.add(
            "LayerSkip's exit loss makes exits worth more",
            f"{depth} layers",
            "nats a token gained",
            gain,
            found.text,
            holds=(lambda low, _high: low > 0) if depth < 6 else None,
        )
    table.write()


def duo(table: Table, model: Any, training: list[Continuation], held: list[Continuation]) -> None:
    """The oracle with one whole block against all whole; the router between chance and the oracle; difficulty."""
    found = fit_duo(model, training, fit=FitSettings(epochs=2, batch_size=8, learning_rate=3e-3), budget=0.5)
    family, small = family_of(model), found.small
    kept = oracle_routes(model, held, small=small, choices=("big", "small"))
    text = kept.text
    for name, losses in (
        ("all whole", kept.full_loss),
        ("all small", kept.least_loss),
        *((f"oracle, {budget} of {family.depth} whole", kept.loss[:, budget]) for budget in range(family.depth)),
        ("oracle, any number", kept.best()),
    ):
        table.add("Duo-LLM", name, "perplexity", losses, text, of=_exp)
    table.add(
        "The oracle with one whole block beats all whole",
        "exact, 64 routes",
        "nats a token gained",
        kept.full_loss - kept.loss[:, 1],
        text,
        holds=lambda low, _high: low > 0,
    )
    table.add(
        "The oracle with half of the blocks whole beats all whole",
        "exact, 64 routes",
        "nats a token gained",
        kept.full_loss - kept.loss[:, family.depth // 2],
        text,
        holds=lambda low, _high: low > 0,
    )
    big, little = int(FFNRoute.FULL), int(FFNRoute.SUBSTITUTE)

    def choose(index: int, before: Tensor) -> Tensor:
        logits = found.router(index, before)[:, :2]
        return torch.where(logits.argmax(-1) == 0, big, little)

    routed, chance, best, counts = [], [], [], []
    routes = all_routes(family.depth, ("big", "small"), "ffn", range(family.depth + 1))
    of_route = (routes == big).sum(1)
    for index, each in enumerate(held):
        passed = TokenPass(family, each, unit="ffn", small=small)
        losses, taken = passed.follow(choose)
        count = (taken == big).sum(1)
        every = passed.losses(routes)
        means = np.stack([every[of_route == budget].mean(0) for budget in range(family.depth + 1)], 1)
        token = np.arange(len(count))
        routed.append(losses)
        chance.append(means[token, count])
        best.append(kept.loss[text == index][token, count])
        counts.append(count)
    router, random, lowest = (np.concatenate(part) for part in (routed, chance, best))
    whole = float(np.concatenate(counts).mean())
    for name, losses in (("router", router), ("random routes", random), ("oracle", lowest)):
        setting = f"{name}, {whole:.2f} of {family.depth} whole"
        table.add("Duo-LLM", setting, "perplexity", losses, text, of=_exp)
    table.add(
        "A trained router beats chance at its own budget",
        "against random routes",
        "nats a token gained",
        random - router,
        text,
        holds=lambda low, _high: low > 0,
    )
    table.add(
        "A trained router is nearer to random than to the oracle",
        "(router − oracle) − (random − router)",
        "nats a token",
        (router - lowest) - (random - router),
        text,
        holds=lambda low, _high: low > 0,
    )
    table.write()
    difficulty(table, model, held, kept)


def difficulty(table: Table, model: Any, held: list[Continuation], kept: Any) -> None:
    """What the layers say of difficulty: windowed statistics, and the control without windows."""
    for depth in (5, 6):
        rows = difficulty_correlations(model, held, kept, depth=depth, window=4, resamples=RESAMPLES)
        sets = [row for row in rows if row.name in ("windowed", "raw", "both")]
        single = [
            max((row for row in rows if row.windowed == kind and row not in sets), key=lambda row: abs(row.correlation))
            for kind in (True, False)
        ]
        for row in (*sets, *single):
            kind = "with windows" if row.windowed else "control, no windows"
            name = {"windowed": "all windowed statistics", "raw": "all raw signals", "both": "both"}.get(
                row.name, f"best single: {row.name}"
            )
            table.put(
                "Difficulty and early-warning statistics",
                f"{name} ({kind}), after {depth} layers",
                "Spearman with difficulty",
                row.correlation,
                row.low,
                row.high,
                row.texts,
                row.tokens,
                "",
            )
    table.write()


def _order(row: dict[str, str]) -> int:
    """Rows stand by system, and within one as they were measured."""
    return next(place for place, words in enumerate(_OF_SYSTEM.values()) if row["Claim"].startswith(words))


_OF_SYSTEM = {
    "skip_decode": ("SkipDecode",),
    "duo": ("Duo-LLM", "The oracle", "A trained router", "Difficulty"),
    "layer_skip": ("LayerSkip",),
}


def _exp(value: float) -> float:
    return float(np.exp(value))


def main() -> None:
    """Measure, and write after each system."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(_OF_SYSTEM)} (default: all)")
    names = parser.parse_args().systems or list(_OF_SYSTEM)
    if not set(names) <= set(_OF_SYSTEM):
        parser.error(f"systems are {', '.join(_OF_SYSTEM)}")
    model, _ = load("stories15m")
    training, held = stories(model, TRAINING, seed=0), stories(model, HELD, seed=1)
    table = Table()
    if "skip_decode" in names:
        skip_decode(table, model, training, held)
    if "duo" in names:
        duo(table, model, training, held[:SEARCHED])
    if "layer_skip" in names:
        layer_skip(table, model, training, held)


if __name__ == "__main__":
    main()
