"""Early-warning signals of tipping points: windowed indicators, tested against a null through the whole pipeline.

``ews.detect(series)`` answers whether a system is losing resilience. The building blocks are public too: indicators
(``ews.variance``, …), ``ews.rolling``, ``ews.detrend``, ``ews.trends``, ``ews.nulls``, ``ews.significance``.
Names load on first use, so that ``import ews`` is cheap.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name → the module that holds it; a name that maps to None is itself a module.
_HOMES: dict[str, str | None] = {
    "Ages": "ews._common.ages",
    "Detection": "ews.results",
    "DetectConfig": "ews.results",
    "Detections": "ews.results",
    "Significance": "ews.results",
    "SpreadWithLevel": "ews._common.values",
    "ValueCounts": "ews._common.values",
    "Recognised": "ews._tables.result",
    "Table": "ews._tables.result",
    "bifurcations": None,
    "changepoints": None,
    "datasets": None,
    "detect": "ews._analysis.detect.run",
    "DetectManyConfig": "ews._analysis.many.result",
    "DetectionMap": "ews._analysis.many.result",
    "detect_many": "ews._analysis.many.run",
    "map_figure": "ews._analysis.many.figure",
    "detrend": None,
    "errors": None,
    "indicators": None,
    "models": None,
    "nulls": None,
    "read_table": "ews._tables.run",
    "ScoreTest": "ews._analysis.score_tests.result",
    "ScoreTests": "ews._analysis.score_tests.result",
    "ScoreTestsConfig": "ews._analysis.score_tests.result",
    "rolling": "ews._analysis.rolling",
    "score_tests": "ews._analysis.score_tests.run",
    "length_needed": "ews._analysis.detect.length",
    "significance": "ews._significance.surrogates",
    "trends": None,
    # several variables
    "MultivariateConfig": "ews._analysis.multivariate.result",
    "MultivariateDetection": "ews._analysis.multivariate.result",
    "detect_multivariate": "ews._analysis.multivariate.run",
    "multivariate": None,
    # evaluation
    "Evaluation": "ews._evaluation.evaluate.result",
    "EvaluationConfig": "ews._evaluation.evaluate.result",
    "LeadTimes": "ews._evaluation.evaluate.lead_times",
    "Roc": "ews._evaluation.roc.result",
    "RocDifference": "ews._evaluation.roc.result",
    "Score": "ews._evaluation.scores",
    "TrendScore": "ews._evaluation.scores",
    "compare_roc": "ews._evaluation.roc.run",
    "evaluate": "ews._evaluation.evaluate.run",
    "roc": "ews._evaluation.roc.run",
    "SensitivityConfig": "ews._evaluation.sensitivity.result",
    "SensitivityMap": "ews._evaluation.sensitivity.result",
    "sensitivity": "ews._evaluation.sensitivity.run",
    "Benchmark": "ews._evaluation.benchmark.result",
    "BenchmarkCell": "ews._evaluation.benchmark.result",
    "BenchmarkConfig": "ews._evaluation.benchmark.result",
    "benchmark": "ews._evaluation.benchmark.run",
    "false_discovery": "ews._common.false_discovery",
    # maps
    "SpatialConfig": "ews._analysis.spatial.result",
    "SpatialDetection": "ews._analysis.spatial.result",
    "detect_spatial": "ews._analysis.spatial.run",
    "spatial": None,
    # alarms as a record grows, and shifts after the fact
    "AbruptShift": "ews._analysis.abrupt_shift.result",
    "AbruptShiftConfig": "ews._analysis.abrupt_shift.result",
    "Composite": "ews._analysis.composite.result",
    "CompositeConfig": "ews._analysis.composite.result",
    "abrupt_shift": "ews._analysis.abrupt_shift.run",
    "composite": "ews._analysis.composite.run",
    # one observation at a time
    "IndicatorMonitor": "ews._monitor.indicator_monitor",
    "Monitor": "ews._monitor.monitor",
    "MonitorAlarm": "ews._monitor.update",
    "MonitorCalibration": "ews._monitor.result",
    "MonitorConfig": "ews._monitor.result",
    "MonitorState": "ews._monitor.result",
    "MonitorUpdate": "ews._monitor.update",
    "SequentialConfig": "ews._monitor.update",
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
    "rosa": "ews.indicators.ratio_of_spectra",
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

# What was called otherwise before.
_RENAMED = {"Assessment": "Detection", "Assessments": "Detections"}

__all__ = [
    "AbruptShift",
    "AbruptShiftConfig",
    "Ages",
    "Benchmark",
    "BenchmarkCell",
    "BenchmarkConfig",
    "Composite",
    "CompositeConfig",
    "DetectConfig",
    "DetectManyConfig",
    "Detection",
    "DetectionMap",
    "Detections",
    "Evaluation",
    "EvaluationConfig",
    "HeteroskedasticityTest",
    "IndependenceTest",
    "IndicatorMonitor",
    "LeadTimes",
    "Monitor",
    "MonitorAlarm",
    "MonitorCalibration",
    "MonitorConfig",
    "MonitorState",
    "MonitorUpdate",
    "MultivariateConfig",
    "MultivariateDetection",
    "PowerSpectrum",
    "Recognised",
    "Roc",
    "RocDifference",
    "Score",
    "ScoreTest",
    "ScoreTests",
    "ScoreTestsConfig",
    "SensitivityConfig",
    "SensitivityMap",
    "SequentialConfig",
    "Significance",
    "SpatialConfig",
    "SpatialDetection",
    "SpreadWithLevel",
    "Table",
    "TimeVaryingAutoregression",
    "TrendScore",
    "ValueCounts",
    "__version__",
    "abrupt_shift",
    "autocorrelation",
    "bds",
    "benchmark",
    "bifurcations",
    "changepoints",
    "companion_eigenvalue",
    "compare_roc",
    "composite",
    "conditional_heteroskedasticity",
    "corrected_autocorrelation",
    "cv",
    "datasets",
    "decay_time",
    "density_ratio",
    "detect",
    "detect_many",
    "detect_multivariate",
    "detect_spatial",
    "detrend",
    "dfa_exponent",
    "errors",
    "evaluate",
    "false_discovery",
    "heteroskedasticity_test",
    "hurst_exponent",
    "indicators",
    "kurtosis",
    "lempel_ziv_complexity",
    "length_needed",
    "map_figure",
    "mean",
    "models",
    "multivariate",
    "nulls",
    "permutation_entropy",
    "power_spectrum",
    "read_table",
    "restoring_rate",
    "return_rate",
    "roc",
    "rolling",
    "rosa",
    "sample_entropy",
    "score_tests",
    "sensitivity",
    "significance",
    "skewness",
    "smax",
    "spatial",
    "spectral_exponent",
    "std",
    "time_varying_ar",
    "trends",
    "variance",
]


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        warnings.warn(
            f"ews.{name} is now ews.{_RENAMED[name]}, and will go in a later release", DeprecationWarning, stacklevel=2
        )
        name = _RENAMED[name]
    if name not in _HOMES:
        raise AttributeError(f"module 'ews' has no attribute {name!r}")
    home = _HOMES[name]
    found = importlib.import_module(f"ews.{name}") if home is None else getattr(importlib.import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if TYPE_CHECKING:
    from ews import (
        bifurcations,
        changepoints,
        datasets,
        detrend,
        errors,
        indicators,
        models,
        multivariate,
        nulls,
        spatial,
        trends,
    )
    from ews._analysis.abrupt_shift.result import AbruptShift, AbruptShiftConfig
    from ews._analysis.abrupt_shift.run import abrupt_shift
    from ews._analysis.composite.result import Composite, CompositeConfig
    from ews._analysis.composite.run import composite
    from ews._analysis.detect.length import length_needed
    from ews._analysis.detect.run import detect
    from ews._analysis.many.figure import map_figure
    from ews._analysis.many.result import DetectionMap, DetectManyConfig
    from ews._analysis.many.run import detect_many
    from ews._analysis.multivariate.result import MultivariateConfig, MultivariateDetection
    from ews._analysis.multivariate.run import detect_multivariate
    from ews._analysis.rolling import rolling
    from ews._analysis.score_tests.result import ScoreTest, ScoreTests, ScoreTestsConfig
    from ews._analysis.score_tests.run import score_tests
    from ews._analysis.spatial.result import SpatialConfig, SpatialDetection
    from ews._analysis.spatial.run import detect_spatial
    from ews._common.ages import Ages
    from ews._common.false_discovery import false_discovery
    from ews._common.values import SpreadWithLevel, ValueCounts
    from ews._evaluation.benchmark.result import Benchmark, BenchmarkCell, BenchmarkConfig
    from ews._evaluation.benchmark.run import benchmark
    from ews._evaluation.evaluate.lead_times import LeadTimes
    from ews._evaluation.evaluate.result import Evaluation, EvaluationConfig
    from ews._evaluation.evaluate.run import evaluate
    from ews._evaluation.roc.result import Roc, RocDifference
    from ews._evaluation.roc.run import compare_roc, roc
    from ews._evaluation.scores import Score, TrendScore
    from ews._evaluation.sensitivity.result import SensitivityConfig, SensitivityMap
    from ews._evaluation.sensitivity.run import sensitivity
    from ews._monitor.indicator_monitor import IndicatorMonitor
    from ews._monitor.monitor import Monitor
    from ews._monitor.result import MonitorCalibration, MonitorConfig, MonitorState
    from ews._monitor.update import MonitorAlarm, MonitorUpdate, SequentialConfig
    from ews._significance.surrogates import significance
    from ews._tables.result import Recognised, Table
    from ews._tables.run import read_table
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
    from ews.indicators.ratio_of_spectra import rosa
    from ews.indicators.scaling import dfa_exponent, hurst_exponent
    from ews.indicators.spectrum import density_ratio, smax, spectral_exponent
    from ews.indicators.time_varying import TimeVaryingAutoregression, time_varying_ar
    from ews.indicators.welch import PowerSpectrum, power_spectrum
    from ews.results import DetectConfig, Detection, Detections, Significance
