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
    "bifurcations": None,
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
    "companion_eigenvalue": "ews.indicators.autoregression",
    "corrected_autocorrelation": "ews.indicators.autoregression",
    "dfa_exponent": "ews.indicators.scaling",
    "hurst_exponent": "ews.indicators.scaling",
    "lempel_ziv_complexity": "ews.indicators.complexity",
    "permutation_entropy": "ews.indicators.complexity",
    "sample_entropy": "ews.indicators.complexity",
    "conditional_heteroskedasticity": "ews.indicators.heteroskedasticity",
    "HeteroskedasticityTest": "ews.indicators.heteroskedasticity",
    "heteroskedasticity_test": "ews.indicators.heteroskedasticity",
    "IndependenceTest": "ews.indicators.independence",
    "bds": "ews.indicators.independence",
    "TimeVaryingAutoregression": "ews.indicators.time_varying",
    "time_varying_ar": "ews.indicators.time_varying",
}

__all__ = [
    "DetectConfig",
    "Detection",
    "Detections",
    "HeteroskedasticityTest",
    "IndependenceTest",
    "PowerSpectrum",
    "Significance",
    "TimeVaryingAutoregression",
    "__version__",
    "autocorrelation",
    "bds",
    "bifurcations",
    "changepoints",
    "companion_eigenvalue",
    "conditional_heteroskedasticity",
    "corrected_autocorrelation",
    "cv",
    "datasets",
    "decay_time",
    "density_ratio",
    "detect",
    "detrend",
    "dfa_exponent",
    "errors",
    "heteroskedasticity_test",
    "hurst_exponent",
    "indicators",
    "kurtosis",
    "lempel_ziv_complexity",
    "mean",
    "models",
    "nulls",
    "permutation_entropy",
    "power_spectrum",
    "restoring_rate",
    "return_rate",
    "rolling",
    "sample_entropy",
    "significance",
    "skewness",
    "smax",
    "spectral_exponent",
    "std",
    "time_varying_ar",
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
    from ews import bifurcations, changepoints, datasets, detrend, errors, indicators, models, nulls, trends
    from ews._detect import detect
    from ews._rolling import rolling
    from ews._significance import significance
    from ews.indicators.autoregression import companion_eigenvalue, corrected_autocorrelation
    from ews.indicators.complexity import lempel_ziv_complexity, permutation_entropy, sample_entropy
    from ews.indicators.heteroskedasticity import (
        HeteroskedasticityTest,
        conditional_heteroskedasticity,
        heteroskedasticity_test,
    )
    from ews.indicators.independence import IndependenceTest, bds
    from ews.indicators.memory import autocorrelation, decay_time, restoring_rate, return_rate
    from ews.indicators.moments import cv, kurtosis, mean, skewness, std, variance
    from ews.indicators.scaling import dfa_exponent, hurst_exponent
    from ews.indicators.spectrum import density_ratio, smax, spectral_exponent
    from ews.indicators.time_varying import TimeVaryingAutoregression, time_varying_ar
    from ews.indicators.welch import PowerSpectrum, power_spectrum
    from ews.results import DetectConfig, Detection, Detections, Significance
