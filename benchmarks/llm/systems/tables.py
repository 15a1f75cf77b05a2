"""The tables: every system at every budget, where the early-warning policy stands, and the tasks."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.llm.systems.account import BUDGETS, Account, Use
from benchmarks.llm.systems.contenders import CONTROLS, EWS, SHORT, SYSTEMS
from benchmarks.llm.systems.statistics import interval, paired_interval, standing

__all__ = ["NOT_MEASURED", "cost_rows", "rows", "task_rows", "theory_of_times", "verdicts", "write"]

Judged = Mapping[tuple[str, float], Mapping[str, Any]]  # of each system at each budget
Timed = Mapping[tuple[str, float], Mapping[str, Any]]
NOT_MEASURED = "not measured"


def agreements(found: Mapping[str, Any]) -> tuple[list[float], list[int]]:
    """Agreement in each text, and its tokens."""
    return [1 - d / n for d, n in zip(found["differ"], found["sizes"], strict=True)], list(found["sizes"])


def agreement(found: Mapping[str, Any]) -> float:
    """Share of all tokens that are the full model's."""
    return 1 - sum(found["differ"]) / sum(found["sizes"])


def _said(low: float, high: float, digits: int = 3) -> str:
    return f"{low:.{digits}f}–{high:.{digits}f}"


def rows(
    never: Mapping[str, Any],
    judged: Judged,
    timed: Timed,
    tasks: Mapping[tuple[str, float], Mapping[str, float]],
    layers: int,
) -> list[dict[str, str]]:
    """The table: the full model and a policy that never leaves, then every system within every budget."""
    dense = {
        "Agreement": "1.000",
        "Perplexity of its own text": f"{never['full_own_perplexity']:.2f}",
        "Perplexity of other text": _number(never["full_perplexity"]),
        "Layers": f"{layers:.1f}",
        "Feed-forward": f"{layers:.1f}",
        "Theory": "1.000",
        "Time": "1.00",
        "KV memory": "1.00",
        "Texts": str(len(never["sizes"])),
        "Tokens": str(sum(never["sizes"])),
    }
    found = [
        _ordered(
            {"Budget": "–", "System": "full model (plain generate)", **dense, **_scores(tasks.get(("dense", 0.0)))}
        )
    ]
    found.append(_row("–", "never leaves", never, timed.get(("never", 0.0)), None, tasks.get(("never", 0.0))))
    for budget in BUDGETS:
        for system in SYSTEMS:
            one = judged.get((system, budget), {"reason": NOT_MEASURED})
            if "reason" in one:
                found.append(
                    _ordered({"Budget": f"{budget:g}", "System": system, "Setting": one["reason"]}, absent="–")
                )
                continue
            ews = judged.get((EWS, budget))
            against = None
            if system != EWS and ews is not None and "reason" not in ews:
                against = paired_interval(agreements(ews)[0], agreements(one)[0], agreements(ews)[1])
            place = (system, budget)
            found.append(_row(f"{budget:g}", system, one, timed.get(place), against, tasks.get(place)))
            found[-1]["Theory"] = _theory(one, budget)
    return found


_COLUMNS = (
    "Budget",
    "System",
    "Setting",
    "Agreement",
    "95 %",
    "EWS against it",
    "Perplexity of its own text",
    "Perplexity of other text",
    "E2E ROUGE-L",
    "XSum ROUGE-L",
    "NQ exact match",
    "Layers",
    "Feed-forward",
    "Theory",
    "Theory of times",
    "Time",
    "Range",
    "Realised",
    "Realised of times",
    "Deciding",
    "KV memory",
    "Regret",
    "Oracle",
    "ECE",
    "Texts",
    "Tokens",
)


_CLOCKED = ("Theory of times", "Time", "Range", "Realised", "Realised of times", "Deciding")


def _ordered(given: Mapping[str, str], absent: str = "") -> dict[str, str]:
    return {column: given.get(column, absent) for column in _COLUMNS}


def _number(value: float | None, digits: int = 2) -> str:
    return NOT_MEASURED if value is None else f"{value:.{digits}f}" if value < 1e4 else f"{value:.1e}"


def _scores(found: Mapping[str, float] | None) -> dict[str, str]:
    names = {"E2E ROUGE-L": "E2E NLG ROUGE-L", "XSum ROUGE-L": "XSum ROUGE-L", "NQ exact match": "NQ-open exact match"}
    return {column: NOT_MEASURED if not found else f"{found[name]:.2f}" for column, name in names.items()}


def _row(
    budget: str,
    system: str,
    one: Mapping[str, Any],
    time: Mapping[str, Any] | None,
    against: tuple[float, float, float] | None,
    tasks: Mapping[str, float] | None,
) -> dict[str, str]:
    texts, sizes = agreements(one)
    row = {
        "Budget": budget,
        "System": system,
        "Setting": one["choice"]["setting"],
        "Agreement": f"{agreement(one):.3f}",
        "95 %": _said(*interval(texts, sizes)),
        "EWS against it": "" if against is None else f"{standing(against)} ({against[0]:+.3f}, {_signed(against)})",
        "Perplexity of its own text": _number(one["own_perplexity"]),
        "Perplexity of other text": _number(one["perplexity"]),
        **_scores(tasks),
        "Layers": f"{one['layers']:.1f}",
        "Feed-forward": f"{one['ffn_blocks']:.1f}",
        "Theory": f"{one['theory']:.3f}",
        "KV memory": f"{one['memory']:.2f}",
        "Regret": "{:.2f} ({:.2f}–{:.2f})".format(*one["regret"]) if "regret" in one else NOT_MEASURED,
        "Oracle": one.get("oracle", NOT_MEASURED),
        "ECE": f"{one['ece']:.3f}",
        "Texts": str(len(sizes)),
        "Tokens": str(sum(sizes)),
        **dict.fromkeys(
            ("Theory of times", "Time", "Range", "Realised", "Realised of times", "Deciding"), NOT_MEASURED
        ),
    }
    if time is not None:
        gain, of_times = 1 - one["theory"], time.get("theory_of_times")
        if of_times is not None:
            row["Theory of times"] = f"{of_times:.3f}"
            row["Realised of times"] = f"{(1 - time['time_share']) / (1 - of_times):.2f}" if of_times < 0.98 else "–"
        row |= {
            "Time": f"{time['time_share']:.2f}",
            "Range": _said(time["time_low"], time["time_high"], 2),
            "Realised": f"{(1 - time['time_share']) / gain:.2f}" if gain > 0.02 else "–",
            "Deciding": f"{time['deciding_share'] + time['prediction_share']:.3f}",
        }
    return _ordered(row)


def theory_of_times(one: Mapping[str, Any] | None, account: Account | None) -> float | None:
    """Cost of a token by what layers, heads and predictions take here; None where that is not known."""
    if one is None or account is None or "reason" in one:
        return None
    if one["choice"]["policy"] == "folder" and "substitutes" not in one:  # not counted then
        return None
    fields = ("layers", "ffn_blocks", "heads", "predictions", "classifiers")
    use = Use(**{name: one[name] for name in fields}, substitutes=one.get("substitutes", 0.0))
    return account.share(use, one["cache"])


def _signed(against: tuple[float, float, float]) -> str:
    return f"{against[1]:+.3f} to {against[2]:+.3f}"


def verdicts(judged: Judged, timed: Timed) -> list[dict[str, str]]:
    """For each budget, where the early-warning policy stands against the best others, and against its controls.

    The best are chosen by their agreement on the texts that settings were found on, among those that read as published,
    and among those that have the short-listed head of the early-warning policy.
    """
    found = []
    for budget in BUDGETS:
        here = {
            system: judged[system, budget]
            for system in SYSTEMS
            if "reason" not in judged.get((system, budget), {"reason": ""})
        }
        others = [system for system in here if system != EWS and system not in CONTROLS]
        published = [system for system in others if not system.endswith(SHORT)]
        compared = [("best other system", _best(here, published))]
        compared.append(
            ("best other with the short head", _best(here, [each for each in others if each not in published]))
        )
        for what, system in (*compared, *(("control", each) for each in CONTROLS)):
            asked = {name for name, at in judged if at == budget} - {EWS, *CONTROLS}
            if what == "control":
                asked = {system} & {name for name, at in judged if at == budget}
            elif what.endswith("short head"):
                asked = {name for name in asked if name.endswith(SHORT)}
            none = "none fits" if asked else NOT_MEASURED
            row = {"Budget": f"{budget:g}", "EWS against the": what, "System": system or none}
            if EWS not in here:
                row |= {
                    "Agreement of EWS": "none fits",
                    "Its": "",
                    "Difference": "",
                    "EWS is": "losing" if system in here else "–",
                }
            elif system not in here:
                row |= {
                    "Agreement of EWS": f"{agreement(here[EWS]):.3f}",
                    "Its": none,
                    "Difference": "",
                    "EWS is": "better" if asked else "–",
                }
            else:
                own, other = agreements(here[EWS]), agreements(here[system])
                difference = paired_interval(own[0], other[0], own[1])
                row |= {
                    "Agreement of EWS": f"{agreement(here[EWS]):.3f}",
                    "Its": f"{agreement(here[system]):.3f}",
                    "Difference": f"{difference[0]:+.3f} ({_signed(difference)})",
                    "EWS is": standing(difference),
                }
            row |= {
                "Theory of EWS": _theory(here.get(EWS), budget),
                "Its theory": _theory(here.get(system or ""), budget),
            }
            row |= {"Time of EWS": _time(timed, EWS, budget), "Its time": _time(timed, system, budget)}
            found.append(row)
    return found


def _best(here: Mapping[str, Mapping[str, Any]], systems: Sequence[str]) -> str | None:
    return max(systems, key=lambda system: here[system]["agreement_in_fitting"], default=None)


def _theory(found: Mapping[str, Any] | None, budget: float) -> str:
    """Cost on the judged texts, marked where the budget that was kept on others is not kept there."""
    if found is None:
        return ""
    return f"{found['theory']:.3f} (over)" if round(found["theory"], 3) > budget else f"{found['theory']:.3f}"


def _time(timed: Timed, system: str | None, budget: float) -> str:
    one = timed.get((system or "", budget))
    return NOT_MEASURED if one is None else f"{one['time_share']:.2f} ({_said(one['time_low'], one['time_high'], 2)})"


def task_rows(scores: Mapping[tuple[str, float], Mapping[str, Sequence[float]]]) -> list[dict[str, str]]:
    """Every task of every system that was asked, with the difference from the full model on the same prompts."""
    found = []
    for (system, budget), of_tasks in scores.items():
        for task, values in of_tasks.items():
            full = scores["dense", 0.0][task]
            mean, low, high = paired_interval(values, full)
            found.append(
                {
                    "Budget": f"{budget:g}" if budget else "–",
                    "System": {"dense": "full model (plain generate)", "never": "never leaves"}.get(system, system),
                    "Task": task,
                    "Score": f"{np.mean(values):.3f}",
                    "95 %": _said(*interval(list(values))),
                    "Less the full model's": "" if system == "dense" else f"{mean:+.3f} ({low:+.3f} to {high:+.3f})",
                    "Prompts": str(len(values)),
                }
            )
    return found


def cost_rows(accounts: Mapping[str, Account]) -> list[dict[str, str]]:
    """What the parts of a token cost, in layers: by the bytes that are read, and as timed."""
    found = []
    for title, account in accounts.items():
        costs = account.costs
        parts = {
            "Layers": float(account.layers),
            "Full head": costs.head,
            "Short-listed head": costs.prediction,
            "Classifier": costs.classifier,
            "Feed-forward block": costs.ffn,
            "Layer completed later": costs.completion,
            "Keys and values projected": account.projection,
            "Beside (generate's loop)": account.other,
        }
        found.append({"Costs in layers": title, **{name: f"{value:.2f}" for name, value in parts.items()}})
    return found


def write(lines: Sequence[Mapping[str, str]], path: Path) -> None:
    """A table to a file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
