"""One call at random: made from its number and the seed, run in bounded time, and judged."""

from __future__ import annotations

import faulthandler
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ews.errors import EWSError, EWSWarning

__all__ = ["KINDS", "SECONDS", "Case", "Outcome", "case", "run_one"]

KINDS = ("api", "cli", "policies")
SECONDS = 180.0  # that a call may take, on a loaded machine and where kernels are compiled first


@dataclass(frozen=True)
class Case:
    """A call, as text, and what makes it."""

    text: str
    run: Callable[[], Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a call: ran, refused, or failed, and how."""

    word: str
    detail: str
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether the library broke its word."""
        return self.word == "failed"


def case(kind: str, number: int, seed: int) -> Case:
    """The call of a number."""
    rng = np.random.default_rng([seed, KINDS.index(kind), number])
    if kind == "api":
        from tests.fuzz import api

        text = api.call(rng)
        return Case(text, lambda: api.attempt(text))
    if kind == "cli":
        from tests.fuzz import cli

        arguments = cli.call(rng)
        return Case(cli.shown(arguments), lambda: cli.attempt(arguments))
    from tests.fuzz import policies

    tampering = policies.call(rng)
    return Case(tampering.text, lambda: policies.attempt(tampering))


def run_one(one: Case, *, raises: bool = False) -> Outcome:
    """Run a call; a hang ends the process, with a traceback on standard error."""
    began = time.perf_counter()
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", EWSWarning)
            one.run()
        word, detail = "ran", ""
    except EWSError as error:
        word, detail = "refused", str(error)
    except Exception as error:  # that is what is looked for
        if raises:
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        word, detail = "failed", f"{type(error).__name__}: {str(error)[:300]} ({where.filename}:{where.lineno})"
    finally:
        faulthandler.cancel_dump_traceback_later()
    if raises:
        sys.stderr.write(f"{word} {detail}\n")
    return Outcome(word, detail, time.perf_counter() - began)
