"""How patch sizes are distributed: maximum likelihood for four discrete laws, compared by AIC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ews._common import checks
from ews.errors import SeriesTooShortError, ValueRangeError, described
from ews.series import real_numbers
from ews.spatial.discrete_laws import LAWS, FloatArray
from ews.spatial.patch_distribution_result import PatchDistribution, PatchFit

__all__ = ["patch_distribution"]

# Two parameters from fewer are noise.
FEWEST_PATCHES = 10


def patch_distribution(sizes: Any, *, smallest: int | Literal["clauset"] = 1) -> PatchDistribution:
    r"""Fit a power law, a truncated power law, an exponential and a lognormal to patch sizes.

    Parameters
    ----------
    sizes : array_like of shape (patches,)
        Numbers of cells, as one element of what :func:`patch_sizes` returns, or several joined.
    smallest : int or "clauset", default 1
        Smallest size that is fitted; smaller patches are left out. ``"clauset"`` takes the size from which on a power
        law fits best by the Kolmogorov–Smirnov distance, among those that leave 10 patches.

    Returns
    -------
    PatchDistribution
        The four fits with their AIC and Akaike weights.

    Raises
    ------
    ews.errors.ArgumentError
        If the sizes are not whole numbers of 1 or more, or fewer than 10 patches, or only one size, are left.

    Notes
    -----
    For sizes x = m, m + 1, …, with m = `smallest`:

    - power law: :math:`x^{-a} / \zeta(a, m)`, a > 1 (Clauset et al. 2009, eq. 3.5 and table 2.1);
    - truncated power law: :math:`x^{-a} e^{-b x} / \sum_{k \ge m} k^{-a} e^{-b k}`, a ≥ 0, b ≥ 0: between the two
      others it is never worse than either;
    - exponential: :math:`(1 - e^{-b}) e^{-b (x - m)}`;
    - lognormal: the share of a lognormal density between x − ½ and x + ½, of all that lies above m − ½.

    A vegetation that is grazed or dried loses its large patches first: the power law gives way to a truncated one
    (Kéfi et al. 2007). The least AIC is the best of these four; it does not say that it is good. Finite maps cut large
    patches off by themselves. spatialwarnings fits the same four laws.

    References
    ----------
    Clauset, A., Shalizi, C. R. & Newman, M. E. J. (2009). Power-law distributions in empirical data. SIAM Review 51,
    661–703. Kéfi, S. et al. (2007). Spatial vegetation patterns and imminent desertification in Mediterranean arid
    ecosystems. Nature 449, 213–217. Génin, A. et al. (2018). Monitoring ecosystem degradation using spatial data and
    the R package spatialwarnings. Methods in Ecology and Evolution 9, 2067–2075.

    Examples
    --------
    >>> import numpy as np, ews
    >>> sizes = np.random.default_rng(1).zipf(2.5, 500)
    >>> found = ews.spatial.patch_distribution(sizes)
    >>> found.best, round(found["power_law"].parameters["exponent"], 1)
    ('power_law', 2.5)
    """
    counted = real_numbers("sizes", sizes)
    if not np.isfinite(counted).all() or (counted < 1).any() or (counted != np.round(counted)).any():
        raise ValueRangeError("sizes", described("values that are no patch sizes"), "whole numbers of 1 or more")
    least = _smallest(counted, smallest)
    kept = counted[counted >= least]
    if kept.size < FEWEST_PATCHES or np.ptp(kept) == 0:
        given = described(f"{kept.size} patches of {np.unique(kept).size} size(s), of {least} cells or more")
        raise SeriesTooShortError("sizes", given, f"at least {FEWEST_PATCHES} patches of more than one size")
    return PatchDistribution(sizes=np.sort(kept)[::-1].astype(np.int64), smallest=least, fits=_fits(kept, least))


def _fits(sizes: FloatArray, least: int) -> Mapping[str, PatchFit]:
    values, counts = np.unique(sizes, return_counts=True)
    found = {}
    for law in LAWS:
        parameters, likelihood = law.fit(values, counts.astype(np.float64), least)
        found[law.name] = (law, parameters, likelihood, 2.0 * len(parameters) - 2.0 * likelihood)
    lowest = min(each[3] for each in found.values())
    weights = {name: float(np.exp(-0.5 * (each[3] - lowest))) for name, each in found.items()}
    total = sum(weights.values())
    return {
        name: PatchFit(name, law.label, parameters, likelihood, aic, weights[name] / total)
        for name, (law, parameters, likelihood, aic) in found.items()
    }


def _smallest(sizes: FloatArray, smallest: Any) -> int:
    if isinstance(smallest, str):
        checks.choice("smallest", smallest, ("clauset",))
        return _by_distance(sizes)
    return checks.whole("smallest", smallest, least=1, allowed='an integer of 1 or more, or "clauset"')


def _by_distance(sizes: FloatArray) -> int:
    """The size above which the empirical distribution is nearest to its power law (Clauset et al. 2009, eq. 3.9)."""
    power_law = LAWS[0]
    best, nearest = 1, np.inf
    for least in np.unique(sizes):
        kept = sizes[sizes >= least]
        if kept.size < FEWEST_PATCHES or np.ptp(kept) == 0:
            break
        values, counts = np.unique(kept, return_counts=True)
        parameters, _ = power_law.fit(values, counts.astype(np.float64), int(least))
        below = np.cumsum(counts) / kept.size
        model = 1.0 - power_law.survival(values + 1.0, parameters, int(least))
        distance = float(np.abs(below - model).max())
        if distance < nearest:
            best, nearest = int(least), distance
    return best
