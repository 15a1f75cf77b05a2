"""What :func:`ews.detect_many` found in arrays and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ews._analysis.many.codes import FIELDS, KINDS, REASONS, TESTS, VERDICTS
from ews._common.false_discovery import FalseDiscoveryMethod, false_discovery
from ews._common.layout import Report
from ews._common.plain import field_types
from ews._common.publish import public
from ews._common.result import Result
from ews._common.words import number_text, p_text, sentence

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["DetectManyConfig", "DetectionMap", "from_fields"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_LISTED = 20


@public("ews")
@dataclass(frozen=True, slots=True)
class DetectManyConfig:
    """Every choice behind a map.

    Attributes
    ----------
    null : str
        Null model of the surrogates, or "table" or "pooled".
    n_surrogates : int
        How many surrogates of each series, of each table, or in the pool.
    alpha : float
        Level of the test of each series.
    fdr : {"bh", "by"}
        How q-values were made.
    detrend : str or None
        What was taken out.
    bandwidth : float or None
        Its bandwidth; None for its own.
    causal : bool
        Whether only past samples were used.
    season : int or None
        Period that was taken out first, in samples.
    transform : str or None
        What the values were transformed by.
    measurement_error : str or None
        Which measurement error was allowed for.
    seed : int
        Seed of every random number.
    """

    null: str
    n_surrogates: int
    alpha: float
    fdr: str
    detrend: str | None
    bandwidth: float | None
    causal: bool
    season: int | None
    transform: str | None
    measurement_error: str | None
    seed: int


@public("ews")
@dataclass(frozen=True, eq=False)
class DetectionMap(Result):
    """Early-warning analysis of many series: an array of each number, shaped as the data are without time.

    Attributes
    ----------
    names : tuple of str
        Of the series, where they have any: the columns of a table, or its groups.
    verdict : ndarray of int
        Place in ``DetectionMap.VERDICTS``: 0 "no warning", 1 "inconclusive", 2 "warning"; −1 where nothing was tested.
    kind : ndarray of int
        Place in ``DetectionMap.KINDS``: 0 "none", 1 "variance only", 2 "flickering", 3 "slowing down"; −1 likewise.
    reason : ndarray of int
        Place in ``DetectionMap.REASONS``: 0 "tested", or why there is no answer.
    n : ndarray of int
        How many observations were used.
    pvalue : ndarray of float
        Of the warning: the smallest family-wise p among the tests that may warn; NaN where nothing was tested.
    qvalue : ndarray of float
        q-value over all series that were tested.
    drift : ndarray of float
        How far the lag-1 coefficient moved from the first observation to the last.
    power : ndarray of float
        Share of positive controls that would have warned, of the kind that is seen least.
    z : ndarray of float, of shape (…, 4)
        Scores of the tests in ``DetectionMap.TESTS``.
    adjusted : ndarray of float, of shape (…, 4)
        Family-wise p of each.
    config : DetectManyConfig
        Every choice and the seed.
    """

    names: tuple[str, ...]
    verdict: IntArray
    kind: IntArray
    reason: IntArray
    n: IntArray
    pvalue: FloatArray
    qvalue: FloatArray
    drift: FloatArray
    power: FloatArray
    z: FloatArray
    adjusted: FloatArray
    config: DetectManyConfig

    VERDICTS: ClassVar = VERDICTS
    KINDS: ClassVar = KINDS
    REASONS: ClassVar = REASONS
    TESTS: ClassVar = TESTS
    _derived: ClassVar = ("shape",)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the data, without time."""
        return self.verdict.shape

    @classmethod
    def _read_fields(cls, saved: Mapping[str, Any]) -> dict[str, Any]:
        """Of one series an array is written as a number: it has no dimension."""
        if saved.get("shape") != []:
            return super()._read_fields(saved)
        own: Any = cls
        alone = [
            name for name in field_types(own) if name not in ("names", "config", "z", "adjusted") and name in saved
        ]
        found = super()._read_fields({**saved, **{name: [saved[name]] for name in alone}})
        return found | {name: found[name].reshape(()) for name in alone}

    def warnings(self, rate: float = 0.05, *, method: FalseDiscoveryMethod | None = None) -> npt.NDArray[np.bool_]:
        """Which series warn at a false discovery rate over all of them.

        Parameters
        ----------
        rate : float, default 0.05
            Expected share of false warnings among them, at most.
        method : {"bh", "by"}, optional
            See :func:`ews.false_discovery` (default: that of the map).

        Returns
        -------
        ndarray of bool
            Shaped as the map.

        Raises
        ------
        ews.errors.ArgumentError
            If the rate is not between 0 and 1, or the method is not known.
        """
        from ews._common import checks

        rate = checks.alpha(rate, "rate")
        q = self.qvalue if method is None else false_discovery(self.pvalue, method=method)
        return np.asarray(q <= rate)

    def _labels(self) -> list[str]:
        if self.names:
            return list(self.names)
        return [",".join(map(str, place)) or "the series" for place in np.ndindex(self.shape)]

    def _report(self) -> Report:
        config = self.config
        tested = int(np.count_nonzero(self.verdict >= 0))
        said = tuple(
            f"{int(np.count_nonzero(self.verdict == code))} of {tested} series: {name}"
            for code, name in reversed(list(enumerate(VERDICTS)))
        )
        report = Report(f"Early-warning signals in {self.verdict.size:,} series", answers=said)
        found = int(np.count_nonzero(self.warnings()))
        how = {"bh": "Benjamini & Hochberg", "by": "Benjamini & Yekutieli"}[config.fdr]
        report.section(
            "Over all",
            f"{found} warn at a false discovery rate of 0.05 ({how}); at level {config.alpha:g} each, chance alone "
            f"gives up to {number_text(config.alpha * tested, 3)} warnings.",
        )
        null = {
            "table": "tabulated surrogates of AR(1) noise",
            "pooled": "surrogates of AR(1) noise of series all over the map, together",
        }.get(config.null, f"surrogates by {config.null!r}")
        many = f"{config.n_surrogates:,}{'' if config.null == 'pooled' else ' of each'}"
        report.section("Null", sentence(f"{null}, {many}, seed {config.seed}"))
        missing = [
            f"{int(np.count_nonzero(self.reason == code)):,} {name}"
            for code, name in enumerate(REASONS)
            if code and (self.reason == code).any()
        ]
        if missing:
            report.section("No answer", sentence(", ".join(missing)))
        order = np.argsort(np.where(np.isnan(self.pvalue), np.inf, self.pvalue), axis=None, kind="stable")[:_LISTED]
        labels = self._labels() if self.verdict.size <= 1_000_000 else None
        rows = []
        for place in order:
            code = int(self.verdict.flat[place])
            rows.append(
                [
                    labels[place] if labels is not None else str(np.unravel_index(place, self.shape)),
                    VERDICTS[code] if code >= 0 else REASONS[int(self.reason.flat[place])],
                    p_text(float(self.pvalue.flat[place])),
                    p_text(float(self.qvalue.flat[place])),
                    number_text(float(self.drift.flat[place]), 2),
                ]
            )
        report.table(["series", "verdict", "p", "q", "drift"], rows)
        return report

    def to_frame(self) -> pd.DataFrame:
        """One row a series.

        Returns
        -------
        pandas.DataFrame
            Columns verdict, kind, reason (in words), n, pvalue, qvalue, drift, power, and z and adjusted p of each
            test; indexed by name, or by place in the array.
        """
        import pandas as pd

        def words(codes: IntArray, names: tuple[str, ...]) -> list[str | None]:
            return [names[code] if code >= 0 else None for code in codes.reshape(-1)]

        columns: dict[str, Any] = {
            "verdict": words(self.verdict, VERDICTS),
            "kind": words(self.kind, KINDS),
            "reason": words(self.reason, REASONS),
        }
        columns |= {name: getattr(self, name).reshape(-1) for name in ("n", "pvalue", "qvalue", "drift", "power")}
        for name in ("z", "adjusted"):
            columns |= {f"{name} {test}": getattr(self, name)[..., i].reshape(-1) for i, test in enumerate(TESTS)}
        index: Any = pd.Index(self.names, name="series") if self.names else None
        if index is None:
            ranges = [pd.RangeIndex(size) for size in self.shape]
            index = pd.MultiIndex.from_product(ranges) if len(ranges) > 1 else pd.RangeIndex(self.verdict.size)
        return pd.DataFrame(columns, index=index)

    def plot(self) -> Figure:
        """A map of verdict, p and drift of two-dimensional data; else a row for each series.

        Returns
        -------
        matplotlib.figure.Figure
            The figure; of more than 50 rows the first page (see :meth:`pages`).
        """
        from ews._analysis.many.figure import map_figure, rows_figure

        return map_figure(self) if len(self.shape) == 2 else rows_figure(self, 0)

    def pages(self) -> list[Figure]:
        """A row for each series, 50 on a page.

        Returns
        -------
        list of matplotlib.figure.Figure
            The pages, in the order of the data.
        """
        from ews._analysis.many.figure import PER_PAGE, rows_figure

        return [rows_figure(self, first) for first in range(0, max(self.verdict.size, 1), PER_PAGE)]

    def __repr__(self) -> str:
        counts = ", ".join(f"{int(np.count_nonzero(self.verdict == i))} {name}" for i, name in enumerate(VERDICTS))
        size = " × ".join(map(str, self.shape)) or "one"
        return f"<DetectionMap of {size} series: {counts}; null={self.config.null!r}, seed={self.config.seed}>"


def from_fields(fields: FloatArray, names: tuple[str, ...], config: DetectManyConfig) -> DetectionMap:
    """The result of fields, (…, fields)."""
    k = len(TESTS)
    first = FIELDS.index("z_0")
    named = {name: fields[..., i] for i, name in enumerate(FIELDS[:first])}
    return DetectionMap(
        names=names,
        verdict=named["verdict"].astype(np.int64),
        kind=named["kind"].astype(np.int64),
        reason=named["reason"].astype(np.int64),
        n=named["n"].astype(np.int64),
        pvalue=named["pvalue"].copy(),
        qvalue=false_discovery(named["pvalue"], method=config.fdr),  # type: ignore[arg-type]
        drift=named["drift"].copy(),
        power=named["power"].copy(),
        z=fields[..., first : first + k].copy(),
        adjusted=fields[..., first + k :].copy(),
        config=config,
    )
