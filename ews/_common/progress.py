"""Progress of long computations: a bar, a function of the user's, or nothing; one rule for every ``progress=``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from ews.errors import InputTypeError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Progress", "ProgressOption", "bar", "reported", "reporting"]

P = ParamSpec("P")
R = TypeVar("R")
Progress: TypeAlias = Callable[[int, int], object]
ProgressOption: TypeAlias = "bool | Progress | None"


@contextmanager
def reporting(progress: Any, label: str = "working") -> Iterator[Progress | None]:
    """What a computation reports to, as ``report(done, total)`` with done from 1 to total, on the calling thread.

    True draws a bar on standard error (where that is a terminal) behind `label`; None where nobody listens.
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        from rich.console import Console

        with bar(label, Console(stderr=True)) as report:
            yield report
    elif callable(progress):
        yield progress
    else:
        raise InputTypeError("progress", progress, "None, True for a bar, or a function of two numbers: done, total")


def reported(label: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a verb that takes ``progress=``: what reaches its body is a function to report to, or None."""

    def decorate(verb: Callable[P, R]) -> Callable[P, R]:
        @wraps(verb)
        def reporting_verb(*args: P.args, **options: P.kwargs) -> R:
            with reporting(options.get("progress"), label) as report:
                options["progress"] = report
                return verb(*args, **options)

        return reporting_verb

    return decorate


@contextmanager
def bar(label: str, terminal: Console) -> Iterator[Progress]:
    """A bar while something long runs; nothing where the console is no terminal."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as drawn:
        task = drawn.add_task(label, total=None)

        def report(done: int, total: int) -> None:
            drawn.update(task, completed=done, total=total)

        yield report
