"""What was saved as JSON, changed in a place or two."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np

__all__ = ["change", "damaged"]

_JSON: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, -5, 2, 3, 5, 6, 7, 9, 10, 100, 0.5, -0.5, 1.5, 1e308, -1e308, 1e-320, 10**30,
    10**400, "", "layer", "ffn", "x", "\0", "\ud800", "a" * 5000, [], [0], [1, 2, 3], [[]], [None], {}, {"a": 1},
    [1e308] * 20, ["x"] * 20, [0.0] * 20, [5] * 1000, "deferred", "nan", "inf", "NaT", "2000-01-01", ["2000-01-01"],
)  # fmt: skip


def damaged(saved: Any, seed: int, steps: int) -> Any:
    """A copy of a dictionary, changed in so many places at random."""
    rng = np.random.default_rng(seed)
    content = json.loads(json.dumps(saved))
    for _ in range(steps):
        content = change(content, rng)
    return content


def change(content: Any, rng: np.random.Generator, *, gently: float = 0.45) -> Any:
    """Change one place of what JSON holds: something else, a little else, more, fewer or none of it.

    Parameters
    ----------
    content : object
        Changed where it stands.
    rng : numpy.random.Generator
        What decides.
    gently : float, default 0.45
        How often it is something of the same kind.

    Returns
    -------
    object
        The same.
    """
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        keys = list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
        for key in keys:
            places.append((part, key))
            walk(part[key])

    walk(content)
    if not places:
        return content
    # Long lists of numbers are many places: names first.
    named = [place for place in places if isinstance(place[0], dict)]
    pool = named if named and rng.random() < 0.8 else places
    holder, key = pool[rng.integers(len(pool))]
    what, here = rng.random(), holder[key]
    if what < gently:
        holder[key] = _near(here, rng)
    elif rng.random() < 0.65:
        holder[key] = copy.deepcopy(_JSON[rng.integers(len(_JSON))])
    elif isinstance(holder, dict) and rng.random() < 0.5:
        holder[f"{key} more"] = here
    else:
        del holder[key]
    return content


def _near(here: Any, rng: np.random.Generator) -> Any:
    """Something of the same kind, which may well be taken."""
    if isinstance(here, bool):
        return not here
    if isinstance(here, int):
        return here + int(rng.choice([-1, 1, 2, 10]))
    if isinstance(here, float):
        return here * float(rng.choice([-1, 0, 1e9, 1.0001, 0.9, 1.1]))
    if isinstance(here, str):
        return here + "x" if rng.random() < 0.5 else here.upper()
    if isinstance(here, list):
        return [here * 2, here[:-1], here[::-1], here * 1000][int(rng.integers(4))] if len(here) < 1000 else here[:-1]
    return {**here} if isinstance(here, dict) else 0.0
