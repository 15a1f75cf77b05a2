"""A detection put together by hand, so that what reads results is tested on numbers that are known and cost nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ews.results import DetectConfig, Detection, IndicatorSeries, SurrogateBand
from ews.series import as_series

INDICATORS = {
    # name: label, alarm, trend, interval, p, adjusted p
    "variance": ("Variance", "up", 0.37, (-0.21, 0.68), 0.162, 0.41),
    "ac1": ("Lag-1 autocorrelation", "up", 0.84, (0.55, 0.93), 0.0004, 0.0008),
    "skewness": ("Skewness", "both", -0.53, (-0.77, 0.12), 0.094, 0.27),
}


def make(
    *,
    name: str | None = "lake",
    n: int = 60,
    dates: bool = False,
    n_surrogates: int = 200,
    verdict: str = "warning",
    trend: str = "kendall",
    indicators: tuple[str, ...] = ("variance", "ac1", "skewness"),
    offset: float = 5.0,
) -> Detection:
    """A detection with the numbers of INDICATORS; without surrogates all but the trends are NaN, as in a real one."""
    generator = np.random.default_rng(4)
    window = n // 2
    time = np.datetime64("2015-05-01") + np.arange(n) if dates else np.arange(n, dtype=np.float64)
    series = as_series(offset + generator.standard_normal(n), time=time, name=name)
    values = {}
    for place, one in enumerate(indicators):
        values[one] = np.full(n, np.nan)
        values[one][window - 1 :] = np.linspace(0.1, 0.9, n - window + 1) + 0.05 * generator.standard_normal(
            n - window + 1
        )
        values[one] += place
    tested = n_surrogates > 0
    nan = float("nan")
    band = {one: SurrogateBand(x - 0.3, x * 0 + 0.5, x + 0.3) for one, x in values.items()} if tested else {}
    return Detection(
        verdict=verdict,  # type: ignore[arg-type]
        reasons=("lag-1 autocorrelation rises (τ = +0.84)", "variance rises, within what the null gives"),
        series=series,
        trend=np.full(n, offset),
        residual=series.values - offset,
        indicators={one: IndicatorSeries(one, *INDICATORS[one][:2], values[one], series.time) for one in indicators},
        tau={one: INDICATORS[one][2] for one in indicators},
        pvalue={one: INDICATORS[one][4] if tested else nan for one in indicators},
        pvalue_adjusted={one: INDICATORS[one][5] if tested else nan for one in indicators},
        tau_interval={one: INDICATORS[one][3] if tested else (nan, nan) for one in indicators},
        surrogate_tau={one: generator.uniform(-0.9, 0.9, n_surrogates) for one in indicators},
        surrogate_band=band,
        power=0.34 if tested else None,
        power_sentence="positive control: a fold at the end of the record",
        config=DetectConfig(
            window=window, window_fraction=window / n, detrend="gaussian", bandwidth=0.2, indicators=indicators,
            trend=trend, null="ar1", n_surrogates=n_surrogates, alpha=0.05, causal=False, until=None, missing="raise",
            duplicates="raise", season=None, seed=1729,
        ),
        detrend_sentence="Gaussian kernel smoother, bandwidth 0.2 of the record, centred: it uses later samples too",
        null_sentence="AR(1) noise fitted to the residual (coefficient 0.123)",
    )  # fmt: skip


@pytest.fixture
def make_detection() -> Callable[..., Detection]:
    """The function that puts a detection together."""
    return make
