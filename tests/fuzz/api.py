"""Calls of the public functions of ``ews``: each valid, then one to three arguments replaced by something else."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

import ews
from tests.fuzz.values import ANYTHING, DATA, NAMES, NAMESPACE, NUMBERS, TABLES, TIMES, listed

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
_FOR = {
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
    if rng.random() < 0.06:
        return _monitor(rng)
    names = sorted(functions())
    return _function(names[rng.integers(len(names))], rng)


def attempt(text: str) -> Any:
    """Make a call, and ask the result for all that it can say."""
    result = eval(text, dict(NAMESPACE))  # written above
    for view in ("summary", "to_dict", "to_json", "to_frame", "to_html"):
        method = getattr(result, view, None)
        if callable(method) and not isinstance(result, type) and type(result).__module__.startswith("ews"):
            method()
    repr(result)
    return result


def _function(name: str, rng: np.random.Generator) -> str:
    parameters = inspect.signature(functions()[name]).parameters
    chosen: dict[str, str] = {}
    special = {**_FOR.get(name, {}), **_FOR.get(name.rpartition(".")[2], {})}
    for each in parameters.values():
        if each.name in special:
            chosen[each.name] = special[each.name]
        elif each.name in ("n_surrogates", "n_bootstrap", "n") or (
            each.default is inspect.Parameter.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        ):
            chosen[each.name] = _GIVEN.get(each.name, "x()")
    changeable = [each for each in parameters if each not in ("progress", "kwargs", "args", "path")]
    if changeable:
        count = min(len(changeable), int(rng.choice([0, 1, 2, 3], p=[0.05, 0.5, 0.3, 0.15])))
        for each in rng.choice(changeable, count, replace=False):
            chosen[str(each)] = _replacement(str(each), chosen.get(str(each)), rng)
        first = changeable[0]
        if chosen.get(first) in ("x()", "table()") and rng.random() < 0.5:
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
        pools += [NAMES[name]] * 3
    if name == "time":
        pools += [TIMES] * 6
    if valid in ("x()", "x(60, 9)", "x(20)", "x(20, 2)") or name in ("series", "x", "values", "raw"):
        pools += [DATA] * 12
    if valid == "table()":
        pools += [TABLES] * 6 + [DATA] * 2
    if name == "grids":
        pools += [_MAPS] * 4 + [DATA]
    pool = pools[rng.integers(len(pools))]
    return pool[rng.integers(len(pool))]


_MAPS = listed("""
    maps() * 1e150  maps() * 1e-161  maps() * 0  maps() > 0  maps()[0]  maps(3)  maps(12, 1)  maps(12, 2)
    maps() * 1e307  np.where(maps() > 1, np.nan, maps())  np.full((12, 8, 8), np.nan)  list(maps())  maps()[None]
    np.zeros((12, 0, 8))  maps() + 1e16  [maps(1)[0], maps(1, 4)[0]]  maps().astype(str)  maps() * 1j
    np.r_[maps(11) * 0, maps(1)]  np.exp(np.clip(maps() * 300, -700, 700))
""")


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
    made = f"ews.Monitor({', '.join(f'{each}={value}' for each, value in options.items())})"
    value, data, time = pick(NUMBERS, ANYTHING), pick(DATA), pick(TIMES, ("None",))
    return (
        f"{made}.update({value}, time={pick(NUMBERS, ANYTHING, ('None',))})",
        f"{made}.update_many({data}, time={time})",
        f"{made}.calibrate({data}, horizon={pick(_SHORT, ('20',))}, n_simulations=19, false_alarm_rate=0.2)",
        f"{made}.calibrate(x(), horizon=20, n_simulations={pick(NUMBERS, ANYTHING)}, seed={pick(NUMBERS, ANYTHING)})",
        f"{made}.calibrate_on([{data}] * 40, false_alarm_rate={pick(NUMBERS, ('0.2',))})",
        f"ews.Monitor.from_dict({{**{made}.to_dict(), 'engine': {pick(ANYTHING)}}})",
        f"ews.Monitor.from_dict({{**{made}.to_dict(), 'config': {pick(ANYTHING)}}})",
        f"ews.Monitor.from_dict({pick(ANYTHING, NUMBERS)})",
    )[rng.integers(8)]


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
