"""Routes through the layers: which there are, for which budget, and how many."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from adapters.decoding.contract import FFNRoute
from ews.errors import ArgumentError, UnknownNameError, ValueRangeError, described

__all__ = ["CHOICES", "UNITS", "IntArray", "Unit", "all_routes", "count_routes", "read_choices"]

Unit = Literal["ffn", "layer", "exit"]
UNITS = ("ffn", "layer", "exit")
CHOICES = {"big": int(FFNRoute.FULL), "small": int(FFNRoute.SUBSTITUTE), "skip": int(FFNRoute.LEFT_OUT)}
FULL = int(FFNRoute.FULL)

IntArray = np.ndarray[Any, np.dtype[np.int64]]


def read_choices(choices: Sequence[str] | None, unit: Unit, *, has_small: bool) -> tuple[str, ...]:
    """What a block may be, "big" among it; by default all that there is.

    Parameters
    ----------
    choices : sequence of str or None
        Names.
    unit : {"ffn", "layer", "exit"}
        What the blocks are.
    has_small : bool
        Whether there are small blocks.

    Returns
    -------
    tuple of str
        Names, each once.

    Raises
    ------
    ews.errors.ArgumentError
        If one is unknown, "big" is missing or alone, or there are no small blocks.
    """
    usual = ("big", "small", "skip") if has_small and unit == "ffn" else ("big", "skip")
    found = usual if choices is None else tuple(dict.fromkeys(choices))
    for name in found:
        if name not in CHOICES:
            raise UnknownNameError("choices", name, tuple(CHOICES))
    if "big" not in found or len(found) < 2:
        raise ArgumentError("choices", found, '"big" and at least one other')
    if "small" in found and (unit != "ffn" or not has_small):
        raise ArgumentError(
            "choices", found, 'no "small" where there are no small feed-forward blocks (unit="ffn", small=)'
        )
    return found


def count_routes(depth: int, choices: Sequence[str], unit: Unit, budgets: Sequence[int]) -> int:
    """How many routes have one of these numbers of whole blocks."""
    if unit == "exit":
        return len(budgets)
    free, least = (depth, 0) if unit == "ffn" else (depth - 1, 1)
    others = len(choices) - 1
    return sum(math.comb(free, budget - least) * others ** (free - budget + least) for budget in budgets)


def all_routes(depth: int, choices: Sequence[str], unit: Unit, budgets: Sequence[int]) -> IntArray:
    """Every route that has one of these numbers of whole blocks.

    Parameters
    ----------
    depth : int
        Layers of the model.
    choices : sequence of str
        What a block may be.
    unit : {"ffn", "layer", "exit"}
        Feed-forward blocks; whole layers, of which the first always runs; or the layers after an exit.
    budgets : sequence of int
        Numbers of whole blocks.

    Returns
    -------
    ndarray of int64 of shape (routes, depth)
        :class:`adapters.FFNRoute` of each block.

    Examples
    --------
    >>> len(all_routes(6, ("big", "small"), "ffn", range(7)))
    64
    >>> len(all_routes(6, ("big", "small", "skip"), "ffn", range(7)))
    729
    >>> all_routes(3, ("big", "skip"), "layer", [2]).tolist()
    [[1, 1, 0], [1, 0, 1]]
    """
    if unit == "exit":
        return np.array([[FULL] * budget + [CHOICES["skip"]] * (depth - budget) for budget in budgets], dtype=np.int64)
    first = 0 if unit == "ffn" else 1
    others = [CHOICES[name] for name in choices if name != "big"]
    found = []
    for budget in budgets:
        for whole in itertools.combinations(range(first, depth), budget - first):
            rest = [index for index in range(first, depth) if index not in whole]
            for filled in itertools.product(others, repeat=len(rest)):
                route = np.full(depth, FULL, dtype=np.int64)
                route[rest] = filled
                found.append(route)
    return np.array(found, dtype=np.int64).reshape(-1, depth)


def read_budgets(budgets: Sequence[int] | None, depth: int, unit: Unit) -> tuple[int, ...]:
    """Numbers of whole blocks, rising; by default all that there can be."""
    least = 0 if unit == "ffn" else 1
    if budgets is None:
        return tuple(range(least, depth + 1))
    for budget in budgets:
        whole: Any = budget
        if isinstance(whole, bool) or not isinstance(whole, int | np.integer) or not least <= whole <= depth:
            raise ValueRangeError("budgets", budget, f"whole numbers from {least} to {depth}")
    if not len(budgets):
        raise ArgumentError("budgets", described("none"), "one number of whole blocks or more")
    return tuple(sorted({int(budget) for budget in budgets}))
