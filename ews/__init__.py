"""Early-warning signals of tipping points: windowed indicators, tested against a null through the whole pipeline.

``ews.detect(series)`` answers whether a system is losing resilience. The building blocks are public too: indicators
(``ews.variance``, …), ``ews.rolling``, ``ews.detrend``, ``ews.trends``, ``ews.nulls``, ``ews.significance``.
Names load on first use, so that ``import ews`` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name → the module that holds it; a name that maps to None is itself a module.
_HOMES: dict[str, str | None] = {
    "Detection": "ews.results",
    "DetectConfig": "ews.results",
    "Detections": "ews.results",
    "Significance": "ews.results",
    "changepoints": None,
    "datasets": None,
    "detect": "ews._detect",
    "detrend": None,
    "errors": None,
    "indicators": None,
    "models": None,
    "nulls": None,
    "rolling": "ews._rolling",
    "significance": "ews._significance",
    "trends": None,
    # indicators, by family
    "mean": "ews.indicators.moments",
    "variance": "ews.indicators.moments",
    "std": "ews.indicators.moments",
    "cv": "ews.indicators.moments",
    "skewness": "ews.indicators.moments",
    "kurtosis": "ews.indicators.moments",
    "autocorrelation": "ews.indicators.memory",
    "decay_time": "ews.indicators.memory",
    "restoring_rate": "ews.indicators.memory",
    "return_rate": "ews.indicators.memory",
    "density_ratio": "ews.indicators.spectrum",
    "smax": "ews.indicators.spectrum",
    "spectral_exponent": "ews.indicators.spectrum",
    "PowerSpectrum": "ews.indicators.welch",
    "power_spectrum": "ews.indicators.welch",
}

__all__ = [
    "DetectConfig",
    "Detection",
    "Detections",
    "PowerSpectrum",
    "Significance",
    "__version__",
    "autocorrelation",
    "changepoints",
    "cv",
    "datasets",
    "decay_time",
    "density_ratio",
    "detect",
    "detrend",
    "errors",
    "indicators",
    "kurtosis",
    "mean",
    "models",
    "nulls",
    "power_spectrum",
    "restoring_rate",
    "return_rate",
    "rolling",
    "significance",
    "skewness",
    "smax",
    "spectral_exponent",
    "std",
    "trends",
    "variance",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ews' has no attribute {name!r}")
    home = _HOMES[name]
    found = importlib.import_module(f"ews.{name}") if home is None else getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if TYPE_CHECKING:
    from ews import changepoints, datasets, detrend, errors, indicators, models, nulls, trends
    from ews._detect import detect
    from ews._rolling import rolling
    from ews._significance import significance
    from ews.indicators.memory import autocorrelation, decay_time, restoring_rate, return_rate
    from ews.indicators.moments import cv, kurtosis, mean, skewness, std, variance
    from ews.indicators.spectrum import density_ratio, smax, spectral_exponent
    from ews.indicators.welch import PowerSpectrum, power_spectrum
    from ews.results import DetectConfig, Detection, Detections, Significance
