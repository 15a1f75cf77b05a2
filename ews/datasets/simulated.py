"""Simulations with a fixed seed, under a name."""

from __future__ import annotations

from functools import partial
from typing import Any

from ews import models
from ews.datasets.entry import Entry
from ews.datasets.readers import Content

__all__ = ["ENTRIES"]


def simulate(model: str, column: str, **options: Any) -> Content:
    """Run a simulator of :mod:`ews.models`."""
    simulation = getattr(models, model)(**options)
    reached = () if simulation.transition is None else (simulation.transition,)
    return Content(
        simulation.values,
        simulation.time,
        (column,),
        {column: reached},
        labels={column: "control" if simulation.bifurcation is None else "transition"},
    )


def _simulation(name: str, description: str, model: str, column: str, n: int = 500, **options: Any) -> Entry:
    return Entry(
        name=f"simulated_{name}",
        description=description,
        kind="simulated",
        time_name="time",
        time_unit="model time",
        unit="model units",
        source=f"ews.models.{model}",
        licence="BSD-3-Clause",
        read=partial(simulate, model, column, n=n, seed=2024, **options),
    )


# Long and calm enough for a test to see the fold: about three in four such series get a warning.
_HARVEST: dict[str, Any] = {"n": 2000, "interval": 2.0, "noise": 0.02}

ENTRIES = (
    _simulation(
        "fold", "A harvested population up to and over a fold", "harvested_population", "population", **_HARVEST
    ),
    _simulation(
        "fold_control",
        "The same population at a constant harvest",
        "harvested_population",
        "population",
        harvest=1.0,
        **_HARVEST,
    ),
    _simulation("transcritical", "A harvested population that dies out gradually", "transcritical", "population"),
    _simulation("pitchfork", "The normal form of a pitchfork", "pitchfork", "state"),
    _simulation("hopf", "A resource whose consumer begins to cycle", "hopf", "resource"),
    _simulation("period_doubling", "A Ricker population that begins to alternate", "ricker", "population"),
    _simulation("ornstein_uhlenbeck", "Stationary red noise", "ornstein_uhlenbeck", "state"),
)
