"""Some of the calls that ``make fuzz`` makes, and that it would notice what it looks for."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from ews.errors import EWSWarning, ValueRangeError
from tests.fuzz import api
from tests.fuzz.running import KINDS, Case, case, run_one


@pytest.mark.parametrize("kind", KINDS)
def test_calls_at_random_run_or_are_refused_in_the_librarys_words(kind: str) -> None:
    for number in range(20):
        one = case(kind, 10_000 + number, 0)
        found = run_one(one)
        assert not found.failed, f"python -m tests.fuzz --only {kind}:{10_000 + number}\n{one.text}\n{found.detail}"


def test_every_function_is_called_and_as_meant_it_runs() -> None:
    names = api.functions()
    assert len(names) > 80
    assert {"ews.detect", "ews.rolling", "ews.detrend.lowess", "ews.bifurcations.likelihood"} <= set(names)
    texts = [api.call(np.random.default_rng([0, 0, number])) for number in range(2000)]
    assert {name for name in names if not any(text.startswith(f"{name}(") for text in texts)} == set()


def test_what_is_looked_for_is_noticed() -> None:
    def warns(category: type[Warning]) -> None:
        warnings.warn("of something", category, stacklevel=1)

    def refuses() -> None:
        raise ValueRangeError("x", 1, "2")

    assert run_one(Case("", lambda: [][0])).failed
    assert run_one(Case("", lambda: np.float64(1e308) * np.float64(10))).failed
    assert run_one(Case("", lambda: warns(RuntimeWarning))).failed
    assert not run_one(Case("", lambda: warns(EWSWarning))).failed
    assert run_one(Case("", refuses)).word == "refused"
    assert run_one(Case("", lambda: None)).word == "ran"
