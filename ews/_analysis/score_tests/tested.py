"""Scores held against those of surrogates: what every record's score tests end with, one series, several or maps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ews._analysis.score_tests.paths import Path
from ews._analysis.score_tests.result import ScoreTest
from ews._analysis.score_tests.statistics import Scored
from ews._common.alarms import Statistic, closed_test

__all__ = ["fields_of", "half_width", "tests_of"]

FloatArray = npt.NDArray[np.float64]


def half_width(alpha: float) -> float:
    """Standard errors to either side of an interval that holds 1 − `alpha`."""
    from scipy.special import ndtri

    return -float(ndtri(0.5 * alpha))


def tests_of(
    scored: Sequence[Scored],
    tested: Sequence[Statistic],
    observed: FloatArray,
    table: FloatArray,
    paths: Sequence[Path],
    alpha: float,
    *,
    shapes: Sequence[str] | None = None,
) -> tuple[ScoreTest, ...]:
    """The tests of scores, (statistics,), against those of surrogates, (statistics, n_surrogates).

    `paths` are what drifted, and `shapes` of which shape the largest score was: that of the path, where none are given.
    """
    single, adjusted = closed_test(observed, table, tested)
    half = half_width(alpha)
    return tuple(
        ScoreTest(
            name=one.name,
            score=float(observed[i]),
            shape=path.shape if shapes is None else shapes[i],
            pvalue=float(single[i]),
            adjusted=float(adjusted[i]),
            start=float(path.value[0]),
            end=float(path.value[-1]),
            drift_low=path.drift - half * path.drift_error,
            drift_high=path.drift + half * path.drift_error,
            warns=one.warns,
        )
        for i, (one, path) in enumerate(zip(scored, paths, strict=True))
    )


def fields_of(**paths: Path) -> dict[str, Any]:
    """The paths as fields of the result: value, lower and upper of each, made when they are asked for."""
    return {
        name + end: partial(getattr, path, part)
        for name, path in paths.items()
        for end, part in (("", "value"), ("_lower", "lower"), ("_upper", "upper"))
    }
