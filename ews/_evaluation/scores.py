"""Scores: one number for a record, larger where it speaks more for a coming transition.

A method of :func:`ews.evaluate` is a :class:`Score`, or a name in :data:`SCORERS`, or the name of a registered
indicator. To add a detector by name, write one line in :data:`SCORERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ews._common import checks
from ews._common.publish import public
from ews.errors import InputTypeError, UnknownNameError, ValueRangeError, described
from ews.indicators import registry

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCORERS", "Direction", "Method", "Score", "TrendScore", "resolve_methods"]

Direction = Literal["up", "down", "both"]
DIRECTIONS: tuple[Direction, ...] = ("up", "down", "both")


@public("ews")
@runtime_checkable
class Score(Protocol):
    """Anything that turns the data up to a time into one number; larger warns more, NaN never does.

    A function ``score(record) -> float`` is one. The record is a pandas Series, indexed by time, that ends at the time
    for which the score is asked: nothing later is in it. It must not depend on anything but the record, and it may be
    called from several threads at once.
    """

    def __call__(self, record: pd.Series) -> float:
        """Score the record."""


@public("ews")
@dataclass(frozen=True)
class TrendScore:
    """The trend of a windowed indicator, turned so that larger warns more.

    Attributes
    ----------
    indicator : str
        Name of a registered indicator.
    direction : {"up", "down", "both"} or None
        Which trend warns: the statistic itself, its negative, or its modulus. None takes the indicator's own direction
        of alarm; give another one where theory says so, as for the lag-1 autocorrelation before a period doubling,
        which falls.

    Raises
    ------
    ews.errors.UnknownNameError
        If there is no such indicator or direction.

    Examples
    --------
    >>> import ews
    >>> ews.TrendScore("ac1", direction="down").name
    'ac1 (down)'
    """

    indicator: str
    direction: Direction | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.indicator, str):
            raise InputTypeError("indicator", self.indicator, "the name of a registered indicator")
        registry.get(self.indicator)
        if self.direction is not None:
            checks.choice("direction", self.direction, DIRECTIONS)

    @property
    def name(self) -> str:
        """What tables call it: the indicator, and the direction where it was chosen."""
        return self.indicator if self.direction is None else f"{self.indicator} ({self.direction})"

    def turned(self, trend: Any) -> Any:
        """Orient a trend statistic, or an array of them, so that larger warns more."""
        chosen = self.direction or registry.get(self.indicator).alarm
        return trend if chosen == "up" else -trend if chosen == "down" else abs(trend)


@dataclass(frozen=True)
class Method:
    """One method as it is run: the trend of an indicator, or a function of the record."""

    name: str
    trend: TrendScore | None
    function: Callable[[Any], float] | None


# Records come here clean: what is uneven in one is that missing="drop" was asked for, so that its order counts.
def _likelihood(record: Any) -> float:
    from ews import bifurcations

    return float(bifurcations.likelihood(record, noise="additive", n_bootstrap=0, missing="drop").ratio)


def _jacobian(record: Any) -> float:
    from ews import bifurcations

    return float(bifurcations.jacobian(record, n_surrogates=0, missing="drop").tau)


def _langevin(record: Any) -> float:
    from ews import bifurcations

    return float(bifurcations.langevin(record, n_surrogates=0, missing="drop").tau)


def _restoring(record: Any) -> float:
    from ews import bifurcations

    return float(bifurcations.restoring(record, n_surrogates=0, n_bootstrap=0, missing="drop").tau)


def _classifier(record: Any) -> float:
    from ews import bifurcations

    return bifurcations.classifier(record, history=0, n_surrogates=0, missing="drop").evidence


# Name → score of a record, for the detectors that are no trend of an indicator: one line adds one.
SCORERS: dict[str, Score] = {
    "classifier": _classifier,
    "likelihood": _likelihood,
    "jacobian": _jacobian,
    "langevin": _langevin,
    "restoring": _restoring,
}


def resolve_methods(given: Any) -> dict[str, Method]:
    """Methods by the names that tables use, in the order given."""
    if isinstance(given, str) or callable(given) or isinstance(given, TrendScore):
        given = (given,)
    if isinstance(given, Mapping):
        found = {str(name): _method(one, str(name)) for name, one in given.items()}
    else:
        try:
            listed = [_method(one, None) for one in given]
        except TypeError:
            raise InputTypeError("methods", given, "a sequence of names and functions, or a dict of them") from None
        found = {one.name: one for one in listed}
        if len(found) < len(listed):
            names = [one.name for one in listed]
            twice = next(name for place, name in enumerate(names) if name in names[:place])
            raise ValueRangeError("methods", described(f"{twice!r} twice"), "each once; a dict gives them names")
    if not found:
        raise ValueRangeError("methods", described("no method"), "at least one")
    return found


def _method(given: Any, name: str | None) -> Method:
    if isinstance(given, TrendScore):
        return Method(name or given.name, given, None)
    if isinstance(given, str):
        if given in SCORERS:
            return Method(name or given, None, SCORERS[given])
        if given not in registry.names():
            raise UnknownNameError("methods", given, (*registry.names(), *SCORERS))
        return Method(name or given, TrendScore(given), None)
    if callable(given):
        return Method(name or str(getattr(given, "__name__", type(given).__name__)), None, given)
    raise InputTypeError("methods", given, "names of indicators or detectors, ews.TrendScore, or functions of a record")
