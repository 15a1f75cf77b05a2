"""What :func:`ews.score_tests` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from ews._common.layout import Report
from ews._common.lazy import lazy_arrays
from ews._common.publish import public
from ews._common.result import Result
from ews.series import Series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ScoreTest", "ScoreTests", "ScoreTestsConfig"]

FloatArray = npt.NDArray[np.float64]


@public("ews")
@dataclass(frozen=True, slots=True)
class ScoreTestsConfig:
    """Every choice behind a :class:`ScoreTests`, as resolved for the series.

    Attributes
    ----------
    transform : str or None
        What the values were transformed by first: a name, or the qualified name of a function.
    detrend : str or None
        Detrending method.
    bandwidth : float or None
        Its bandwidth or span, as given.
    causal : bool
        Whether only past samples were used at each time.
    season : int or None
        Period taken out first, in samples.
    limit : float or None
        Robust standard deviations to which outliers are pulled in.
    null : str
        Null model of the surrogates.
    n_surrogates : int
        How many surrogates.
    alpha : float
        Family-wise level of the tests; intervals hold 1 − `alpha`.
    until : str or None
        Last time used, as given.
    missing, duplicates : str
        How gaps and repeated times were handled.
    seed : int
        Seed of the surrogates.
    measurement_error : {"constant", "drifting"} or None
        Which measurement error was allowed for, asked for or by default.
    """

    transform: str | None
    detrend: str | None
    bandwidth: float | None
    causal: bool
    season: int | None
    limit: float | None
    null: str
    n_surrogates: int
    alpha: float
    until: str | None
    missing: str
    duplicates: str
    seed: int
    measurement_error: Literal["default", "constant", "drifting"] | None = None


@public("ews")
@dataclass(frozen=True, slots=True)
class ScoreTest:
    """One score test of a drift.

    Attributes
    ----------
    name : {"memory towards +1", "memory towards −1", "damping", "variance"}
        What drifts.
    score : float
        The largest score over the shapes that it is tested for: studentised for memory and damping.
    shape : {"linear", "fold-like", "late"}
        The shape of that score.
    pvalue : float
        One-sided p of it alone; NaN without surrogates.
    adjusted : float
        Family-wise p over the four tests (closed testing by weighted min-p).
    start, end : float
        What drifts, at the first and the last time: the coefficient φ, the squared modulus of the complex pair, or the
        standard deviation in the units of the series.
    drift_low, drift_high : float
        1 − alpha interval of ``end - start``.
    warns : bool
        Whether a drift of it speaks of lost resilience: noise that grows does not.
    """

    name: str
    score: float
    shape: str
    pvalue: float
    adjusted: float
    start: float
    end: float
    drift_low: float
    drift_high: float
    warns: bool


@public("ews")
@lazy_arrays(*(name + end for name in ("memory", "modulus", "spread") for end in ("", "_lower", "_upper")))
@dataclass(frozen=True, eq=False)
class ScoreTests(Result):
    """Score tests of the drift of an autoregression, with the paths of what drifts.

    Attributes
    ----------
    series : Series
        The series that was analysed, with notes on what was done to it.
    trend, residual : ndarray of shape (n,)
        What detrending took out and what it left, in the series' units.
    tests : tuple of ScoreTest
        Memory towards +1, memory towards −1, damping, variance.
    memory, memory_lower, memory_upper : ndarray of shape (n,)
        The coefficient φ of r[t] = φ r[t−1] + e[t] with a drift of the shape that fits best, and its interval.
    modulus, modulus_lower, modulus_upper : ndarray of shape (n,)
        The squared modulus of the complex pair of a second-order autoregression with a linear drift, and its interval.
    spread, spread_lower, spread_upper : ndarray of shape (n,)
        The standard deviation with a linear drift of its logarithm, and its interval, in the series' units.
    detrend_sentence, null_sentence : str
        What was taken out, and what the scores were tested against.
    config : ScoreTestsConfig
        Every choice and the seed.
    error_likely : bool
        Whether memory two steps apart is stronger than memory over one step implies, as measurement error makes it.
    """

    series: Series
    trend: FloatArray
    residual: FloatArray
    tests: tuple[ScoreTest, ...]
    memory: FloatArray
    memory_lower: FloatArray
    memory_upper: FloatArray
    modulus: FloatArray
    modulus_lower: FloatArray
    modulus_upper: FloatArray
    spread: FloatArray
    spread_lower: FloatArray
    spread_upper: FloatArray
    detrend_sentence: str
    null_sentence: str
    config: ScoreTestsConfig
    error_likely: bool = False

    _derived: ClassVar = ("warning", "kinds")
    _table: ClassVar = (
        "trend",
        "residual",
        "memory",
        "memory_lower",
        "memory_upper",
        "modulus",
        "modulus_lower",
        "modulus_upper",
        "spread",
        "spread_lower",
        "spread_upper",
    )

    def __getitem__(self, name: str) -> ScoreTest:
        from ews.errors import UnknownNameError

        by_name = {one.name: one for one in self.tests}
        if name not in by_name:
            raise UnknownNameError("name", name, by_name)
        return by_name[name]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the tests that reject at the family-wise level, most significant first."""
        found = [one for one in self.tests if one.adjusted <= self.config.alpha]
        return tuple(one.name for one in sorted(found, key=lambda one: (one.adjusted, one.pvalue)))

    @property
    def warning(self) -> bool:
        """Whether memory or damping drifts towards instability at the family-wise level."""
        return any(self[name].warns for name in self.kinds)

    def _report(self) -> Report:
        from ews._analysis.score_tests.text import report

        return report(self)

    def __repr__(self) -> str:
        from ews._common.words import p_clause

        found = ", ".join(f"{one} {p_clause(self[one].adjusted).replace(' ', '')}" for one in self.kinds)
        name = self.series.name or "series"
        return f"<ScoreTests of {name!r}: {found or 'no drift'}; n={len(self.series)}, seed={self.config.seed}>"

    def plot(self) -> Figure:
        """The series above the paths of memory, modulus and spread, with their intervals.

        Returns
        -------
        matplotlib.figure.Figure
            Four panels on one axis of time.
        """
        from ews._analysis.score_tests.figure import draw

        return draw(self)
