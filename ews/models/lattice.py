"""Harvested populations side by side on a lattice, each of which exchanges with its neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.publish import public
from ews.errors import ArgumentError, ValueRangeError
from ews.models.fold import harvested_population
from ews.models.simulation import FloatArray, Ramp, Seed, crossing, entropy_of, ramp, sampling

__all__ = ["LatticeSimulation", "harvested_lattice"]

SMALLEST_SIDE = 2
_MOST_CELLS = 1_000_000


@public("ews.models")
@dataclass(frozen=True, eq=False)
class LatticeSimulation:
    """Simulated maps, with the truth about them.

    Attributes
    ----------
    values : ndarray of shape (time, y, x)
        The state of each cell at each sample.
    time : ndarray of shape (time,)
        Time of each sample, from 0.
    parameter : ndarray of shape (time,)
        The driving parameter at each sample.
    transition : float or None
        Time at which a single cell bifurcates; None where the parameter does not get there.
    critical : float
        Value of the parameter at the bifurcation of a single cell.
    bifurcation : {"fold"} or None
        The kind of bifurcation; None where the parameter is constant.
    model : str
        Name of the function that made it.
    config : mapping
        The options of that function, all of them.
    seed : int
        The entropy of the noise: the same function with ``**config, seed=seed`` gives the same values.
    """

    values: FloatArray
    time: FloatArray
    parameter: FloatArray
    transition: float | None
    critical: float
    bifurcation: Literal["fold"] | None
    model: str
    config: Mapping[str, Any]
    seed: int

    def __len__(self) -> int:
        """Number of maps."""
        return self.time.size

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Give the values, so that numpy takes the simulation for an array."""
        return np.array(self.values, dtype=dtype, copy=copy)


def harvested_lattice(
    *,
    n: int = 100,
    shape: tuple[int, int] = (32, 32),
    harvest: Ramp = (1.0, 2.7),
    diffusion: float = 0.1,
    growth: float = 1.0,
    capacity: float = 10.0,
    half_saturation: float = 1.0,
    noise: float = 0.1,
    interval: float = 1.0,
    steps: int = 10,
    burn_in: int = 30,
    seed: Seed = None,
) -> LatticeSimulation:
    r"""Simulate harvested populations on a torus, which collapse at a fold.

    Each cell is the population of :func:`harvested_population`, and exchanges with its four neighbours:

        dx = [r x (1 − x/K) − c x² / (s² + x²) + D ∇²x] dt + σ x dW.

    Parameters
    ----------
    n : int, default 100
        Number of maps.
    shape : (int, int), default (32, 32)
        Cells along y and x; the edges are joined.
    harvest : float or (float, float), default (1.0, 2.7)
        The harvest rate c: constant, or at the first and last sample. The default crosses the fold near the end.
    diffusion : float, default 0.1
        Exchange D with each of the four neighbours, per unit of time.
    growth : float, default 1.0
        Growth rate r, per unit of time.
    capacity : float, default 10.0
        Carrying capacity K, in the units of x. A fold exists only for K > 3√3 s.
    half_saturation : float, default 1.0
        The population s at which half of the maximal harvest is taken.
    noise : float, default 0.1
        σ, per square root of time, independent from cell to cell.
    interval : float, default 1.0
        Time between maps.
    steps : int, default 10
        Steps of integration (Euler–Maruyama) in each interval; 4 D Δt has to stay below 1.
    burn_in : int, default 30
        Intervals before the first map, at the first harvest rate, from K everywhere.
    seed : int, Generator or None, optional
        Where the noise comes from; None takes fresh entropy, which the result records.

    Returns
    -------
    LatticeSimulation
        The maps. ``transition`` is when the upper equilibrium of a single cell disappears; exchange shifts the collapse
        of the whole little.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is outside its range, or the model has no fold (K ≤ 3√3 s).

    References
    ----------
    Dakos, V. et al. (2010). Spatial correlation as leading indicator of catastrophic shifts. Theoretical Ecology 3,
    163–174.

    Examples
    --------
    >>> from ews.models import harvested_lattice
    >>> maps = harvested_lattice(n=60, shape=(16, 16), seed=1)
    >>> maps.values.shape, round(maps.transition, 1)
    ((60, 16, 16), 55.7)
    """
    config = dict(locals())  # every option, as given
    plan = sampling(n, interval=interval, steps=steps, burn_in=burn_in)
    height, width = _sides(shape)
    parameter = ramp("harvest", harvest, plan.n, least=0.0)
    critical = harvested_population(
        n=2, harvest=1.0, growth=growth, capacity=capacity, half_saturation=half_saturation, noise=0.0, seed=0
    ).critical
    assert critical is not None
    exchange = checks.number("diffusion", diffusion, least=0.0)
    sigma = checks.number("noise", noise, least=0.0)
    if 4.0 * exchange * plan.step >= 1.0:
        raise ValueRangeError("steps", steps, f"more than {4.0 * exchange * plan.interval:g}: 4 D Δt has to be below 1")
    entropy = entropy_of(seed)
    generator = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(entropy)))
    state = np.full((height, width), float(capacity))
    values = np.empty((plan.n, height, width))
    rates = np.concatenate([np.full(plan.burn_in, parameter[0]), parameter])
    r, k, s2 = float(growth), float(capacity), float(half_saturation) ** 2
    kick = sigma * np.sqrt(plan.step)
    for sample in range(plan.burn_in + plan.n):
        if sample >= plan.burn_in:
            values[sample - plan.burn_in] = state
        following = rates[min(sample + 1, rates.size - 1)]
        for step in range(plan.steps):
            c = rates[sample] + (following - rates[sample]) * step / plan.steps  # it moves within an interval too
            neighbours = sum(np.roll(state, shift, axis) for shift in (-1, 1) for axis in (0, 1)) - 4.0 * state
            drift = r * state * (1.0 - state / k) - c * state**2 / (s2 + state**2) + exchange * neighbours
            kicked = state + plan.step * drift + kick * state * generator.standard_normal((height, width))
            state = np.maximum(kicked, 0.0)  # only too long a step gets there
    moving = bool(parameter[0] != parameter[-1])
    return LatticeSimulation(
        values=values,
        time=plan.time,
        parameter=parameter,
        transition=crossing(plan.time, parameter, critical, direction="up") if moving else None,
        critical=critical,
        bifurcation="fold" if moving else None,
        model="harvested_lattice",
        config=MappingProxyType({name: option for name, option in config.items() if name != "seed"}),
        seed=entropy,
    )


def _sides(shape: Any) -> tuple[int, int]:
    sides = tuple(shape) if isinstance(shape, tuple | list) else ()
    whole = [side for side in sides if checks.is_whole(side)]
    if len(sides) != 2 or len(whole) != 2 or min(whole) < SMALLEST_SIDE:
        raise ArgumentError("shape", shape, f"two whole numbers of {SMALLEST_SIDE} or more, (y, x)")
    if math.prod(map(int, whole)) > _MOST_CELLS:
        raise ValueRangeError("shape", shape, f"at most {_MOST_CELLS} cells in a map")
    return int(whole[0]), int(whole[1])
