"""Smoothers that fit a polynomial to the neighbours of a sample: lowess (robust lines) and loess (R's)."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews.detrend import bandwidths
from ews.detrend.kernel_smoothers import direction
from ews.detrend.result import Detrended, DetrendPlan, FloatArray, one_series
from ews.errors import ValueRangeError

__all__ = ["loess", "lowess", "plan_loess", "plan_lowess"]

# What statsmodels' lowess does unless told otherwise, and so ewstools.
_ROBUST_PASSES = 3
# R's loess.control(cell = 0.2): a cell of the tree holds at most 0.2 · span · n samples.
_CELL = 0.2
# R moves the outer vertices out by this fraction of the range (the box of the k-d tree).
_MARGIN = 0.005


def lowess(x: npt.ArrayLike, *, span: float = 0.2, causal: bool = False) -> Detrended:
    """Detrend by Cleveland's robust locally weighted lines (LOWESS), as ewstools does.

    Around each sample a line is fitted to its nearest neighbours by tricube weights; three more passes give less weight
    to samples far from the first fit.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series, all finite. Not changed.
    span : float or int, default 0.2
        Neighbours of a fit: a float in (0, 1] is a fraction of the record (ewstools' default is 0.2), an int or a float
        above 1 a number of samples. At least 4 samples: with fewer the trend would be the series itself.
    causal : bool, default False
        If True, a robust line is fitted to each sample and the samples before it, and evaluated at it; its robustness
        weights come from its own residuals, since a scale taken over the whole record would look ahead.

    Returns
    -------
    Detrended
        Trend and residual.

    Raises
    ------
    ews.errors.ValueRangeError
        If the span is not in the allowed range.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    References
    ----------
    Cleveland (1979), J. Am. Stat. Assoc. 74, 829.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(lowess(np.arange(30.0), span=10).residual, 0))
    True
    """
    x = one_series(x)
    return plan_lowess(x.size, span=span, causal=causal, argument="span").apply(x)


def plan_lowess(n: int, *, span: float, causal: bool, argument: str = "bandwidth") -> DetrendPlan:
    """Work out :func:`lowess` for series of length `n`; messages call the span by `argument`."""
    causal = checks.flag("causal", causal)
    neighbours = int(bandwidths.samples(span, n, argument) + 1e-10)  # as statsmodels rounds
    _refuse_few(neighbours, 4, span, n, argument)
    smooth = partial(_robust_lines_past if causal else _robust_lines, neighbours=neighbours)
    how = f"lowess (robust local lines), {_span_in_words(span, neighbours)}"
    return DetrendPlan("lowess", n, span, causal, f"{how}, {direction(causal)}", smooth)


def loess(x: npt.ArrayLike, *, span: float = 0.25, degree: int = 2, causal: bool = False) -> Detrended:
    """Detrend by R's ``loess``: local polynomials, not robust.

    As in R (``surface = "interpolate"``), the polynomials are fitted at a few vertices and blended by cubic Hermite
    polynomials between them.

    Parameters
    ----------
    x : array_like of shape (n,)
        Evenly spaced series, all finite. Not changed.
    span : float or int, default 0.25
        Neighbours of a fit: a float in (0, 1] is a fraction of the record, an int or a float above 1 a number of
        samples; at least degree + 3, since the farthest have weight 0. 0.25 is the default of R's earlywarnings (that
        of R's ``loess`` itself is 0.75).
    degree : {0, 1, 2}, default 2
        Degree of the local polynomials; 2 is R's default.
    causal : bool, default False
        If True, a polynomial is fitted to each sample and the samples before it, and evaluated at it. Where the record
        starts there are fewer of them, under the same weights, and the first degree + 1 residuals are 0.

    Returns
    -------
    Detrended
        Trend and residual.

    Raises
    ------
    ews.errors.ValueRangeError
        If the span or the degree is not in the allowed range.
    ews.errors.MissingValuesError
        If `x` has a NaN or an infinite value.

    References
    ----------
    Cleveland and Devlin (1988), J. Am. Stat. Assoc. 83, 596; Cleveland and Grosse (1991), Stat. Comput. 1, 47.

    Examples
    --------
    >>> import numpy as np
    >>> bool(np.allclose(loess(np.arange(30.0) ** 2, span=0.5).residual, 0))
    True
    """
    x = one_series(x)
    return plan_loess(x.size, span=span, degree=degree, causal=causal, argument="span").apply(x)


def plan_loess(n: int, *, span: float, causal: bool, degree: int = 2, argument: str = "bandwidth") -> DetrendPlan:
    """Work out :func:`loess` for series of length `n`; messages call the span by `argument`."""
    causal = checks.flag("causal", causal)
    degree = checks.whole("degree", degree, least=0, most=2, allowed="0, 1 or 2")
    width = bandwidths.samples(span, n, argument)
    neighbours = int(width)  # as R rounds
    _refuse_few(neighbours, degree + 3, span, n, argument)  # the farthest have weight 0
    if causal:
        weights, coefficients = _past_fit(n, neighbours, degree)
        smooth = partial(_blend_past, weights=weights, coefficients=coefficients)
    else:
        fraction = span if bandwidths.is_fraction(span) else width / n
        vertices = _vertices(n, int(n * (fraction * _CELL)))
        start, value, slope = _vertex_fits(n, vertices, neighbours, degree)
        cell, basis = _hermite(n, vertices)
        smooth = partial(_blend, start=start, value=value, slope=slope, cell=cell, basis=basis)
    shape = ("constants", "lines", "parabolas")[degree]
    how = f"loess (local {shape}), {_span_in_words(span, neighbours)}"
    return DetrendPlan("loess", n, span, causal, f"{how}, {direction(causal)}", smooth)


def _refuse_few(neighbours: int, fewest: int, span: float, n: int, argument: str) -> None:
    if neighbours < fewest:
        raise ValueRangeError(
            argument, span, f"a span of at least {fewest} samples and at most the record, which has {n} samples"
        )


def _span_in_words(span: float, neighbours: int) -> str:
    samples = f" ({neighbours} samples)" if bandwidths.is_fraction(span) else ""
    return f"span {bandwidths.in_words(span)}{samples}"


def _robust_lines(x: FloatArray, *, neighbours: int) -> FloatArray:
    from ews._kernels.local_regression import lowess_rows

    out = np.empty_like(x)
    lowess_rows(x, neighbours, _ROBUST_PASSES, out)
    return out


def _robust_lines_past(x: FloatArray, *, neighbours: int) -> FloatArray:
    from ews._kernels.local_regression import lowess_past_rows

    out = np.empty_like(x)
    lowess_past_rows(x, neighbours, _ROBUST_PASSES, out)
    return out


def _blend(
    x: FloatArray,
    *,
    start: npt.NDArray[np.int64],
    value: FloatArray,
    slope: FloatArray,
    cell: npt.NDArray[np.int64],
    basis: FloatArray,
) -> FloatArray:
    from ews._kernels.local_regression import blend_vertices

    out = np.empty_like(x)
    blend_vertices(x, start, value, slope, cell, basis, out)
    return out


def _blend_past(x: FloatArray, *, weights: FloatArray, coefficients: FloatArray) -> FloatArray:
    from ews._kernels.local_regression import polynomial_past_rows

    out = np.empty_like(x)
    polynomial_past_rows(x, weights, coefficients, out)
    return out


def _vertices(n: int, largest_cell: int) -> FloatArray:
    """Where loess fits: the cuts of a k-d tree that halves cells of more than `largest_cell` samples, and the ends.

    Positions are sample numbers 0…n − 1. A cell of the samples l…u is cut at its middle sample (Cleveland and Grosse
    1991, section 3), which goes to the left part.
    """
    margin = _MARGIN * max(n - 1, 1e-10 * (n - 1) + 1e-30)
    cuts = []
    cells = [(1, n)]  # numbered from 1, so that halves are rounded as in the published tree
    while cells:
        low, high = cells.pop()
        middle = (low + high) // 2
        if high - low + 1 > largest_cell and low < high:
            cuts.append(middle - 1)
            cells += [(low, middle), (middle + 1, high)]
    return np.array([-margin, *sorted(cuts), n - 1 + margin])


def _vertex_fits(
    n: int, vertices: FloatArray, neighbours: int, degree: int
) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Weights of the nearest samples in the value and the slope of the polynomial fitted at each vertex."""
    start = np.clip(np.ceil(vertices - neighbours / 2), 0, n - neighbours).astype(np.int64)
    away = start[:, None] + np.arange(neighbours) - vertices[:, None]
    radius = np.abs(away).max(axis=1, keepdims=True)
    u = away / radius
    weight = (1 - np.abs(u) ** 3) ** 3
    value, slope = _polynomial_at_zero(u, weight, degree)
    return start, value, slope / radius


def _polynomial_at_zero(u: FloatArray, weight: FloatArray, degree: int) -> tuple[FloatArray, FloatArray]:
    """Weights of y in the value and slope at u = 0 of the weighted least-squares polynomial, one fit a row.

    Written in polynomials that are orthogonal under the weights (Forsythe 1957): p_0 = 1, p_1 = u − a_0,
    p_2 = (u − a_1) p_1 − b_1. More samples than terms must have a weight.
    """
    zero = np.zeros((u.shape[0], 1))
    before, polynomial = np.zeros_like(u), np.ones_like(u)
    at_zero_before, at_zero, rise_before, rise = zero, zero + 1, zero, zero
    norm_before = zero + 1
    value, slope = np.zeros_like(u), np.zeros_like(u)
    for order in range(degree + 1):
        weighted = weight * polynomial
        norm = (weighted * polynomial).sum(axis=1, keepdims=True)
        share = weighted / norm
        value += share * at_zero
        slope += share * rise
        a = (share * polynomial * u).sum(axis=1, keepdims=True)
        b = norm / norm_before if order else zero
        polynomial, before = (u - a) * polynomial - b * before, polynomial
        rise, rise_before = at_zero - a * rise - b * rise_before, rise
        at_zero, at_zero_before = -a * at_zero - b * at_zero_before, at_zero
        norm_before = norm
    return value, slope


def _hermite(n: int, vertices: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Which cell each sample lies in, and its cubic Hermite basis there (value and slope of both ends)."""
    t = np.arange(n, dtype=np.float64)
    cell = np.searchsorted(vertices, t, side="left") - 1  # a sample on a cut belongs to the cell on its left
    width = np.diff(vertices)[cell]
    h = (t - vertices[cell]) / width
    basis = [(1 - h) ** 2 * (1 + 2 * h), h**2 * (3 - 2 * h), h * (1 - h) ** 2 * width, h**2 * (h - 1) * width]
    return cell.astype(np.int64), np.array(basis)


def _past_fit(n: int, neighbours: int, degree: int) -> tuple[FloatArray, FloatArray]:
    """Moments of the past and how they make up the end value of a local polynomial, for every sample.

    With age j = 0, 1, … and m the largest age in the neighbourhood, the fit at age 0 is sum_p c_p(m) V_p where
    V_p = sum_j w_j (j/m)^p x[t − j] and c(m) solves the normal equations M c = e_0, M_pq = sum_j w_j (j/m)^(p+q).
    """
    age = np.arange(neighbours, dtype=np.float64)
    weight = (1 - (age / (neighbours - 1)) ** 3) ** 3
    power = np.arange(degree + 1)
    scaled = age / neighbours
    oldest = np.minimum(np.arange(n), neighbours - 1)
    sums = np.array([np.cumsum(weight * scaled**p)[oldest] for p in range(2 * degree + 1)])
    stretch = neighbours / np.maximum(oldest, 1)
    coefficients = np.zeros((degree + 1, n))
    for terms in range(1, degree + 2):
        # Where there are fewer samples than terms the polynomial has a lower degree; the last has weight 0 once full.
        samples = slice(terms - 1, None) if terms == degree + 1 else slice(terms - 1, terms)
        if terms - 1 >= n:
            break
        order = power[:terms, None] + power[:terms]
        matrix = sums[order][..., samples] * stretch[samples] ** order[..., None]
        solution = np.linalg.solve(np.moveaxis(matrix, -1, 0), np.eye(terms)[:, :1])[..., 0]
        coefficients[:, samples] = 0.0
        coefficients[:terms, samples] = solution.T * stretch[samples] ** power[:terms, None]
    moments = np.array([weight * scaled**p for p in power])
    return np.ascontiguousarray(moments[:, ::-1]), coefficients
