"""``ews.false_discovery``: q-values over many tests, so that a screening of many series can be read."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.errors import InputTypeError, ValueRangeError, described

__all__ = ["METHODS", "FalseDiscoveryMethod", "false_discovery"]

FloatArray = npt.NDArray[np.float64]
FalseDiscoveryMethod = Literal["bh", "by"]
METHODS: tuple[FalseDiscoveryMethod, ...] = ("bh", "by")


def false_discovery(pvalues: Any, *, method: FalseDiscoveryMethod = "bh") -> FloatArray:
    """Turn p-values into q-values: the smallest false discovery rate at which each test is among the discoveries.

    Among the tests with q ≤ 0.05 at most 5 % are expected to be false discoveries. That is another promise than a
    family-wise level, which bounds the chance of any false one and grows hopeless with the number of tests.

    Parameters
    ----------
    pvalues : array_like
        One p-value for each test, in [0, 1], of any shape; a test that was not made is NaN and counts for nothing.
    method : {"bh", "by"}, default "bh"
        Benjamini & Hochberg, for tests that are independent or positively dependent; or Benjamini & Yekutieli, for any
        dependence, at the price of a factor 1 + 1/2 + … + 1/m.

    Returns
    -------
    ndarray
        q-values of the same shape; NaN where p is NaN.

    Raises
    ------
    ews.errors.ArgumentError
        If a p-value is outside [0, 1] or is no number, or the method is not known.

    References
    ----------
    Benjamini, Y. & Hochberg, Y. (1995). Controlling the false discovery rate. J. R. Stat. Soc. B 57, 289–300.
    Benjamini, Y. & Yekutieli, D. (2001). The control of the false discovery rate in multiple testing under dependency.
    Annals of Statistics 29, 1165–1188, theorem 1.3.

    Examples
    --------
    >>> import ews
    >>> ews.false_discovery([0.01, 0.04, 0.03, 0.5])
    array([0.04      , 0.05333333, 0.05333333, 0.5       ])
    """
    method = checks.choice("method", method, METHODS)
    given = checks.array("pvalues", pvalues, "numbers from 0 to 1")
    if given.dtype.kind not in "fiub":
        raise InputTypeError("pvalues", described(f"values of type {given.dtype}"), "numbers from 0 to 1")
    p = given.astype(np.float64)
    tested = ~np.isnan(p)
    outside = p[tested & ~((p >= 0.0) & (p <= 1.0))]
    if outside.size:
        raise ValueRangeError("pvalues", float(outside[0]), "numbers from 0 to 1, or NaN")
    q = np.full(p.shape, np.nan)
    if tested.any():
        from scipy.stats import false_discovery_control

        q[tested] = false_discovery_control(p[tested], method=method)
    return q
