"""Every system on one model after the other: ``python -m benchmarks.llm.systems [model …]``.

``--judge`` measures what does not depend on the clock, on any machine; ``--regret`` looks for better routes;
``--tasks`` scores answers; ``--time`` times, and wants the machine for itself; ``--tables`` writes what is there. All
five in this order without any of them. What was measured is kept beside the recording of the model and not measured
again, unless ``--again``.

Writes ``docs/generated/llm_systems_<model>.csv`` (every system at every budget), ``llm_systems_verdicts_<model>.csv``,
``llm_systems_tasks_<model>.csv``, a JSON file with the machine, and a figure.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from adapters.assessment.pareto import DENSE, pareto
from adapters.decoding.contract import Policy
from adapters.training.duo import train_duo
from adapters.training.registry import FitSettings
from benchmarks import machine
from benchmarks.llm.models import load
from benchmarks.llm.record import recording_folder
from benchmarks.llm.systems.account import BUDGETS, Account
from benchmarks.llm.systems.contenders import SYSTEMS, Choice
from benchmarks.llm.systems.drawing import draw
from benchmarks.llm.systems.judging import Judge
from benchmarks.llm.systems.pages import write_page
from benchmarks.llm.systems.tables import cost_rows, rows, task_rows, theory_of_times, verdicts, write
from benchmarks.llm.systems.tasks import TASKS, answers, scored
from benchmarks.llm.systems.workbench import Workbench

MODELS = ("stories15m", "smollm2-135m", "qwen2.5-coder-0.5b", "tinyllama-1.1b")
FOLDER = Path(__file__).resolve().parents[3] / "docs" / "generated"
DUO_SHARES = (0.6, 0.4, 0.2)  # of blocks that routers are trained to leave whole; the likeliest choice leaves more
DUO_FIT = FitSettings(epochs=2, batch_size=8, learning_rate=3e-3)
_IN_FITTING = "agreement_in_fitting"
STAGES = ("judge", "regret", "tasks", "time", "tables")


class Kept:
    """What was measured of a model, in files beside its recording."""

    def __init__(self, name: str, *, again: bool) -> None:
        self.folder = recording_folder(name) / "systems"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.again = again

    def path(self, what: str) -> Path:
        return self.folder / f"{what.replace('/', '-').replace(' ', '_')}.json"

    def get(self, what: str) -> Any:
        path = self.path(what)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def made(self, what: str, measure: Callable[[], Any]) -> Any:
        """What is kept, or else measured now and kept."""
        found = None if self.again else self.get(what)
        if found is None:
            found = measure()
            self.put(what, found)
        return found

    def put(self, what: str, found: Any) -> None:
        """Keep what was measured."""
        self.path(what).write_text(json.dumps(found) + "\n", encoding="utf-8")


def judge(bench: Workbench, kept: Kept, systems: Sequence[str], budgets: Sequence[float]) -> None:
    """Find and judge systems within budgets."""
    judge_ = Judge(bench)
    known = {json.dumps(each["choice"], sort_keys=True): each for each in places(kept).values() if "choice" in each}
    kept.made("judge never", lambda: judge_.judged(Choice("", "never")))
    for system in systems:
        for budget in budgets:

            def measure(find: Any = SYSTEMS[system], budget: float = budget) -> Any:
                with torch.no_grad():
                    choice = find(bench, budget)
                if isinstance(choice, str):
                    return {"reason": choice}
                said = json.dumps(choice.to_dict(), sort_keys=True)
                if said not in known:  # the same setting may serve two budgets
                    with torch.no_grad():
                        fitting = judge_.agreement_in_fitting(choice)
                    known[said] = {**judge_.judged(choice), _IN_FITTING: fitting}
                return known[said]

            started = time.perf_counter()
            found = kept.made(f"judge {system} {budget:g}", measure)
            if "reason" not in found and len(found["sizes"]) != len(bench.judged):
                raise SystemExit(
                    f"{system} at {budget:g} was judged on {len(found['sizes'])} texts, not {len(bench.judged)}: "
                    "--texts as then, or --again"
                )
            if "reason" in found:
                print(f"{bench.name} {budget:g} {system}: {found['reason']}", flush=True)
                continue
            agreement = 1 - sum(found["differ"]) / sum(found["sizes"])
            print(
                f"{bench.name} {budget:g} {system} ({found['choice']['setting']}): agreement {agreement:.3f}, "
                f"cost {found['theory']:.3f}, perplexity {found['perplexity']:.2f}, "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )


def regret(bench: Workbench, kept: Kept, systems: Sequence[str], budgets: Sequence[float]) -> None:
    """Hold what was judged against an oracle."""
    judge_ = Judge(bench)
    known: dict[str, Any] = {}  # the same setting may serve two budgets
    for (system, budget), found in places(kept).items():
        done = "reason" in found or ("oracle" in found and not kept.again)
        if done or system not in systems or budget not in budgets:
            continue
        said = json.dumps(found["choice"], sort_keys=True)
        if said not in known:
            known[said] = judge_.regret(Choice(**found["choice"]))
        kept.put(f"judge {system} {budget:g}", {**found, **known[said]})
        mean, low, high = known[said]["regret"]
        print(f"{bench.name} {budget:g} {system}: regret {mean:.3f} ({low:.3f}–{high:.3f})", flush=True)


def learn_duo(bench: Workbench, kept: Kept) -> None:
    """Train Duo-LLM's small blocks and routers, on the texts that the head was fitted to."""
    for share in DUO_SHARES:
        folder = kept.folder / f"duo-{share:g}"
        if folder.exists() and not kept.again:
            continue
        model = load(bench.name)[0]
        with torch.enable_grad():
            train_duo(model, bench.learned, folder=folder, fit=DUO_FIT, budget=share)
        print(f"{bench.name}: Duo-LLM, {share:g} of the blocks whole", flush=True)
    bench.duo |= {each.name: each for each in sorted(kept.folder.glob("duo-*"))}


def places(kept: Kept) -> dict[tuple[str, float], Any]:
    """What was judged of each system at each budget."""
    found = {(system, budget): kept.get(f"judge {system} {budget:g}") for system in SYSTEMS for budget in BUDGETS}
    return {place: each for place, each in found.items() if each is not None}


def _policies(bench: Workbench, kept: Kept, budget: float, *, side_by_side: bool = False) -> dict[str, Policy]:
    """Of a budget, by system; for several prompts side by side where rows might leave at different depths."""
    found = {}
    for (system, of_budget), one in places(kept).items():
        if of_budget == budget and "reason" not in one:
            choice = Choice(**one["choice"])
            if side_by_side and choice.options.get("cache") == "monotone":  # the same tokens, and a cache for each row
                choice = replace(choice, options={**choice.options, "cache": "deferred"})
            found[system] = choice.make(bench)
    return found | {"never": Choice("", "never").make(bench)}


def score(bench: Workbench, kept: Kept, systems: Sequence[str], budgets: Sequence[float]) -> None:
    """Answer the tasks with the full model, and with settings of some budgets."""
    if bench.reader is None:
        print(f"{bench.name}: no tokenizer, and so no tasks", flush=True)
        return
    full = kept.made("tasks full", lambda: [answers(bench, task, None) for task in TASKS])

    def scores(policy: Policy | None) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        written: dict[str, list[list[int]]] = {}
        for task, whole in zip(TASKS, full, strict=True):
            if task.name not in written:
                written[task.name] = whole if policy is None else answers(bench, task, policy)
            found[f"{task.name} {task.score}"] = scored(bench, task, written[task.name], whole)
        return found

    kept.made("tasks dense 0", lambda: scores(None))
    judged = places(kept)
    known: dict[str, Any] = {}  # the same setting may be that of several systems
    for budget in budgets:
        for system, policy in _policies(bench, kept, budget, side_by_side=True).items():
            if system not in (*systems, "never"):
                continue
            said = json.dumps(judged.get((system, budget), {}).get("choice"), sort_keys=True)

            def measure(policy: Policy = policy, said: str = said) -> Any:
                if said not in known:
                    known[said] = scores(policy)
                return known[said]

            found = kept.made(f"tasks {system} {budget:g}", measure)
            known[said] = found
            line = ", ".join(f"{name} {sum(each) / len(each):.3f}" for name, each in found.items())
            print(f"{bench.name} {budget:g} {system}: {line}", flush=True)


def clock(
    bench: Workbench,
    kept: Kept,
    systems: Sequence[str],
    budgets: Sequence[float],
    *,
    prompts: int,
    tokens: int,
    repeats: int,
    processor: bool,
) -> None:
    """Time settings, all of a budget in turn with plain ``generate``; and what layers, heads and predictions take."""
    tells = time.process_time if processor else time.perf_counter
    for budget in budgets:
        what = f"time {budget:g}"
        before = None if kept.again else kept.get(what)
        known = [] if before is None else before["rows"]
        timed = {row["setting"] for row in known}
        wanted = {name: each for name, each in _policies(bench, kept, budget).items() if name in (*systems, "never")}
        known = [row for row in known if row["setting"] in {DENSE, "never", *SYSTEMS}]
        new = {system: policy for system, policy in wanted.items() if system not in timed}
        if new:  # what came since is timed in turn with plain generate, too: shares of its time can be compared
            found = pareto(
                bench.model,
                new,
                prompts=bench.timed(prompts),
                new_tokens=tokens,
                repeats=repeats,
                clock=tells,
                progress=lambda done, total, budget=budget: print(f"\r{budget:g} {done}/{total}", end="", flush=True),
            )
            print()
            machine_ = {**machine.describe(), "threads": str(torch.get_num_threads()), "busy": str(machine.busy())}
            machine_["clock"] = "processor time" if processor else "time"
            known += [row.to_dict() for row in found if row.setting not in timed]
            costs = bench.costs(tells) if before is None else before.get("costs")
            kept.put(
                what, {"machine": machine_ if before is None else before["machine"], "rows": known, "costs": costs}
            )
        for row in known:
            print(
                f"{bench.name} {budget:g} {row['setting']}: time {row['time_share']:.3f} "
                f"({row['time_low']:.3f}–{row['time_high']:.3f}), {row['tokens_per_second']:.1f} tokens a second",
                flush=True,
            )


def tables(name: str, kept: Kept, weighed: Account, dtype: str) -> None:
    """Write what is there."""
    layers = weighed.layers
    judged, never = places(kept), kept.get("judge never")
    timed: dict[tuple[str, float], Any] = {}
    machines: dict[str, Any] = {}
    accounts = {"by bytes": weighed}
    for budget in BUDGETS:
        of_budget = kept.get(f"time {budget:g}")
        if of_budget is not None:
            machines[f"{budget:g}"] = of_budget["machine"]
            dense = next(row for row in of_budget["rows"] if row["setting"] == DENSE)
            account = None
            if of_budget.get("costs") is not None:
                account = Account.measured(
                    of_budget["costs"], layers=layers, token_seconds=1 / dense["tokens_per_second"]
                )
                accounts[f"by time, beside the settings of {budget:g}"] = account
            for row in of_budget["rows"]:
                one = never if row["setting"] == "never" else judged.get((row["setting"], budget))
                timed[row["setting"], budget] = {**row, "theory_of_times": theory_of_times(one, account)}
    if ("never", BUDGETS[0]) in timed:
        timed["never", 0.0] = timed["never", BUDGETS[0]]
    scores = {("dense", 0.0): kept.get("tasks dense 0")}
    scores |= {(system, budget): kept.get(f"tasks {system} {budget:g}") for budget in BUDGETS for system in SYSTEMS}
    scores["never", 0.0] = next(filter(None, (kept.get(f"tasks never {budget:g}") for budget in BUDGETS)), None)
    scores = {place: each for place, each in scores.items() if each is not None}
    means = {place: {task: sum(each) / len(each) for task, each in found.items()} for place, found in scores.items()}
    lines = {
        f"llm_systems_{name}": rows(never, judged, timed, means, layers),
        f"llm_systems_verdicts_{name}": verdicts(judged, timed),
        f"llm_systems_tasks_{name}": task_rows(scores),
        f"llm_systems_costs_{name}": cost_rows(accounts),
    }
    for stem, found in lines.items():
        if found:
            write(found, FOLDER / f"{stem}.csv")
    draw(judged, timed, f"{name}, {dtype}, batch 1", FOLDER / f"llm_systems_{name}.png")
    written = {
        "model": name,
        "dtype": dtype,
        "budgets": BUDGETS,
        "GPU": "not measured",
        "machine": machines or "not timed",
        "accounts": {title: asdict(each) for title, each in accounts.items()},
        "layers": layers,
        "never": never,
        "tasks": [{"system": system, "budget": budget, "scores": each} for (system, budget), each in scores.items()],
        "judged": [{"system": system, "budget": budget, **each} for (system, budget), each in judged.items()],
        "timed": [{"system": system, "budget": budget, **each} for (system, budget), each in timed.items()],
    }
    (FOLDER / f"llm_systems_{name}.json").write_text(json.dumps(written) + "\n", encoding="utf-8")
    write_page(MODELS, FOLDER)
    for line in lines[f"llm_systems_verdicts_{name}"]:
        print("  ".join(line.values()))


def main() -> None:
    """Measure the models named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    for stage in STAGES:
        parser.add_argument(f"--{stage}", action="store_true")
    parser.add_argument("--again", action="store_true", help="measure anew what is there")
    parser.add_argument("--texts", type=int, default=32, help="texts that are judged")
    parser.add_argument("--task-budgets", type=float, nargs="*", default=[BUDGETS[1]], help="at which tasks are asked")
    parser.add_argument(
        "--budgets",
        type=float,
        nargs="*",
        default=list(BUDGETS),
        choices=BUDGETS,
        help="at which all is judged and timed",
    )
    parser.add_argument("--prompts", type=int, default=3, help="prompts that are timed")
    parser.add_argument("--tokens", type=int, default=32, help="tokens after each of these")
    parser.add_argument("--repeats", type=int, default=3, help="how often everything is timed")
    parser.add_argument(
        "--systems", nargs="*", default=list(SYSTEMS), choices=list(SYSTEMS), help="that are judged, asked and timed"
    )
    parser.add_argument("--train-duo", action="store_true", help="train Duo-LLM first")
    parser.add_argument("--duo", type=Path, nargs="*", default=[], help="folders of Duo-LLM trained beside the model")
    parser.add_argument("--processor-time", action="store_true", help="of one thread, on a machine that others use")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--threads", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_grad_enabled(False)
    if chosen.threads or chosen.processor_time:
        torch.set_num_threads(1 if chosen.processor_time else chosen.threads)
    stages = [stage for stage in STAGES if getattr(chosen, stage)] or list(STAGES)
    for name in chosen.models:
        kept = Kept(name, again=chosen.again)
        trained = [*chosen.duo, *sorted(kept.folder.glob("duo-*"))]
        bench = Workbench(name, texts=chosen.texts, dtype=chosen.dtype, duo=trained)
        if chosen.train_duo:
            learn_duo(bench, kept)
        if "judge" in stages:
            judge(bench, kept, chosen.systems, chosen.budgets)
        if "regret" in stages:
            exact = Workbench(name, texts=chosen.texts, dtype="float32", duo=trained)  # or rounding is a part of it
            regret(exact, kept, chosen.systems, chosen.budgets)
        if "tasks" in stages:
            score(bench, kept, chosen.systems, chosen.task_budgets)
        if "time" in stages:
            clock(
                bench,
                kept,
                chosen.systems,
                chosen.budgets,
                prompts=chosen.prompts,
                tokens=chosen.tokens,
                repeats=chosen.repeats,
                processor=chosen.processor_time,
            )
        if "tables" in stages:
            tables(name, kept, bench.account, chosen.dtype)


if __name__ == "__main__":
    main()
