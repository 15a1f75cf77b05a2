"""Agreement against time for every policy: ``python -m benchmarks.llm.pareto [model]``.

Writes ``docs/generated/llm_pareto_<model>.csv`` (every setting), ``llm_budgets_<model>.csv`` (the best
agreement within each budget, fixed beforehand) and a figure. Rules are chosen on texts of the recording that no
agreement is measured on.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

from adapters.assessment.pareto import ParetoRow, front, pareto
from adapters.calibration.costs import Costs
from adapters.calibration.exits import window_for
from adapters.calibration.ffn import ffn_groups, harmless_groups, skips_for
from adapters.calibration.result import Calibration, CalibrationConfig, new_calibration
from adapters.calibration.rules import DepthRule, Rule, choose_rules
from adapters.decoding.contract import Policy
from adapters.families import Family, family_of
from adapters.heads.logistic import Logistic
from adapters.heads.shortlist import ShortListHead
from adapters.policies.confidence import ConfidencePolicy
from adapters.policies.ews import EWSExitPolicy
from adapters.policies.fixed import FixedExitPolicy
from adapters.policies.fixed_point import FixedPointPolicy
from adapters.policies.random import RandomExitPolicy
from adapters.policies.saturation import SaturationPolicy
from benchmarks import machine
from benchmarks.llm.models import load
from benchmarks.llm.record import Recording, recorded, short_head

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "generated"
BUDGETS = (0.95, 0.9, 0.8, 0.7)
RISKS = (0.01, 0.03, 0.06, 0.12, 0.25)


def ews_policies(
    family: Family, recording: Recording, head: ShortListHead, *, feeds: bool
) -> tuple[dict[str, Policy], float]:
    """The policy in its forms, at several risks on the texts that choose rules; and how often the boldest leaves."""
    costs = Costs.of(family, rank=head.screen.rank, candidates=head.candidates)
    config = CalibrationConfig(
        risk=1.0,
        confidence=0.0,
        target="agreement",
        unit="layer",
        cache="deferred",
        features="both",
        window=window_for(family.depth),
        texts=len(recording.written),
        tokens=len(recording.evidence.text),
        max_new_tokens=64,
        seed=0,
        dtype="bfloat16",
        model_type=family.config.model_type,
    )
    plain = new_calibration(config, family.model, None, head, {}, costs, 1.0)
    evidence = recording.evidence.of_texts(recording.rule_part)
    rules = choose_rules(evidence, costs, family.depth)
    found: dict[str, Policy] = {}
    rate = 0.0
    for risk in RISKS:
        bold = _boldest(rules, evidence, risk)
        if bold is not None:
            found[f"EWS, layers, {risk:g}"] = EWSExitPolicy(calibration=replace(plain, rule=bold))
            columns = bold.outcome(evidence)[0]
            rate = float(((columns >= 0) & (columns < len(evidence.depths) - 1)).mean())
            classified = _with_classifiers(bold, evidence)
            if risk == RISKS[2]:
                found[f"EWS, layers, gates at every look, {risk:g}"] = EWSExitPolicy(
                    calibration=replace(plain, rule=classified)
                )
    for depth in evidence.depths[1:-1]:  # every token leaves at the first look that it takes
        rule = Rule(1.0, (DepthRule(depth, None, -np.inf, 0.0),))
        calibration = replace(plain, rule=rule)
        found[f"EWS, layers, one look after {depth}"] = EWSExitPolicy(calibration=calibration, cache="monotone")
    if feeds:
        found |= _ffn_policies(family, recording, plain, rules, evidence)
    return found, rate


def _boldest(rules: list[Rule], evidence: Any, risk: float) -> Rule | None:
    within = [rule for rule in rules if (~rule.outcome(evidence)[1]).mean() <= risk]
    return within[-1] if within else None


def _with_classifiers(rule: Rule, evidence: Any) -> Rule:
    """The same looks, each behind a gate of windowed statistics that lets the likelier half through."""
    exits = []
    for each in rule.exits:
        at = evidence.depths.index(each.depth)
        classifier = Logistic.fit(evidence.features[:, at], evidence.correct[:, at])
        scores = classifier.score(evidence.features[:, at])
        limit = float(np.nanmedian(scores)) if at < len(evidence.depths) - 1 else -np.inf
        exits.append(replace(each, classifier=classifier if np.isfinite(limit) else None, classifier_threshold=limit))
    return Rule(rule.tolerance, tuple(exits))


def _ffn_policies(
    family: Family, recording: Recording, plain: Calibration, rules: list[Rule], evidence: Any
) -> dict[str, Policy]:
    window = plain.config.window
    groups = ffn_groups(family.depth, window)
    tried = recording.rule_part[:24]
    harmless, seen = harmless_groups(
        family, recording.written, indices=tried, groups=groups, window=window, features="both"
    )
    classifiers = [Logistic.fit(seen[:, at], harmless[:, at]) for at in range(len(groups))]
    scores = np.stack([classifier.score(seen[:, at]) for at, classifier in enumerate(classifiers)], axis=1)
    found: dict[str, Policy] = {}
    for share in (0.05, 0.2, 0.5):
        feeds = skips_for(groups, classifiers, scores, harmless, share)
        config = replace(plain.config, unit="ffn", cache="exact")
        found[f"EWS, feed-forward, {share:g}"] = EWSExitPolicy(
            calibration=replace(plain, config=config, rule=Rule(share, (), feeds))
        )
        bold = _boldest(rules, evidence, share / 2)
        if bold is not None:
            config = replace(plain.config, unit="both", cache="propagate")
            found[f"EWS, both, {share:g}"] = EWSExitPolicy(
                calibration=replace(plain, config=config, rule=Rule(share, bold.exits, feeds))
            )
    return found


def baselines(depth: int, rate: float) -> dict[str, Policy]:
    """What users would otherwise take."""
    three = sorted({round(depth * share) for share in (2 / 3, 0.8, 0.9)})
    late = sorted({depth - 1, depth - 2, round(0.9 * depth), round(0.8 * depth), round(0.65 * depth)}, reverse=True)
    make: list[tuple[str, Callable[[], Policy]]] = [
        *((f"fixed exit after {at}", lambda at=at: FixedExitPolicy(depth=at)) for at in late),
        *((f"confidence at every layer, {t}", lambda t=t: ConfidencePolicy(threshold=t)) for t in (0.5, 0.9)),
        *(
            (
                f"confidence at {', '.join(map(str, three))}, {t}",
                lambda t=t: ConfidencePolicy(threshold=t, depths=three),
            )
            for t in (0.3, 0.6, 0.9)
        ),
        *((f"cosine saturation, {t}", lambda t=t: SaturationPolicy(threshold=t)) for t in (0.97, 0.99)),
        *((f"fixed point, {t}", lambda t=t: FixedPointPolicy(update=t)) for t in (0.1, 0.2)),
        (
            f"random exit, rate {rate:.2f}",
            lambda: RandomExitPolicy(rate=rate, depths=range(round(0.8 * depth), depth), cache="deferred"),
        ),
    ]
    return {name: build() for name, build in make}


# Agreements on these texts that differ by less are not told apart by them.
LEVEL = 0.01


def standing(ews: ParetoRow | None, other: ParetoRow | None) -> str:
    """Whether EWS is ahead within a budget: by agreement and, where the texts do not tell two apart, by time."""
    if ews is None:
        return "no"
    if other is None:
        return "yes"
    lead = (ews.agreement or 0.0) - (other.agreement or 0.0)
    if abs(lead) >= LEVEL:
        return "yes" if lead > 0 else "no"
    return "level, and faster" if ews.time_share < other.time_share else "level, and slower"


def budgets(rows: list[ParetoRow]) -> list[dict[str, str]]:
    """For each budget the best of each kind, and whether EWS is the best of all."""

    found = []
    for budget in BUDGETS:
        within = [
            row for row in rows if row.time_share <= budget and row.setting != "dense" and row.agreement is not None
        ]
        ews = max((row for row in within if row.setting.startswith("EWS")), key=lambda row: row.agreement, default=None)
        other = max(
            (row for row in within if not row.setting.startswith("EWS")), key=lambda row: row.agreement, default=None
        )
        found.append(
            {
                "Budget": f"{budget:g}",
                "Best EWS": "none fits" if ews is None else f"{ews.setting} ({ews.time_share:.2f})",
                "Its agreement": "" if ews is None else f"{ews.agreement:.3f}",
                "Best other": "none fits" if other is None else f"{other.setting} ({other.time_share:.2f})",
                "Its agreement ": "" if other is None else f"{other.agreement:.3f}",
                "EWS ahead": standing(ews, other),
            }
        )
    return found


def draw(rows: list[ParetoRow], name: str, path: Path) -> None:
    """Time against agreement."""
    figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
    groups = {"EWS": "#0072b2", "confidence": "#d55e00", "cosine": "#009e73", "fixed": "#999999", "random": "#cc79a7"}
    for word, colour in groups.items():
        chosen = [row for row in rows if row.setting.startswith(word)]
        axis.scatter([row.time_share for row in chosen], [row.agreement for row in chosen], c=colour, label=word, s=28)
    best = front(rows)
    axis.step([row.time_share for row in best], [row.agreement for row in best], where="post", c="0.6", lw=1, zorder=0)
    axis.axvline(1.0, c="0.8", lw=1)
    axis.set(xlabel="time per token, of the whole model's", ylabel="agreement with the whole model", title=name)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main() -> None:
    """Measure one model and write its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--texts", type=int, default=40)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-feeds", action="store_true")
    chosen = parser.parse_args()
    torch.set_grad_enabled(False)
    model, _ = load(chosen.model, dtype=chosen.dtype)
    family, recording = family_of(model), recorded(chosen.model)
    head = short_head(family, recording)
    policies, rate = ews_policies(family, recording, head, feeds=not chosen.no_feeds)
    policies |= baselines(family.depth, rate)
    judged = [recording.written[index] for index in recording.test_part[: chosen.texts]]
    timed = [recording.written[index] for index in recording.test_part[chosen.texts : chosen.texts + chosen.prompts]]
    rows = pareto(
        model,
        policies,
        prompts=[each.tokens[: each.prompt].tolist() for each in timed],
        replay_texts=judged,
        new_tokens=chosen.tokens,
        repeats=chosen.repeats,
        progress=lambda done, total: print(f"\r{done}/{total}", end="", flush=True),
    )
    print()
    label = chosen.model if chosen.dtype == "bfloat16" else f"{chosen.model}_{chosen.dtype}"
    best = {row.setting for row in front(rows)}
    table = [
        {
            "Setting": row.setting,
            "Agreement": f"{row.agreement:.3f}",
            "Perplexity": f"{row.perplexity:.2f}",
            "Agreement running freely": f"{row.free_agreement:.2f}",
            "Time": f"{row.time_share:.2f}",
            "Range": f"{row.time_low:.2f}–{row.time_high:.2f}",
            "Layers a token": f"{row.layers_per_token:.1f}",
            "Feed-forward": f"{row.ffn_blocks_per_token:.1f}",
            "Heads": f"{row.heads_per_token:.2f}",
            "Deciding": f"{row.deciding_share:.3f}",
            "Looks": f"{row.prediction_share:.3f}",
            "Front": "yes" if row.setting in best else "",
        }
        for row in rows
    ]
    for suffix, lines in (("pareto", table), ("budgets", budgets(rows))):
        with (FOLDER / f"llm_{suffix}_{label}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
        for line in lines:
            print("  ".join(line.values()))
    draw(rows, f"{chosen.model}, {chosen.dtype}, batch 1", FOLDER / f"llm_pareto_{label}.png")
    text = json.dumps({"machine": machine.describe(), "rows": [row.to_dict() for row in rows]}, indent=1)
    (FOLDER / f"llm_pareto_{label}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
