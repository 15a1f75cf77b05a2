"""Series in which no bifurcation is near: noise of many colours, and what is laid over any series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from benchmarks.classifier import systems

FloatArray = npt.NDArray[np.float64]
BURN_IN = 200


def noise(count: int, n: int, generator: np.random.Generator) -> FloatArray:
    """One of the kinds below, `count` series of it."""
    kind = generator.choice(len(KINDS), p=WEIGHTS)
    return KINDS[kind](count, n, generator)


def _innovations(count: int, n: int, generator: np.random.Generator) -> FloatArray:
    if generator.random() < 0.25:
        return generator.standard_t(generator.uniform(2.5, 8.0), (count, n))
    return generator.standard_normal((count, n))


def autoregressive(count: int, n: int, generator: np.random.Generator) -> FloatArray:
    """AR(1), coefficient −0.9 to 0.98."""
    return _filtered(count, n, generator, lambda: ([1.0], [1.0, -generator.uniform(-0.9, 0.98)]))


def second_order(count: int, n: int, generator: np.random.Generator) -> FloatArray:
    """AR(2) with a complex or a real pair of roots."""

    def draw() -> tuple[list[float], list[float]]:
        if generator.random() < 0.6:
            modulus, angle = generator.uniform(0.3, 0.97), generator.uniform(0.1, 3.0)
            return [1.0], [1.0, -2.0 * modulus * np.cos(angle), modulus**2]
        first, second = generator.uniform(-0.9, 0.97, 2)
        return [1.0], [1.0, -(first + second), first * second]

    return _filtered(count, n, generator, draw)


def mixed(count: int, n: int, generator: np.random.Generator) -> FloatArray:
    """ARMA(1, 1): a red process seen with error among them."""
    return _filtered(
        count, n, generator, lambda: ([1.0, generator.uniform(-0.95, 0.9)], [1.0, -generator.uniform(-0.8, 0.97)])
    )


def jitter(count: int, n: int, generator: np.random.Generator) -> FloatArray:
    """Intervals between events timed with error: white noise (or red) plus differences of white noise."""
    red = _filtered(count, n, generator, lambda: ([1.0], [1.0, -generator.uniform(0.0, 0.97)]))
    red /= red.std(axis=1, keepdims=True)
    error = np.diff(generator.standard_normal((count, n + 1)), axis=1)
    return red + error * np.exp(generator.uniform(np.log(0.05), np.log(5.0), (count, 1)))


def power_law(count: int, n: int, generator: np.random.Generator) -> FloatArray:
    """1/f^β noise, β from −0.3 to 1.6."""
    spectrum = np.fft.rfft(generator.standard_normal((count, 4 * n)), axis=1)
    frequency = np.fft.rfftfreq(4 * n)
    spectrum[:, 1:] *= frequency[1:] ** (-0.5 * generator.uniform(-0.3, 1.6, (count, 1)))
    spectrum[:, 0] = 0.0
    return np.asarray(np.fft.irfft(spectrum, axis=1)[:, :n])


def _filtered(
    count: int, n: int, generator: np.random.Generator, draw: Callable[[], tuple[list[float], list[float]]]
) -> FloatArray:
    innovations = _innovations(count, n + BURN_IN, generator)
    return np.stack([lfilter(*draw(), row)[BURN_IN:] for row in innovations])


KINDS: tuple[Callable[[int, int, np.random.Generator], FloatArray], ...] = (
    autoregressive,
    second_order,
    mixed,
    jitter,
    power_law,
)
WEIGHTS = (0.35, 0.2, 0.15, 0.15, 0.15)


def overlay(rows: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Lay over every series what says nothing of its stability: a trend, error, outliers, a sign, sometimes an event.

    The same mixture goes over series that approach a bifurcation and over those that do not, so that none of it can
    be learned as a sign of either.
    """
    count, n = rows.shape
    u = np.linspace(-0.5, 0.5, n)
    sd = rows.std(axis=1, keepdims=True) + 1e-300
    out = rows / sd
    out = out * np.where(generator.random((count, 1)) < 0.5, 1.0, -1.0)

    def some(share: float) -> FloatArray:
        return (generator.random((count, 1)) < share).astype(float)

    error = some(0.25) * np.exp(generator.uniform(np.log(0.05), np.log(1.0), (count, 1)))
    out = out + error * generator.standard_normal((count, n))
    timing = some(0.15) * np.exp(generator.uniform(np.log(0.05), np.log(0.7), (count, 1)))
    out = out + timing * np.diff(generator.standard_normal((count, n + 1)), axis=1)
    out = out + some(0.5) * generator.normal(0.0, 2.0, (count, 1)) * u
    out = out + some(0.25) * generator.normal(0.0, 2.0, (count, 1)) * (u * u)
    # The way of an equilibrium towards a fold (a root) or a transcritical bifurcation (a line), or back.
    way = systems.path("towards", count, n, generator) ** generator.choice([0.5, 1.0], (count, 1))
    way = np.where(generator.random((count, 1)) < 0.75, way, way[:, ::-1])
    size = np.exp(generator.uniform(np.log(0.5), np.log(200.0), (count, 1)))
    out = out + some(0.6) * np.where(generator.random((count, 1)) < 0.5, size, -size) * way
    # A slow drift of the kind that no smoother takes out altogether.
    phase = generator.uniform(0.0, 2.0 * np.pi, (count, 1))
    out = out + some(0.15) * generator.normal(0.0, 0.7, (count, 1)) * np.sin(
        2.0 * np.pi * generator.uniform(0.5, 4.0, (count, 1)) * u + phase
    )
    # A step of the mean.
    out = out + some(0.06) * generator.normal(0.0, 2.0, (count, 1)) * (u > generator.uniform(-0.4, 0.4, (count, 1)))
    # Single outliers.
    spikes = (generator.random((count, n)) < generator.uniform(0.2, 3.0, (count, 1)) / n) * some(0.12)
    return out + spikes * generator.standard_t(3, (count, n)) * 3.0


def changing_noise(rows: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Scale that grows or shrinks over the record while the memory stays: up to fourfold either way."""
    count, n = rows.shape
    ratio = np.exp(generator.uniform(-np.log(4.0), np.log(4.0), (count, 1)))
    u = np.linspace(0.0, 1.0, n)
    if generator.random() < 0.3:  # at once
        return rows * np.where(u > generator.uniform(0.2, 0.8, (count, 1)), ratio, 1.0)
    return rows * ratio**u
