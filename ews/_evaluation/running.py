"""Scores of all records by all methods, of the whole record and of the data up to earlier times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._common.progress import ProgressOption
from ews._evaluation.scores import Method
from ews._significance.pipeline import CHUNK_SAMPLES, Pipeline, in_chunks
from ews._significance.resolve import resolve_pipeline
from ews.errors import ArgumentError, InputTypeError, described
from ews.series import Series

__all__ = ["Analysis", "cleaned", "running_scores"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# Detrending an exact line leaves up to 1e-14 of the values' size.
ROUNDING = 1e-13


@dataclass(frozen=True)
class Analysis:
    """How the trend of an indicator is made; the window and the bandwidth may be fractions of what is analysed."""

    window: float  # window length
    detrend: str | None
    bandwidth: float | None  # its bandwidth or span
    trend: str
    causal: bool  # whether each time sees the past only
    season: int | None  # period taken out first, in samples

    def pipeline(self, n: int, step: float, indicators: Sequence[str]) -> Pipeline:
        """The same choices for a record of length `n`."""
        return resolve_pipeline(n=n, step=step, level=np.zeros(n), indicators=tuple(indicators), **vars(self))


def running_scores(
    series: Sequence[Series],
    methods: Mapping[str, Method],
    lengths: IntArray,
    analysis: Analysis,
    *,
    progress: ProgressOption = None,
) -> dict[str, FloatArray]:
    """Score the first ``lengths[i, j]`` samples of series i, for every j, by every method; the last is all.

    Larger warns more; −∞ where the score is undefined, as such a method gives no warning.
    """
    from ews._kernels.jit import announce_compilation

    out = {name: np.full(lengths.shape, -np.inf) for name in methods}
    jobs = [*_trend_jobs(series, methods, lengths, analysis, out), *_function_jobs(series, methods, lengths, out)]
    announce_compilation()

    def run(first: int, count: int) -> None:
        for job in jobs[first : first + count]:
            job()

    in_chunks(run, len(jobs), n=CHUNK_SAMPLES, progress=progress)  # one job a chunk
    return out


def _trend_jobs(
    series: Sequence[Series],
    methods: Mapping[str, Method],
    lengths: IntArray,
    analysis: Analysis,
    out: dict[str, FloatArray],
) -> list[Callable[[], None]]:
    """Trends of all indicators together, for blocks of records that are equally long."""
    trends = {name: one.trend for name, one in methods.items() if one.trend is not None}
    if not trends:
        return []
    indicators = list(dict.fromkeys(one.indicator for one in trends.values()))
    alike: dict[tuple[int, float], list[int]] = {}
    for place, one in enumerate(series):
        alike.setdefault((len(one), one.step), []).append(place)
    jobs: list[Callable[[], None]] = []
    for (n, step), places in alike.items():
        whole = _named(analysis, n, step, indicators, series[places[0]])
        block = max(1, CHUNK_SAMPLES // n)
        for column, length in enumerate(lengths[places[0]]):
            pipeline = whole if length == n else _where_possible(analysis, int(length), step, indicators)
            if pipeline is None:
                continue
            for first in range(0, len(places), block):
                rows = places[first : first + block]

                def job(rows: list[int] = rows, column: int = column, pipeline: Pipeline = pipeline) -> None:
                    values = np.stack([series[row].values[: pipeline.level.size] for row in rows])
                    measured = dict(zip(indicators, _trends(pipeline, values), strict=True))
                    for name, one in trends.items():
                        found = one.turned(measured[one.indicator])
                        out[name][rows, column] = np.where(np.isnan(found), -np.inf, found)

                jobs.append(job)
    return jobs


def _named(analysis: Analysis, n: int, step: float, indicators: Sequence[str], one: Series) -> Pipeline:
    """The pipeline of whole records; one that is too short is named."""
    try:
        return analysis.pipeline(n, step, indicators)
    except ArgumentError as error:
        if error.argument != "series":
            raise
        raise type(error)(f"series {one.name!r}", error.given, error.allowed) from None


def _where_possible(analysis: Analysis, n: int, step: float, indicators: Sequence[str]) -> Pipeline | None:
    """The pipeline of the start of a record, or None while that is too short for it."""
    try:
        return analysis.pipeline(n, step, indicators)
    except ArgumentError:
        return None


def _trends(pipeline: Pipeline, values: FloatArray) -> FloatArray:
    """Trend statistic of each indicator of each row, of shape (indicators, rows)."""
    residual, defined = cleaned(values, pipeline.plan.rows(values))
    found = pipeline.tau(pipeline.measure(residual, values))
    found[:, ~defined] = np.nan
    return found


def cleaned(values: FloatArray, taken: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """What detrending leaves of each row, rounding set to zero; and whether that is more than rounding."""
    residual = values - taken
    residual[np.abs(residual) <= 8 * np.finfo(np.float64).eps * np.abs(values)] = 0.0
    spread = np.nanmax(residual, axis=1) - np.nanmin(residual, axis=1)
    return residual, spread > ROUNDING * np.abs(values).max(axis=1)


def _function_jobs(
    series: Sequence[Series], methods: Mapping[str, Method], lengths: IntArray, out: dict[str, FloatArray]
) -> list[Callable[[], None]]:
    jobs: list[Callable[[], None]] = []
    for name, method in methods.items():
        function = method.function
        if function is None:
            continue
        for place, one in enumerate(series):
            for column, length in enumerate(lengths[place]):

                def job(
                    name: str = name,
                    function: Callable[[Any], float] = function,
                    place: int = place,
                    column: int = column,
                    length: int = int(length),
                    one: Series = one,
                ) -> None:
                    score = _called(function, name, one, length)
                    out[name][place, column] = -np.inf if np.isnan(score) else score

                jobs.append(job)
    return jobs


def _called(function: Callable[[Any], float], name: str, one: Series, length: int) -> float:
    import pandas as pd

    record = pd.Series(one.values[:length].copy(), index=pd.Index(one.time[:length], name=one.time_name), name=one.name)
    try:
        score = function(record)
    except ArgumentError:
        if length == len(one):
            raise
        return float("nan")  # the start of a record can be too short for a method
    try:
        return float(score)
    except (TypeError, ValueError):
        given = described(f"{type(score).__name__} from method {name!r}")
        raise InputTypeError("methods", given, "functions that return one number") from None
