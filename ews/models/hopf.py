"""A consumer and its resource, which begin to cycle at a Hopf bifurcation."""

from __future__ import annotations

import numpy as np

from ews._common import checks
from ews.errors import ValueRangeError
from ews.models.simulation import Ramp, Seed, Simulation, crossing, draw, ramp, result, sampling

__all__ = ["hopf"]


def hopf(
    *,
    n: int = 1000,
    attack: Ramp = (9.0, 16.0),
    growth: float = 4.0,
    capacity: float = 1.7,
    handling: float = 0.15,
    conversion: float = 0.5,
    mortality: float = 2.0,
    noise: float = 0.02,
    interval: float = 0.5,
    steps: int = 20,
    burn_in: int = 100,
    replicates: int | None = None,
    seed: Seed = None,
) -> Simulation:
    """Simulate a consumer and its resource, whose stable spiral becomes a cycle at a Hopf bifurcation.

    The model of Rosenzweig and MacArthur, with independent noise proportional to each population:

        dx = [r x (1 − x/K) − a x y / (1 + a h x)] dt + σ x dW₁
        dy = [e a x y / (1 + a h x) − m y] dt + σ y dW₂.

    Parameters
    ----------
    n : int, default 1000
        Number of samples.
    attack : float or (float, float), default (9.0, 16.0)
        Attack rate a of the consumer: constant, or at the first and last sample. The default crosses the bifurcation
        near the end.
    growth : float, default 4.0
        Growth rate r of the resource, per unit of time.
    capacity : float, default 1.7
        Carrying capacity K of the resource.
    handling : float, default 0.15
        Handling time h.
    conversion : float, default 0.5
        Conversion e of resource eaten into consumers.
    mortality : float, default 2.0
        Mortality m of the consumer, per unit of time; the consumer can live only where m h < e.
    noise : float, default 0.02
        σ, per square root of time. The noise of one step is σ x √(interval / steps) times a standard normal number.
    interval : float, default 0.5
        Time between samples: about nine samples in each turn of the spiral near the bifurcation.
    steps : int, default 20
        Steps of integration in each interval. The drift is of second order (Heun): Euler's would add half the step
        times the square of the spiral's frequency to its growth rate, and so move the bifurcation.
    burn_in : int, default 100
        Intervals before the first sample, at the first attack rate.
    replicates : int, optional
        Number of independent series; the values then have shape (replicates, n).
    seed : int, Generator or None, optional
        Where the noise comes from; None takes fresh entropy, which the result records.

    Returns
    -------
    Simulation
        The resource, from the equilibrium of both at the first attack rate. ``transition`` is the time at which that
        equilibrium loses stability.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is outside its range, or the consumer cannot live with the resource at the first attack rate.

    Notes
    -----
    The equilibrium is x* = m / (a (e − m h)), y* = (r/a) (1 − x*/K) (1 + a h x*). The trace of its Jacobian vanishes
    where x* lies at the hump of the resource's isocline, x* = (K − 1/(a h)) / 2, which gives
    a = [2m / (e − m h) + 1/h] / K; the determinant is positive there. Both populations stop at 0, which only too long a
    step reaches.

    References
    ----------
    Rosenzweig, M. L. & MacArthur, R. H. (1963). Graphical representation and stability conditions of predator-prey
    interactions. American Naturalist 97, 209–223. Bury, T. M. et al. (2021). Deep learning for early warning signals of
    tipping points. PNAS 118, e2106140118 (parameters).

    Examples
    --------
    >>> from ews.models import hopf
    >>> simulation = hopf(n=300, seed=1)
    >>> round(simulation.critical, 3)
    15.686
    """
    config = dict(locals())  # every option, as given
    plan = sampling(n, interval=interval, steps=steps, burn_in=burn_in, replicates=replicates)
    r = checks.number("growth", growth, above=0.0)
    k = checks.number("capacity", capacity, above=0.0)
    h = checks.number("handling", handling, above=0.0)
    e = checks.number("conversion", conversion, above=0.0)
    m = checks.number("mortality", mortality, above=0.0)
    if m * h >= e:
        raise ValueRangeError("mortality", mortality, f"< conversion / handling = {e / h:g}, else no consumer can live")
    parameter = ramp("attack", attack, plan.n, least=0.0)
    first = float(parameter[0])
    invasion = m / ((e - m * h) * k)  # the attack rate at which x* = K
    if first <= invasion:
        raise ValueRangeError("attack", attack, f"> {invasion:g} at the first sample, else no consumer can live")
    sigma = checks.number("noise", noise, least=0.0)
    critical = (2.0 * m / (e - m * h) + 1.0 / h) / k
    resource = m / (first * (e - m * h))
    consumer = r / first * (1.0 - resource / k) * (1.0 + first * h * resource)

    from ews._kernels import simulate

    constants = np.array([r, k, h, e, m])
    initial = np.array([resource, consumer])
    values, entropy = draw(
        plan,
        seed,
        2 * plan.draws,
        lambda normals, out: simulate.integrate_consumer_resource(
            constants, parameter, initial, sigma, plan.step, plan.steps, plan.burn_in * plan.steps, normals, out
        ),
        states=2,
    )
    return result(
        plan,
        values[0],
        parameter,
        model="hopf",
        seed=entropy,
        config=config,
        bifurcation="hopf",
        critical=critical,
        transition=crossing(plan.time, parameter, critical),
    )
