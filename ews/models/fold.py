"""Collapse of a harvested population at a fold."""

from __future__ import annotations

import math

import numpy as np

from ews._common import checks
from ews.errors import ValueRangeError
from ews.models.simulation import Ramp, Seed, Simulation, crossing, draw, ramp, result, sampling

__all__ = ["harvested_population"]


def harvested_population(
    *,
    n: int = 1000,
    harvest: Ramp = (1.0, 2.7),
    growth: float = 1.0,
    capacity: float = 10.0,
    half_saturation: float = 1.0,
    noise: float = 0.03,
    interval: float = 1.0,
    steps: int = 20,
    burn_in: int = 50,
    replicates: int | None = None,
    seed: Seed = None,
) -> Simulation:
    """Simulate a logistic population under saturating harvest, which collapses at a fold.

    The model of May (1977), with noise proportional to the population:

        dx = [r x (1 − x/K) − c x² / (s² + x²)] dt + σ x dW.

    Parameters
    ----------
    n : int, default 1000
        Number of samples.
    harvest : float or (float, float), default (1.0, 2.7)
        The harvest rate c: constant, or at the first and last sample. The default crosses the fold near the end.
    growth : float, default 1.0
        Growth rate r, per unit of time.
    capacity : float, default 10.0
        Carrying capacity K, in the units of x. A fold exists only for K > 3√3 s.
    half_saturation : float, default 1.0
        The population s at which half of the maximal harvest is taken.
    noise : float, default 0.03
        σ, per square root of time. The noise of one step is σ x √(interval / steps) times a standard normal number.
    interval : float, default 1.0
        Time between samples.
    steps : int, default 20
        Steps of integration in each interval.
    burn_in : int, default 50
        Intervals before the first sample, at the first harvest rate: many times the relaxation time there.
    replicates : int, optional
        Number of independent series; the values then have shape (replicates, n).
    seed : int, Generator or None, optional
        Where the noise comes from; None takes fresh entropy, which the result records.

    Returns
    -------
    Simulation
        The population, from the upper equilibrium of the first harvest rate. ``transition`` is the time at which the
        upper equilibrium disappears.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is outside its range, or the model has no fold (K ≤ 3√3 s).

    Notes
    -----
    The equilibria with x > 0 lie on c(x) = r (1 − x/K) (s² + x²) / x. The upper branch ends where dc/dx = 0, at the
    largest root of 2x³ − K x² + K s² = 0, which is real and positive only where its discriminant,
    K² s² (4K² − 108 s²), is. The state stops at 0, where population and noise both vanish: only too long a step gets
    there.

    References
    ----------
    May, R. M. (1977). Thresholds and breakpoints in ecosystems with a multiplicity of stable states. Nature 269,
    471–477. Scheffer, M. et al. (2009). Early-warning signals for critical transitions. Nature 461, 53–59.

    Examples
    --------
    >>> from ews.models import harvested_population
    >>> simulation = harvested_population(n=500, seed=1)
    >>> round(simulation.critical, 3), round(simulation.transition, 1)
    (2.604, 470.8)
    """
    config = dict(locals())  # every option, as given
    plan = sampling(n, interval=interval, steps=steps, burn_in=burn_in, replicates=replicates)
    parameter = ramp("harvest", harvest, plan.n, least=0.0)
    r = checks.number("growth", growth, above=0.0)
    s = checks.number("half_saturation", half_saturation, above=0.0)
    k = checks.number("capacity", capacity, above=0.0)
    if k <= 3.0 * math.sqrt(3.0) * s:
        raise ValueRangeError("capacity", capacity, f"> 3√3 × half_saturation = {3.0 * math.sqrt(3.0) * s:g}: no fold")
    sigma = checks.number("noise", noise, least=0.0)
    turning = float(max(np.roots([2.0, -k, 0.0, k * s * s]).real))
    critical = r * (1.0 - turning / k) * (s * s + turning * turning) / turning
    initial = _upper_equilibrium(float(parameter[0]), r, k, s)

    from ews._kernels import simulate

    constants = np.array([r, k, s])
    values, entropy = draw(
        plan,
        seed,
        plan.draws,
        lambda normals, out: simulate.integrate(
            simulate.FOLD, constants, parameter, initial, sigma, 1.0, 0.0, plan.step, plan.steps,
            plan.burn_in * plan.steps, normals, out,
        ),
    )  # fmt: skip
    return result(
        plan,
        values,
        parameter,
        model="harvested_population",
        seed=entropy,
        config=config,
        bifurcation="fold",
        critical=critical,
        transition=crossing(plan.time, parameter, critical, direction="up"),
    )


def _upper_equilibrium(harvest: float, r: float, k: float, s: float) -> float:
    """Largest x > 0 with r (1 − x/K)(s² + x²) = c x: it exists for every harvest rate, low beyond the fold."""
    roots = np.roots([-r / k, r, -(r * s * s / k + harvest), r * s * s])
    return float(max(root.real for root in roots if abs(root.imag) <= 1e-6 * abs(root)))
