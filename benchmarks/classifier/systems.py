"""Random polynomial systems that approach a known bifurcation, a batch at a time.

Every system has two variables. The first, u, holds the normal form of the bifurcation; the second, v, relaxes and is
driven by u. Linear coupling is one-way, so that the eigenvalue that reaches the boundary of stability is known exactly
at the reference state; random quadratic and cubic terms couple the two and make every system another one. The
parameter moves from its starting value towards the critical one (0), linearly or nearly so, and stops at or shortly
before it. Flows are integrated with Euler and Maruyama in `SUBSTEPS` steps a sample; maps are iterated.

What is drawn at random: rates, noise and its colour, curvature, coupling, which mixture of both variables is observed
and with what error, where the approach begins and how far it gets.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

SUBSTEPS = 8
ESCAPED = 1e3
Motion = Literal["towards", "still", "away"]
BIFURCATIONS = ("fold", "transcritical", "pitchfork", "hopf", "flip")


def simulate(kind: str, motion: Motion, count: int, n: int, generator: np.random.Generator) -> FloatArray:
    """Draw `count` systems of one kind and one series of `n` samples from each; those that escape are left out.

    Parameters
    ----------
    kind : str
        One of `BIFURCATIONS`.
    motion : {"towards", "still", "away"}
        Whether the parameter moves towards the bifurcation, stands still somewhere on the way, or moves away from it.
    """
    share = path(motion, count, n, generator)
    maps = kind == "flip" or generator.random() < 0.35
    with np.errstate(all="ignore"):
        u, v, scale = (_map if maps else _flow)(kind, share, generator)
    mixture = generator.uniform(0.0, 0.5, (count, 1)) * generator.integers(0, 2, (count, 1))
    # Without the way of its equilibrium: a mean that moves is laid over all series alike, whatever their label.
    observed = (1.0 - mixture) * (u - equilibrium(kind, share)) + mixture * v
    kept = np.isfinite(observed).all(axis=1) & (np.abs(u) < 12.0 * scale).all(axis=1)
    return observed[kept]


def equilibrium(kind: str, share: FloatArray) -> FloatArray:
    """Where u stands still, by what is left of the way."""
    return np.sqrt(share) if kind == "fold" else share if kind == "transcritical" else np.zeros_like(share)


def path(motion: Motion, count: int, n: int, generator: np.random.Generator) -> FloatArray:
    """What is left of the way to the bifurcation at each sample, 1 where the way begins: shape (count, n)."""
    if motion == "away":
        return np.ascontiguousarray(path("towards", count, n, generator)[:, ::-1])
    if motion == "still":
        return np.repeat(generator.uniform(0.05, 1.0, (count, 1)), n, axis=1)
    end = np.where(generator.random((count, 1)) < 0.5, 0.0, generator.uniform(0.0, 0.3, (count, 1)))
    start_of_ramp = np.where(generator.random((count, 1)) < 0.75, 0.0, generator.uniform(0.0, 0.6, (count, 1)))
    power = np.exp(generator.normal(0.0, 0.25, (count, 1)))
    done = np.clip((np.linspace(0.0, 1.0, n) - start_of_ramp) / (1.0 - start_of_ramp), 0.0, 1.0) ** power
    return 1.0 - (1.0 - end) * done


def _uniform(generator: np.random.Generator, count: int, low: float, high: float) -> FloatArray:
    return generator.uniform(low, high, count)


def _log_uniform(generator: np.random.Generator, count: int, low: float, high: float) -> FloatArray:
    return np.exp(generator.uniform(np.log(low), np.log(high), count))


def _flow(kind: str, share: FloatArray, generator: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Stochastic differential equations; the unit of time is the sample."""
    count, n = share.shape
    # exp(−rate) is the lag-1 autocorrelation at the start: from 0.05 to 0.95.
    rate = _log_uniform(generator, count, 0.05, 3.0)
    companion = _log_uniform(generator, count, 0.1, 3.0)
    turn = _log_uniform(generator, count, 0.1, 2.6)  # radians a sample
    drive, quadratic, cubic, cross = (generator.normal(0.0, size, count) for size in (0.7, 0.3, 0.2, 0.3))
    noise = _log_uniform(generator, count, 0.005, 0.2)
    proportional = np.where(generator.random(count) < 0.4, generator.uniform(0.0, 1.0, count), 0.0)
    colour = np.where(generator.random(count) < 0.25, _log_uniform(generator, count, 0.3, 4.0), np.inf)
    softening = np.where(generator.random(count) < 0.5, 1.0, -1.0)
    v_noise = noise * generator.uniform(0.2, 1.0, count)

    def drift(u: FloatArray, v: FloatArray, left: FloatArray) -> tuple[FloatArray, FloatArray]:
        higher = quadratic * v * v + cross * u * v
        if kind == "fold":  # du = μ − u², μ ∝ left: u* = √left, slope −rate √left; v is driven by the deviation
            du = 0.5 * rate * (left - u * u) + rate * cubic * (u - np.sqrt(left)) ** 3 + rate * cross * v * v
            return du, -companion * v + drive * companion * (u - np.sqrt(left))
        if kind == "transcritical":  # du = r u − u²: u* = left, slope −rate · left
            du = rate * u * (left - u) * (1.0 + quadratic * (u - left))
            return du, -companion * v + drive * companion * (u - left)
        if kind == "pitchfork":
            return -rate * left * u - softening * rate * u**3 + rate * higher, -companion * v + drive * companion * u
        # The turn itself is made exactly, below: Euler's would add half the step times its square to the growth.
        growth = -rate * left - softening * rate * (u * u + v * v)
        return growth * u + rate * cubic * u * u, growth * v

    if kind == "fold":
        u = np.sqrt(share[:, 0])
    elif kind == "transcritical":
        u = share[:, 0].copy()
    else:
        u = np.zeros(count)
    v = np.zeros(count)
    size = np.ones(count) if kind in ("fold", "transcritical") else 1.5 * np.ones(count)
    sigma_u = noise * np.sqrt(2.0 * np.minimum(rate, 1.0))
    sigma_v = v_noise * np.sqrt(2.0 * np.minimum(companion, 1.0))
    if kind == "hopf":
        sigma_v = sigma_u * generator.uniform(0.0, 1.0, count)
    forcing = np.zeros(count)
    step = 1.0 / SUBSTEPS
    memory = np.where(np.isinf(colour), 0.0, np.exp(-step / np.where(np.isinf(colour), 1.0, colour)))
    # White noise adds √step a step; coloured noise as intense at low frequencies is 1/√(2 τ) times a unit process.
    gain = np.where(np.isinf(colour), np.sqrt(step), step / np.sqrt(2.0 * np.where(np.isinf(colour), 1.0, colour)))
    fresh = np.sqrt(1.0 - memory**2)
    burn = min(n, 100)
    us, vs = np.empty((count, n)), np.empty((count, n))
    for sample in range(-burn, n):
        left = share[:, max(sample, 0)]
        for _ in range(SUBSTEPS):
            shock = generator.standard_normal((2, count))
            forcing = memory * forcing + fresh * shock[0]
            du, dv = drift(u, v, left)
            amplitude = sigma_u * (1.0 + proportional * (np.abs(u) - 1.0))
            u = u + step * du + amplitude * gain * forcing
            v = v + step * dv + sigma_v * np.sqrt(step) * shock[1]
            if kind == "transcritical":
                u = np.maximum(u, 0.0)
            if kind == "hopf":
                angle = step * turn * (1.0 + cross * np.minimum(u * u + v * v, 4.0))
                u, v = np.cos(angle) * u - np.sin(angle) * v, np.sin(angle) * u + np.cos(angle) * v
            u = np.clip(u, -ESCAPED, ESCAPED)
            v = np.clip(v, -ESCAPED, ESCAPED)
        if sample >= 0:
            us[:, sample], vs[:, sample] = u, v
    scale = size[:, None] * (0.25 if kind == "fold" else 1.0)
    if kind == "fold":  # past the saddle is gone; 12 scales = 3
        us = np.where(us < -1.0, np.nan, us)
    return us, vs, scale


def _map(kind: str, share: FloatArray, generator: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Difference equations: one iteration a sample."""
    count, n = share.shape
    slowest = _uniform(generator, count, 0.15, 1.3)  # 1 − eigenvalue at the start (flip: 1 + eigenvalue)
    companion = _uniform(generator, count, -0.6, 0.8)
    turn = _uniform(generator, count, 0.2, 2.9)
    drive, quadratic, cubic, cross = (generator.normal(0.0, size, count) for size in (0.5, 0.4, 0.3, 0.2))
    noise = _log_uniform(generator, count, 0.005, 0.15)
    proportional = np.where(generator.random(count) < 0.4, generator.uniform(0.0, 1.0, count), 0.0)
    colour = np.where(generator.random(count) < 0.2, generator.uniform(0.0, 0.7, count), 0.0)
    softening = np.where(generator.random(count) < 0.5, 1.0, -1.0) * generator.uniform(0.2, 1.0, count)
    # Several systems have a parameter that moves an eigenvalue not from its start but from far inside.
    start = np.where(generator.random(count) < 0.5, slowest, _uniform(generator, count, 0.15, 1.9))
    starting = np.zeros(count)
    if kind == "fold":
        starting = np.sqrt(share[:, 0])
    elif kind == "transcritical":
        starting = share[:, 0].copy()

    def step(u: FloatArray, v: FloatArray, left: FloatArray) -> tuple[FloatArray, FloatArray]:
        higher = 0.3 * (quadratic * v * v + cross * u * v)
        if kind == "flip":
            value = (-1.0 + start * left) * u + quadratic * u * u - softening * u**3 + higher
            return value, companion * v + drive * u
        if kind == "fold":
            deviation = u - np.sqrt(left)
            return (
                u + 0.5 * start * (left - u * u) + cubic * deviation**3 + 0.3 * cross * v * v,
                companion * v + drive * deviation,
            )
        if kind == "transcritical":
            return u + start * u * (left - u), companion * v + drive * (u - left)
        if kind == "pitchfork":
            return (1.0 - start * left) * u - softening * u**3 + higher, companion * v + drive * u
        square = u * u + v * v
        modulus = 1.0 - np.minimum(start, 0.95) * left - softening * square
        angle = turn + cross * square
        return (
            modulus * (np.cos(angle) * u - np.sin(angle) * v) + 0.5 * quadratic * u * u,
            modulus * (np.sin(angle) * u + np.cos(angle) * v),
        )

    u, v, forcing = starting, np.zeros(count), np.zeros(count)
    burn = min(n, 100)
    us, vs = np.empty((count, n)), np.empty((count, n))
    for sample in range(-burn, n):
        shock = generator.standard_normal((2, count))
        forcing = colour * forcing + np.sqrt(1.0 - colour**2) * shock[0]
        u, v = step(u, v, share[:, max(sample, 0)])
        u = u + noise * (1.0 + proportional * (np.abs(u) - 1.0)) * forcing
        v = v + 0.5 * noise * shock[1]
        if kind == "transcritical":
            u = np.maximum(u, 0.0)
        u, v = np.clip(u, -ESCAPED, ESCAPED), np.clip(v, -ESCAPED, ESCAPED)
        if sample >= 0:
            us[:, sample], vs[:, sample] = u, v
    if kind == "fold":
        us = np.where(us < -1.0, np.nan, us)
    return us, vs, np.full((count, 1), 0.25 if kind in ("fold", "transcritical") else 0.12)
