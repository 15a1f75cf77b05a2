"""Extinction of a harvested population at a transcritical bifurcation."""

from __future__ import annotations

import numpy as np

from ews._common import checks
from ews.models.simulation import Ramp, Seed, Simulation, crossing, draw, ramp, result, sampling

__all__ = ["transcritical"]


def transcritical(
    *,
    n: int = 1000,
    harvest: Ramp = (0.0, 1.05),
    growth: float = 1.0,
    capacity: float = 10.0,
    noise: float = 0.05,
    interval: float = 1.0,
    steps: int = 20,
    burn_in: int = 50,
    replicates: int | None = None,
    seed: Seed = None,
) -> Simulation:
    """Simulate a logistic population under proportional harvest, which dies out at a transcritical bifurcation.

    With additive noise, a random gain and loss of individuals that does not depend on how many there are:

        dx = x [r (1 − x/K) − c] dt + σ dW, x ≥ 0.

    Parameters
    ----------
    n : int, default 1000
        Number of samples.
    harvest : float or (float, float), default (0.0, 1.05)
        The harvest rate c, per unit of time: constant, or at the first and last sample. The default crosses c = r.
    growth : float, default 1.0
        Growth rate r, per unit of time.
    capacity : float, default 10.0
        Carrying capacity K, in the units of x.
    noise : float, default 0.05
        σ, in the units of x per square root of time. The noise of one step is σ √(interval / steps) times a standard
        normal number.
    interval : float, default 1.0
        Time between samples.
    steps : int, default 20
        Steps of integration in each interval.
    burn_in : int, default 50
        Intervals before the first sample, at the first harvest rate.
    replicates : int, optional
        Number of independent series; the values then have shape (replicates, n).
    seed : int, Generator or None, optional
        Where the noise comes from; None takes fresh entropy, which the result records.

    Returns
    -------
    Simulation
        The population, from the equilibrium K (1 − c/r) of the first harvest rate, or from 0 where that is negative.
        ``transition`` is the time at which c = r.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is outside its range.

    Notes
    -----
    The equilibria 0 and K (1 − c/r) have the eigenvalues r − c and c − r: they meet and exchange stability at c = r.
    The state is put back to 0 where a step would make it negative; 0 is not absorbing, because the noise leads out of
    it. Additive noise makes the variance rise as σ² / (2 (r − c)). Noise proportional to x would shrink with x faster
    than the system slows down, and the variance would fall towards the bifurcation.

    References
    ----------
    Scheffer, M. et al. (2009). Early-warning signals for critical transitions. Nature 461, 53–59. Kéfi, S. et al.
    (2013). Early warning signals also precede non-catastrophic transitions. Oikos 122, 641–648.

    Examples
    --------
    >>> from ews.models import transcritical
    >>> simulation = transcritical(n=500, harvest=(0.2, 1.0), seed=1)
    >>> simulation.critical, simulation.transition
    (1.0, 499.0)
    """
    config = dict(locals())  # every option, as given
    plan = sampling(n, interval=interval, steps=steps, burn_in=burn_in, replicates=replicates)
    parameter = ramp("harvest", harvest, plan.n, least=0.0)
    r = checks.number("growth", growth, above=0.0)
    k = checks.number("capacity", capacity, above=0.0)
    sigma = checks.number("noise", noise, least=0.0)
    initial = max(k * (1.0 - float(parameter[0]) / r), 0.0)

    from ews._kernels import simulate

    constants = np.array([r, k])
    values, entropy = draw(
        plan,
        seed,
        plan.draws,
        lambda normals, out: simulate.integrate(
            simulate.TRANSCRITICAL, constants, parameter, initial, sigma, 0.0, 0.0, plan.step, plan.steps,
            plan.burn_in * plan.steps, normals, out,
        ),
    )  # fmt: skip
    return result(
        plan,
        values,
        parameter,
        model="transcritical",
        seed=entropy,
        config=config,
        bifurcation="transcritical",
        critical=r,
        transition=crossing(plan.time, parameter, r),
    )
