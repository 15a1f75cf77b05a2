"""The one registry of windowed indicators: what each is called, what it needs and which direction is an alarm.

To add an indicator, write it in the file of its family and call :func:`register` there once. ``ews.rolling``,
``ews.detect``, the command line, the contract tests and the docs find it from there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ews._common import checks
from ews._common.alarms import Alarm
from ews._common.publish import public

if TYPE_CHECKING:
    from ews.indicators.fused import Windows

__all__ = ["Indicator", "get", "names", "register", "unregister"]

FloatArray = npt.NDArray[np.float64]


@public("ews.indicators")
@dataclass(frozen=True, slots=True)
class Indicator:
    """What the library knows of one windowed indicator.

    Attributes
    ----------
    name : str
        The name used in ``indicators=(...)``.
    label : str
        How a figure or a table names it.
    compute : callable
        ``compute(windows) -> array`` of shape (rows, time), NaN before the first full window.
    alarm : {"up", "down", "both"}
        The direction of change that warns of a loss of resilience.
    shortest_window : int
        Fewest samples in a window for which the value is defined.
    shift : bool
        Adding a constant to the series leaves the values unchanged.
    scale : {"invariant", "linear", "quadratic", "none"}
        What multiplying the series by a > 0 does to the values: nothing, times a, times a², something else.
    mirror : {"invariant", "flips", "none"}
        What multiplying the series by −1 does to the values: nothing, changes their sign, something else.
    reference : str
        Where the definition comes from.
    moments : tuple of str
        Which statistics of the fused pass it is made of (see :class:`ews.indicators.fused.Windows`).
    gaps : {"break", "skip"}, default "break"
        What a missing sample does where `min_count` allows for some: its windows have no value, or the definition
        leaves the sample out. Where it breaks, :meth:`measured` blanks those windows, and `compute` need not look for
        them.
    constant : {"undefined", "zero", "level"}, default "undefined"
        What a window of equal samples gives: no value, exactly 0, or the level itself.
    slowing : bool, default True
        Whether linear slowing down alone moves it in its direction of alarm.
    function : str, default ""
        Name of the public function of :mod:`ews` that gives the same values, if it is another than `name`.
    options : mapping of str to object
        With which options that function gives them.
    """

    name: str
    label: str
    compute: Callable[[Windows], FloatArray]
    alarm: Alarm
    shortest_window: int
    shift: bool
    scale: Literal["invariant", "linear", "quadratic", "none"]
    mirror: Literal["invariant", "flips", "none"]
    reference: str
    moments: tuple[str, ...] = ()
    gaps: Literal["break", "skip"] = "break"
    constant: Literal["undefined", "zero", "level"] = "undefined"
    slowing: bool = True
    function: str = ""
    options: Mapping[str, object] = field(default_factory=dict)

    def measured(self, windows: Windows) -> FloatArray:
        """The indicator in every window, with no value where a window is not all there.

        Parameters
        ----------
        windows : ews.indicators.fused.Windows
            The rows seen through the window.

        Returns
        -------
        ndarray of shape (rows, time)
            NaN before the first full window and, where gaps break it, in each window with a sample that is not finite.
        """
        values = self.compute(windows)
        if self.gaps == "skip" or windows.complete:
            return values
        return np.where(windows.count() == windows.window, values, np.nan)


_FAMILIES = (
    "ews.indicators.moments",
    "ews.indicators.memory",
    "ews.indicators.spectrum",
    "ews.indicators.autoregression",
    "ews.indicators.scaling",
    "ews.indicators.complexity",
    "ews.indicators.heteroskedasticity",
)
_registry: dict[str, Indicator] = {}


def register(indicator: Indicator) -> Indicator:
    """Add `indicator` to the registry under its name.

    Parameters
    ----------
    indicator : Indicator
        The description; its name must be new.

    Returns
    -------
    Indicator
        The same object.

    Raises
    ------
    ValueError
        If the name is taken.

    Examples
    --------
    >>> import ews
    >>> spread = ews.indicators.Indicator(
    ...     name="relative_variance",
    ...     label="Variance over mean",
    ...     compute=lambda windows: windows.moment("variance") / windows.raw_mean(),
    ...     alarm="up",
    ...     shortest_window=2,
    ...     shift=False,
    ...     scale="linear",
    ...     mirror="flips",
    ...     reference="index of dispersion",
    ...     moments=("variance",),
    ... )
    >>> _ = ews.indicators.register(spread)
    >>> ews.rolling([1.0, 3.0, 3.0, 9.0], window=2, indicators="relative_variance")["relative_variance"]
    array([nan,  1.,  0.,  3.])
    >>> ews.indicators.registry.unregister("relative_variance")
    """
    if indicator.name in _registry:
        raise ValueError(f"an indicator named {indicator.name!r} is registered already")
    _registry[indicator.name] = indicator
    _in_order.cache_clear()
    return indicator


def unregister(name: str) -> None:
    """Forget an indicator, so that its name is free again.

    Parameters
    ----------
    name : str
        A registered name.

    Raises
    ------
    ews.errors.UnknownNameError
        If no indicator has that name.

    Examples
    --------
    See :func:`register`, which it undoes.

    >>> import ews
    >>> ews.indicators.registry.unregister("varience")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ews.errors.UnknownNameError: indicators: got 'varience'; allowed: one of ... (did you mean 'variance'?)
    """
    get(name)
    del _registry[name]
    _in_order.cache_clear()


def get(name: str) -> Indicator:
    """Look up an indicator by name.

    Parameters
    ----------
    name : str
        A registered name.

    Returns
    -------
    Indicator
        Its description.

    Raises
    ------
    ews.errors.UnknownNameError
        If no indicator has that name; the nearest one is suggested.

    Examples
    --------
    >>> import ews
    >>> ews.indicators.get("return_rate").alarm
    'down'
    """
    _load()
    known = _registry.get(name) if type(name) is str else None
    return known or _registry[checks.choice("indicators", name, names())]


def names() -> tuple[str, ...]:
    """Names of all registered indicators, in the order in which their families are listed.

    Returns
    -------
    tuple of str
        The names.

    Examples
    --------
    >>> import ews
    >>> ews.indicators.names()[:3]
    ('mean', 'variance', 'std')
    """
    _load()
    return _in_order()


@cache
def _in_order() -> tuple[str, ...]:
    """The names until the registry changes; sorting keeps the order within a family."""
    return tuple(sorted(_registry, key=_place))


@cache
def _load() -> None:
    """Import the families, each of which registers its indicators."""
    for family in _FAMILIES:
        importlib.import_module(family)


def _place(name: str) -> int:
    """Where the family of an indicator is listed; one that a user registered comes after all of them."""
    home = _registry[name].compute.__module__
    return _FAMILIES.index(home) if home in _FAMILIES else len(_FAMILIES)
