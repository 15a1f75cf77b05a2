"""Indicators from information theory: what the variables tell of each other, and how ordered their states are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ews.errors import ValueRangeError, described
from ews.multivariate.covariance import mean_of_defined
from ews.multivariate.reading import measure
from ews.multivariate.windows import FloatArray, Windows
from ews.series import real_numbers

__all__ = ["fisher_information", "mutual_information"]

# At most so many numbers of windows laid out side by side: 16 MB.
SIDE_BY_SIDE = 2_000_000
# A perfect monotone relation has infinite mutual information; this leaves 13.8 nats.
CLOSEST = 1e-12
LEVELS = 100  # tightening levels, in per cent of the variables


def eight_samples(variables: int) -> int:
    """Shortest window in which a rank correlation says something."""
    del variables
    return 8


def two_states(variables: int) -> int:
    """Shortest window in which there may be two states."""
    del variables
    return 2


def mutual_informations(windows: Windows) -> FloatArray:
    """Gaussian-copula mutual information, mean over pairs."""
    from scipy.special import digamma, ndtri

    w, freedom = windows.window, windows.window - 1
    scores = np.concatenate([[0.0], ndtri(np.arange(1, 2 * w + 1) / 2.0 / (w + 1.0))])  # by twice the rank
    first, second = np.triu_indices(windows.variables, k=1)
    # For independent Gaussian samples 1 − r² is Beta((w − 2)/2, 1/2), and this is the mean of −½ log of it.
    bias = 0.5 * float(digamma(freedom / 2.0) - digamma((freedom - 1.0) / 2.0))
    out = np.empty((windows.rows.shape[0], windows.count, first.size))
    block = max(1, SIDE_BY_SIDE // (w * windows.variables))
    for row, x in enumerate(windows.rows):
        seen = np.lib.stride_tricks.sliding_window_view(x, w, axis=1)
        for start in range(0, windows.count, block):
            z = scores[_twice_ranks(seen[:, start : start + block])]
            z -= z.mean(axis=2, keepdims=True)
            side = np.moveaxis(z, 0, 1)
            products = side @ np.swapaxes(side, 1, 2)
            power = np.diagonal(products, axis1=1, axis2=2)
            scale = power[:, first] * power[:, second]
            defined = scale > 0
            squared = products[:, first, second] ** 2 / np.where(defined, scale, 1.0)
            value = -0.5 * np.log(np.maximum(1.0 - squared, CLOSEST)) - bias
            out[row, start : start + block] = np.where(defined, value, np.nan)
    return windows.stamped(mean_of_defined(out, windows))


def _twice_ranks(x: FloatArray) -> npt.NDArray[np.int64]:
    """Twice the rank along the last axis, 2…2w; equal values share the mean of their ranks."""
    order = np.argsort(x, axis=-1, kind="stable")
    ordered = np.take_along_axis(x, order, axis=-1)
    w = x.shape[-1]
    place = np.broadcast_to(np.arange(w), x.shape)
    new = np.ones(x.shape, dtype=np.bool_)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    lowest = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
    final = np.ones(x.shape, dtype=np.bool_)
    final[..., :-1] = new[..., 1:]
    highest = np.minimum.accumulate(np.where(final, place, w)[..., ::-1], axis=-1)[..., ::-1]
    ranks = np.empty(x.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, lowest + highest + 2, axis=-1)
    return ranks


def fisher_informations(windows: Windows, size: FloatArray | None = None) -> FloatArray:
    """Fisher information of the states in each window, mean over tightening levels."""
    # Level L asks that at least L % of the variables agree: as there are few variables, few levels differ.
    needed, weight = np.unique(
        [-(-windows.variables * level // LEVELS) for level in range(1, LEVELS + 1)], return_counts=True
    )
    out = np.full((windows.rows.shape[0], windows.count), np.nan)
    for row, x in enumerate(windows.rows):
        reach = _reference_size(x, windows.window) if size is None else size
        for start in range(0, windows.count, windows.window):
            part = x[:, start : start + 2 * windows.window - 1]
            agree = _agreeing(part, reach)
            values = [_of_states(agree >= number, windows.window) for number in needed]
            out[row, start : start + windows.window] = np.average(values, axis=0, weights=weight)
    return windows.stamped(np.where(np.isnan(windows.variance).any(axis=2), np.nan, out))


def _agreeing(part: FloatArray, reach: FloatArray) -> npt.NDArray[Any]:
    """In how many variables each two samples lie within the size of state: shape (samples, samples)."""
    samples = part.shape[1]
    count = np.zeros((samples, samples), dtype=np.min_scalar_type(part.shape[0]))
    block = max(1, SIDE_BY_SIDE // samples)
    for start in range(0, samples, block):
        for x, size in zip(part, reach, strict=True):
            count[start : start + block] += np.abs(x[start : start + block, None] - x[None, :]) <= size
    return count


def _reference_size(x: FloatArray, window: int) -> FloatArray:
    """Twice the standard deviation of the first window without a missing value."""
    missing = np.concatenate([[0], np.cumsum(np.isnan(x).any(axis=0))])
    whole = np.flatnonzero(missing[window:] == missing[:-window])
    start = int(whole[0]) if whole.size else 0
    reference: FloatArray = 2.0 * np.std(x[:, start : start + window], axis=1, ddof=1)
    return reference


def _of_states(alike: npt.NDArray[np.bool_], window: int) -> FloatArray:
    """4 Σ (Δq)² of all windows of a block, `alike` saying which of its samples are of one state if either founds it.

    States are founded by the first sample, in time, that belongs to none yet; it takes in all like it that are free.
    """
    count = alike.shape[0] - window + 1
    seen = np.lib.stride_tricks.sliding_window_view(alike, window, axis=1)
    start = np.arange(count)
    free = np.ones((count, window), dtype=np.bool_)
    before = np.zeros(count)
    total = np.zeros(count)
    active = start
    while active.size:
        founder = free[active].argmax(axis=1)
        taken = seen[start[active] + founder, start[active]] & free[active]
        taken[np.arange(active.size), founder] = True
        free[active] &= ~taken
        q = np.sqrt(taken.sum(axis=1) / window)  # the amplitude q = √p of a state of probability p
        total[active] += (q - before[active]) ** 2
        before[active] = q
        active = active[free[active].any(axis=1)]
    return np.asarray(4.0 * (total + before**2), dtype=np.float64)


def mutual_information(data: Any, *, window: int | float) -> Any:
    r"""Mutual information between the variables, by the Gaussian copula, mean over pairs.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Detrended series, one variable a column, at least two.
    window : int or float
        Window: samples (at least 8), or a fraction of the record between 0 and 1.

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        Mean over pairs of −½ log(1 − r²) in nats, r the correlation of the variables' normal scores in the window
        (equal values share a score), less what independent variables give on average; so it may be slightly negative. A
        pair takes no part where one of its variables is constant. At most 13.8 nats, for an exact monotone relation.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, or the window does not fit.

    Notes
    -----
    The estimator is a lower bound that is exact where the relation is Gaussian after each variable is transformed; it
    changes under no increasing transformation of a variable. Binned and nearest-neighbour estimates see any relation,
    but in windows of 50 to 100 samples their scatter hides a drift. Linear slowing down leaves relations Gaussian.

    References
    ----------
    Ince, R. A. A. et al. (2017). A statistical framework for neuroimaging data analysis based on mutual information
    estimated via a Gaussian copula. Human Brain Mapping 38, 1541–1573. Quax, R., Kandhai, D. & Sloot, P. M. A. (2013).
    Information dissipation as an early-warning signal for the Lehman Brothers collapse in financial time series. Sci.
    Rep. 3, 1898: mutual information as a warning.

    Examples
    --------
    >>> import numpy as np, ews
    >>> x = np.random.default_rng(1).standard_normal((200, 2))
    >>> round(float(ews.multivariate.mutual_information(x, window=200)[-1]), 2)
    0.0
    """
    return measure(data, mutual_informations, window=window, shortest=eight_samples)


def fisher_information(data: Any, *, window: int | float, size_of_state: Sequence[float] | None = None) -> Any:
    r"""Fisher information of the states that a system goes through in each window: its order.

    Parameters
    ----------
    data : array_like of shape (n, variables), DataFrame, xarray object or mapping
        Series, one variable a column, at least two.
    window : int or float
        Window: samples (at least 2), or a fraction of the record between 0 and 1.
    size_of_state : sequence of float of shape (variables,), optional
        How far apart two samples of one state may lie in each variable, in its units. Default: twice the standard
        deviation of the first window without a missing value, after Chebyshev's inequality (Ahmad et al. take the
        least window of the whole record, which looks ahead).

    Returns
    -------
    ndarray of shape (n,) or pandas.Series
        4 Σ (q[s] − q[s+1])², with q = √p and p the shares of the window's samples in its states, in the order in which
        they are first visited, and with 0 before the first and after the last; from 8, all samples in one state, down
        towards 0. It *falls* as a system varies more widely or its states dissolve.

    Raises
    ------
    ews.errors.ArgumentError
        If the data are no table of real numbers, the window does not fit, or there is not one size of 0 or more for
        each variable.

    Notes
    -----
    The first sample that belongs to no state founds one, and takes in every free sample of the window that agrees with
    it, within the size of state, in at least L % of the variables. The result is the mean over the tightening levels L
    = 1…100. With the default size, a missing value in the first windows moves the reference. Time and memory grow with
    the square of the window.

    References
    ----------
    Karunanithi, A. T., Cabezas, H., Frieden, B. R. & Pawlowski, C. W. (2008). Detection and assessment of ecosystem
    regime shifts from Fisher information. Ecology and Society 13, 22. Ahmad, N., Derrible, S., Eason, T. & Cabezas, H.
    (2016). Using Fisher information to track stability in multivariate systems. R. Soc. Open Sci. 3, 160582.

    Examples
    --------
    >>> import ews
    >>> ews.multivariate.fisher_information([[0, 0], [0, 0], [9, 9], [9, 9]], window=2, size_of_state=[1, 1])
    array([nan,  8.,  4.,  8.])
    """
    if size_of_state is None:
        return measure(data, fisher_informations, window=window, shortest=two_states)
    size = real_numbers("size_of_state", size_of_state)
    if not (size >= 0).all():
        raise ValueRangeError("size_of_state", size_of_state, "numbers of 0 or more")

    def compute(windows: Windows) -> FloatArray:
        if size.size != windows.variables:
            given = described(f"{size.size} number(s)")
            raise ValueRangeError("size_of_state", given, f"one number for each of {windows.variables} variables")
        return fisher_informations(windows, size)

    return measure(data, compute, window=window, shortest=two_states)
