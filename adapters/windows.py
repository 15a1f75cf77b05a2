"""Windowed statistics on the device: the torch twin of the rolling kernels of :mod:`ews`, rows × steps.

Definitions are those of :func:`ews.mean`, :func:`ews.variance`, :func:`ews.autocorrelation`, :func:`ews.skewness` and
:func:`ews.multivariate.covariance_share`. Nothing here but :func:`last_on_host` copies to the
host or branches on a value.

Input of any real type is taken to float64, and each window is centred about its own mean before anything is squared, so
that an offset costs no digits. Devices of type ``"mps"`` have no float64: there everything is float32, the results too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ews.errors import InputTypeError, UnknownNameError, ValueRangeError, WindowError, described

__all__ = ["STATISTICS", "Window", "covariance_share", "last", "last_on_host", "rolling"]

STATISTICS = ("variance", "ac1", "skewness", "trend", "mean")
_USUAL = ("variance", "ac1", "skewness", "trend")
_SHORTEST = {"variance": 2, "ac1": 3, "skewness": 3, "trend": 2, "mean": 1}

# How many samples of windows are worked on at once, which bounds the memory of a long record.
_AT_ONCE = 2**16

_HOST = torch.device("cpu")


def rolling(x: Tensor, *, window: int, statistics: str | Sequence[str] = _USUAL, dim: int = -1) -> dict[str, Tensor]:
    """Statistics of every window of every row.

    Parameters
    ----------
    x : Tensor of shape (..., steps, ...)
        Real numbers of any type and shape, with the steps (layers, tokens) along `dim`.
    window : int
        Window in steps; each statistic has a shortest one, see :func:`last`.
    statistics : str or sequence of str, default ("variance", "ac1", "skewness", "trend")
        Names among ``STATISTICS``, see :func:`last`.
    dim : int, default -1
        The dimension of the steps.

    Returns
    -------
    dict
        Name → float64 Tensor of the shape of `x`, each value at the right edge of its window; NaN before the first full
        window and in windows that hold a NaN or an infinity.

    Raises
    ------
    ews.errors.InputTypeError
        If `x` is no tensor of real numbers.
    ews.errors.ValueRangeError
        If `x` has no dimension `dim`.
    ews.errors.WindowError
        If the window is too short for one of the statistics, or longer than the record.
    ews.errors.UnknownNameError
        If a statistic is none of ``STATISTICS``.

    Notes
    -----
    A window costs window² multiplications, in one matrix product, for which every window is laid out in memory by
    itself (a bounded number of them at a time). That suits windows over layers. Windows of hundreds of steps are what
    the kernels of :mod:`ews` are for.

    Examples
    --------
    >>> import torch
    >>> values = rolling(torch.tensor([1.0, 3.0, 3.0, 9.0]), window=2, statistics=("variance", "trend"))
    >>> values["variance"].round(decimals=6)
    tensor([nan,  2.,  0., 18.], dtype=torch.float64)
    >>> values["trend"]
    tensor([nan, 2., 0., 6.], dtype=torch.float64)
    """
    _require_real("x", x)
    along = _read_dim(dim, x.ndim)
    names = _read_statistics(statistics)
    length = _read_window(window, names)
    moved = x.movedim(along, -1)
    steps = moved.shape[-1]
    if length > steps:
        raise WindowError("window", length, f"at most the {steps} steps of x")
    plan = _plan(length, names, x.device)
    rows = moved.reshape(-1, steps)
    windows = rows.unfold(1, length, 1)
    many, count = windows.shape[:2]
    values = rows.new_full((len(names), many, steps), math.nan, dtype=plan.matrix.dtype)
    at_once = max(1, _AT_ONCE // length)  # windows: those of several rows, or a part of one row's
    height = max(1, at_once // count)
    for top in range(0, many, height):
        for left in range(0, count, at_once):
            piece = windows[top : top + height, left : left + at_once]
            found = _evaluate(piece.reshape(-1, length), plan)
            ends = slice(left + length - 1, left + length - 1 + piece.shape[1])
            values[:, top : top + height, ends] = found.T.reshape(-1, *piece.shape[:2])
    return {name: values[k].view(moved.shape).movedim(-1, along) for k, name in enumerate(names)}


def last(x: Tensor, *, statistics: str | Sequence[str] = _USUAL) -> Tensor:
    """Statistics of one window a row: what a decoding step calls.

    Parameters
    ----------
    x : Tensor of shape (rows, window)
        One window a row, oldest step first, of any real type.
    statistics : str or sequence of str, default ("variance", "ac1", "skewness", "trend")
        ``"variance"``: divisor window − 1, at least 2 steps. ``"ac1"``: Pearson correlation of neighbours inside the
        window, at least 3 steps. ``"skewness"``: adjusted Fisher–Pearson coefficient, at least 3 steps. ``"trend"``:
        slope of the least-squares line against the step, per step, at least 2 steps. ``"mean"``: at least 1 step.

    Returns
    -------
    Tensor of shape (rows, statistics)
        float64, in the order asked for. A row that holds a NaN or an infinity is NaN. A constant window has variance 0
        and trend 0 exactly, and no autocorrelation or skewness (NaN); nor has a window an autocorrelation whose first
        or last step alone differs from the others.

    Raises
    ------
    ews.errors.InputTypeError
        If `x` is no tensor of real numbers of two dimensions.
    ews.errors.WindowError
        If the window is too short for one of the statistics.
    ews.errors.UnknownNameError
        If a statistic is none of ``STATISTICS``.

    Notes
    -----
    Spreads from 1e-150 to 1e150 are covered, beyond what float32 can hold; further out squares vanish or overflow.

    References
    ----------
    Joanes, D. N. & Gill, C. A. (1998). Comparing measures of sample skewness and kurtosis. The Statistician 47,
    183–189: G1.

    Examples
    --------
    >>> import torch
    >>> last(torch.tensor([[1.0, 2.0, 3.0, 6.0]]), statistics=("mean", "variance", "trend"))
    tensor([[3.0000, 4.6667, 1.6000]], dtype=torch.float64)
    """
    _require_real("x", x)
    if x.ndim != 2:
        raise InputTypeError("x", described(f"a tensor of shape {tuple(x.shape)}"), "shape (rows, window)")
    names = _read_statistics(statistics)
    _require_steps("x, window", x.shape[1], names)
    return _evaluate(x, _plan(x.shape[1], names, x.device))


def last_on_host(x: np.ndarray[Any, Any], *, statistics: Sequence[str] = _USUAL) -> np.ndarray[Any, Any]:
    """:func:`last` of an array, in numpy, whose calls cost a third of torch's where windows are few and short.

    Parameters
    ----------
    x : ndarray of float64 of shape (rows, window)
        One window a row, oldest step first.
    statistics : sequence of str
        As for :func:`last`.

    Returns
    -------
    ndarray of shape (rows, statistics)
        As of :func:`last`.

    Examples
    --------
    >>> last_on_host(np.array([[1.0, 2.0, 3.0, 6.0]]), statistics=("variance", "trend")).round(4)
    array([[4.6667, 1.6   ]])
    """
    names = tuple(statistics)
    _require_steps("x, window", x.shape[1], names)
    plan = _plan(x.shape[1], names, _HOST)
    with np.errstate(all="ignore"):
        anchor = x[:, plan.middle : plan.middle + 1]
        moved = x - anchor
        moved[~np.isfinite(moved)] = np.nan
        linear = moved @ plan.matrix.numpy() + plan.bias.numpy()
        factors = linear[:, : 6 * plan.window].reshape(-1, 3, 2, plan.window)
        norms = np.sqrt(np.einsum("rbcw,rbcw->rbc", factors, factors))[..., None]
        scaled = factors / norms
        products = (scaled[:, 0] * scaled[:, 1] * scaled[:, 2]).sum(-1) * plan.scale.numpy()
        products = products.clip(plan.low.numpy(), plan.high.numpy())
    found = np.concatenate((norms.reshape(-1, 6)[:, 1:2] ** 2, products, linear[:, 6 * plan.window :]), axis=1)
    if plan.mean:
        found[:, 4:5] += anchor
    return found[:, plan.columns if isinstance(plan.columns, slice) else plan.columns.numpy()]


def covariance_share(states: Tensor) -> Tensor:
    """Share of the variance of a window of states that lies along the leading direction.

    Parameters
    ----------
    states : Tensor of shape (rows, window, width)
        One window of states a row, oldest step first, of any real type; at least 2 steps.

    Returns
    -------
    Tensor of shape (rows,)
        λ₁ / Σ λ of the window's covariance, float64, from 1 / min(window − 1, width) to 1; NaN where nothing varies and
        where the window holds a NaN or an infinity.

    Raises
    ------
    ews.errors.InputTypeError
        If `states` is no tensor of real numbers of three dimensions.
    ews.errors.WindowError
        If the window is shorter than 2 steps.

    Notes
    -----
    The window × window matrix of inner products has the eigenvalues of the covariance but for a factor, so the width
    enters once. The largest is found by squaring, G ← G² thirty-two times, since a device's eigenvalue solver reports
    its success to the host and so waits. That leaves a relative error below 1 / (e 2³²) ≈ 1e-10, reached only where the
    two largest eigenvalues are within 1e-9 of each other. It takes some 60 small operations, several times
    :func:`last`: a statistic for a few depths rather than for each.

    References
    ----------
    Lever, J. J. et al. (2020). Foreseeing the future of mutualistic communities beyond collapse. Ecology Letters 23,
    2–15.

    Examples
    --------
    >>> import torch
    >>> covariance_share(torch.tensor([[[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]]))
    tensor([1.], dtype=torch.float64)
    """
    _require_real("states", states)
    if states.ndim != 3:
        given = described(f"a tensor of shape {tuple(states.shape)}")
        raise InputTypeError("states", given, "shape (rows, window, width)")
    if states.shape[1] < 2:
        raise WindowError("states, window", states.shape[1], "at least 2 steps")
    exact = states.to(_dtype_of(states.device))
    # Less one of the window's own states first, so that an offset costs no digits and a constant window is 0 exactly;
    # about the means only then, where rows and columns are as few as the steps.
    moved = exact - exact.narrow(1, states.shape[1] // 2, 1)
    gram = torch.bmm(moved, moved.mT)  # NaN beside every infinity: the state taken off is 0, and 0 times it is NaN
    gram = gram - gram.mean(1, keepdim=True)
    gram = _of_unit_trace(gram - gram.mean(2, keepdim=True))
    power = gram
    for _ in range(8):
        for _ in range(4):  # λ₁ ≥ 1 / window, so that four squarings leave at least window⁻¹⁶
            power = torch.bmm(power, power)
        power = _of_unit_trace(power)
    # Σ λ λᵖ / Σ λᵖ with p = 2³²; the trace of a product of symmetric matrices is the sum of the products.
    return (gram * power).sum((1, 2)).clamp(max=1.0)


class Window:
    """The newest steps of many rows, and the statistics of the window that ends at the newest.

    Parameters
    ----------
    rows : int
        How many rows.
    window : int
        Window in steps.
    signals : int, default 1
        How many series a row has.
    statistics : str or sequence of str, default ("variance", "ac1", "skewness", "trend")
        What :meth:`statistics` gives, see :func:`last`.
    device : torch.device or str, optional
        Where the steps are kept (default: torch's default device).
    dtype : torch.dtype, optional
        What they are kept as (default: float64, which holds every narrower type exactly; float32 on ``"mps"``).

    Attributes
    ----------
    rows, window, signals : int
        As given.
    names : tuple of str
        The statistics.

    Raises
    ------
    ews.errors.ValueRangeError
        If rows or signals is no count, or dtype is no floating type.
    ews.errors.WindowError
        If the window is too short for one of the statistics.
    ews.errors.UnknownNameError
        If a statistic is none of ``STATISTICS``.

    Notes
    -----
    Steps that are not there yet are NaN, and so are the statistics of windows that reach back to them: after a reset, a
    row has none until it has seen `window` steps. Every step is written twice, a window apart, so that the newest
    window is always one stretch of memory and never copied together.

    Examples
    --------
    >>> import torch
    >>> window = Window(2, window=3, statistics=("mean", "trend"))
    >>> for step in ([0.0, 5.0], [1.0, 5.0], [2.0, 5.0]):
    ...     window.push(torch.tensor(step))
    >>> window.statistics()
    tensor([[[1., 1.]],
    <BLANKLINE>
            [[5., 0.]]], dtype=torch.float64)
    """

    def __init__(
        self,
        rows: int,
        *,
        window: int,
        signals: int = 1,
        statistics: str | Sequence[str] = _USUAL,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.rows = _read_count("rows", rows)
        self.signals = _read_count("signals", signals)
        self.names = _read_statistics(statistics)
        self.window = _read_window(window, self.names)
        if dtype is not None and not dtype.is_floating_point:
            raise ValueRangeError("dtype", dtype, "a floating type")
        with torch.inference_mode(False):  # a buffer made in inference mode could not be written to outside it
            place = torch.empty(0, device=device).device
            kept = _dtype_of(place) if dtype is None else dtype
            self._steps = torch.full((self.rows, self.signals, 2 * self.window), math.nan, device=place, dtype=kept)
        self._plan = _plan(self.window, self.names, place)
        self._slots = self._steps.view(self.rows, self.signals, 2, self.window).unbind(-1)
        flat = self._steps.view(-1, 2 * self.window)
        self._views = tuple(flat.narrow(1, slot + 1, self.window) for slot in range(self.window))
        self._newest = self.window - 1

    def push(self, values: Tensor) -> None:
        """Add a step to every row.

        Parameters
        ----------
        values : Tensor of shape (rows, signals)
            The newest values, of any real type; shape (rows,) will do for one signal. They are copied, without their
            graph.

        Raises
        ------
        ews.errors.InputTypeError
            If they are no tensor of real numbers of that shape.
        """
        _require_real("values", values)
        shape = values.shape
        if shape != (self.rows, self.signals) and not (self.signals == 1 and shape == (self.rows,)):
            allowed = f"shape ({self.rows}, {self.signals})"
            raise InputTypeError("values", described(f"a tensor of shape {tuple(shape)}"), allowed)
        self._newest = (self._newest + 1) % self.window
        self._slots[self._newest].copy_(values.detach().reshape(self.rows, self.signals, 1))

    def statistics(self) -> Tensor:
        """Statistics of the window that ends at the newest step.

        Returns
        -------
        Tensor of shape (rows, signals, statistics)
            float64, in the order of `names`; NaN for rows with fewer steps than the window since their last reset.
        """
        found = _evaluate(self._views[self._newest], self._plan)
        return found.view(self.rows, self.signals, -1)

    def reset(self, rows: Tensor | None = None) -> None:
        """Forget the steps of some rows.

        Parameters
        ----------
        rows : Tensor of bool of shape (rows,), optional
            True for those that start anew (default: all).

        Raises
        ------
        ews.errors.InputTypeError
            If it is no mask over the rows.
        """
        if rows is None:
            self._steps.fill_(math.nan)
            return
        if rows.dtype != torch.bool or rows.shape != (self.rows,):
            given = described(f"a tensor of {rows.dtype} of shape {tuple(rows.shape)}")
            raise InputTypeError("rows", given, f"a tensor of torch.bool of shape ({self.rows},)")
        self._steps.masked_fill_(rows.view(-1, 1, 1), math.nan)


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """The constants of one window length.

    A window's deviations go into six blocks of its length, (later, d), (earlier, d) and (1, d), where d holds the
    deviations from the mean, later and earlier those of all but the first and all but the last step, each from the
    mean of its own. With blocks of unit length, the sum of the products down the two columns is the autocorrelation,
    and the skewness, but for constants.
    """

    window: int
    middle: int
    matrix: Tensor  # (window, 6 window + 2): from the window to the blocks, the trend and the mean
    bias: Tensor  # (6 window + 2,): 1 in the block of ones
    scale: Tensor  # (2,)
    low: Tensor  # (2,): no correlation lies outside [-1, 1], rounding or not
    high: Tensor
    columns: slice | Tensor  # of STATISTICS, those asked for
    mean: bool


# Not functools.lru_cache, which torch.compile warns of and then ignores.
_PLANS: dict[tuple[int, tuple[str, ...], torch.device], _Plan] = {}


def _plan(window: int, names: tuple[str, ...], device: torch.device) -> _Plan:
    """The constants, kept from call to call."""
    key = (window, names, device)
    if key not in _PLANS:
        if len(_PLANS) >= 64:
            _PLANS.clear()
        with torch.inference_mode(False):  # constants made in inference mode could not take part in a graph later
            _PLANS[key] = _make_plan(window, names, device)
    return _PLANS[key]


def _make_plan(n: int, names: tuple[str, ...], device: torch.device) -> _Plan:
    zeros, later, earlier = torch.zeros(3, n, n, dtype=torch.float64)
    later[1:, 1:] = earlier[:-1, 1:] = _centring(n - 1)
    centred = _centring(n) / math.sqrt(max(n - 1, 1))  # so that the norm of this block is the standard deviation
    step = torch.arange(n, dtype=torch.float64) - 0.5 * (n - 1)
    lines = torch.stack((step / (step @ step), torch.full_like(step, 1.0 / n)), 1)
    matrix = torch.cat((later, centred, earlier, centred, zeros, centred, lines), 1)
    bias = torch.zeros(6 * n + 2, dtype=torch.float64)
    bias[4 * n : 5 * n] = 1.0
    # Ones of unit length are n^(-1/2) each. Joanes & Gill (1998): G1 = n sqrt(n-1) / (n-2) Σ d³ / (Σ d²)^(3/2).
    scale = torch.tensor([math.sqrt(n), n * math.sqrt(n - 1) / max(n - 2, 1)], dtype=torch.float64)
    high = torch.tensor([1.0, math.inf], dtype=torch.float64)
    places = [STATISTICS.index(name) for name in names]
    leading = places == list(range(len(places)))
    dtype = _dtype_of(device)
    return _Plan(
        window=n,
        middle=n // 2,
        matrix=matrix.to(device, dtype),
        bias=bias.to(device, dtype),
        scale=scale.to(device, dtype),
        low=-high.to(device, dtype),
        high=high.to(device, dtype),
        columns=slice(len(places)) if leading else torch.tensor(places, device=device),
        mean="mean" in names,
    )


def _centring(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64) - 1.0 / max(n, 1)


def _evaluate(windows: Tensor, plan: _Plan) -> Tensor:
    """Windows, shape (many, window), to statistics, shape (many, asked), in few calls: each costs microseconds."""
    exact = windows.to(plan.matrix.dtype)
    # Differences from a step that both halves of the pairs have: whatever is constant is 0 exactly.
    anchor = exact.narrow(1, plan.middle, 1)
    moved = (exact - anchor).nan_to_num_(math.nan, math.nan, math.nan)
    linear = torch.addmm(plan.bias, moved, plan.matrix)
    factors = linear.narrow(1, 0, 6 * plan.window).view(-1, 3, 2, plan.window)
    norms = torch.linalg.vector_norm(factors, dim=3, keepdim=True)
    products = torch.prod(factors / norms, 1).sum(2).mul(plan.scale).clamp(plan.low, plan.high)
    deviation = norms.view(-1, 6).narrow(1, 1, 1)
    found = torch.cat((deviation.square(), products, linear.narrow(1, 6 * plan.window, 2)), 1)
    if plan.mean:
        found.narrow(1, 4, 1).add_(anchor)
    return found[:, plan.columns]


def _of_unit_trace(matrices: Tensor) -> Tensor:
    return matrices / matrices.diagonal(dim1=1, dim2=2).sum(1).view(-1, 1, 1)


def _dtype_of(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


def _require_real(argument: str, given: object) -> None:
    if not isinstance(given, Tensor):
        raise InputTypeError(argument, described(f"a {type(given).__name__}"), "a tensor of real numbers")
    if given.is_complex():
        raise InputTypeError(argument, described(f"a tensor of {given.dtype}"), "a tensor of real numbers")


def _read_statistics(statistics: Any) -> tuple[str, ...]:
    names = (statistics,) if isinstance(statistics, str) else statistics
    if not isinstance(names, Sequence) or not names:
        raise InputTypeError("statistics", statistics, f"one or more of {', '.join(map(repr, STATISTICS))}")
    for name in names:
        if name not in STATISTICS:
            raise UnknownNameError("statistics", name, STATISTICS)
    return tuple(names)


def _require_steps(argument: str, steps: int, names: tuple[str, ...]) -> None:
    shortest = max(_SHORTEST[name] for name in names)
    if steps < shortest:
        raise WindowError(argument, steps, f"at least {shortest} steps for {', '.join(names)}")


def _read_count(argument: str, given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, Integral) or int(given) < 1:
        raise ValueRangeError(argument, given, "a whole number of at least 1")
    return int(given)


def _read_window(window: Any, names: tuple[str, ...]) -> int:
    if isinstance(window, bool) or not isinstance(window, Integral):
        raise WindowError("window", window, "a whole number of steps")
    _require_steps("window", int(window), names)
    return int(window)


def _read_dim(dim: Any, dimensions: int) -> int:
    if not isinstance(dim, Integral) or not -dimensions <= int(dim) < dimensions:
        raise ValueRangeError("dim", dim, f"a dimension of x, which has {dimensions}")
    return int(dim)
