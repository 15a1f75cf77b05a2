"""Does the guard see a text collapse under skipping before it has, and is it silent where nothing is skipped?

Writes ``docs/generated/llm_collapse.csv``: ``python -m benchmarks.llm.collapse [model ...]`` (default: all of MODELS).

A text has *collapsed* at a token if, over its last 64 tokens, more than half complete a 4-gram that the text had before
(a loop), or the whole model's perplexity is above ten times the median of healthy texts (gibberish). The first bound
was fixed before any guard was run; the second was 20 while the guard's defaults were chosen, and is relative here
because models differ.

Openings are drawn from the model itself; layers are left out from a certain token on. Texts that calibrate the guard,
that count its false alarms, and that are skipped in are different ones. The guard's own signals and windows were chosen
on other openings of stories15m, left out of as in four of its six cases here; nothing was chosen on smollm2-135m.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from adapters.guard.policy import Guarded
from adapters.policies import NeverExitPolicy, Plan, Policy
from benchmarks.evidence import tables
from benchmarks.llm.models import load

SEED = 20_261_125
OPENING = 24  # tokens
WINDOW, NGRAM, LOOP, GIBBERISH = 64, 4, 0.5, 10.0
RATE, CALIBRATING, HEALTHY, TEXTS, ROWS = 0.05, 80, 160, 40, 40

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


class LeavesOut(Policy):
    """From some token on: leave after `depth` layers (with some chance), or leave feed-forward blocks out."""

    def __init__(
        self, first: int, *, depth: int | None = None, chance: float = 1.0, feeds: tuple[int, ...] = ()
    ) -> None:
        super().__init__(unit="ffn" if feeds else "layer", cache="exact" if feeds else "propagate")
        self.first, self.depth, self.chance, self.blocks = first, depth, chance, frozenset(feeds)

    def start(self, rows: int, input_ids: Any) -> None:  # noqa: ARG002
        """Start the draws anew."""
        self._random, self._rows = np.random.default_rng(SEED), rows

    def bind(self, family: Any) -> None:
        """Learn how many layers there are."""
        self._layers = family.depth

    def plan(self, step: int) -> Plan:
        """The same for every token after the first ones."""
        if step < self.first:
            return Plan()
        if self.depth is None or self.chance == 1.0:
            return Plan(exit=self.depth, ffn_checks=self.blocks)
        leaves = self._random.random(self._rows) < self.chance
        return Plan(exit=np.where(leaves, self.depth, self._layers))

    def run_ffn(self, index: int, post_attention: Any) -> bool:  # noqa: ARG002
        """Not those of the plan."""
        return False


@dataclass(frozen=True)
class Setting:
    """How one model is made to collapse."""

    start: int  # token from which layers are left out
    tokens: int
    cases: dict[str, dict[str, Any]]
    healthy: int = HEALTHY
    options: Any = None  # of generate
    separator: int = 1  # the token between texts, from which openings are drawn


MODELS = {
    "stories15m": Setting(
        start=32,
        tokens=200,
        cases={
            "leave after layer 3 of 6": {"depth": 3},
            "leave after layer 5 of 6": {"depth": 5},
            "leave after layer 4 of 6, half of the tokens": {"depth": 4, "chance": 0.5},
            "leave after layer 5 of 6, a tenth of the tokens": {"depth": 5, "chance": 0.1},
            "no feed-forward blocks 3, 4": {"feeds": (2, 3)},
            "no feed-forward blocks 5, 6": {"feeds": (4, 5)},
        },
    ),
    "smollm2-135m": Setting(
        start=16,
        tokens=112,
        cases={"leave after layer 28 of 30": {"depth": 28}},
        healthy=TEXTS,
        options={"do_sample": True, "temperature": 0.8, "top_k": 0},
        separator=0,
    ),
}


@dataclass(frozen=True)
class Texts:
    """Generations: how much each repeats itself and its mean loss over the last 64 tokens, at each new token."""

    loops: FloatArray
    losses: FloatArray
    alarms: dict[int, int]  # text → token
    saved: float  # share of the layers' weights that were not run

    @property
    def perplexity(self) -> FloatArray:
        """Of the last 64 tokens of each."""
        return np.asarray(np.exp(self.losses[:, -1]))

    def bad(self, bound: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Where a text has collapsed, of shape (texts, tokens)."""
        return np.asarray((self.loops > LOOP) | (self.losses > np.log(bound)))


class Bench:
    """One model with its guard."""

    def __init__(self, name: str) -> None:
        self.setting = MODELS[name]
        self.model, _ = load(name)
        self.options = self.setting.options or {"do_sample": False}
        drawn = self._openings(CALIBRATING + self.setting.healthy + TEXTS)
        self.calibrating, self.healthy, self.skipped = np.split(drawn, np.cumsum([CALIBRATING, self.setting.healthy]))
        self.guard = Guarded(NeverExitPolicy())
        self.guard.calibrate(
            self.model,
            self.calibrating.tolist(),
            max_new_tokens=self.setting.tokens,
            false_alarm_rate=RATE,
            rows=ROWS,
            seed=SEED,
            eos_token_id=None,
            **self.options,
        )

    def _openings(self, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """First tokens of texts, no two alike, in an order that means nothing."""
        torch.manual_seed(SEED)
        first = torch.full((int(1.2 * count), 1), self.setting.separator)
        found = self.model.generate(
            input_ids=first,
            attention_mask=torch.ones_like(first),
            do_sample=True,
            top_k=0,
            max_new_tokens=OPENING - 1,
            eos_token_id=None,
            pad_token_id=0,
        )
        distinct = np.unique(found.numpy(), axis=0)
        return np.random.default_rng(SEED).permutation(distinct)[:count]

    def run(self, policy: Policy, openings: np.ndarray[Any, np.dtype[np.int64]], *, seed: int) -> Texts:
        """Generate, and judge what came out."""
        sequences, spent, tokens = [], 0.0, 0
        alarms: dict[int, int] = {}
        for first in range(0, len(openings), ROWS):
            rows = torch.from_numpy(openings[first : first + ROWS])
            torch.manual_seed(seed + first)
            sequences.append(
                self.model.generate(
                    input_ids=rows,
                    attention_mask=torch.ones_like(rows),
                    max_new_tokens=self.setting.tokens,
                    eos_token_id=None,
                    pad_token_id=0,
                    custom_generate=policy,
                    **self.options,
                )
            )
            if isinstance(policy, Guarded):
                alarms |= {first + alarm.row: alarm.token for alarm in policy.alarms}
            report = policy.report()
            feed = self._feed_share()
            spent += ((1 - feed) * report.layers_per_token + feed * report.ffn_blocks_per_token) * report.tokens
            tokens += report.tokens
        loops, losses = self._judged(torch.cat(sequences))
        return Texts(loops, losses, alarms, 1.0 - spent / (tokens * len(self.model.model.layers)))

    def _feed_share(self) -> float:
        """Share of a layer's weights that its feed-forward block has."""
        layer = self.model.model.layers[0]
        return float(sum(p.numel() for p in layer.mlp.parameters()) / sum(p.numel() for p in layer.parameters()))

    @torch.no_grad()
    def _judged(self, texts: Any) -> tuple[FloatArray, FloatArray]:
        """Repetition and mean loss over the last 64 tokens at each new token, of shape (texts, tokens).

        Fewer than 64 tokens of a loop are as many; a perplexity waits for 64.
        """
        losses = [
            -self.model(row[None]).logits[0, :-1].log_softmax(-1).gather(-1, row[1:, None])[:, 0].double()
            for row in texts
        ]
        new = torch.stack(losses).numpy()[:, OPENING - 1 :]
        mean = _over_window(new)
        mean[:, : WINDOW - 1] = -np.inf
        again = np.array([_repeats(row[OPENING:].tolist()) for row in texts])
        return _over_window(again), mean


def _repeats(tokens: list[int]) -> list[float]:
    seen: set[tuple[int, ...]] = set()
    found = []
    for end in range(1, len(tokens) + 1):
        newest = tuple(tokens[max(0, end - NGRAM) : end])
        found.append(float(len(newest) == NGRAM and newest in seen))
        seen.add(newest)
    return found


def _over_window(values: FloatArray) -> FloatArray:
    """Mean of the last 64, of which those before the first are 0."""
    total = np.cumsum(np.pad(values, ((0, 0), (WINDOW, 0))), axis=1)
    return np.asarray((total[:, WINDOW:] - total[:, :-WINDOW]) / WINDOW)


def line(model: str, case: str, alone: Texts, guarded: Texts, *, bound: float) -> dict[str, object]:
    """One line of the table."""
    without, with_guard = alone.bad(bound), guarded.bad(bound)
    n, fell, when = len(without), np.asarray(without.any(1)), without.argmax(1).tolist()
    leads = [when[row] - token for row, token in guarded.alarms.items() if fell[row]]
    share = len(guarded.alarms) / n
    return {
        "model": model,
        "case": case,
        "texts": n,
        "collapsed without": fell.mean(),
        "collapsed with": with_guard.any(1).mean(),
        "collapsed at the end without": without[:, -1].mean(),
        "collapsed at the end with": with_guard[:, -1].mean(),
        "perplexity without": np.median(alone.perplexity),
        "perplexity with": np.median(guarded.perplexity),
        "alarms": share,
        "standard error": np.sqrt(share * (1 - share) / n),
        "warned of collapses": len([lead for lead in leads if lead > 0]) / fell.sum() if fell.any() else np.nan,
        "median lead, tokens": np.median(leads) if leads else np.nan,
        "saved without": alone.saved,
        "saved with": guarded.saved,
    }


def measure(name: str) -> list[dict[str, object]]:
    """All lines of one model."""
    bench = Bench(name)
    whole = bench.run(bench.guard, bench.healthy, seed=SEED + 1)
    bound = GIBBERISH * float(np.median(whole.perplexity))
    lines = [line(name, "nothing left out", whole, whole, bound=bound)]
    print(lines[0], flush=True)
    for case, options in bench.setting.cases.items():
        policy = LeavesOut(bench.setting.start, **options)
        alone = bench.run(policy, bench.skipped, seed=SEED + 2)
        guarded = bench.run(bench.guard.around(policy), bench.skipped, seed=SEED + 2)
        lines.append(line(name, case, alone, guarded, bound=bound))
        print(lines[-1], flush=True)
    return lines


def main(names: list[str]) -> None:
    """Write docs/generated/llm_collapse.csv; lines of models that were not asked for stay."""
    named = names or list(MODELS)
    lines = pd.DataFrame([each for name in named for each in measure(name)]).round(3)
    path = tables.FOLDER / "llm_collapse.csv"
    if path.exists():
        kept = pd.read_csv(path)
        lines = pd.concat([lines, kept[~kept["model"].isin(named)]])
    place = {name: place for place, name in enumerate(MODELS)}
    tables.write("llm_collapse", lines.sort_values("model", key=lambda one: one.map(place), kind="stable"))


if __name__ == "__main__":
    main(sys.argv[1:])
