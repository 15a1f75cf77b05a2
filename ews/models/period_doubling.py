"""The Ricker map, which begins to alternate at a period doubling."""

from __future__ import annotations

from ews._common import checks
from ews.models.simulation import Ramp, Seed, Simulation, crossing, draw, ramp, result, sampling

__all__ = ["ricker"]


def ricker(
    *,
    n: int = 1000,
    growth: Ramp = (0.5, 2.1),
    capacity: float = 10.0,
    noise: float = 0.05,
    burn_in: int = 100,
    replicates: int | None = None,
    seed: Seed = None,
) -> Simulation:
    """Simulate Ricker's population with distinct generations, which begins to alternate at a period doubling.

        x[t+1] = x[t] exp(r (1 − x[t]/K) + σ z[t]), z standard normal.

    Parameters
    ----------
    n : int, default 1000
        Number of generations.
    growth : float or (float, float), default (0.5, 2.1)
        Growth rate r, per generation: constant, or at the first and last sample. The default crosses r = 2.
    capacity : float, default 10.0
        Carrying capacity K, in the units of x.
    noise : float, default 0.05
        σ, per generation. The factor exp(σ z) is lognormal with median 1: on the log scale the noise is unbiased.
    burn_in : int, default 100
        Generations before the first sample, at the first growth rate.
    replicates : int, optional
        Number of independent series; the values then have shape (replicates, n).
    seed : int, Generator or None, optional
        Where the noise comes from; None takes fresh entropy, which the result records.

    Returns
    -------
    Simulation
        The population, from the equilibrium K. ``transition`` is the time at which r = 2.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is outside its range.

    Notes
    -----
    The map multiplies a small deviation from K by 1 − r. The multiplier is positive for r < 1, 0 at r = 1, and −1 at
    r = 2, where the equilibrium gives way to a cycle of period 2; so the lag-1 autocorrelation *falls*, to −1.

    References
    ----------
    Ricker, W. E. (1954). Stock and recruitment. Journal of the Fisheries Research Board of Canada 11, 559–623. Bury,
    T. M. et al. (2023). Predicting discrete-time bifurcations with deep learning. Nature Communications 14, 6331.

    Examples
    --------
    >>> from ews.models import ricker
    >>> ricker(n=301, growth=(1.0, 2.5), seed=1).transition
    200.0
    """
    config = dict(locals())  # every option, as given
    plan = sampling(n, burn_in=burn_in, replicates=replicates)
    parameter = ramp("growth", growth, plan.n, least=0.0)
    k = checks.number("capacity", capacity, above=0.0)
    sigma = checks.number("noise", noise, least=0.0)
    multiplier = -1.0  # of a period doubling
    critical = 1.0 - multiplier

    from ews._kernels import simulate

    values, entropy = draw(
        plan,
        seed,
        plan.draws,
        lambda normals, out: simulate.iterate_ricker(parameter, k, k, sigma, plan.burn_in, normals, out),
    )
    return result(
        plan,
        values,
        parameter,
        model="ricker",
        seed=entropy,
        config=config,
        bifurcation="period-doubling",
        critical=critical,
        transition=crossing(plan.time, parameter, critical),
    )
