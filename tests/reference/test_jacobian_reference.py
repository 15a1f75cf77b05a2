"""The S-map against pyEDM 2.5.7 (https://pypi.org/project/pyEDM), whose coefficients for this series are kept here.

They came from ``pyEDM.SMap(frame, columns="x", target="x", lib="1 120", pred=f"{start + 1} 119", E=dimension, Tp=1,
tau=-delay, theta=theta)["coefficients"]`` on the standardised series below: of the first point with all delays, the
41st after it, and the last but one, without the constant.
"""

from __future__ import annotations

import numpy as np
import pytest

from ews._kernels.smap import local_maps
from ews.bifurcations import jacobian

THEIRS = {
    (1, 1, 1.0): [[0.506942876576], [0.451369106979], [0.468301849945]],
    (2, 1, 0.0): [[0.765726849588, -0.380889534198], [0.790921615047, -0.381458807586],
                  [0.765517503214, -0.384918303289]],
    (2, 1, 2.5): [[0.60029718834, -0.53006637727], [1.39796569569, -0.3962367188], [0.625603819555, -0.462200023693]],
    (3, 2, 1.5): [[0.634703552581, -0.217467236852, 0.103477779473],
                  [0.568174148689, -0.178564267535, 0.0742425565553],
                  [0.611426232764, -0.198735542093, -0.0447670030077]],
}  # fmt: skip


@pytest.mark.parametrize(("dimension", "delay", "theta"), THEIRS)
def test_local_maps_are_those_of_pyedm(dimension: int, delay: int, theta: float) -> None:
    x = np.random.default_rng(5).standard_normal(120)
    for t in range(2, 120):
        x[t] = 0.8 * x[t - 1] - 0.4 * x[t - 2] + 0.5 * x[t]
    x = x.round(6)
    z = (x - x.mean()) / x.std(ddof=1)
    points = z.size - 1 - (dimension - 1) * delay
    coefficients, predictions = np.empty((1, points, dimension)), np.empty((1, points))
    local_maps(z, dimension, delay, theta, 0.0, coefficients, predictions)
    # Theirs are singular-value solutions, ours normal equations: they agree to rounding times the condition number.
    ours = coefficients[0][[0, 40, points - 1]]
    np.testing.assert_allclose(ours, THEIRS[dimension, delay, theta], rtol=1e-7, atol=1e-8)


def published_modulus(window: np.ndarray, dimension: int, delay: int, theta: float) -> float:
    """|DEV| of one window as Grziwotz et al. (2023) define it, point by point with numpy's least squares."""
    z = (window - window.mean()) / window.std(ddof=1)
    start = (dimension - 1) * delay
    vectors = np.array([[z[t - a * delay] for a in range(dimension)] for t in range(start, z.size - 1)])
    target = z[start + 1 :]
    moduli = []
    for i, here in enumerate(vectors):
        others = np.arange(target.size) != i
        distance = np.linalg.norm(vectors[others] - here, axis=1)
        weight = np.exp(-theta * distance / distance.mean())
        design = np.column_stack([np.ones(others.sum()), vectors[others]]) * weight[:, None]
        coefficients = np.linalg.lstsq(design, target[others] * weight, rcond=None)[0][1:]
        companion = np.vstack([coefficients, np.eye(dimension)[:-1]])  # E × E whatever the delay
        moduli.append(np.abs(np.linalg.eigvals(companion)).max())
    return float(np.mean(moduli))


@pytest.mark.parametrize(
    ("dimension", "delay", "theta"), [(1, 3, 0.5), (2, 1, 1.0), (2, 2, 0.0), (3, 2, 1.5), (2, 3, 2.5), (4, 3, 0.5)]
)
def test_published_companion_is_e_by_e(dimension: int, delay: int, theta: float) -> None:
    x = np.random.default_rng(8).standard_normal(110)
    for t in range(2, x.size):
        x[t] += 0.9 * x[t - 1] - 0.5 * x[t - 2]
    options = {"dimension": dimension, "delay": delay, "theta": theta, "window": 60, "stride": 25}
    published = jacobian(x, detrend=None, n_surrogates=0, companion="published", **options)
    theirs = [published_modulus(x[end - 59 : end + 1], dimension, delay, theta) for end in published.index]
    np.testing.assert_allclose(published.modulus, theirs, rtol=0.0, atol=1e-10)
    full = jacobian(x, detrend=None, n_surrogates=0, **options)
    np.testing.assert_array_equal(full.theta, published.theta)
    np.testing.assert_array_equal(full.skill, published.skill)
    assert full.config.companion == "full"
    assert ("as published" in published.summary()) != ("as published" in full.summary())
    if dimension > 1 and delay > 1:
        assert np.abs(full.modulus - published.modulus).max() > 0.02
    else:
        np.testing.assert_array_equal(full.modulus, published.modulus)
