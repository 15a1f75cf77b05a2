"""Measure everything that is claimed about speed and write it down: ``make bench``, or ``python -m benchmarks``.

``python -m benchmarks speed_rolling`` measures one table (or several) and leaves the others as they are.

Writes ``docs/generated/speed*.csv`` and ``speed.json``. Exits with 1 where a goal is missed or two results differ.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import kernels, machine, score_tests, speed_figure, startup, writing
from benchmarks.comparisons import COMPARISONS, ENDS, Comparison, noise
from benchmarks.memory import peak as memory_of
from benchmarks.side_by_side import CURVES, PACKAGES, STATISTICS, WINDOW, along, beside
from benchmarks.timing import Timing, interleaved
from ews._common.threads import thread_count

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "generated"
SECONDS = 3.0  # for each comparison at each size
MOST_TIMES_THE_SERIES = 30.0  # the memory of the default answer for a long one
LEAST_TIMES_FASTER = 5.0  # the default answer than published practice

Row = dict[str, str]


@dataclass(frozen=True)
class Measured:
    """One line of a table, and whether it is what we mean it to be."""

    row: Row
    kept: bool
    details: dict[str, float] = field(default_factory=dict)  # for the JSON only: seconds, and numbers of calls


def compare(comparison: Comparison, n: int) -> Measured:
    """Time one comparison at one size, after a look at whether both sides say the same."""
    x = noise(n)
    difference = comparison.difference(x)
    times = interleaved(
        {"ours": partial(comparison.ours, x), "theirs": partial(comparison.theirs, x)}, seconds=SECONDS, fewest=7
    )
    ours = times["ours"].median
    theirs = times["theirs"].median / comparison.peer_share
    ratio = theirs / ours
    # A busy machine flatters the shorter side: its calls fit between two switches to another process. Processor time
    # does not know of that, so a goal on one thread has to be met in both.
    ratio_used = times["theirs"].processor / comparison.peer_share / times["ours"].processor
    slower = ratio if comparison.threaded else min(ratio, ratio_used)
    in_time = comparison.limit is None or ours <= comparison.limit
    fast_enough = comparison.goal is None or slower >= comparison.goal
    row = {
        "Task": comparison.task,
        "Samples": f"{n:,}",
        "ews (ms)": _milliseconds(ours),
        "Peer": comparison.peer,
        "Peer (ms)": _milliseconds(theirs),
        "Times faster": _ratio(ratio),
        "Times less processor time": _ratio(ratio_used),
        "Goal": _goal(comparison, met=in_time and fast_enough),
        "Largest difference": f"{difference:.0e}",
    }
    return Measured(row, in_time and fast_enough and difference <= comparison.tolerance, _details(times))


def above_writing(
    what: str, most: float, timed: Callable[[float], tuple[Timing, Timing]], *, threaded: bool
) -> Measured:
    """Rolling statistics in units of the time that NumPy takes to write as many numbers."""
    ours, written = timed(SECONDS)
    used = f"{_milliseconds(ours.processor)} ms of processor time beside {_milliseconds(written.processor)} ms"
    waited = f"{_milliseconds(ours.median)} ms beside {_milliseconds(written.median)} ms, {used}"
    ratio = ours.median / written.median if threaded else ours.processor / written.processor
    measured = _waited(what, f"{ratio:.2f} × ({waited if threaded else used})", f"{most:g} ×", ratio <= most)
    return replace(measured, details=_details({"ours": ours, "numpy": written}))


def side_by_side(statistic: str, n: int) -> Measured:
    """Every package that has a statistic; processor time, which other work on the machine changes least."""
    times = beside(statistic, n, WINDOW, SECONDS / 3)
    row = {"Statistic": statistic, "Samples": f"{n:,}"}
    for package in PACKAGES:
        row[package] = _milliseconds(times[package].processor) if package in times else "–"
    return Measured(row, True, _details(times))


def scaling(curve: str, size: int) -> Measured:
    """One size along a curve."""
    times, samples = along(curve, size, SECONDS / 3)
    details = _details(times) | {"samples": samples}
    text = ", ".join(f"{name} {spent:.3g}" for name, spent in a_sample(curve, details).items())
    return Measured({"Along": curve, "Size": f"{size:,}", "Nanoseconds a sample": text}, True, details)


def a_sample(curve: str, details: Mapping[str, Any]) -> dict[str, float]:
    """Nanoseconds a sample of each package: processor time, or where threads share the work the shortest wall time."""
    what = "lowest" if "series" in curve else "processor"
    named = {key.rpartition(", ")[0]: value for key, value in details.items() if key.endswith(f", {what}")}
    return {package: 1e9 * seconds / details["samples"] for package, seconds in named.items()}


def peaks(statistic: str, n: int) -> Measured:
    """The memory that each package takes for a statistic, its results included."""
    row = {"Statistic": statistic, "Samples": f"{n:,}"}
    details = {}
    for package in PACKAGES:
        taken = memory_of(statistic, package, n) if importlib.util.find_spec(package) else None
        row[package] = "–" if taken is None else f"{taken / 1e6:.0f}"
        details |= {} if taken is None else {f"{package}, bytes": taken}
    return Measured(row, True, details)


def steps() -> list[Measured]:
    """Where the time of four statistics goes."""
    return [
        Measured({"Step": name, "Sums that slide": f"{slid:.2f}", "Sums of each window": f"{summed:.2f}"}, True)
        for name, (slid, summed) in kernels.steps().items()
    ]


def _details(times: Mapping[str, Timing]) -> dict[str, float]:
    return {f"{who}, {what}": value for who, time in times.items() for what, value in asdict(time).items()}


def figure(lines: list[dict[str, Any]]) -> None:
    """The curves, from what the JSON holds of them."""
    curves: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for line in lines:
        point = int(line["Size"].replace(",", "")), a_sample(line["Along"], line)
        curves.setdefault(line["Along"], []).append(point)
    speed_figure.draw(curves, FOLDER / "speed_scaling.png")


def machines(measured_on: Mapping[str, Mapping[str, str]]) -> None:
    """What each table was measured on: a column for each machine and its packages, headed by its tables."""
    columns: list[tuple[Mapping[str, str], list[str]]] = []
    for name, described in measured_on.items():
        same = next((names for one, names in columns if one == described), None)
        if same is None:
            columns.append((described, same := []))
        same.append(name.removeprefix("speed_").replace("_", " "))
    fields = list(dict.fromkeys(field for described, _ in columns for field in described))
    with (FOLDER / "speed_machine.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if len(columns) > 1:
            writer.writerow(["tables", *(", ".join(names) for _, names in columns)])
        writer.writerows([field, *(described.get(field, "–") for described, _ in columns)] for field in fields)


def imports() -> Measured:
    """``import ews`` above numpy."""
    times = startup.import_time()
    spent = times["numpy and ews"] - times["numpy"]
    return _waited("`import ews`, beyond numpy", f"{1e3 * max(spent, 0.0):.0f} ms", "60 ms", spent <= 0.060)


def first_detect() -> Measured:
    """The first ``detect`` of a process, kernels kept on disk."""
    times = startup.first_detect()
    spent = times["detect"] - times["dependencies"]
    what = (
        "`import ews` and a first `detect` of 1,000 samples, kernels on disk, "
        f"beyond the imports of its dependencies ({times['dependencies']:.2f} s)"
    )
    return _waited(what, f"{spent:.2f} s", "1 s", spent <= 1.0)


def cold_compilation() -> Measured:
    """The first ``detect`` of all, which compiles."""
    spent, said = startup.cold_compilation()
    what = "the same where nothing is on disk yet: all kernels are compiled, and a line on stderr says so"
    return _waited(what, f"{spent:.1f} s", "8 s", spent <= 8.0 and "compiling" in said)


def memory() -> Measured:
    """What more surrogates add to the memory of a test: their trends, not themselves."""
    n, few, many = 10_000, 1_000, 4_000
    peak_few, peak_many = startup.peak_memory(n, few, many)
    added, filled = peak_many - peak_few, 8.0 * n * (many - few)
    what = (
        f"peak memory of {many:,} surrogates of {n:,} samples beyond that of {few:,} ({peak_few / 1e6:.1f} MB); "
        f"stored, they would fill {filled / 1e6:.0f} MB"
    )
    return _waited(what, f"{max(added, 0.0) / 1e6:.1f} MB", f"{filled / 2e7:.0f} MB", added <= filled / 20)


def long_record(n: int, most: float) -> Measured:
    """The default answer for a long record, and the memory that it takes."""
    spent, times = startup.long_record(n)
    what = f"`detect` of {n:,} samples with all defaults, and its memory in units of the series"
    kept = spent <= most and times <= MOST_TIMES_THE_SERIES
    return _waited(what, f"{spent:.0f} s, {times:.0f} ×", f"{most:g} s, {MOST_TIMES_THE_SERIES:g} ×", kept)


def default_answer() -> Measured:
    """The whole default answer beside published practice with as many surrogates."""
    clock, processor = score_tests.times_faster(score_tests.answers(), SECONDS)
    first, first_processor = score_tests.times_faster(score_tests.first_answers(), SECONDS)
    what = (
        f"`detect` of one series of {score_tests.N:,} samples after another, {score_tests.SURROGATES:,} surrogates, "
        'with power, bands and intervals: times faster than `method="kendall"` '
        f"(of the first series of a length {first:.1f} ×, {first_processor:.1f} × less processor time)"
    )
    shown, kept = f"{clock:.1f} ×, {processor:.1f} × less processor time", min(clock, processor) >= LEAST_TIMES_FASTER
    return Measured(_line(what, shown, f"≥ {LEAST_TIMES_FASTER:g} ×", kept), kept)


def _waited(what: str, measured: str, goal: str, kept: bool) -> Measured:
    return Measured(_line(what, measured, f"≤ {goal}", kept), kept)


def _line(what: str, measured: str, goal: str, kept: bool) -> Row:
    return {"What": what.replace("`", "``"), "Measured": measured, "Goal": goal + _missed(kept)}


def _missed(met: bool) -> str:
    return "" if met else ", missed"


def _goal(comparison: Comparison, *, met: bool) -> str:
    goals = [f"≥ {comparison.goal:g} ×"] if comparison.goal else []
    goals += [f"≤ {1e3 * comparison.limit:g} ms"] if comparison.limit else []
    return ", ".join(goals) + _missed(met) if goals else "–"


def _milliseconds(seconds: float) -> str:
    """Three digits."""
    value = 1e3 * seconds
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def table(name: str, tasks: list[Callable[[], Measured | list[Measured]]]) -> list[Measured]:
    """Measure the lines of one table, saying each as it is done, and write them."""
    done = []
    for task in tasks:
        found = task()
        for measured in found if isinstance(found, list) else [found]:
            print("  ".join(measured.row.values()) + ("" if measured.kept else "   MISSED"), flush=True)
            done.append(measured)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(done[0].row))
        writer.writeheader()
        writer.writerows(each.row for each in done)
    return done


def main() -> int:
    """Measure, write, and say whether every goal is met."""
    described = machine.describe()
    print(", ".join(f"{name} {value}" for name, value in described.items()))
    if machine.busy():
        print("other work runs on this machine: times below are longer than they need be", file=sys.stderr)
    present = [each for each in COMPARISONS if each.installed]
    for missing in sorted({each.peer for each in COMPARISONS} - {each.peer for each in present}):
        print(f"left out, because it is not installed: {missing}", file=sys.stderr)
    rolling = [each for each in present if each.peer != "ewstools"]
    pipeline = [each for each in present if each.peer == "ewstools"]
    tables: dict[str, list[Callable[[], Measured | list[Measured]]]] = {
        "speed_rolling": [partial(compare, each, n) for each in rolling for n in each.sizes],
        "speed_pipeline": [partial(compare, each, n) for each in pipeline for n in each.sizes],
        "speed_writing": [
            *(
                partial(
                    above_writing,
                    f"variance, skewness, kurtosis, AC1 of {n:,} samples in windows of {window:,}",
                    2.5,
                    partial(writing.series, n, window),
                    threaded=False,
                )
                for window in (50, 500, 5_000)
                for n in ENDS
            ),
            partial(
                above_writing,
                f"the same of 10,000 series of 500 samples in windows of 250, on {thread_count()} threads",
                1.5,
                writing.panel,
                threaded=True,
            ),
        ],
        "speed_steps": [steps],
        "speed_side_by_side": [partial(side_by_side, each, n) for each in STATISTICS for n in (1_000, 10_000, 100_000)],
        "speed_scaling": [partial(scaling, curve, size) for curve, sizes in CURVES.items() for size in sizes],
        "speed_memory": [partial(peaks, each, 1_000_000) for each in STATISTICS],
        "speed_startup": [
            imports,
            first_detect,
            cold_compilation,
            memory,
            default_answer,
            partial(long_record, 100_000, 60.0),
            partial(long_record, 1_000_000, 600.0),
        ],
    }
    asked = sys.argv[1:] or list(tables)
    if unknown := set(asked) - set(tables):
        print(f"no table {', '.join(sorted(unknown))}; there are {', '.join(tables)}", file=sys.stderr)
        return 2
    done = {name: table(name, tables[name]) for name in asked if tables[name]}
    rows = {name: [{**each.row, **each.details, "kept": each.kept} for each in lines] for name, lines in done.items()}
    written = FOLDER / "speed.json"
    before = json.loads(written.read_text(encoding="utf-8")) if written.exists() and len(done) < len(tables) else {}
    measured_on = {**before.get("machines", {}), **dict.fromkeys(done, described)}
    text = json.dumps({**before, "machines": measured_on, **rows}, indent=1, ensure_ascii=False)
    written.write_text(text + "\n", encoding="utf-8")
    if "speed_scaling" in done:
        figure(rows["speed_scaling"])
    machines(measured_on)
    missed = sum(not each.kept for lines in done.values() for each in lines)
    print(f"{missed} goals missed" if missed else "every goal met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
