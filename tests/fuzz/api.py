"""Calls of the public functions of ``ews``: each valid, then one to three arguments replaced by something else."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

import ews
from ews._common.result import Result
from tests.fuzz.files import READABLE
from tests.fuzz.values import ANYTHING, DATA, MAPS, NAMES, NAMESPACE, NUMBERS, TABLES, TIMES, listed

__all__ = ["attempt", "call", "functions"]

_MODULES = (
    "detrend",
    "nulls",
    "trends",
    "multivariate",
    "spatial",
    "bifurcations",
    "models",
    "changepoints",
    "indicators",
)
# What makes the valid call, by the name of the argument.
_GIVEN = dict(
    each.split(" = ", 1)
    for each in listed("""
        series = x()  x = x()  data = table()  grids = maps()  values = x()  forcing = x(60, 9)  residual = x()  y = x()
        raw = None  scores = x(20)  scores_a = x(20)  scores_b = x(20, 2)  labels = np.arange(20) % 2 == 0
        pvalues = np.linspace(0.001, 0.9, 20)  sizes = [1, 2, 3, 5, 9] * 8  collection = [x(60, k) for k in range(6)]
        window = 20  size = 2  period = 12  R = 1.0  slope = -0.001  theta = 1.0  sigma = 0.3  rate = 1.0  level = 0.0
        n_surrogates = 19  n_bootstrap = 19  name = 'variance'  n = 60  bandwidth = 10  span = 20  degree = 1
        length = 20
    """)
)
_TWO = "('variance', 'ac1')"
_FOR: dict[str, dict[str, str]] = {
    "evaluate": {"labels": "[True, False] * 3"},
    "sensitivity": {"windows": "(0.4, 0.5)"},
    "benchmark": {
        "replicates": "4",
        "positives": "('fold',)",
        "nulls": "('white',)",
        "n_times": "1",
        "methods": "('variance',)",
        "window": "0.5",
    },
    "ews.detect": {"window": "0.5"},
    "read_table": {"path": "text()", "time": "'year'", "value": "'chl'"},
    "plan": {"detrend": "'gaussian'"},
    "quartile_bandwidth_from_sd": {"sd": "2.0"},
    "length_needed": {"detection": f"ews.detect(x(), indicators={_TWO}, n_surrogates=0)", "power": "0.05"},
    "trends.rows": {"values": "table().T"},
    "patch_sizes": {"above": "0.5"},
    "largest_patch": {"above": "0.5"},
    "jacobian": {"stride": "10"},
    "harvested_lattice": {"n": "4", "shape": "(8, 8)"},
    "heteroskedasticity_test": {"window": "20"},
    "get": {"name": "'variance'"},
}
_LEFT_OUT = {"ews.indicators.register", "ews.models.replicated"}


@cache
def functions() -> dict[str, Callable[..., Any]]:
    """The public functions, by the name that they are called with."""
    found: dict[str, Callable[..., Any]] = {}
    for module, name in [(ews, "ews"), *((importlib.import_module(f"ews.{each}"), f"ews.{each}") for each in _MODULES)]:
        for each in module.__all__:
            value = getattr(module, each)
            if inspect.isfunction(value) and value not in found.values() and f"{name}.{each}" not in _LEFT_OUT:
                found[f"{name}.{each}"] = value
    return found


def call(rng: np.random.Generator) -> str:
    """A call as text."""
    kind = rng.random()
    if kind < 0.06:
        return _monitor(rng)
    if kind < 0.16:
        return _table(rng)
    if kind < 0.26:
        return _saved(rng)
    names = sorted(functions())
    return _function(names[rng.integers(len(names))], rng)


def attempt(text: str) -> Any:
    """Make a call, and ask the result for all that it can say."""
    result = eval(text, {**NAMESPACE, "made": made})  # written above
    for view in ("summary", "to_dict", "to_json", "to_frame", "to_html"):
        method = getattr(result, view, None)
        if callable(method) and not isinstance(result, type) and type(result).__module__.startswith("ews"):
            found = method()
            if view == "to_json" and isinstance(result, Result):
                assert type(result).from_json(found) == result, "what was written is not what is read"
    repr(result)
    return result


@cache
def made(text: str) -> Any:
    """The result of a valid call, made once."""
    return eval(text, dict(NAMESPACE))


def _function(name: str, rng: np.random.Generator) -> str:
    parameters = inspect.signature(functions()[name]).parameters
    chosen: dict[str, str] = {}
    special = {**_FOR.get(name.partition(".")[2], {}), **_FOR.get(name, {}), **_FOR.get(name.rpartition(".")[2], {})}
    for each in parameters.values():
        if each.name in special:
            chosen[each.name] = special[each.name]
        elif each.name in ("n_surrogates", "n_bootstrap", "n") or (
            each.default is inspect.Parameter.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        ):
            chosen[each.name] = _GIVEN.get(each.name, "x()")
    changeable = [each for each in parameters if each not in ("progress", "kwargs", "args", "path")]
    if changeable:
        count = min(len(changeable), int(rng.choice([0, 1, 2, 3], p=[0.1, 0.55, 0.25, 0.1])))
        for each in rng.choice(changeable, count, replace=False):
            chosen[str(each)] = _replacement(str(each), chosen.get(str(each)), rng)
        first = changeable[0]
        if chosen.get(first) in ("x()", "table()") and rng.random() < 0.4:
            chosen[first] = _replacement(first, chosen[first], rng)
    positional = [
        each.name for each in parameters.values() if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    arguments = [chosen.pop(each) for each in positional if each in chosen]
    arguments += [f"{each}={value}" for each, value in chosen.items()]
    return f"{name}({', '.join(arguments)})"


def _replacement(name: str, valid: str | None, rng: np.random.Generator) -> str:
    pools: list[tuple[str, ...]] = [NUMBERS, ANYTHING]
    if name in NAMES:
        pools += [NAMES[name]] * 6
    if name == "time":
        pools += [TIMES] * 6
    if valid in ("x()", "x(60, 9)", "x(20)", "x(20, 2)") or name in ("series", "x", "values", "raw"):
        pools += [DATA] * 12
    if valid == "table()":
        pools += [TABLES] * 6 + [DATA] * 2
    if name == "grids":
        pools += [MAPS] * 6 + [DATA]
    pool = pools[rng.integers(len(pools))]
    return pool[rng.integers(len(pool))]


def _table(rng: np.random.Generator) -> str:
    """A file read, as it is meant to be or with an option or two that are something else."""
    name, how = READABLE[rng.integers(len(READABLE))]
    options = {key: repr(value) for key, value in how.items()}
    for each in rng.choice(sorted(_READING), int(rng.choice([0, 1, 2], p=[0.25, 0.5, 0.25])), replace=False):
        pool = (_READING[each], _READING[each], _READING[each], NUMBERS, ANYTHING)[rng.integers(5)]
        options[str(each)] = pool[rng.integers(len(pool))]
    read = f"ews.read_table({', '.join([f'file({name!r})', *(f'{key}={value}' for key, value in options.items())])})"
    if rng.random() < 0.5:
        return read
    return f"ews.detect({read}, indicators='variance', n_surrogates=0, missing='interpolate', duplicates='mean')"


_READING = {
    "time": ("'day'", "'year'", "['year', 'month']", "None", "'when'", "['day', 'chl']", "'Day'"),
    "value": ("'*'", "'chl'", "'x'", "None", "['chl', 'chl']", "'c[!1]'", "'['", "'day'"),
    "by": ("None", "'lake'", "['lake', 'month']", "'day'"),
    "where": ("None", "'x>0'", "{'lake': 'Paul'}", "['year>=1990', 'year<1993']", "{'x': [1, 2]}", "'=' ",
        "{'x': None}"),
    "ages": ("True", "False", "None"),
    "encoding": ("None", "'utf-8'", "'latin-1'", "'utf-16'", "'cp037'", "'idna'", "'hex'", "'utf-7'",
        "'unicode_escape'"),
    "sep": ("None", "','", "';'", "'tab'", "'comma'", "'space'", "'pipe'", "'ab'", "'\\n'", "'\"'", "'.'"),
    "decimal": ("None", "'.'", "','", "';'"),
    "thousands": ("None", "'.'", "','", "' '", "\"'\"", "'5'"),
    "na": ("-999", "'-'", "['-', 0]", "'*'", "'<*'", "''", "float('nan')", "[None]", "1e308", "[[1]]"),
    "skip": ("0", "1", "3", "59", "None"),
    "comment": ("'#'", "'//'", "','", "'1'", "None"),
    "date_format": ("None", "'%Y-%m-%d'", "'%d/%m/%Y'", "'%Q'", "'%'", "'%Y'"),
    "sheet": ("None", "'data'", "1", "2", "0", "'Data'"),
}  # fmt: skip
# What is saved, damaged and read back: functions whose results are cheap, or of a form of their own.
_RESULTS = (
    "ews.abrupt_shift", "ews.bds", "ews.benchmark", "ews.bifurcations.classifier", "ews.bifurcations.jumps",
    "ews.bifurcations.langevin", "ews.bifurcations.likelihood", "ews.bifurcations.potential",
    "ews.bifurcations.jacobian",
    "ews.bifurcations.restoring", "ews.bifurcations.spectral", "ews.changepoints.change_points", "ews.compare_roc",
    "ews.composite", "ews.detect", "ews.detect", "ews.detect", "ews.detect_multivariate", "ews.detect_spatial",
    "ews.detrend.gaussian", "ews.detrend.season", "ews.evaluate", "ews.heteroskedasticity_test", "ews.power_spectrum",
    "ews.roc", "ews.score_tests", "ews.sensitivity", "ews.significance", "ews.spatial.patch_distribution",
    "ews.spatial.radial_spectrum", "ews.time_varying_ar", "ews.trends.kendall",
)  # fmt: skip


def _saved(rng: np.random.Generator) -> str:
    """A result written, damaged and read again."""
    text = "ews.detect(table(), n_surrogates=9)"
    if rng.random() < 0.9:
        text = _valid(_RESULTS[rng.integers(len(_RESULTS))])
    content = f"damaged(made({text!r}).to_dict(), {rng.integers(2**32)}, {rng.choice([0, 1, 1, 1, 2])})"
    way = ("type(made({0!r})).from_dict({1})", "type(made({0!r})).from_json(json.dumps({1}))", "Result.from_dict({1})",
           "Result.from_json(json.dumps({1})[:{2}])")  # fmt: skip
    return way[int(rng.choice(4, p=[0.45, 0.35, 0.1, 0.1]))].format(text, content, rng.integers(1, 3000))


_SHORT = tuple(each for each in NUMBERS if each != "10**6")  # which is allowed, and takes its time


def _monitor(rng: np.random.Generator) -> str:
    """A monitor made, calibrated, fed or read back."""

    def pick(*pools: tuple[str, ...]) -> str:
        pool = pools[rng.integers(len(pools))]
        return pool[rng.integers(len(pool))]

    options = {"window": "8", "indicators": "('variance', 'ac1')"}
    for each in ("window", "bandwidth", "detrend", "indicators", "history", "rule"):
        if rng.random() < 0.2:
            options[each] = pick(NUMBERS, ANYTHING, NAMES.get(each, ("'trend'", "'level'", "9")))
    made = f"ews.IndicatorMonitor({', '.join(f'{each}={value}' for each, value in options.items())})"
    value, data, time = pick(NUMBERS, ANYTHING), pick(DATA), pick(TIMES, ("None",))
    return (
        f"{made}.update({value}, time={pick(NUMBERS, ANYTHING, ('None',))})",
        f"{made}.update_many({data}, time={time})",
        f"{made}.calibrate({data}, horizon={pick(_SHORT, ('20',))}, n_simulations=19, false_alarm_rate=0.2)",
        f"{made}.calibrate(x(), horizon=20, n_simulations={pick(NUMBERS, ANYTHING)}, seed={pick(NUMBERS, ANYTHING)})",
        f"{made}.calibrate_on([{data}] * 40, false_alarm_rate={pick(NUMBERS, ('0.2',))})",
        f"ews.IndicatorMonitor.from_dict({{**{made}.to_dict(), 'engine': {pick(ANYTHING)}}})",
        f"ews.IndicatorMonitor.from_dict({{**{made}.to_dict(), 'config': {pick(ANYTHING)}}})",
        f"ews.IndicatorMonitor.from_dict({pick(ANYTHING, NUMBERS)})",
        f"ews.Monitor(reference={pick(NUMBERS, ('20',))}).update({value}, time={pick(NUMBERS, ANYTHING, ('None',))})",
        f"ews.Monitor(reference=20, smoothing={pick(NUMBERS, ('None',))}).update_many({data}, time={time})",
        f"ews.Monitor(average_run_length={pick(NUMBERS, ANYTHING)}, tests={pick(ANYTHING)})",
        f"ews.Monitor.from_dict({{**ews.Monitor().to_dict(), 'state': {pick(ANYTHING)}}})",
    )[rng.integers(12)]


def _all() -> Iterator[str]:
    """Each function once, as it is meant to be called: these must not be refused."""
    for name in sorted(functions()):
        yield _valid(name)


def _valid(name: str) -> str:
    class Never(np.random.Generator):
        def __init__(self) -> None:
            super().__init__(np.random.PCG64(0))

        def choice(self, a: Any, *args: Any, **options: Any) -> Any:  # no argument is replaced
            return 0 if not args else []

        def random(self, *_args: Any, **_options: Any) -> Any:
            return 1.0

    return _function(name, Never())
