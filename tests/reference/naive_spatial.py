"""Spatial indicators, the composite and the abrupt-shift score, in plain loops from their definitions."""

from __future__ import annotations

import cmath
import math
import statistics

import numpy as np


def moran(cells: np.ndarray, *, periodic: bool = False) -> float:
    height, width = cells.shape
    present = [(y, x) for y in range(height) for x in range(width) if not math.isnan(cells[y, x])]
    mean = math.fsum(cells[place] for place in present) / len(present)
    products, weights = [], 0
    for y, x in present:
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            there = (y + dy, x + dx)
            if periodic:
                there = (there[0] % height, there[1] % width)
            elif not (0 <= there[0] < height and 0 <= there[1] < width):
                continue
            if not math.isnan(cells[there]):
                weights += 1
                products.append((cells[y, x] - mean) * (cells[there] - mean))
    squares = math.fsum((cells[place] - mean) ** 2 for place in present)
    return len(present) / weights * math.fsum(products) / squares


def variance(cells: np.ndarray) -> float:
    return statistics.variance(float(value) for value in cells.ravel() if not math.isnan(value))


def skewness(cells: np.ndarray) -> float:
    values = [float(value) for value in cells.ravel() if not math.isnan(value)]
    mean = math.fsum(values) / len(values)
    second = math.fsum((value - mean) ** 2 for value in values) / len(values)
    third = math.fsum((value - mean) ** 3 for value in values) / len(values)
    return third / second**1.5


def radial_spectrum(cells: np.ndarray) -> list[float]:
    height, width = cells.shape
    side = min(height, width)
    mean = float(cells.mean())
    rings: dict[int, list[float]] = {}
    for ky in range(-(height // 2), height - height // 2):
        for kx in range(-(width // 2), width - width // 2):
            total = 0j
            for y in range(height):
                for x in range(width):
                    angle = -2 * math.pi * (ky * y / height + kx * x / width)
                    total += (cells[y, x] - mean) * cmath.exp(1j * angle)
            radius = side * math.hypot(ky / height, kx / width)
            rings.setdefault(math.floor(radius + 0.5), []).append(abs(total / (height * width)) ** 2)
    return [sum(rings[ring]) / len(rings[ring]) for ring in range(1, side // 2 + 1)]


def patch_sizes(occupied: np.ndarray, *, periodic: bool = False) -> list[int]:
    height, width = occupied.shape
    todo = {(y, x) for y in range(height) for x in range(width) if occupied[y, x]}
    sizes = []
    while todo:
        border, size = [todo.pop()], 0
        while border:
            y, x = border.pop()
            size += 1
            for there in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if periodic:
                    there = (there[0] % height, there[1] % width)
                if there in todo:
                    todo.remove(there)
                    border.append(there)
        sizes.append(size)
    return sorted(sizes, reverse=True)


def composite(table: list[list[float]]) -> tuple[list[float], list[float]]:
    """Sum of z-scores against the history so far, and that sum in standard deviations above its own."""
    n = len(table[0])
    total = [math.nan] * n
    for t in range(n):
        scores = []
        for row in table:
            history = [value for value in row[: t + 1] if not math.isnan(value)]
            if len(history) < 2 or math.isnan(row[t]):
                scores.append(math.nan)
                continue
            scores.append((row[t] - statistics.mean(history)) / statistics.stdev(history))
        total[t] = sum(scores)
    strength = [math.nan] * n
    for t in range(n):
        history = [value for value in total[: t + 1] if not math.isnan(value)]
        if len(history) >= 2:
            strength[t] = (total[t] - statistics.mean(history)) / statistics.stdev(history)
    return total, strength


def abrupt_score(x: np.ndarray, lengths: range, threshold: float) -> list[float]:
    n = len(x)
    votes = [0] * n
    for length in lengths:
        first = (n % length) // 2
        slopes = []
        for segment in range(n // length):
            part = x[first + segment * length : first + (segment + 1) * length]
            slopes.append(float(np.polyfit(np.arange(length), part, 1)[0]))
        middle = statistics.median(slopes)
        spread = 1.4826 * statistics.median(abs(slope - middle) for slope in slopes)
        for segment, slope in enumerate(slopes):
            if abs(slope - middle) > threshold * spread:
                for t in range(first + segment * length, first + (segment + 1) * length):
                    votes[t] += 1 if slope > middle else -1
    return [vote / len(lengths) for vote in votes]
