"""Linear systems that go nowhere: red noise in continuous and in discrete time."""

from __future__ import annotations

import math

from ews._common import checks
from ews.models.simulation import FloatArray, Sampling, Seed, Simulation, draw, ramp, result, sampling

__all__ = ["ar1", "ornstein_uhlenbeck"]


def ornstein_uhlenbeck(
    *,
    n: int = 1000,
    mean: float = 0.0,
    rate: float = 1.0,
    noise: float = 1.0,
    interval: float = 0.5,
    replicates: int | None = None,
    seed: Seed = None,
) -> Simulation:
    """Draw the stationary Ornstein–Uhlenbeck process from its exact transition density.

        dx = −λ (x − μ) dt + σ dW.

    Parameters
    ----------
    n : int, default 1000
        Number of samples.
    mean : float, default 0.0
        μ, in the units of x.
    rate : float, default 1.0
        The rate of return λ > 0, per unit of time.
    noise : float, default 1.0
        σ, in the units of x per square root of time.
    interval : float, default 0.5
        Time Δ between samples. There is no step: samples are exact at any interval.
    replicates : int, optional
        Number of independent series; the values then have shape (replicates, n).
    seed : int, Generator or None, optional
        Where the noise comes from; None takes fresh entropy, which the result records.

    Returns
    -------
    Simulation
        Stationary from the first sample: variance σ² / (2λ), lag-1 autocorrelation e^(−λΔ). ``parameter`` holds λ.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is outside its range.

    References
    ----------
    Gillespie, D. T. (1996). Exact numerical simulation of the Ornstein–Uhlenbeck process and its integral. Physical
    Review E 54, 2084–2091. Equation 1.9a.

    Examples
    --------
    >>> from ews.models import ornstein_uhlenbeck
    >>> simulation = ornstein_uhlenbeck(n=20_000, rate=0.5, noise=1.0, seed=1)
    >>> bool(abs(simulation.values.var() - 1.0) < 0.05)
    True
    """
    config = dict(locals())  # every option, as given
    plan = sampling(n, interval=interval, replicates=replicates)
    centre = checks.number("mean", mean)
    decay = checks.number("rate", rate, above=0.0)
    sigma = checks.number("noise", noise, least=0.0)
    coefficient = math.exp(-decay * plan.interval)
    # Gillespie 1996, eq. 1.9a; expm1 keeps the digits where the interval is short.
    innovation = sigma * math.sqrt(-math.expm1(-2.0 * decay * plan.interval) / (2.0 * decay))
    stationary = sigma / math.sqrt(2.0 * decay)
    values, entropy = _autoregression(plan, seed, centre, coefficient, innovation, stationary)
    return result(plan, values, ramp("rate", decay, plan.n), model="ornstein_uhlenbeck", seed=entropy, config=config)


def ar1(
    *,
    n: int = 1000,
    coefficient: float = 0.5,
    noise: float = 1.0,
    mean: float = 0.0,
    replicates: int | None = None,
    seed: Seed = None,
) -> Simulation:
    """Draw a stationary first-order autoregression.

        x[t] − μ = φ (x[t−1] − μ) + σ z[t], z standard normal.

    Parameters
    ----------
    n : int, default 1000
        Number of samples, one unit of time apart.
    coefficient : float, default 0.5
        φ, in (−1, 1); 0 gives white noise.
    noise : float, default 1.0
        Standard deviation σ of the innovations, in the units of x.
    mean : float, default 0.0
        μ, in the units of x.
    replicates : int, optional
        Number of independent series; the values then have shape (replicates, n).
    seed : int, Generator or None, optional
        Where the noise comes from; None takes fresh entropy, which the result records.

    Returns
    -------
    Simulation
        Stationary from the first sample: variance σ² / (1 − φ²), lag-1 autocorrelation φ. ``parameter`` holds φ.

    Raises
    ------
    ews.errors.ArgumentError
        If an option is outside its range.

    References
    ----------
    Box, G. E. P. et al. (2016). Time Series Analysis, 5th edition. Wiley. Section 3.2.3.

    Examples
    --------
    >>> from ews.models import ar1
    >>> ar1(n=100, coefficient=0.8, seed=1, replicates=3).values.shape
    (3, 100)
    """
    config = dict(locals())  # every option, as given
    plan = sampling(n, replicates=replicates)
    phi = checks.number("coefficient", coefficient, above=-1.0, below=1.0)
    sigma = checks.number("noise", noise, least=0.0)
    centre = checks.number("mean", mean)
    values, entropy = _autoregression(plan, seed, centre, phi, sigma, sigma / math.sqrt(1.0 - phi * phi))
    return result(plan, values, ramp("coefficient", phi, plan.n), model="ar1", seed=entropy, config=config)


def _autoregression(
    plan: Sampling, seed: Seed, mean: float, coefficient: float, innovation: float, stationary: float
) -> tuple[FloatArray, int]:
    from ews._kernels import simulate

    return draw(
        plan,
        seed,
        plan.n,
        lambda normals, out: simulate.autoregress(mean, coefficient, innovation, stationary, normals, out),
    )
