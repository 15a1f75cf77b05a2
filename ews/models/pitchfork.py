"""The normal form of the supercritical pitchfork."""

from __future__ import annotations

import math

import numpy as np

from ews._common import checks
from ews.models.simulation import Ramp, Seed, Simulation, crossing, draw, ramp, result, sampling

__all__ = ["pitchfork"]


def pitchfork(
    *,
    n: int = 1000,
    control: Ramp = (-1.0, 0.1),
    noise: float = 0.05,
    interval: float = 1.0,
    steps: int = 20,
    burn_in: int = 50,
    replicates: int | None = None,
    seed: Seed = None,
) -> Simulation:
    """Simulate the normal form of a supercritical pitchfork: one symmetric state gives way to two.

        dx = (μ x − x³) dt + σ dW.

    Parameters
    ----------
    n : int, default 1000
        Number of samples.
    control : float or (float, float), default (-1.0, 0.1)
        μ, per unit of time: constant, or at the first and last sample. The bifurcation is at μ = 0.
    noise : float, default 0.05
        σ, in the units of x per square root of time. The noise of one step is σ √(interval / steps) times a standard
        normal number.
    interval : float, default 1.0
        Time between samples.
    steps : int, default 20
        Steps of integration in each interval.
    burn_in : int, default 50
        Intervals before the first sample, at the first μ.
    replicates : int, optional
        Number of independent series; the values then have shape (replicates, n).
    seed : int, Generator or None, optional
        Where the noise comes from; None takes fresh entropy, which the result records.

    Returns
    -------
    Simulation
        The state, from the equilibrium 0, or √μ where the first μ is positive. ``transition`` is the time at which
        μ = 0.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is outside its range.

    Notes
    -----
    The eigenvalue of the state 0 is μ; those of ±√μ, which exist for μ > 0, are −2μ. All vanish at μ = 0.

    References
    ----------
    Strogatz, S. H. (2015). Nonlinear Dynamics and Chaos, 2nd edition. Westview. Section 3.4.

    Examples
    --------
    >>> from ews.models import pitchfork
    >>> pitchfork(n=101, control=(-1.0, 1.0), seed=1).transition
    50.0
    """
    config = dict(locals())  # every option, as given
    plan = sampling(n, interval=interval, steps=steps, burn_in=burn_in, replicates=replicates)
    parameter = ramp("control", control, plan.n)
    sigma = checks.number("noise", noise, least=0.0)
    initial = math.sqrt(max(float(parameter[0]), 0.0))

    from ews._kernels import simulate

    constants = np.empty(0)
    values, entropy = draw(
        plan,
        seed,
        plan.draws,
        lambda normals, out: simulate.integrate(
            simulate.PITCHFORK, constants, parameter, initial, sigma, 0.0, -math.inf, plan.step, plan.steps,
            plan.burn_in * plan.steps, normals, out,
        ),
    )  # fmt: skip
    return result(
        plan,
        values,
        parameter,
        model="pitchfork",
        seed=entropy,
        config=config,
        bifurcation="pitchfork",
        critical=0.0,
        transition=crossing(plan.time, parameter, 0.0),
    )
