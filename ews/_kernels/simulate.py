"""Integration of the simulated systems of :mod:`ews.models`, a batch of replicates in one call.

Each kernel takes the normal variates as an argument, so that it holds no random state: row ``i`` of the output depends
on row ``i`` of the variates and on nothing else. Stochastic equations are read in the Itô sense.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ews._kernels.jit import kernel

__all__ = [
    "FOLD",
    "PITCHFORK",
    "TRANSCRITICAL",
    "autoregress",
    "integrate",
    "integrate_consumer_resource",
    "iterate_ricker",
]

FloatArray = npt.NDArray[np.float64]

# Codes of the drifts that `integrate` knows.
FOLD = 0
TRANSCRITICAL = 1
PITCHFORK = 2


@kernel
def drift(model: int, constants: FloatArray, x: float, parameter: float) -> float:
    """Deterministic rate of change of the one-dimensional model at state `x`."""
    if model == FOLD:  # May 1977: growth r, capacity K, half saturation s; the parameter is the harvest rate c
        growth: float = constants[0]
        capacity: float = constants[1]
        half_saturation: float = constants[2]
        square = x * x
        harvest = parameter * square / (half_saturation * half_saturation + square)
        return growth * x * (1.0 - x / capacity) - harvest
    if model == TRANSCRITICAL:  # growth r, capacity K; the parameter is the proportional harvest c
        growth = constants[0]
        capacity = constants[1]
        return x * (growth * (1.0 - x / capacity) - parameter)
    return parameter * x - x * x * x  # PITCHFORK, normal form


@kernel
def integrate(
    model: int,
    constants: FloatArray,
    parameter: FloatArray,
    initial: float,
    noise: float,
    proportional: float,
    floor: float,
    step: float,
    steps: int,
    burn_in: int,
    normals: FloatArray,
    out: FloatArray,
) -> None:
    """Integrate dx = f(x, p(t)) dt + noise · x^proportional dW with the Milstein scheme.

    `parameter` (n,) holds the driving parameter at the samples and is linear in between; `burn_in` steps go before the
    first sample, at its parameter. `proportional` is 0.0 for additive noise and 1.0 for noise proportional to the
    state. `normals` (rows, burn_in + (n - 1) · steps); `out` (rows, n).
    """
    rows, samples = out.shape
    scale = noise * math.sqrt(step)  # SD of noise · dW over one step
    for row in range(rows):
        x = initial
        draw = 0
        for _ in range(burn_in):
            x = milstein(model, constants, x, parameter[0], scale, proportional, floor, step, normals[row, draw])
            draw += 1
        out[row, 0] = x
        for i in range(1, samples):
            slope = (parameter[i] - parameter[i - 1]) / steps
            for j in range(steps):
                now = parameter[i - 1] + slope * j
                x = milstein(model, constants, x, now, scale, proportional, floor, step, normals[row, draw])
                draw += 1
            out[row, i] = x


@kernel
def milstein(
    model: int,
    constants: FloatArray,
    x: float,
    parameter: float,
    scale: float,
    proportional: float,
    floor: float,
    step: float,
    normal: float,
) -> float:
    """One step of length `step`, stopped at `floor`."""
    diffusion = 1.0 if proportional == 0.0 else x
    # Kloeden & Platen 1992, eq. 10.3.1, with g = noise · x: the last term vanishes for additive noise.
    moved = (
        x
        + drift(model, constants, x, parameter) * step
        + scale * diffusion * normal
        + 0.5 * scale * scale * proportional * x * (normal * normal - 1.0)
    )
    return floor if moved < floor else moved  # a comparison, not max(): a NaN must stay a NaN


@kernel
def integrate_consumer_resource(
    constants: FloatArray,
    parameter: FloatArray,
    initial: FloatArray,
    noise: float,
    step: float,
    steps: int,
    burn_in: int,
    normals: FloatArray,
    out: FloatArray,
) -> None:
    """Integrate the Rosenzweig–MacArthur model with noise proportional to each state, by the Milstein scheme.

    `constants` are growth r, capacity K, handling time h, conversion e and mortality m; `parameter` (n,) is the attack
    rate at the samples, linear in between. `initial` holds resource and consumer; `normals` (rows, 2 · steps in all),
    resource and consumer in turn; `out` (2, rows, n): resource, consumer.
    """
    _, rows, samples = out.shape
    growth, capacity, handling = constants[0], constants[1], constants[2]
    conversion, mortality = constants[3], constants[4]
    scale = noise * math.sqrt(step)
    for row in range(rows):
        resource = initial[0]
        consumer = initial[1]
        draw = 0
        for i in range(samples):
            count = burn_in if i == 0 else steps
            start = parameter[0] if i == 0 else parameter[i - 1]
            slope = 0.0 if i == 0 else (parameter[i] - start) / steps
            for j in range(count):
                attack = start + slope * j
                eaten = consumption(resource, consumer, attack, handling)
                growing = growth * resource * (1.0 - resource / capacity) - eaten
                breeding = conversion * eaten - mortality * consumer
                # Heun's drift. Euler's would add step · ω² / 2 to the growth rate of a spiral of frequency ω, and so
                # move the bifurcation; this adds a term in step³ only.
                ahead = attack + slope
                resource_ahead = resource + growing * step
                consumer_ahead = consumer + breeding * step
                eaten = consumption(resource_ahead, consumer_ahead, ahead, handling)
                growing += growth * resource_ahead * (1.0 - resource_ahead / capacity) - eaten
                breeding += conversion * eaten - mortality * consumer_ahead
                first = normals[row, draw]
                second = normals[row, draw + 1]
                draw += 2
                # Diagonal noise: no Lévy area, so that the scalar Milstein term is exact for each component.
                resource += 0.5 * growing * step + resource * (
                    scale * first + 0.5 * scale * scale * (first * first - 1.0)
                )
                consumer += 0.5 * breeding * step + consumer * (
                    scale * second + 0.5 * scale * scale * (second * second - 1.0)
                )
                if resource < 0.0:
                    resource = 0.0
                if consumer < 0.0:
                    consumer = 0.0
            out[0, row, i] = resource
            out[1, row, i] = consumer


@kernel
def consumption(resource: float, consumer: float, attack: float, handling: float) -> float:
    """Holling's type II rate of consumption."""
    return attack * resource * consumer / (1.0 + attack * handling * resource)


@kernel
def iterate_ricker(
    growth: FloatArray,
    capacity: float,
    initial: float,
    noise: float,
    burn_in: int,
    normals: FloatArray,
    out: FloatArray,
) -> None:
    """Iterate x ← x · exp(r (1 − x / K) + noise · z), with r of the generation that reproduces.

    `growth` (n,); `burn_in` generations at its first value go before the first sample; `normals`
    (rows, burn_in + n - 1); `out` (rows, n).
    """
    rows, samples = out.shape
    for row in range(rows):
        x = initial
        for i in range(burn_in):
            x *= math.exp(growth[0] * (1.0 - x / capacity) + noise * normals[row, i])
        out[row, 0] = x
        for i in range(1, samples):
            x *= math.exp(growth[i - 1] * (1.0 - x / capacity) + noise * normals[row, burn_in + i - 1])
            out[row, i] = x


@kernel
def autoregress(
    mean: float, coefficient: float, innovation: float, stationary: float, normals: FloatArray, out: FloatArray
) -> None:
    """Draw stationary first-order autoregressions: the first value has the standard deviation `stationary`.

    `normals` and `out` (rows, n).
    """
    rows, samples = out.shape
    for row in range(rows):
        deviation = stationary * normals[row, 0]
        out[row, 0] = mean + deviation
        for i in range(1, samples):
            deviation = coefficient * deviation + innovation * normals[row, i]
            out[row, i] = mean + deviation
