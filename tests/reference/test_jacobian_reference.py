"""The S-map against pyEDM, where that is installed (it is no dependency of this project)."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from ews._kernels.smap import local_maps


@pytest.mark.parametrize(("dimension", "delay", "theta"), [(1, 1, 1.0), (2, 1, 0.0), (2, 1, 2.5), (3, 2, 1.5)])
def test_local_maps_are_those_of_pyedm(dimension: int, delay: int, theta: float) -> None:
    pyedm = pytest.importorskip("pyEDM")
    pandas = importlib.import_module("pandas")
    x = np.random.default_rng(5).standard_normal(120)
    for t in range(2, 120):
        x[t] = 0.8 * x[t - 1] - 0.4 * x[t - 2] + 0.5 * x[t]
    z = (x - x.mean()) / x.std(ddof=1)
    start = (dimension - 1) * delay
    points = z.size - 1 - start
    coefficients, predictions = np.empty((1, points, dimension)), np.empty((1, points))
    local_maps(z, dimension, delay, theta, 0.0, coefficients, predictions)
    frame = pandas.DataFrame({"t": np.arange(1, z.size + 1), "x": z})
    # The library is all of the series: it drops by itself the points whose next value, or whose delays, are not in it.
    theirs = pyedm.SMap(
        frame, columns="x", target="x", lib=f"1 {z.size}", pred=f"{start + 1} {z.size - 1}", E=dimension, Tp=1,
        tau=-delay, theta=theta,
    )  # fmt: skip
    table = theirs["coefficients"].iloc[:, 2:].to_numpy(dtype=float)
    table = table[np.isfinite(table).all(axis=1)][-points:]
    # Theirs are singular-value solutions, ours normal equations: they agree to rounding times the condition number.
    np.testing.assert_allclose(coefficients[0], table, rtol=1e-7, atol=1e-8)
